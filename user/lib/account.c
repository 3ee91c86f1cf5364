/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define ROOM_FIRST 1024
#define ROOM_MOST  (1 << 20) /* an entry longer than this is no user's */

static int find_entry(struct account *out, const char *name)
{
	struct passwd entry, *found = NULL;
	size_t room = ROOM_FIRST;
	char *text = NULL;
	int err;

	do {
		text = memory_resize(text, room, 1);
		err = getpwnam_r(name, &entry, text, room, &found);
		room *= 2;
	} while (err == ERANGE && room <= ROOM_MOST);
	if (found) {
		out->uid = entry.pw_uid;
		out->gid = entry.pw_gid;
	}
	free(text);
	if (found)
		return 0;
	return err ? -err : -ENOENT;
}

int account_find(struct account *out, const char *name)
{
	int count = 16, err;

	memset(out, 0, sizeof(*out));
	err = find_entry(out, name);
	if (err)
		return err;
	out->groups = memory_new((size_t)count, sizeof(*out->groups));
	if (getgrouplist(name, out->gid, out->groups, &count) < 0) {
		/* now `count` is how many there are; should there be more meanwhile, those are left out */
		out->groups = memory_resize(out->groups, (size_t)count, sizeof(*out->groups));
		getgrouplist(name, out->gid, out->groups, &count);
	}
	out->group_count = count;
	return 0;
}

void account_clear(struct account *account)
{
	free(account->groups);
	memset(account, 0, sizeof(*account));
}

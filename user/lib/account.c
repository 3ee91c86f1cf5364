/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/text.h"

#define USERS  "/etc/passwd"
#define GROUPS "/etc/group"

static int find_user(struct account *out, const char *name)
{
	FILE *file = fopen(USERS, "re");
	const struct passwd *entry;

	if (!file)
		return -errno;
	while ((entry = fgetpwent(file)) && strcmp(entry->pw_name, name) != 0)
		;
	if (entry) {
		out->uid = entry->pw_uid;
		out->gid = entry->pw_gid;
	}
	fclose(file);
	return entry ? 0 : -ENOENT;
}

static void add_group(struct account *account, gid_t gid)
{
	account->groups = memory_resize(account->groups, (size_t)account->group_count + 1, sizeof(*account->groups));
	account->groups[account->group_count++] = gid;
}

static bool is_member(const struct group *group, const char *name)
{
	for (char **member = group->gr_mem; *member; member++)
		if (strcmp(*member, name) == 0)
			return true;
	return false;
}

static int find_groups(struct account *account, const char *name)
{
	FILE *file = fopen(GROUPS, "re");
	const struct group *group;

	if (!file && errno != ENOENT)
		return -errno;
	add_group(account, account->gid);
	while (file && (group = fgetgrent(file)))
		if (group->gr_gid != account->gid && is_member(group, name))
			add_group(account, group->gr_gid);
	if (file)
		fclose(file);
	return 0;
}

int account_find(struct account *out, const char *name)
{
	int err;

	memset(out, 0, sizeof(*out));
	err = find_user(out, name) ?: find_groups(out, name);
	if (err)
		memset(out, 0, sizeof(*out));
	return err;
}

void account_clear(struct account *account)
{
	free(account->groups);
	memset(account, 0, sizeof(*account));
}

bool account_name(uid_t uid, char name[ACCOUNT_NAME])
{
	FILE *file = fopen(USERS, "re");
	const struct passwd *entry = NULL;

	*name = '\0';
	while (file && (entry = fgetpwent(file)) && entry->pw_uid != uid)
		;
	if (entry)
		text_clean(name, ACCOUNT_NAME, entry->pw_name, strlen(entry->pw_name));
	if (file)
		fclose(file);
	return entry;
}

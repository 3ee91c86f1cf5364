/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/commands.h"
#include "backend/undo.h"
#include "lib/log.h"

/* Without a record only our filters can be known for ours. */
static int down_without_state(struct rtnetlink *rtnl, const struct host *host, const char *path)
{
	unsigned int changes = 0;
	int result = 0;

	for (size_t i = 0; i < host->link_count; i++) {
		int err = undo_filters(rtnl, &host->links[i], &changes);

		result = result ? result : err;
	}
	if (changes)
		log_warning(
			"%s is missing, so VIPs on the loopback interface, ARP settings and the clsact qdisc are left "
			"as they are: what was there before `up` is not known",
			path);
	else if (!result)
		puts("not up: nothing to do");
	return result;
}

static int down_with_state(struct rtnetlink *rtnl, const struct host *host, const struct state *state, const char *path)
{
	unsigned int changes = 0;
	int err = undo_unwanted(rtnl, host, state, &changes); /* a loaded state wants nothing */

	if (err) {
		log_error("%s stays; run `sluice-backend down` again when the cause is removed", path);
		return err;
	}
	if (unlink(path)) {
		err = -errno;
		log_error("%s: cannot remove the state file: %s", path, strerror(-err));
		return err;
	}
	puts("down");
	return 0;
}

int command_down(const struct options *options)
{
	struct rtnetlink *rtnl = NULL;
	struct host host = {0};
	struct state state = {0};
	int lock = state_lock(options->state_path, false);
	int err = lock;

	if (err < 0 && err != -ENOENT)
		return err;
	err = rtnetlink_open(&rtnl);
	if (err)
		log_error("cannot open a netlink socket: %s", strerror(-err));
	if (!err)
		err = host_read(&host, rtnl);
	if (err)
		goto out;
	err = state_load(&state, options->state_path);
	if (err == -ENOENT)
		err = down_without_state(rtnl, &host, options->state_path);
	else if (!err)
		err = down_with_state(rtnl, &host, &state, options->state_path);
out:
	state_free(&state);
	host_free(&host);
	rtnetlink_close(rtnl);
	if (lock >= 0)
		close(lock);
	return err;
}

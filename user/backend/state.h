/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What `up` changed and what was there before, kept in a file so that `down`
 * restores exactly that. The file is written before the host is changed: after
 * a crash it names at least everything that was done.
 */
#ifndef SLUICE_BACKEND_STATE_H
#define SLUICE_BACKEND_STATE_H

#include <net/if.h>

#include "backend/options.h"

/* Transient in all of these: `wanted` is false for what `up` is to undo; it is not written. */

struct state_vip {
	struct prefix prefix;
	bool added; /* by us; false: it was there before and stays */
	bool wanted;
};

struct state_link {
	char name[IFNAMSIZ];
	__u32 ifindex;
	bool clsact_added; /* by us */
	bool wanted;
};

struct state_sysctl {
	char interface[IFNAMSIZ];
	char setting[32]; /* of net.ipv4.conf.INTERFACE */
	int before;
	int set;
	bool wanted;
};

struct state {
	struct state_vip *vips;
	size_t vip_count;
	struct state_link links[2 * BACKEND_MAX_LINKS]; /* former and wanted ones */
	size_t link_count;
	struct state_sysctl sysctls[6 * BACKEND_MAX_LINKS];
	size_t sysctl_count;
	/* what `up` was told, for `status` and to say what changed */
	struct prefixes from;
	__u16 gue_port;
	int mss;
	__u32 mtu;
};

/*
 * Waits for the lock that keeps two commands on one state file apart; makes the
 * file's folder if `make_folder`. A descriptor to close, -ENOENT if there is no
 * folder, or another negative errno, reported.
 */
int state_lock(const char *path, bool make_folder);

/*
 * 0; -ENOENT if there is no file (and *state is empty); another negative errno,
 * reported, if it is unreadable or of another network namespace. Free with
 * state_free in any case.
 */
int state_load(struct state *state, const char *path);

/* Writes the file atomically. 0 or a negative errno, reported. */
int state_save(const struct state *state, const char *path);

void state_free(struct state *state);

/* NULL if there is none. */
struct state_vip *state_find_vip(struct state *state, const struct prefix *prefix);
struct state_link *state_find_link(struct state *state, const char *name);
struct state_sysctl *state_find_sysctl(struct state *state, const char *interface, const char *setting);

/* Append an entry and return it; NULL if there is no room for a link or sysctl. */
struct state_vip *state_add_vip(struct state *state, const struct prefix *prefix);
struct state_link *state_add_link(struct state *state, const char *name, __u32 ifindex);
struct state_sysctl *state_add_sysctl(struct state *state, const char *interface, const char *setting);

/* Removes the entries that are not wanted. */
void state_prune(struct state *state);

#endif

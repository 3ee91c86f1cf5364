/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The deny list: prefixes whose packets no service takes, each for a time or for good. Filled at run time by
 * operators. Pure: no system call, no clock, no map. Times are milliseconds of the monotonic clock.
 *
 * It also knows which prefixes the kernel's maps hold, so that a change costs what it changes, not what the list is
 * long, and can be brought there a piece at a time.
 */
#ifndef SLUICE_DENY_H
#define SLUICE_DENY_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"

#define DENY_FOREVER 0 /* in place of a time */

struct deny;

struct deny *deny_new(void);
void deny_free(struct deny *deny); /* NULL is fine */

size_t deny_count(const struct deny *deny);

/*
 * The prefix is denied until then, also if it was before until another time. 1: it was not; 0: it was; -ENOSPC: there
 * are SLUICE_MAX_DENIED, drafts included.
 */
int deny_add(struct deny *deny, const struct prefix *prefix, __u64 until);

/*
 * Keeps a place for a prefix that is to be added in a moment, together with others: all or none. 0, or -ENOSPC. Either
 * deny_add() or deny_undraft() follows.
 */
int deny_draft(struct deny *deny, const struct prefix *prefix);
void deny_undraft(struct deny *deny, const struct prefix *prefix); /* fine if there is no draft of it */

/* Whether it was there. */
bool deny_remove(struct deny *deny, const struct prefix *prefix);

/* Removes those whose time is over, up to `most`. Returns how many. */
size_t deny_expire(struct deny *deny, __u64 now, size_t most);

/* When the next one's time is over, 0: never. */
__u64 deny_next(const struct deny *deny);

struct denied {
	struct prefix prefix;
	__u64 until; /* or DENY_FOREVER */
};

/*
 * The list, a piece at a time: the first prefix at the place *at or behind it, which moves to behind the one returned;
 * start with 0. False: there is no more. One that is there all the while is met once, whatever changes meanwhile.
 */
bool deny_walk(const struct deny *deny, __u32 *at, struct denied *out);

/*
 * FEATURE_DENY4 and FEATURE_DENY6 as the program needs them. A family that had prefixes keeps its feature until
 * deny_settle(): to load the program anew whenever the last of a few ends would cost more than a look into an empty
 * map.
 */
__u32 deny_features(const struct deny *deny);
void deny_settle(struct deny *deny);

/* What the maps have to be told: the same for prefixes of one family. */
struct deny_change {
	__u32 family; /* AF_INET or AF_INET6 */
	bool add;     /* else they are to be removed */
};

/*
 * The next of it: up to `most` prefixes into `prefixes`, removals first, so that the maps never overflow. Returns how
 * many; 0: the maps hold the list.
 */
size_t deny_due(const struct deny *deny, struct deny_change *change, struct prefix *prefixes, size_t most);

/* The first `count` of those were done. */
void deny_done(struct deny *deny, const struct deny_change *change, size_t count);

/* The maps are new: what they hold, deny_found() tells of each prefix. False: it is not on the list. */
void deny_forget_maps(struct deny *deny);
bool deny_found(struct deny *deny, const struct prefix *prefix);

#endif

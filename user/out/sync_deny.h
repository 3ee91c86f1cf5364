/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The deny list's maps: LPM tries, written in batches and only where they differ from the list. */
#ifndef SLUICE_SYNC_DENY_H
#define SLUICE_SYNC_DENY_H

#include "model/deny.h"
#include "out/maps.h"

#define SYNC_DENY_BATCH 256 /* what one step changes at most; it takes about a millisecond */

/* One step. Returns how many prefixes it changed, 0: the maps hold the list; or a negative errno, with no log line. */
int sync_deny(const struct maps *maps, struct deny *deny);

/* For maps of which `deny` knows nothing yet: all of it. 0, or a negative errno with the reason in the log. */
int sync_deny_whole(const struct maps *maps, struct deny *deny);

#endif

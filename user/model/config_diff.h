/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a new configuration changes, in words. */
#ifndef SLUICE_CONFIG_DIFF_H
#define SLUICE_CONFIG_DIFF_H

#include <jansson.h>

#include "model/config.h"

struct health;

/*
 * A new reference to an array of {"change": "add"|"remove"|"change", "what": "backend web/web3",
 * "detail": "weight 100 -> 50"}; empty if nothing changes. `from` may be NULL (nothing runs). Removals stand before
 * additions within each kind; the hash key is never shown.
 *
 * A change that cuts or misleads established connections also has a "warning", a text. `health` tells which
 * backends have none to lose; NULL: all have some.
 */
json_t *config_diff(const struct config *from, const struct config *to, const struct health *health);

#endif

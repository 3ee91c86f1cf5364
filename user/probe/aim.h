/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Where a probe goes: through the VIP or to the backend's own address, which port, mark and source. */
#ifndef SLUICE_PROBE_AIM_H
#define SLUICE_PROBE_AIM_H

#include <linux/types.h>
#include <stdbool.h>

#include "model/config.h"
#include "model/health.h"
#include "probe/prober.h"

struct aim {
	enum probe_via via; /* VIA_VIP or VIA_ADDRESS */
	struct address address, source;
	__u16 port; /* host byte order; 0: the probe has none */
	__u32 mark;
	char why[96]; /* VIA_ADDRESS where VIA_AUTO was asked for: why not through the VIP */
};

/*
 * Asks the agent, for pool and backend by index and the backend's address. False: this host cannot
 * probe it now, and `text` says why.
 */
bool aim_take(struct aim *aim, const struct prober_ask *ask, size_t pool, size_t backend, const struct address *address,
	      const struct config_probe *probe, char text[HEALTH_TEXT]);

#endif

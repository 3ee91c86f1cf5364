/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "probe/aim.h"

#include <stdio.h>

static __u16 port_of(const struct config_probe *probe, __u16 service)
{
	if (probe->type == PROBE_PING)
		return 0;
	if (probe->port)
		return probe->port;
	return service ?: config_probe_usual_port(probe->type);
}

static bool take_vip(struct aim *aim, const struct prober_ask *ask, size_t pool, size_t backend,
		     const struct prober_vip *vip, char text[HEALTH_TEXT])
{
	char why[96] = "no VIP leads to it";

	aim->via = VIA_VIP;
	aim->address = vip->address;
	aim->source = vip->source;
	if (vip->address.family)
		aim->mark = ask->mark(ask->argument, pool, backend, why);
	else if (*vip->why)
		snprintf(why, sizeof(why), "%s", vip->why);
	if (!aim->mark)
		snprintf(text, HEALTH_TEXT, "no way through the VIP: %s", why);
	return aim->mark;
}

static bool take_address(struct aim *aim, const struct prober_ask *ask, const struct address *address,
			 char text[HEALTH_TEXT])
{
	char why[96] = "", name[ADDRESS_TEXT];

	aim->via = VIA_ADDRESS;
	aim->address = *address;
	aim->source = (struct address){0};
	if (ask->reachable(ask->argument, address, why))
		return true;
	snprintf(text, HEALTH_TEXT, "this host has no way to %s: %s", address_format(address, name), why);
	return false;
}

bool aim_take(struct aim *aim, const struct prober_ask *ask, size_t pool, size_t backend, const struct address *address,
	      const struct config_probe *probe, char text[HEALTH_TEXT])
{
	struct prober_vip vip = {0};

	*aim = (struct aim){0};
	ask->vip(ask->argument, pool, backend, probe, &vip);
	aim->port = port_of(probe, vip.port);
	/* a program is told the backend's address and the service's port, and goes where it likes */
	if (probe->type == PROBE_EXEC)
		return take_address(aim, ask, address, text);
	if (probe->type != PROBE_PING && !aim->port) {
		snprintf(text, HEALTH_TEXT, "no port: name one in the probe");
		return false;
	}
	/* where a VIP leads to it, never by its address: that might answer where clients get nothing */
	if (probe->via == VIA_VIP || (probe->via == VIA_AUTO && vip.address.family))
		return take_vip(aim, ask, pool, backend, &vip, text);
	snprintf(aim->why, sizeof(aim->why), "%s", probe->via == VIA_AUTO ? vip.why : "");
	return take_address(aim, ask, address, text);
}

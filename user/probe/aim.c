/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "probe/aim.h"

#include <stdio.h>

#define DNS_PORT 53

static __u16 port_of(const struct config_probe *probe, __u16 service)
{
	if (probe->type == PROBE_PING)
		return 0;
	if (probe->port)
		return probe->port;
	return !service && probe->type == PROBE_DNS ? DNS_PORT : service;
}

/* Through the VIP, if that is possible now; else aim->why tells why not. */
static bool take_vip(struct aim *aim, const struct prober_ask *ask, size_t pool, size_t backend,
		     const struct prober_vip *vip)
{
	if (!vip->address.family) {
		snprintf(aim->why, sizeof(aim->why), "%s", *vip->why ? vip->why : "no VIP leads to it");
		return false;
	}
	aim->mark = ask->mark(ask->argument, pool, backend, aim->why);
	if (!aim->mark)
		return false;
	aim->via = VIA_VIP;
	aim->address = vip->address;
	aim->source = vip->source;
	*aim->why = '\0';
	return true;
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
	if (probe->via != VIA_ADDRESS && take_vip(aim, ask, pool, backend, &vip))
		return true;
	if (probe->via == VIA_VIP) {
		snprintf(text, HEALTH_TEXT, "no way through the VIP: %s", aim->why);
		return false;
	}
	return take_address(aim, ask, address, text);
}

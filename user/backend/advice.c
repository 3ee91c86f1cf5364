/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/advice.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "backend/sysctl.h"

void advice_add(json_t *array, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_array_append_new(array, json_string(text));
}

static bool has_family(const struct state *state, __u32 family)
{
	for (size_t i = 0; i < state->vip_count; i++)
		if (state->vips[i].prefix.address.family == family)
			return true;
	return false;
}

static void advise_link(json_t *array, const struct state *state, const struct host_link *link)
{
	int disabled = 0;

	if (!link->up)
		advice_add(array, "%s is down: `ip link set %s up`", link->name, link->name);
	if (has_family(state, AF_INET) && sysctl_effective("ipv4", link->name, "rp_filter") == 1)
		advice_add(
			array,
			"%s has a strict reverse path filter (rp_filter = 1): clients whose route does not leave by %s "
			"get no answer; if some do not, run `up` with --rp-filter loose",
			link->name, link->name);
	if (has_family(state, AF_INET) && sysctl_effective("ipv4", link->name, "arp_ignore") < 1)
		advice_add(array,
			   "net.ipv4.conf.%s.arp_ignore was set to 0 since `up`: this host answers ARP for the VIPs; "
			   "run `up` again",
			   link->name);
	if (has_family(state, AF_INET6) && !sysctl_read("ipv6", link->name, "disable_ipv6", &disabled) && disabled)
		advice_add(array, "IPv6 is off on %s (net.ipv6.conf.%s.disable_ipv6): packets for IPv6 VIPs are lost",
			   link->name, link->name);
}

void advice_collect(json_t *array, const struct state *state, const struct host *host)
{
	for (size_t i = 0; i < state->link_count; i++) {
		const struct host_link *link = host_link_by_index(host, state->links[i].ifindex);

		if (link)
			advise_link(array, state, link);
	}
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Interfaces that the program is attached to, and VLAN devices above them, for the reports. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "lib/ethtool.h"
#include "out/report_part.h"

#define TAG_ID		  0xfff
#define TAG_PRIORITY(tag) ((tag) >> 13 & 7)

static size_t tag_format(__be32 tag, char *text, size_t room)
{
	__u32 host = ntohl(tag), type = host >> 16;
	int length;

	if (type == ETH_P_8021Q || type == ETH_P_8021AD)
		length = snprintf(text, room, "%s %u", type == ETH_P_8021Q ? "802.1Q" : "802.1ad", host & TAG_ID);
	else
		length = snprintf(text, room, "0x%04x %u", type, host & TAG_ID);
	if (TAG_PRIORITY(host))
		length += snprintf(text + length, room - (size_t)length, " priority %u", TAG_PRIORITY(host));
	return (size_t)length;
}

char *report_tags_format(const struct next_hop *hop, char text[static REPORT_TAGS])
{
	size_t length = 0;

	text[0] = '\0';
	for (__u8 i = 0; i < hop->tags; i++) {
		if (i)
			length += (size_t)snprintf(text + length, REPORT_TAGS - length, ", ");
		length += tag_format(hop->tag[i], text + length, REPORT_TAGS - length);
	}
	return text;
}

/* Which tags somebody relies on at this interface: ETHTOOL_STRIPS_*. */
static unsigned int tags_wanted(const struct state *state, const struct link *link)
{
	unsigned int wanted = 0;

	for (const struct link *one = state->network.links; one; one = one->hh.next)
		if (one->tag && one->parent == link->ifindex)
			wanted |= ntohl(one->tag) >> 16 == ETH_P_8021AD ? ETHTOOL_STRIPS_STAG : ETHTOOL_STRIPS_CTAG;
	for (size_t i = 0; i < state->config->service_count; i++)
		if (state->config->services[i].vlan)
			wanted |= ETHTOOL_STRIPS_CTAG | ETHTOOL_STRIPS_STAG;
	return wanted;
}

/* A veth claims to strip tags, but whether frames bring theirs is up to its peer: it is never told of. */
static json_t *hint(const struct state *state, const char *name)
{
	const struct link *link = network_link_by_name(&state->network, name);
	unsigned int hidden = link && strcmp(link->kind, "veth") != 0 ? tags_wanted(state, link) : 0;

	hidden &= hidden ? ethtool_strips(name) : 0;
	if (!hidden)
		return json_null();
	return json_sprintf("its hardware takes VLAN tags off before XDP sees them: ethtool -K %s%s%s", name,
			    hidden & ETHTOOL_STRIPS_CTAG ? " rxvlan off" : "",
			    hidden & ETHTOOL_STRIPS_STAG ? " rx-vlan-stag-hw-parse off" : "");
}

json_t *report_interfaces(const struct report *report)
{
	json_t *interfaces = report->dataplane ? dataplane_interfaces_json(report->dataplane) : json_array(), *one;
	size_t i;

	json_array_foreach(interfaces, i, one) {
		const char *name = json_string_value(json_object_get(one, "name"));
		bool attached = json_is_true(json_object_get(one, "attached"));

		set(one, "hint", attached ? hint(report->state, name) : json_null());
	}
	return interfaces;
}

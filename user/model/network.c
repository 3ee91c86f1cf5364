/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/network.h"

#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define TAG_LENGTH 4

void network_free(struct network *network)
{
	struct link *link, *next_link;
	struct neighbour *neighbour, *next_neighbour;
	struct route *route, *next_route;

	HASH_ITER(hh, network->links, link, next_link) {
		HASH_DEL(network->links, link);
		free(link);
	}
	HASH_ITER(hh, network->neighbours, neighbour, next_neighbour) {
		HASH_DEL(network->neighbours, neighbour);
		free(neighbour);
	}
	HASH_ITER(hh, network->routes, route, next_route) {
		HASH_DEL(network->routes, route);
		free(route);
	}
}

const struct link *network_link(const struct network *network, __u32 ifindex)
{
	struct link *link;

	HASH_FIND(hh, network->links, &ifindex, sizeof(ifindex), link);
	return link;
}

const struct link *network_link_by_name(const struct network *network, const char *name)
{
	for (const struct link *link = network->links; link; link = link->hh.next)
		if (strcmp(link->name, name) == 0)
			return link;
	return NULL;
}

const struct neighbour *network_neighbour(const struct network *network, const struct neighbour_key *key)
{
	struct neighbour *neighbour;

	HASH_FIND(hh, network->neighbours, key, sizeof(*key), neighbour);
	return neighbour;
}

void network_neighbour_remember(struct network *network, const struct neighbour_key *key, const __u8 mac[6])
{
	struct neighbour *neighbour = network_neighbour_add(network, key);

	if (neighbour->known)
		return;
	memcpy(neighbour->mac, mac, sizeof(neighbour->mac));
	neighbour->known = true;
}

const struct route *network_route(const struct network *network, const struct address *destination)
{
	struct route *route;

	HASH_FIND(hh, network->routes, destination, sizeof(*destination), route);
	return route;
}

static bool link_equal(const struct link *a, const struct link *b)
{
	return a->ifindex == b->ifindex && strcmp(a->name, b->name) == 0 && memcmp(a->mac, b->mac, 6) == 0 &&
	       a->ethernet == b->ethernet && a->up == b->up && a->mtu == b->mtu && a->tag == b->tag &&
	       a->parent == b->parent && strcmp(a->kind, b->kind) == 0;
}

bool network_link_set(struct network *network, const struct link *fact)
{
	struct link *link;

	HASH_FIND(hh, network->links, &fact->ifindex, sizeof(fact->ifindex), link);
	if (link) {
		UT_hash_handle hh = link->hh;

		if (link_equal(link, fact))
			return false;
		*link = *fact;
		link->hh = hh;
		return true;
	}
	link = memory_new(1, sizeof(*link));
	*link = *fact;
	HASH_ADD(hh, network->links, ifindex, sizeof(link->ifindex), link);
	return true;
}

bool network_link_delete(struct network *network, __u32 ifindex)
{
	struct neighbour *neighbour, *next;
	struct link *link;

	HASH_FIND(hh, network->links, &ifindex, sizeof(ifindex), link);
	if (!link)
		return false;
	HASH_DEL(network->links, link);
	free(link);
	/* a VLAN device that outlives what it is on: that was moved away, and the number may be another's one day */
	for (link = network->links; link; link = link->hh.next)
		if (link->parent == ifindex)
			link->parent = 0;
	/* an interface of the same name that comes later has another number, and other neighbours */
	HASH_ITER(hh, network->neighbours, neighbour, next) {
		if (neighbour->key.ifindex != ifindex)
			continue;
		HASH_DEL(network->neighbours, neighbour);
		free(neighbour);
	}
	return true;
}

bool network_link_may_be_parent(const struct network *network, __u32 ifindex)
{
	if (network_link(network, ifindex))
		return false;
	for (const struct link *link = network->links; link; link = link->hh.next)
		if (link->tag && !link->parent)
			return true;
	return false;
}

void network_neighbour_delete(struct network *network, struct neighbour *neighbour)
{
	HASH_DEL(network->neighbours, neighbour);
	free(neighbour);
}

struct neighbour *network_neighbour_add(struct network *network, const struct neighbour_key *key)
{
	struct neighbour *neighbour;

	HASH_FIND(hh, network->neighbours, key, sizeof(*key), neighbour);
	if (neighbour)
		return neighbour;
	neighbour = memory_new(1, sizeof(*neighbour));
	neighbour->key = *key;
	HASH_ADD(hh, network->neighbours, key, sizeof(neighbour->key), neighbour);
	return neighbour;
}

bool route_neighbour(const struct route *route, struct neighbour_key *key)
{
	if (route->kind != ROUTE_UNICAST)
		return false;
	key->ifindex = route->ifindex;
	key->address = route->gateway.family ? route->gateway : route->destination;
	return true;
}

__attribute__((format(printf, 2, 3))) static bool unresolved(struct next_hop *hop, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(hop->why, sizeof(hop->why), format, arguments);
	va_end(arguments);
	return false;
}

static const char *refusal_name(__u8 type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return "blackhole";
	case RTN_UNREACHABLE:
		return "unreachable";
	case RTN_PROHIBIT:
		return "prohibit";
	case RTN_BROADCAST:
		return "broadcast";
	case RTN_MULTICAST:
		return "multicast";
	case RTN_ANYCAST:
		return "anycast";
	default:
		return "not unicast";
	}
}

/* Takes over what the route says; false, with the reason, if it leads nowhere. */
static bool follow_route(const struct route *route, const struct address *destination, struct next_hop *hop)
{
	char text[ADDRESS_TEXT];
	struct neighbour_key key;

	address_format(destination, text);
	if (!route || route->kind == ROUTE_NONE)
		return unresolved(hop, "no route to %s", text);
	hop->local = route->kind == ROUTE_LOCAL;
	if (hop->local)
		return unresolved(hop, "%s is this host's own address", text);
	if (!route_neighbour(route, &key))
		return unresolved(hop, "the route to %s refuses it (%s)", text, refusal_name(route->type));
	hop->ifindex = key.ifindex;
	hop->address = key.address;
	hop->source = route->source;
	hop->mtu = route->mtu;
	hop->on_link = !route->gateway.family;
	return true;
}

/* Drivers of these take frames that XDP redirects to them; of a bridge or a macvlan nothing would come out. */
static bool takes_frames(const struct link *link)
{
	static const char *const kinds[] = {"", "veth", "bond", "tun"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(link->kind, kinds[i]) == 0)
			return true;
	return false;
}

/* Whether the frames of a VLAN device can be sent on `below`, the interface that it or the one under it is on. */
static bool below_carries(const struct link *vlan, const struct link *below, struct next_hop *hop)
{
	if (!vlan->parent)
		return unresolved(hop, "what is below VLAN device %s is in another network namespace", vlan->name);
	if (!below)
		return unresolved(hop, "what was below VLAN device %s (number %u) is gone", vlan->name, vlan->parent);
	if (!below->up)
		return unresolved(hop, "interface %s, below VLAN device %s, is down", below->name, vlan->name);
	if (!takes_frames(below))
		return unresolved(hop, "VLAN device %s is on %s (%s), which XDP cannot send on", vlan->name,
				  below->name, below->kind);
	return true;
}

/* From the route's interface down to the one that frames leave by: each VLAN device on the way adds its tag. */
static bool follow_vlans(const struct network *network, const struct link *link, struct next_hop *hop)
{
	const struct link *vlan = NULL;

	for (; link && link->tag; link = network_link(network, vlan->parent)) {
		if (hop->tags == 2)
			return unresolved(hop, "VLAN device %s has more than two tags", hop->interface);
		hop->tag[1] = hop->tag[0];
		hop->tag[0] = link->tag;
		hop->tags++;
		vlan = link;
	}
	if (vlan && !below_carries(vlan, link, hop))
		return false;
	hop->out_ifindex = link->ifindex;
	memcpy(hop->out_interface, link->name, sizeof(hop->out_interface));
	/* one tag has room beyond the MTU, in the kernel's check of redirected frames as in network cards */
	if (hop->tags > 1 && hop->mtu > link->mtu - TAG_LENGTH)
		hop->mtu = link->mtu - TAG_LENGTH;
	return true;
}

static bool follow_link(const struct network *network, const struct link *link, struct next_hop *hop)
{
	if (!link)
		return unresolved(hop, "the interface of its route (number %u) is gone", hop->ifindex);
	memcpy(hop->interface, link->name, sizeof(hop->interface));
	if (!hop->mtu || link->mtu < hop->mtu)
		hop->mtu = link->mtu;
	if (!link->ethernet)
		return unresolved(hop, "interface %s is not Ethernet", link->name);
	memcpy(hop->source_mac, link->mac, sizeof(hop->source_mac));
	if (!link->up)
		return unresolved(hop, "interface %s is down", link->name);
	return follow_vlans(network, link, hop);
}

bool network_next_hop(const struct network *network, const struct address *destination, struct next_hop *hop)
{
	char text[ADDRESS_TEXT];
	struct neighbour_key key;
	const struct neighbour *neighbour;

	*hop = (struct next_hop){0};
	if (!follow_route(network_route(network, destination), destination, hop))
		return false;
	/* the neighbour first: its MAC is known whatever the link's state */
	key = (struct neighbour_key){.ifindex = hop->ifindex, .address = hop->address};
	neighbour = network_neighbour(network, &key);
	if (neighbour && neighbour->known)
		memcpy(hop->mac, neighbour->mac, sizeof(hop->mac));
	if (!follow_link(network, network_link(network, hop->ifindex), hop))
		return false;
	hop->silent = !neighbour || !neighbour->known;
	if (hop->silent)
		return unresolved(hop, "no answer from neighbour %s on %s", address_format(&hop->address, text),
				  hop->interface);
	hop->resolved = true;
	return true;
}

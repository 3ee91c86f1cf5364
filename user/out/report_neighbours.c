/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Next hops, for the reports. */
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "out/report_part.h"

static const char *nud_name(__u16 nud)
{
	switch (nud) {
	case 0:
		return "forgotten";
	case NUD_INCOMPLETE:
		return "incomplete";
	case NUD_REACHABLE:
		return "reachable";
	case NUD_STALE:
		return "stale";
	case NUD_DELAY:
		return "delay";
	case NUD_PROBE:
		return "probe";
	case NUD_FAILED:
		return "failed";
	case NUD_NOARP:
		return "noarp";
	case NUD_PERMANENT:
		return "permanent";
	default:
		return "unknown";
	}
}

/* A neighbour that is the next hop of backends. */
struct gateway {
	struct neighbour_key key;
	struct next_hop hop; /* of the first of them */
	size_t backends;
	UT_hash_handle hh;
};

static int compare_gateways(const struct gateway *a, const struct gateway *b)
{
	if (a->key.address.family != b->key.address.family)
		return a->key.address.family < b->key.address.family ? -1 : 1;

	int order = memcmp(a->key.address.word, b->key.address.word, sizeof(a->key.address.word));

	return order ? order : strcmp(a->hop.interface, b->hop.interface);
}

/* All of them by address; the set is to be freed with its elements. */
static struct gateway *gateways_find(const struct report *report)
{
	const struct config *config = report->state->config;
	struct gateway *gateways = NULL, *gateway;
	struct next_hop hop;

	for (size_t i = 0; i < config->pool_count; i++) {
		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			struct neighbour_key key;

			network_next_hop(&report->state->network, &config->pools[i].backends[j].address, &hop);
			if (!hop.ifindex || !hop.address.family)
				continue;
			key = (struct neighbour_key){.ifindex = hop.ifindex, .address = hop.address};
			HASH_FIND(hh, gateways, &key, sizeof(key), gateway);
			if (!gateway) {
				gateway = memory_new(1, sizeof(*gateway));
				gateway->key = key;
				gateway->hop = hop;
				HASH_ADD(hh, gateways, key, sizeof(key), gateway);
			}
			gateway->backends++;
		}
	}
	HASH_SORT(gateways, compare_gateways);
	return gateways;
}

json_t *report_neighbours(const struct report *report)
{
	struct gateway *gateways = gateways_find(report), *gateway, *next;
	json_t *neighbours = json_array();

	HASH_ITER(hh, gateways, gateway, next) {
		const struct neighbour *neighbour;
		char mac[REPORT_MAC], address[ADDRESS_TEXT], tags[REPORT_TAGS];
		json_t *object = json_object();
		bool known;

		HASH_FIND(hh, report->state->network.neighbours, &gateway->key, sizeof(gateway->key), neighbour);
		known = neighbour && neighbour->known;
		set(object, "address", json_string(address_format(&gateway->key.address, address)));
		set(object, "interface", text_or_null(gateway->hop.interface));
		set(object, "parent", text_or_null(gateway->hop.tags ? gateway->hop.out_interface : NULL));
		set(object, "tags", text_or_null(report_tags_format(&gateway->hop, tags)));
		set(object, "mac", known ? json_string(report_mac_format(neighbour->mac, mac)) : json_null());
		set(object, "known", json_boolean(known));
		set(object, "state", json_string(nud_name(neighbour ? neighbour->nud : 0)));
		set(object, "backends", json_integer((json_int_t)gateway->backends));
		append(neighbours, object);
		HASH_DEL(gateways, gateway);
		free(gateway);
	}
	return neighbours;
}

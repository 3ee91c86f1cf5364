/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The addresses' own entries (include/vip.h): what becomes of their packets that no service takes. */
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/siphash.h"
#include "model/plan_inner.h"

/* The entries that were added, found by their address: services may share one. */
struct found {
	__u32 *vip; /* index in plan->vips plus one; 0: free */
	__u32 mask;
};

static void found_init(struct found *found, size_t addresses)
{
	__u32 room = 1;

	while (room < 2 * addresses)
		room *= 2;
	found->vip = memory_new(room, sizeof(*found->vip));
	found->mask = room - 1;
}

/* The place of the address's entry, or where its place will be. */
static __u32 *found_place(const struct found *found, const struct plan *plan, const struct prefix *address)
{
	static const __u8 key[16];
	__u32 at = (__u32)siphash(key, address, sizeof(*address)) & found->mask;

	while (found->vip[at] && memcmp(&plan->vips[found->vip[at] - 1].address, address, sizeof(*address)) != 0)
		at = (at + 1) & found->mask;
	return &found->vip[at];
}

static __u16 address_flags(const struct config_service *service)
{
	static const __u16 ports[] = {
		[UNKNOWN_PASS] = 0, [UNKNOWN_DROP] = ADDRESS_DROP, [UNKNOWN_REJECT] = ADDRESS_REJECT};
	static const __u16 echoes[] = {
		[ECHO_ANSWER] = ADDRESS_ECHO_ANSWER, [ECHO_PASS] = 0, [ECHO_DROP] = ADDRESS_ECHO_DROP};

	return ports[service->unknown_port] | echoes[service->echo] |
	       (service->fragments == FRAGMENTS_SOURCE ? ADDRESS_FRAGMENTS_SOURCE : 0);
}

/* The first service of an address gives its entry, or else the one whose fragments go by the source. */
static void add_address(struct plan *plan, struct found *found, const struct prefix *address,
			const struct service *value)
{
	__u32 *place = found_place(found, plan, address);
	struct plan_vip *vip;

	if (!*place) {
		*place = (__u32)++plan->vip_count;
		plan->vips[plan->vip_count - 1].address = *address;
	} else if (!(value->flags & ADDRESS_FRAGMENTS_SOURCE)) {
		return;
	}
	vip = &plan->vips[*place - 1];
	vip->service = *value;
}

void plan_addresses(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	struct found found;
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].address_count;
	found_init(&found, count);
	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];
		struct service value = plan_service_value(plan, ids_service(state->ids, service->name));

		value.flags |= address_flags(service);
		for (size_t j = 0; j < service->address_count; j++)
			add_address(plan, &found, &service->addresses[j], &value);
	}
	free(found.vip);
}

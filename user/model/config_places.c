/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config_places.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

static int compare(const void *a, const void *b)
{
	const struct config_place *x = a, *y = b;
	int order = memcmp(x->prefix.address.word, y->prefix.address.word, sizeof(x->prefix.address.word));

	if (!order)
		order = (int)x->prefix.address.family - (int)y->prefix.address.family;
	if (!order)
		order = (int)x->prefix.length - (int)y->prefix.length;
	if (!order)
		order = (int)x->port.port - (int)y->port.port;
	return order ? order : (int)x->port.protocol - (int)y->port.protocol;
}

void config_places_open(struct config_places *places, const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; config && i < config->service_count; i++)
		count += config->services[i].address_count * config->services[i].port_count;
	*places = (struct config_places){.place = memory_new(count + 1, sizeof(*places->place))};
	for (size_t i = 0; config && i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		for (size_t j = 0; j < service->address_count; j++)
			for (size_t k = 0; k < service->port_count; k++)
				places->place[places->count++] =
					(struct config_place){service->addresses[j], service->ports[k], service};
	}
	qsort(places->place, places->count, sizeof(*places->place), compare);
}

const struct config_service *config_places_find(const struct config_places *places, const struct prefix *prefix,
						const struct config_port *port)
{
	const struct config_place wanted = {.prefix = *prefix, .port = *port}, *found;

	found = bsearch(&wanted, places->place, places->count, sizeof(wanted), compare);
	return found ? found->service : NULL;
}

const struct config_service *config_places_former(const struct config_places *places, const struct config *from,
						  const struct config *to, const struct config_service *service)
{
	const struct config_service *former;

	if (!service->address_count || !service->port_count || config_service_find(from, service->name))
		return NULL;
	former = config_places_find(places, &service->addresses[0], &service->ports[0]);
	return former && !config_service_find(to, former->name) ? former : NULL;
}

void config_places_close(struct config_places *places)
{
	free(places->place);
	*places = (struct config_places){0};
}

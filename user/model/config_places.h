/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which service of a configuration has a place: an address or prefix with a port and a protocol. */
#ifndef SLUICE_CONFIG_PLACES_H
#define SLUICE_CONFIG_PLACES_H

#include "model/config.h"

struct config_place {
	struct prefix prefix;
	struct config_port port;
	const struct config_service *service;
};

/* Of one configuration, in order; its services are not owned. */
struct config_places {
	struct config_place *place;
	size_t count;
};

/* Lists all that there are; of NULL there are none. To be closed. */
void config_places_open(struct config_places *places, const struct config *config);

/* The service that has exactly this place, or NULL. */
const struct config_service *config_places_find(const struct config_places *places, const struct prefix *prefix,
						const struct config_port *port);

/*
 * The service of `from`, whose places these are, that goes on as `service` of `to` under another name: it has its first
 * place. NULL: there is none.
 */
const struct config_service *config_places_former(const struct config_places *places, const struct config *from,
						  const struct config *to, const struct config_service *service);

void config_places_close(struct config_places *places);

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Plans of configurations made by hand, one after the other. */
#ifndef SLUICE_TEST_PLAN_LAB_H
#define SLUICE_TEST_PLAN_LAB_H

#include "unit/sample.h"

#include "model/plan.h"

static inline void plan_start(struct state *state, struct plan **plan, struct config *config)
{
	*state = (struct state){.config = config, .ids = ids_new()};
	*plan = plan_new();
	sample_network(&state->network);
	sample_routes(&state->network, config);
	assert_int_equal(ids_assign(state->ids, config), 0);
	sample_plan(*plan, state);
}

/* The state goes over to another configuration. */
static inline void plan_reload(struct state *state, struct plan *plan, struct config *config)
{
	config_free(state->config);
	state->config = config;
	sample_routes(&state->network, config);
	assert_int_equal(ids_assign(state->ids, config), 0);
	sample_plan(plan, state);
}

static inline void plan_end(struct state *state, struct plan *plan)
{
	plan_free(plan);
	ids_free(state->ids);
	network_free(&state->network);
	health_free(state->health);
	config_free(state->config);
}

/* The entry of that address or prefix; protocol 0: the address's own. NULL if there is none, and never two. */
static inline const struct plan_vip *plan_find(const struct plan *plan, const char *text, __u16 port, __u8 protocol)
{
	const struct plan_vip *found = NULL;
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	for (size_t i = 0; i < plan->vip_count; i++) {
		const struct plan_vip *vip = &plan->vips[i];

		if (memcmp(&vip->address, &prefix, sizeof(prefix)) != 0 || vip->port != port ||
		    vip->protocol != protocol)
			continue;
		assert_null(found);
		found = vip;
	}
	return found;
}

static inline const struct service_options *plan_options_of(const struct plan *plan, const struct state *state,
							    const char *service)
{
	return &plan->options[ids_service(state->ids, service)];
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the parts of the plan share. For plan*.c alone. */
#ifndef SLUICE_PLAN_INNER_H
#define SLUICE_PLAN_INNER_H

#include "model/plan.h"

/* plan_options.c: what services ask for beyond their pool. By the configuration alone: no health loads a program. */
void plan_option_settings(struct settings *settings, const struct config *config);
void plan_options(struct plan *plan, const struct state *state);

/* SERVICE_SLOW for the entries of a service that asks for that, if their packets are concerned. */
__u16 plan_slow_flag(const struct service_options *options, __u8 protocol);

/* plan_rules.c: the source rules, and which tables they lead to. True if they differ from before. */
bool plan_rules(struct plan *plan, const struct state *state);

/* plan_quic.c: where server IDs lead. True if that differs from before. */
bool plan_quic(struct plan *plan, const struct state *state);
bool plan_has_quic(const struct config_pool *pool);

/* plan_addresses.c: adds the addresses' own entries to plan->vips, behind those of the services. */
void plan_addresses(struct plan *plan, const struct state *state);

/* A service, without flags of some port or address alone. */
struct service plan_service_value(const struct plan *plan, __u16 index);

#endif

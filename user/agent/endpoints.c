/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What can be asked of the agent over its control socket: reports, and the wishes that it grants. */
#include <string.h>

#include "agent/agent.h"

/* The functions take the agent as control.h has it, without a type. */
#define REPORT(noun)                                                                                                   \
	static int get_##noun(void *argument, json_t **reply)                                                          \
	{                                                                                                              \
		const struct agent *agent = argument;                                                                  \
                                                                                                                       \
		*reply = report_##noun(&agent->report);                                                                \
		return 200;                                                                                            \
	}

REPORT(status)
REPORT(services)
REPORT(pools)
REPORT(backends)
REPORT(neighbours)
REPORT(drops)
REPORT(bpf)

static char *get_metrics(void *argument)
{
	const struct agent *agent = argument;

	return report_metrics(&agent->report);
}

static int get_diff(void *agent, json_t **reply)
{
	return agent_diff(agent, reply);
}

static int post_reload(void *agent, json_t **reply)
{
	return agent_reload(agent, reply);
}

static int post_detach(void *agent, json_t **reply)
{
	int err = agent_detach(agent);

	*reply = err ? json_pack("{ss}", "error", strerror(-err)) : json_object();
	return err ? 500 : 200;
}

const struct control_endpoint agent_endpoints[] = {
	{"GET", "/v1/status", "the agent, its configuration and totals", .answer = get_status},
	{"GET", "/v1/services", "services and their counters", .answer = get_services},
	{"GET", "/v1/pools", "pools and their counters", .answer = get_pools},
	{"GET", "/v1/backends", "backends, next hops and counters", .answer = get_backends},
	{"GET", "/v1/neighbours", "next hops of backends", .answer = get_neighbours},
	{"GET", "/v1/drops", "what became of packets, by reason", .answer = get_drops},
	{"GET", "/v1/bpf", "program, maps and links in the kernel", .answer = get_bpf},
	{"GET", "/v1/diff", "what a reload would change", .answer = get_diff},
	{"POST", "/v1/reload", "read the configuration file anew", .answer = post_reload},
	{"POST", "/v1/detach", "remove everything from the kernel and end", .answer = post_detach},
	{"GET", "/metrics", "counters for Prometheus", .text = get_metrics},
	{0},
};

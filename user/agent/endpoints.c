/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What can be asked of the agent over its control socket: reports, and the wishes that it grants. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/deny.h"

#define CONFIRM_MIN_MS 1000
#define CONFIRM_MAX_MS (24 * 3600 * 1000)

#define RECORDS_DEFAULT 1000
#define RECORDS_MAX	1000000

#define DENIED_MAX 1000 /* of the deny list in an answer, which takes some milliseconds */

#define SINCE_WRONG "since is the number of an event, a whole number from 0 on"

/* The functions take the agent as control.h has it, without a type. */
#define REPORT(noun)                                                                                                   \
	static int get_##noun(void *argument, const struct control_request *request, json_t **reply)                   \
	{                                                                                                              \
		const struct agent *agent = argument;                                                                  \
                                                                                                                       \
		(void)request;                                                                                         \
		*reply = report_##noun(&agent->report);                                                                \
		return 200;                                                                                            \
	}

REPORT(status)
REPORT(services)
REPORT(pools)
REPORT(neighbours)
REPORT(drops)
REPORT(bpf)

static char *get_backends(void *argument)
{
	const struct agent *agent = argument;

	return report_backends(&agent->report);
}

static char *get_metrics(void *argument)
{
	const struct agent *agent = argument;

	return report_metrics(&agent->report);
}

/* A number from 0 to `high` in the query: `without` if it is not there; -EINVAL if it is none. */
static long long query_number(const struct control_request *request, const char *name, long long high,
			      long long without)
{
	const char *text = control_query(request, name);
	char *end;
	long long number;

	if (!text)
		return without;
	errno = 0;
	number = strtoll(text, &end, 10);
	/* strtoll() would take blanks and signs before it */
	return errno || *text < '0' || *text > '9' || *end || number > high ? -EINVAL : number;
}

static int bad_query(json_t **reply, const char *error)
{
	*reply = json_pack("{ss}", "error", error);
	return 400;
}

/*
 * Numbers that no event has yet are of events that a crash, or whoever removed the file, has taken: then everything of
 * this run is news.
 */
static __u64 since_known(const struct agent *agent, long long since)
{
	return (__u64)since > events_last(agent->events) ? agent->before : (__u64)since;
}

static int get_events(void *argument, const struct control_request *request, json_t **reply)
{
	struct agent *agent = argument;
	long long since = query_number(request, "since", INT64_MAX, 0);
	long long limit = query_number(request, "limit", EVENTS_KEPT, 0);

	if (since < 0)
		return bad_query(reply, SINCE_WRONG);
	if (limit < 0)
		return bad_query(reply, "limit is a whole number from 0 to 10000; 0: all");
	*reply = events_json(agent->events, since_known(agent, since), (size_t)limit);
	return 200;
}

/* Without `since`, what happens from now on. */
static json_t *stream_watch(void *argument, const struct control_request *request)
{
	struct agent *agent = argument;
	long long since = query_number(request, "since", INT64_MAX, (long long)events_last(agent->events));

	return since < 0 ? json_pack("{ss}", "error", SINCE_WRONG)
			 : events_json(agent->events, since_known(agent, since), 0);
}

/* What the sweep counted; or, with records=1, the records themselves. */
static int get_flows(void *argument, const struct control_request *request, json_t **reply)
{
	const struct agent *agent = argument;
	long long records = query_number(request, "records", 1, 0);
	long long from = query_number(request, "from", UINT32_MAX, 0);
	long long limit = query_number(request, "limit", RECORDS_MAX, RECORDS_DEFAULT);
	struct flow_query query = {.pool = control_query(request, "pool"), .from = (__u32)from, .limit = (size_t)limit};

	if (records < 0)
		return bad_query(reply, "records is 0 (sums) or 1 (the records themselves)");
	if (from < 0)
		return bad_query(reply, "from is \"next\" of the answer before");
	if (limit < 1)
		return bad_query(reply, "limit is a whole number from 1 to 1000000");
	if (!records && (query.pool || control_query(request, "from") || control_query(request, "limit")))
		return bad_query(reply, "pool, from and limit go with records=1");
	*reply = records ? report_flow_records(&agent->report, &query) : report_flows(&agent->report);
	return 200;
}

static int get_deny(void *argument, const struct control_request *request, json_t **reply)
{
	long long from = query_number(request, "from", UINT32_MAX, 0);
	long long limit = query_number(request, "limit", UINT32_MAX, DENIED_MAX);

	if (from < 0)
		return bad_query(reply, "from is \"next\" of the answer before");
	if (limit < 0)
		return bad_query(reply, "limit is a whole number");
	*reply = agent_denied(argument, (__u32)from, (size_t)(limit < DENIED_MAX ? limit : DENIED_MAX));
	return 200;
}

static void bad_wish(struct control_later *reply, const char *error)
{
	control_answer(reply, 400, json_pack("{ss}", "error", error));
}

static void post_deny_add(void *agent, const struct control_request *request, struct control_later *reply)
{
	long long for_ms = query_number(request, "for_ms", DENY_LONGEST_MS, 0);

	if (for_ms < 0)
		bad_wish(reply, "for_ms is a whole number of ms, up to a year; without it they are denied for good");
	else
		agent_deny(agent, request, DENY_ADD, (__u64)for_ms, reply);
}

static void post_deny_remove(void *agent, const struct control_request *request, struct control_later *reply)
{
	long long all = query_number(request, "all", 1, 0);

	if (all < 0)
		bad_wish(reply, "all is 0 (those sent) or 1 (all there are)");
	else if (all && request->length)
		bad_wish(reply, "all=1 goes without a list");
	else
		agent_deny(agent, request, all ? DENY_REMOVE_ALL : DENY_REMOVE, 0, reply);
}

static int get_diff(void *agent, const struct control_request *request, json_t **reply)
{
	return agent_diff(agent, request, reply);
}

static int post_reload(void *agent, const struct control_request *request, json_t **reply)
{
	return agent_reload(agent, request->uid, reply);
}

static int post_apply(void *agent, const struct control_request *request, json_t **reply)
{
	const char *name = control_query(request, "name");
	long long confirm = query_number(request, "confirm_ms", CONFIRM_MAX_MS, 0);

	if (confirm < 0 || (confirm && confirm < CONFIRM_MIN_MS))
		return bad_query(reply, "confirm_ms is from 1000 (a second) to 86400000 (a day)");
	return agent_apply(agent, request, name && *name ? name : "(the applied configuration)", (__u32)confirm, reply);
}

static int post_confirm(void *agent, const struct control_request *request, json_t **reply)
{
	return agent_confirm(agent, request->uid, reply);
}

static int post_rollback(void *agent, const struct control_request *request, json_t **reply)
{
	return agent_rollback(agent, "on request", request->uid, reply);
}

static int post_backend(void *agent, const struct control_request *request, json_t **reply)
{
	return agent_operate(agent, request, reply);
}

static int post_detach(void *agent, const struct control_request *request, json_t **reply)
{
	int err;

	(void)request;
	if (!((struct agent *)agent)->dataplane) {
		*reply = json_pack("{ss}", "error", "detached already: sluiced is ending");
		return 503;
	}
	err = agent_detach(agent);
	*reply = err ? json_pack("{ss}", "error", strerror(-err)) : json_object();
	return err ? 500 : 200;
}

const struct control_endpoint agent_endpoints[] = {
	{"GET", "/v1/status", "the agent, its configuration and totals", .answer = get_status},
	{"GET", "/v1/services", "services and their counters", .answer = get_services},
	{"GET", "/v1/pools", "pools, their health and counters", .answer = get_pools},
	{"GET", "/v1/backends", "backends, their health, next hops and counters", .json = get_backends},
	{"GET", "/v1/flows", "flow records in sums; ?records=1&pool=POOL&limit=N&from=NEXT lists them",
	 .parameters = {"records", "pool", "limit", "from"}, .answer = get_flows},
	{"GET", "/v1/neighbours", "next hops of backends", .answer = get_neighbours},
	{"GET", "/v1/drops", "what became of packets, by reason", .answer = get_drops},
	{"GET", "/v1/bpf", "program, maps and links in the kernel", .answer = get_bpf},
	{"GET", "/v1/events", "what happened; ?since=ID&limit=N", .parameters = {"since", "limit"},
	 .answer = get_events},
	{"GET", "/v1/watch", "the same as it happens, one JSON object a line; ?since=ID", .parameters = {"since"},
	 .stream = stream_watch},
	{"GET", "/v1/diff", "what a reload would change", .answer = get_diff},
	{"POST", "/v1/diff", "what the configuration sent would change; ?name=FILE", .parameters = {"name"},
	 .answer = get_diff},
	{"POST", "/v1/reload", "read the configuration file anew", .answer = post_reload},
	{"POST", "/v1/apply", "run the configuration sent; ?name=FILE&confirm_ms=N",
	 .parameters = {"name", "confirm_ms"}, .answer = post_apply},
	{"POST", "/v1/confirm", "keep the configuration that waits for it", .answer = post_confirm},
	{"POST", "/v1/rollback", "go back from it to the former one", .answer = post_rollback},
	{"POST", "/v1/backend", "drain, maint, ready or weight for a backend", .answer = post_backend},
	{"GET", "/v1/deny", "the deny list, in pieces; ?from=NEXT&limit=N", .parameters = {"from", "limit"},
	 .answer = get_deny},
	{"POST", "/v1/deny/add", "deny the prefixes of the list sent; ?for_ms=N", .parameters = {"for_ms"},
	 .later = post_deny_add},
	{"POST", "/v1/deny/remove", "deny the prefixes of the list sent no more; or, without one, ?all=1",
	 .parameters = {"all"}, .later = post_deny_remove},
	{"POST", "/v1/detach", "remove everything from the kernel and end", .answer = post_detach},
	{"GET", "/metrics", "counters for Prometheus", .text = get_metrics},
	{0},
};

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What operators want of a backend: drain, maint, ready, weight. */
#include <string.h>

#include "agent/agent.h"
#include "lib/clock.h"
#include "lib/suggest.h"
#include "lib/text.h"

/* Without transitions nobody counts a backend's connections, so a drain needs an end. */
#define DRAIN_DEFAULT_MS (15 * 60 * 1000)
#define DRAIN_MAX_MS	 (7LL * 24 * 3600 * 1000)

struct wish {
	const char *action, *pool, *backend, *reason;
	json_int_t weight, for_ms; /* for_ms 0: as long as is usual */
};

/* `name` is the client's, of any length. */
static json_t *not_found(const char *what, const char *name, const struct suggestion *suggestion)
{
	char clean[CONFIG_NAME_MAX + 1];

	text_clean(clean, sizeof(clean), name, strlen(name)); /* half a character would be no JSON */
	if (suggestion->best)
		return json_pack("{so}", "error",
				 json_sprintf("no %s '%s': did you mean '%s'?", what, clean, suggestion->best));
	return json_pack("{so}", "error", json_sprintf("no %s '%s'", what, clean));
}

/* Jansson's words, with a piece of the client's text that may end within a character. */
static json_t *not_json(const json_error_t *error)
{
	char clean[JSON_ERROR_TEXT_LENGTH];

	text_clean(clean, sizeof(clean), error->text, strlen(error->text));
	return json_pack("{so}", "error", json_sprintf("not JSON: %s", clean));
}

/* NULL with the error in *reply. */
static struct health_backend *find_backend(const struct agent *agent, const struct wish *wish, json_t **reply)
{
	const struct config *config = agent->state.config;
	const struct config_pool *pool = config_pool_find(config, wish->pool);
	struct suggestion suggestion = {0};

	if (!pool) {
		for (size_t i = 0; i < config->pool_count; i++)
			suggest_consider(&suggestion, wish->pool, config->pools[i].name);
		*reply = not_found("pool", wish->pool, &suggestion);
		return NULL;
	}
	if (!config_backend_find(pool, wish->backend)) {
		for (size_t i = 0; i < pool->backend_count; i++)
			suggest_consider(&suggestion, wish->backend, pool->backends[i].name);
		*reply = not_found("backend", wish->backend, &suggestion);
		return NULL;
	}
	return health_find(agent->state.health, wish->pool, wish->backend);
}

static bool read_number(const json_t *value, json_int_t low, json_int_t high, json_int_t *out)
{
	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= low && *out <= high;
}

/* The error in words, NULL if there is none. */
static const char *read_wish(const json_t *body, struct wish *wish)
{
	static const char *const actions[] = {"drain", "maint", "ready", "weight"};
	const json_t *weight = NULL, *for_ms = NULL;
	bool known = false;

	*wish = (struct wish){.reason = ""};
	/* nothing else: a drain whose time is misspelt must not take the usual one */
	if (json_unpack((json_t *)body, "{ss ss ss s?s s?o s?o !}", "action", &wish->action, "pool", &wish->pool,
			"backend", &wish->backend, "reason", &wish->reason, "weight", &weight, "for_ms", &for_ms))
		return "expected {\"action\", \"pool\", \"backend\"} and perhaps \"weight\", \"for_ms\", \"reason\": "
		       "texts, and whole numbers";
	for (size_t i = 0; i < 4; i++)
		known |= strcmp(wish->action, actions[i]) == 0;
	if (!known)
		return "the action is one of drain, maint, ready and weight";
	if ((wish->action[0] == 'w') != (weight != NULL))
		return "\"weight\" goes with the action weight, and only with that";
	if (weight && !read_number(weight, 0, CONFIG_MAX_WEIGHT, &wish->weight))
		return "a weight is a whole number from 0 to 65535";
	if (for_ms && wish->action[0] != 'd')
		return "only a drain ends by itself: \"for_ms\" goes with no other action";
	if (for_ms && !read_number(for_ms, 1, DRAIN_MAX_MS, &wish->for_ms))
		return "a drain lasts from 1 ms to a week, as a whole number of ms";
	if (strlen(wish->reason) >= sizeof(((struct health_override *)NULL)->reason))
		return "the reason is too long: 119 bytes at most";
	return NULL;
}

static bool grant(struct agent *agent, const struct wish *wish, struct health_backend *backend, uid_t uid)
{
	struct health *health = agent->state.health;
	__u64 now = clock_ms();

	switch (wish->action[0]) {
	case 'd':
		return health_drain(health, backend, uid, wish->reason, now + (__u64)(wish->for_ms ?: DRAIN_DEFAULT_MS),
				    now);
	case 'm':
		return health_maint(health, backend, uid, wish->reason, now);
	case 'w':
		return health_set_weight(health, backend, (__u32)wish->weight, uid, wish->reason, now);
	default:
		return health_ready(health, backend, uid, wish->reason, now);
	}
}

/* `err`: of saving it. */
static json_t *find_warnings(const struct agent *agent, const struct wish *wish, int err)
{
	const struct config_pool *pool = config_pool_find(agent->state.config, wish->pool);
	json_t *warnings = json_array();

	if (wish->action[0] == 'd' && pool && !pool->transition.window_ms)
		json_array_append_new(warnings, json_sprintf("pool %s has no window (transition): a drain cuts the "
							     "backend's connections at once",
							     wish->pool));
	if (err)
		json_array_append_new(warnings, json_sprintf("it could not be written to %s (%s): it is tried again, "
							     "but lost if sluiced ends before",
							     agent->options.state, strerror(-err)));
	return warnings;
}

int agent_operate(struct agent *agent, const struct control_request *request, json_t **reply)
{
	json_error_t error;
	json_t *body = json_loadb(request->body, request->length, JSON_REJECT_DUPLICATES, &error);
	struct health_backend *backend;
	struct wish wish;
	const char *wrong = body ? read_wish(body, &wish) : NULL;
	int status = 400, err;

	if (!agent->dataplane) {
		status = 503;
		*reply = json_pack("{ss}", "error", "detached: sluiced is ending");
	} else if (!body) {
		*reply = not_json(&error);
	} else if (wrong) {
		*reply = json_pack("{ss}", "error", wrong);
	} else if (!(backend = find_backend(agent, &wish, reply))) {
		status = 404;
	} else {
		probing_changed(agent, grant(agent, &wish, backend, request->uid));
		prober_hurry(agent->prober, backend);
		agent_commit_now(agent); /* so that the reply shows it done; and before a disk is waited for */
		err = agent_save_overrides(agent);
		*reply = json_pack("{so so}", "backend", report_backend(&agent->report, wish.pool, wish.backend),
				   "warnings", find_warnings(agent, &wish, err));
		status = 200;
	}
	json_decref(body);
	return status;
}

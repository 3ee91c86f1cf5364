/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"

const char *const mode_names[] = {[MODE_AUTO] = "auto", [MODE_NATIVE] = "native", [MODE_GENERIC] = "generic"};
const char *const attach_names[] = {[ATTACH_EXCLUSIVE] = "exclusive", [ATTACH_SHARED] = "shared"};
const char *const forward_names[] = {[FORWARD_IPIP] = "ipip", [FORWARD_GUE] = "gue", [FORWARD_L2] = "l2"};
const char *const hash_names[] = {[HASH_FLOW] = "flow", [HASH_SOURCE] = "source"};
const char *const probe_type_names[PROBE_TYPES] = {
	[PROBE_NONE] = "none", [PROBE_TCP] = "tcp", [PROBE_HTTP] = "http", [PROBE_HTTPS] = "https",
	[PROBE_UDP] = "udp",   [PROBE_DNS] = "dns", [PROBE_PING] = "ping", [PROBE_EXEC] = "exec",
};
const char *const via_names[] = {[VIA_AUTO] = "auto", [VIA_VIP] = "vip", [VIA_ADDRESS] = "address"};
const char *const start_names[] = {[START_PROBE] = "probe", [START_UP] = "up", [START_DOWN] = "down"};
const char *const port_policy_names[] = {[UNKNOWN_PASS] = "pass", [UNKNOWN_DROP] = "drop", [UNKNOWN_REJECT] = "reject"};
const char *const echo_policy_names[] = {[ECHO_ANSWER] = "answer", [ECHO_PASS] = "pass", [ECHO_DROP] = "drop"};
const char *const fragment_policy_names[] = {[FRAGMENTS_FOLLOW] = "follow", [FRAGMENTS_SOURCE] = "source"};
const char *const excess_names[] = {[EXCESS_DROP] = "drop", [EXCESS_PASS] = "pass"};
const char *const rule_action_names[] = {[RULE_ALLOW] = "allow", [RULE_DENY] = "deny", [RULE_POOL] = "pool"};

void config_free(struct config *config)
{
	if (config)
		arena_free(config->arena); /* the struct itself lies in it */
}

/* Every struct searched here starts with its name. */
static int compare_name(const void *name, const void *element)
{
	return strcmp(name, *(const char *const *)element);
}

static const void *find(const char *name, const void *elements, size_t count, size_t size)
{
	return count ? bsearch(name, elements, count, size, compare_name) : NULL;
}

_Static_assert(offsetof(struct config_pool, name) == 0 && offsetof(struct config_service, name) == 0 &&
		       offsetof(struct config_backend, name) == 0,
	       "compare_name() takes the first field");

const struct config_pool *config_pool_find(const struct config *config, const char *name)
{
	return find(name, config->pools, config->pool_count, sizeof(*config->pools));
}

const struct config_service *config_service_find(const struct config *config, const char *name)
{
	return find(name, config->services, config->service_count, sizeof(*config->services));
}

const struct config_backend *config_backend_find(const struct config_pool *pool, const char *name)
{
	return find(name, pool->backends, pool->backend_count, sizeof(*pool->backends));
}

char *config_port_format(const struct config_port *port, char text[static CONFIG_PORT_TEXT])
{
	const char *protocol = port->protocol == IPPROTO_UDP ? "udp" : "tcp";

	if (port->port)
		snprintf(text, CONFIG_PORT_TEXT, "%u/%s", port->port, protocol);
	else
		snprintf(text, CONFIG_PORT_TEXT, "any/%s", protocol);
	return text;
}

char *config_duration_format(__u32 milliseconds, char text[static CONFIG_DURATION_TEXT])
{
	static const struct {
		const char *unit;
		__u32 milliseconds;
	} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
	size_t i = milliseconds ? 0 : 2;

	while (milliseconds % units[i].milliseconds)
		i++;
	snprintf(text, CONFIG_DURATION_TEXT, "%u%s", milliseconds / units[i].milliseconds, units[i].unit);
	return text;
}

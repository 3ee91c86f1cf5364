/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/policy.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct parsed {
	bool v6;
	__u32 length;
	__be32 address[4];
};

static struct parsed parse_prefix(const char *prefix)
{
	struct parsed parsed = {0};
	char address[INET6_ADDRSTRLEN];

	if (sscanf(prefix, "%45[0-9a-f.:]/%u", address, &parsed.length) != 2)
		fail_msg("%s is no prefix", prefix);
	parsed.v6 = strchr(address, ':');
	if (inet_pton(parsed.v6 ? AF_INET6 : AF_INET, address, parsed.address) != 1)
		fail_msg("%s is no prefix", prefix);
	return parsed;
}

static void put(struct fixture *fixture, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(fixture_map(fixture, map), key, value, BPF_ANY))
		fail_msg("%s: %s", map, strerror(errno));
}

void policy_fill(struct fixture *fixture)
{
	world_services(fixture, SERVICE_SLOW);
}

void policy_options(struct fixture *fixture, __u16 service, const struct service_options *options)
{
	__u32 key = service;

	put(fixture, "options", &key, options);
}

/* Key and map of the deny list; either family's key lies in `key`. */
static const char *deny_key(const char *prefix, struct deny_key6 *key)
{
	struct parsed parsed = parse_prefix(prefix);

	*key = (struct deny_key6){.prefixlen = parsed.length};
	memcpy(key->address, parsed.address, sizeof(key->address));
	return parsed.v6 ? "denied6" : "denied4";
}

void policy_deny(struct fixture *fixture, const char *prefix)
{
	struct deny_key6 key;
	const char *map = deny_key(prefix, &key);
	__u32 value = 0;

	put(fixture, map, &key, &value);
}

void policy_allow(struct fixture *fixture, const char *prefix)
{
	struct deny_key6 key;
	const char *map = deny_key(prefix, &key);

	assert_int_equal(bpf_map_delete_elem(fixture_map(fixture, map), &key), 0);
}

void policy_rule(struct fixture *fixture, __u16 service, const char *prefix, enum rule_action action, __u16 pool)
{
	struct parsed parsed = parse_prefix(prefix);
	struct rule_key6 key = {.prefixlen = RULE_KEY_FIXED_BITS + parsed.length, .service = service};
	struct rule rule = {.action = action};
	struct service table = world_service(pool);

	memcpy(key.address, parsed.address, sizeof(key.address));
	if (action == RULE_POOL)
		rule.table = (struct table_use){.slot_first = table.slot_first, .slot_count = table.slot_count};
	put(fixture, parsed.v6 ? "rules6" : "rules4", &key, &rule);
}

void policy_server(struct fixture *fixture, __u32 pool, __u8 config, const void *id, __u8 length, __u32 backend)
{
	struct quic_key key = {.pool = pool, .config = config, .length = length};

	assert_in_range(length, 1, QUIC_SERVER_ID_MAX);
	memcpy(key.server_id, id, length);
	put(fixture, "quic_servers", &key, &backend);
}

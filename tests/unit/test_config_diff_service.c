/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* How changes of services' and pools' options are told, from texts: no key is left out. */
#include "unit/config_read.h"

#include <stdlib.h>

#include "unit/config_diff_lines.h"

/* Keys of the top level, of pool web, of its backend web1 and of service www; another pool is there for rules. */
struct keys {
	const char *top, *pool, *backend, *service;
};

static struct config *read_keys(const struct keys *keys)
{
	struct config *config;
	char text[4096], *errors;

	snprintf(text, sizeof(text),
		 HEAD "%s\n"
		      "pools:\n"
		      "  web: {%s%s backends: [{name: web1, address: 10.0.0.11, %s}]}\n"
		      "  other: {backends: [{name: o1, address: 10.0.0.12}]}\n"
		      "  spare: {backends: []}\n"
		      "services:\n"
		      "  www: {address: 192.0.2.10, ports: 443/tcp, pool: web, %s}\n",
		 keys->top ?: "", keys->pool ?: "", keys->pool ? "," : "", keys->backend ?: "", keys->service ?: "");
	errors = read_bytes(text, strlen(text), &config);
	if (errors)
		fail_msg("refused:\n%s", errors);
	return config;
}

static void expect(struct keys before, struct keys after, const char *lines)
{
	struct config *from = read_keys(&before), *to = read_keys(&after), *again = read_keys(&after);

	expect_knowing(NULL, from, to, lines);
	expect_knowing(NULL, to, again, "");
	config_free(from);
	config_free(to);
	config_free(again);
}

static void numbers_change(void **state)
{
	(void)state;
	expect((struct keys){0}, (struct keys){.top = "fragment_records: 1024\nsource_records: 4096\nreply_rate: 0"},
	       "change fragment_records: 16384 -> 1024\n"
	       "change source_records: 262144 -> 4096\n"
	       "change reply_rate: 1000 -> 0\n");
}

static void policies_change(void **state)
{
	(void)state;
	expect((struct keys){0},
	       (struct keys){.service = "unknown_port: reject, echo: drop, fragments: source, vlan: 12, mss: auto"},
	       "change service www: unknown_port pass -> reject, echo answer -> drop, fragments follow -> source, "
	       "vlan none -> 12, mss none -> auto\n");
	expect((struct keys){.service = "unknown_port: drop, echo: pass, vlan: 12, mss: auto"},
	       (struct keys){.service = "unknown_port: pass, vlan: 13, mss: 1400"},
	       "change service www: unknown_port drop -> pass, echo pass -> answer, vlan 12 -> 13, mss auto -> 1400\n");
}

static void limits_change(void **state)
{
	const char *all = "limits: {source: {packets: 100, connections: 5, prefix4: 24, prefix6: 56}, "
			  "service: {packets: 1000, connections: 50, connections_burst: 1}, excess: pass}";

	(void)state;
	expect((struct keys){0}, (struct keys){.service = all},
	       "change service www: limits source packets none -> 100 with burst 10, "
	       "limits source connections none -> 5 with burst 1, limits source prefix4 32 -> 24, "
	       "limits source prefix6 64 -> 56, limits service packets none -> 1000 with burst 100, "
	       "limits service connections none -> 50 with burst 1, limits excess drop -> pass\n");
	expect((struct keys){.service = "limits: {source: {packets: 100}}"},
	       (struct keys){.service = "limits: {source: {packets: 100, packets_burst: 11}}"},
	       "change service www: limits source packets 100 with burst 10 -> 100 with burst 11\n");
}

static void new_services_tell_what_is_not_usual(void **state)
{
	const struct keys keys = {
		.pool = "outer: {df: false, ttl: 5, source: 10.99.0.0/16}, quic: [{config: 1, server_id_length: 2}]",
		.backend = "server_id: 0a0B, local: true",
		.service = "mss: 1400, limits: {source: {packets: 10}}, "
			   "sources: [{from: 10.0.0.0/8, pool: other}, {from: 192.0.2.1, action: deny}]",
	};
	struct config *config = read_keys(&keys);

	(void)state;
	expect_knowing(NULL, NULL, config,
		       "add interface eth0: mode auto, attach exclusive\n"
		       "add pool other: forward ipip, table_size 65537\n"
		       "add backend other/o1: address 10.0.0.12, weight 100\n"
		       "add pool spare: forward ipip, table_size 65537\n"
		       "add pool web: forward ipip, table_size 65537, outer df false, outer ttl 5, "
		       "outer source 10.99.0.0/16, quic config 1 2 bytes\n"
		       "add backend web/web1: address 10.0.0.11, weight 100, server_id 0a0b, local true\n"
		       "add service www: address 192.0.2.10, ports 443/tcp, pool web, mss 1400, "
		       "limits source packets 10 with burst 1, source 10.0.0.0/8 pool other, source 192.0.2.1 deny\n");
	config_free(config);
}

static void outer_headers_change(void **state)
{
	(void)state;
	expect((struct keys){.pool = "outer: {source: 10.99.0.0/16}"},
	       (struct keys){.pool = "outer: {df: false, ttl: 255, source: [10.98.0.0/16, '2001:db8::/64']}"},
	       "change pool web: outer df true -> false, outer ttl 64 -> 255, "
	       "outer source 10.99.0.0/16 -> 10.98.0.0/16 2001:db8::/64\n");
	/* what l2 and gue do not have goes with the mode */
	expect((struct keys){.pool = "outer: {ttl: 5, source: 10.99.0.0/16}"}, (struct keys){.pool = "forward: l2"},
	       "change pool web: forward ipip -> l2, outer source 10.99.0.0/16 -> none\n");
}

static void quic_changes(void **state)
{
	const char *two = "quic: [{config: 0, server_id_length: 1}, {config: 1, server_id_length: 2}]";

	(void)state;
	expect((struct keys){0}, (struct keys){.pool = two, .backend = "server_id: '0102'"},
	       "change pool web: quic config 0 none -> 1 bytes, quic config 1 none -> 2 bytes\n"
	       "change backend web/web1: server_id none -> 0102\n");
	expect((struct keys){.pool = two, .backend = "server_id: '0102'"},
	       (struct keys){.pool = "quic: [{config: 1, server_id_length: 2}]", .backend = "server_id: '0103'"},
	       "change pool web: quic config 0 1 bytes -> none\n"
	       "    warning: connections with IDs of a QUIC config that goes are led by their hash: they may break\n"
	       "change backend web/web1: server_id 0102 -> 0103\n"
	       "    warning: another server_id: QUIC connections with the former one may break\n");
}

static void local_changes(void **state)
{
	(void)state;
	expect((struct keys){.backend = "local: true"}, (struct keys){0},
	       "change backend web/web1: local true -> false\n");
}

#define MOVED                                                                                                          \
	"    warning: sources that its rules lead to another table lose their connections: they have no transition\n"

static void sources_change(void **state)
{
	(void)state;
	expect((struct keys){.service = "sources: [{from: 10.0.0.0/8, action: allow}, {from: any, action: deny}]"},
	       (struct keys){.service = "sources: [{from: [10.1.0.0/16, 11.0.0.0/8], action: allow}, "
					"{from: 10.0.0.0/8, action: deny}, {from: '::/0', action: deny}]"},
	       "change service www: source 0.0.0.0/0 deny -> none, source 10.0.0.0/8 allow -> deny, "
	       "source 10.1.0.0/16 none -> allow, source 11.0.0.0/8 none -> allow\n");
	/* another order of the same is none */
	expect((struct keys){.service = "sources: [{from: 10.0.0.0/8, action: deny}, {from: 11.0.0.0/8, pool: other}]"},
	       (struct keys){.service = "sources: [{from: 11.0.0.0/8, pool: other}, {from: 10.0.0.0/8, action: deny}]"},
	       "");
	expect((struct keys){0},
	       (struct keys){.service = "sources: [{from: [10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, "
					"10.0.0.6, 10.0.0.7, 10.0.0.8, 10.0.0.9], action: deny}]"},
	       "change service www: source 10.0.0.0 none -> deny, source 10.0.0.1 none -> deny, "
	       "source 10.0.0.2 none -> deny, source 10.0.0.3 none -> deny, source 10.0.0.4 none -> deny, "
	       "source 10.0.0.5 none -> deny, source 10.0.0.6 none -> deny, source 10.0.0.7 none -> deny, "
	       "and 2 more sources\n");
}

static void sources_that_move_are_warned_of(void **state)
{
	(void)state;
	expect((struct keys){0}, (struct keys){.service = "sources: [{from: 10.0.0.0/8, pool: other}]"},
	       "change service www: source 10.0.0.0/8 none -> pool other\n" MOVED);
	expect((struct keys){.service = "sources: [{from: 10.0.0.0/8, pool: other}]"}, (struct keys){0},
	       "change service www: source 10.0.0.0/8 pool other -> none\n" MOVED);
	/* a wider one that had it elsewhere */
	expect((struct keys){.service = "sources: [{from: 10.0.0.0/8, pool: other}]"},
	       (struct keys){.service = "sources: [{from: 10.1.0.0/16, pool: web}, {from: 10.0.0.0/8, pool: other}]"},
	       "change service www: source 10.1.0.0/16 none -> pool web\n" MOVED);
	/* the hash is part of the table */
	expect((struct keys){.service = "sources: [{from: 10.0.0.0/8, pool: other}]"},
	       (struct keys){.service = "hash: source, sources: [{from: 10.0.0.0/8, pool: other}]"},
	       "change service www: hash flow -> source\n" MOVED);
}

static void sources_that_stay_are_not(void **state)
{
	const char *kept = "sources: [{from: 10.1.0.0/16, pool: web}, {from: 10.0.0.0/8, pool: other}]";

	(void)state;
	/* the same pool by another word, who is denied or was, a pool without backends, and a part that says the same
	 */
	expect((struct keys){0}, (struct keys){.service = "sources: [{from: 10.0.0.0/8, pool: web}]"},
	       "change service www: source 10.0.0.0/8 none -> pool web\n");
	expect((struct keys){.service = "sources: [{from: 10.0.0.0/8, pool: other}]"},
	       (struct keys){.service = "sources: [{from: 10.0.0.0/8, action: deny}]"},
	       "change service www: source 10.0.0.0/8 pool other -> deny\n");
	expect((struct keys){.service = "sources: [{from: 10.0.0.0/8, action: deny}]"},
	       (struct keys){.service = "sources: [{from: 10.0.0.0/8, pool: other}]"},
	       "change service www: source 10.0.0.0/8 deny -> pool other\n");
	expect((struct keys){.service = "sources: [{from: 10.0.0.0/8, pool: spare}]"}, (struct keys){0},
	       "change service www: source 10.0.0.0/8 pool spare -> none\n");
	expect((struct keys){.service = kept},
	       (struct keys){.service = "sources: [{from: 10.1.0.0/17, action: allow}, "
					"{from: 10.1.0.0/16, pool: web}, {from: 10.0.0.0/8, pool: other}]"},
	       "change service www: source 10.1.0.0/17 none -> allow\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_change),
		cmocka_unit_test(policies_change),
		cmocka_unit_test(limits_change),
		cmocka_unit_test(new_services_tell_what_is_not_usual),
		cmocka_unit_test(outer_headers_change),
		cmocka_unit_test(quic_changes),
		cmocka_unit_test(local_changes),
		cmocka_unit_test(sources_change),
		cmocka_unit_test(sources_that_move_are_warned_of),
		cmocka_unit_test(sources_that_stay_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The part of reading a configuration that is about probes: the layers of keys are
 * config_probe.c, the single values config_probe_value.c and config_probe_http.c.
 */
#ifndef SLUICE_CONFIG_PROBE_H
#define SLUICE_CONFIG_PROBE_H

#include "in/config_tree.h"
#include "model/config.h"

struct reading;

/* In the order in which errors list them. */
enum probe_key {
	PROBE_KEY_TYPE,
	PROBE_KEY_INTERVAL,
	PROBE_KEY_TIMEOUT,
	PROBE_KEY_FAST_INTERVAL,
	PROBE_KEY_RISE,
	PROBE_KEY_FALL,
	PROBE_KEY_VIA,
	PROBE_KEY_PORT,
	PROBE_KEY_SEND,
	PROBE_KEY_SEND_HEX,
	PROBE_KEY_EXPECT,
	PROBE_KEY_EXPECT_HEX,
	PROBE_KEY_METHOD,
	PROBE_KEY_PATH,
	PROBE_KEY_HOST,
	PROBE_KEY_HEADERS,
	PROBE_KEY_BODY,
	PROBE_KEY_BODY_REGEX,
	PROBE_KEY_VERSION,
	PROBE_KEY_SNI,
	PROBE_KEY_CA,
	PROBE_KEY_VERIFY,
	PROBE_KEY_NAME,
	PROBE_KEY_RECORD,
	PROBE_KEY_RCODE,
	PROBE_KEY_ADDRESS,
	PROBE_KEY_TRANSPORT,
	PROBE_KEY_COMMAND,
	PROBE_KEY_USER,
	PROBE_KEY_STATUS, /* 'expect' of http: the last one, as no key of its own in the file */
	PROBE_KEYS
};

/*
 * A probe's keys while it is read: the defaults first, then the pool's own over them. Key nodes, not
 * values: what a value means may depend on the type, which either may give.
 */
struct probe_layers {
	const struct node *key[PROBE_KEYS];
	bool own[PROBE_KEYS]; /* given by the pool */
	bool typed;	      /* some layer gives a type, maybe a bad one */
	bool bad;	      /* some value was bad: do not compare values */
};

/* Reads `defaults: probe:`. */
void probe_read_defaults(struct reading *reading, const struct node *node);

/*
 * Reads a pool's `probe:`, one or a list, over the defaults. `key` is its key node or NULL if it has
 * none, `pool_key` that of the pool.
 */
void probes_read(struct reading *reading, const struct node *pool_key, const struct node *key,
		 struct config_pool *pool);

/* Each reads one key's value into the probe. True, or an error is noted. */
typedef bool (*probe_value_fn)(struct reading *reading, const struct node *node, struct config_probe *probe);

bool probe_read_type(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_interval(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_timeout(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_fast_interval(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_rise(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_fall(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_via(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_port(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_send(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_send_hex(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_expect(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_expect_hex(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_method(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_path(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_host(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_headers(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_status(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_body(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_body_regex(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_version(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_sni(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_ca(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_verify(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_name(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_record(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_rcode(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_address(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_transport(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_command(struct reading *reading, const struct node *node, struct config_probe *probe);
bool probe_read_user(struct reading *reading, const struct node *node, struct config_probe *probe);

/* Whether the text is a DNS name of up to 253 characters without a last dot; host names are among them. */
bool probe_is_dns_name(const char *text);

#endif

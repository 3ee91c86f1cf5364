/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* QUIC-LB's configurations of pools, and the server IDs of their backends: draft-ietf-quic-load-balancers. */
#include <stdio.h>
#include <string.h>

#include "abi.h"
#include "in/config_read.h"

enum { KEY_CONFIG, KEY_LENGTH, QUIC_KEYS };

static const struct value_key quic_keys[QUIC_KEYS] = {
	[KEY_CONFIG] = {.name = "config", .needed = "the config ID, 0 to 6, that its connection IDs begin with"},
	[KEY_LENGTH] = {.name = "server_id_length", .needed = "bytes of the server ID in them, 1 to 15"},
};

static bool read_config(struct reading *reading, const struct node *node, const struct node **first,
			struct config_pool *pool)
{
	struct source *source = reading->source;
	const struct node *found[QUIC_KEYS];
	__u32 id, length;
	bool right;

	if (node->kind != NODE_MAP) {
		value_unexpected(source, node, "a map such as {config: 0, server_id_length: 8}");
		return false;
	}
	value_keys(source, node, node->offset, "a QUIC config", quic_keys, QUIC_KEYS, found);
	right = found[KEY_CONFIG] && value_number(source, found[KEY_CONFIG]->value, 0, QUIC_CONFIGS - 1, &id);
	if (!found[KEY_LENGTH] || !value_number(source, found[KEY_LENGTH]->value, 1, QUIC_SERVER_ID_MAX, &length) ||
	    !right)
		return false;
	if (first[id]) {
		source_error(source, found[KEY_CONFIG]->value->offset, "duplicate config %u: it is already on line %zu",
			     id, source_line(source, first[id]->offset));
		return false;
	}
	first[id] = found[KEY_CONFIG]->value;
	pool->quic_server_id_length[id] = (__u8)length;
	return true;
}

bool quic_read(struct reading *reading, const struct node *node, struct config_pool *pool)
{
	const struct node *first[QUIC_CONFIGS] = {0};
	bool right = true;

	if (!value_is_list(reading->source, node, "a list such as [{config: 0, server_id_length: 8}]"))
		return false;
	for (const struct node *child = node->first; child; child = child->next)
		right &= read_config(reading, child, first, pool);
	return right;
}

/* How many of the pool's configs have server IDs of so many bytes: of each of them it is one. */
static size_t count_configs(const struct config_pool *pool, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < QUIC_CONFIGS; i++)
		count += pool->quic_server_id_length[i] == length;
	return count;
}

static void note_length(struct source *source, const struct node *node, const struct config_pool *pool, size_t length)
{
	char lengths[64] = "";

	for (size_t i = 0, used = 0; i < QUIC_CONFIGS; i++)
		if (pool->quic_server_id_length[i])
			used += (size_t)snprintf(lengths + used, sizeof(lengths) - used, "%s%u", used ? ", " : "",
						 pool->quic_server_id_length[i]);
	if (*lengths)
		source_error(source, node->offset,
			     "server_id of %zu byte%s: the pool's quic configs have a server_id_length of %s", length,
			     length == 1 ? "" : "s", lengths);
	else
		source_error(source, node->offset,
			     "server_id is for pools with quic: give this one, say, "
			     "quic: [{config: 0, server_id_length: %zu}]",
			     length);
}

bool server_id_read(struct reading *reading, const struct node *node, const struct config_pool *pool, bool judge,
		    struct config_backend *backend)
{
	static const char expected[] = "a server ID of 1 to 15 bytes as hex digits in quotes";
	struct source *source = reading->source;
	size_t length, configs;
	const char *text;

	if (!value_text(source, node, expected, &text))
		return false;
	length = strlen(text);
	if (!length || text[strspn(text, "0123456789abcdefABCDEF")] || length > 2 * QUIC_SERVER_ID_MAX) {
		value_unexpected(source, node, expected);
		return false;
	}
	if (length % 2) {
		source_error(source, node->offset, "an odd number of hex digits in server_id: each byte takes two");
		return false;
	}
	backend->server_id_length = (__u8)(length / 2);
	for (size_t i = 0; i < length / 2; i++)
		backend->server_id[i] = (__u8)(value_hex_digit(text[2 * i]) << 4 | value_hex_digit(text[2 * i + 1]));
	if (!judge)
		return true;

	configs = count_configs(pool, length / 2);
	if (!configs) {
		note_length(source, node, pool, length / 2);
		return false;
	}
	if (reading->quic_servers <= SLUICE_MAX_QUIC_SERVERS &&
	    reading->quic_servers + configs > SLUICE_MAX_QUIC_SERVERS)
		source_error(source, node->offset,
			     "more than %d server IDs in all pools, each counted for each config of its length",
			     SLUICE_MAX_QUIC_SERVERS);
	reading->quic_servers += configs;
	return true;
}

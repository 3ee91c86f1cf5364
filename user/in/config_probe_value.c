/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The values of a probe's keys, other than http's. */
#include <string.h>
#include <sys/socket.h>

#include "in/config_probe.h"
#include "in/config_read.h"

#define MAX_ROUNDS  100 /* of rise and fall */
#define MAX_PAYLOAD 4096

bool probe_read_type(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	int type;

	if (!value_choice(reading->source, node, probe_type_names, PROBE_TYPES, &type))
		return false;
	probe->type = (enum probe_type)type;
	return true;
}

bool probe_read_interval(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return value_duration(reading->source, node, &probe->interval_ms);
}

bool probe_read_timeout(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return value_duration(reading->source, node, &probe->timeout_ms);
}

bool probe_read_fast_interval(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return value_duration(reading->source, node, &probe->fast_interval_ms);
}

bool probe_read_rise(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return value_number(reading->source, node, 1, MAX_ROUNDS, &probe->rise);
}

bool probe_read_fall(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return value_number(reading->source, node, 1, MAX_ROUNDS, &probe->fall);
}

bool probe_read_via(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	int via;

	if (!value_choice(reading->source, node, via_names, 3, &via))
		return false;
	probe->via = (enum probe_via)via;
	return true;
}

bool probe_read_port(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	__u32 port;

	if (!value_number(reading->source, node, 1, 65535, &port))
		return false;
	probe->port = (__u16)port;
	return true;
}

static bool read_bytes(struct reading *reading, const struct node *node, const char *what, struct config_bytes *out)
{
	const char *text;

	if (!value_bytes(reading->source, node, MAX_PAYLOAD, what, &text))
		return false;
	out->length = strlen(text);
	out->data = arena_strndup(reading->config->arena, text, out->length);
	return true;
}

/* Pairs of digits with or without spaces between the pairs. */
static bool read_hex(struct reading *reading, const struct node *node, struct config_bytes *out)
{
	static const char expected[] = "bytes of two hex digits each, such as 48 65 0d 0a",
			  digits[] = "0123456789abcdefABCDEF";
	const char *text;
	size_t length = 0;
	char *data;

	if (!value_bytes(reading->source, node, 3 * MAX_PAYLOAD, expected, &text))
		return false;
	data = arena_alloc(reading->config->arena, strlen(text) / 2 + 1);
	for (const char *at = text; *(at += strspn(at, " ")); at += 2) {
		if (!strchr(digits, at[0]) || !at[1] || !strchr(digits, at[1])) {
			source_error(reading->source, node->offset, "expected %s, found '%.8s'", expected, at);
			return false;
		}
		data[length++] = (char)(value_hex_digit(at[0]) << 4 | value_hex_digit(at[1]));
	}
	if (length == 0 || length > MAX_PAYLOAD) {
		source_error(reading->source, node->offset, "%zu bytes: 1 to %d are allowed", length, MAX_PAYLOAD);
		return false;
	}
	*out = (struct config_bytes){.data = data, .length = length};
	return true;
}

bool probe_read_send(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return read_bytes(reading, node, "a text to send", &probe->send);
}

bool probe_read_send_hex(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return read_hex(reading, node, &probe->send);
}

bool probe_read_expect(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return read_bytes(reading, node, "a text that the reply begins with", &probe->expect);
}

bool probe_read_expect_hex(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return read_hex(reading, node, &probe->expect);
}

bool probe_is_dns_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t length = strlen(text);

	if (length == 0 || length > 253)
		return false;
	for (;;) {
		size_t label = strspn(text, allowed);

		if (label == 0 || label > 63 || (text[label] && text[label] != '.'))
			return false;
		if (!text[label])
			return true;
		text += label + 1;
	}
}

bool probe_read_name(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	const char *text;
	size_t length;
	char *name;

	if (!value_text(reading->source, node, "a name to ask for, such as www.example.com", &text))
		return false;
	length = strlen(text);
	name = arena_strndup(reading->config->arena, text, length);
	if (length > 1 && name[length - 1] == '.')
		name[length - 1] = '\0';
	if (!probe_is_dns_name(name)) {
		source_error(
			reading->source, node->offset,
			"'%.64s' is no DNS name: up to 253 characters, in labels of 1 to 63 ASCII letters, digits, "
			"'-' and '_'",
			text);
		return false;
	}
	probe->name = name;
	return true;
}

static bool read_word(struct reading *reading, const struct node *node, const struct config_word *words, size_t count,
		      __u16 *out)
{
	const char *names[16];
	int chosen;

	for (size_t i = 0; i < count; i++)
		names[i] = words[i].name;
	if (!value_choice(reading->source, node, names, count, &chosen))
		return false;
	*out = words[chosen].value;
	return true;
}

bool probe_read_record(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return read_word(reading, node, config_records, CONFIG_RECORDS, &probe->record);
}

bool probe_read_rcode(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	__u16 rcode;

	if (!read_word(reading, node, config_rcodes, CONFIG_RCODES, &rcode))
		return false;
	probe->rcode = (__u8)rcode;
	return true;
}

/* Any: an answer may well hold a loopback address. */
bool probe_read_address(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	const char *text;

	if (!value_text(reading->source, node, "an IPv4 or IPv6 address", &text))
		return false;
	if (address_parse(text, &probe->expect_address)) {
		source_error(reading->source, node->offset, "'%.64s' is not an IPv4 or IPv6 address", text);
		return false;
	}
	return true;
}

bool probe_read_transport(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	static const char *const names[] = {"udp", "tcp"};
	int transport;

	if (!value_choice(reading->source, node, names, 2, &transport))
		return false;
	probe->tcp = transport;
	return true;
}

bool probe_read_command(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return command_read(reading, node, &probe->command);
}

bool probe_read_user(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	return command_read_user(reading, node, &probe->user);
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int address_parse(const char *text, struct address *out)
{
	struct address parsed = {0};

	if (inet_pton(AF_INET, text, parsed.word) == 1)
		parsed.family = AF_INET;
	else if (inet_pton(AF_INET6, text, parsed.word) == 1)
		parsed.family = AF_INET6;
	else
		return -EINVAL;
	*out = parsed;
	return 0;
}

/* As inet_ntop() does it, but without printf(): a large configuration's addresses are written some 100,000 times. */
static char *format_v4(const __u8 byte[4], char *text)
{
	char *end = text;

	for (int i = 0; i < 4; i++) {
		if (byte[i] >= 100)
			*end++ = (char)('0' + byte[i] / 100);
		if (byte[i] >= 10)
			*end++ = (char)('0' + byte[i] / 10 % 10);
		*end++ = (char)('0' + byte[i] % 10);
		*end++ = '.';
	}
	end[-1] = '\0';
	return text;
}

char *address_format(const struct address *address, char text[static ADDRESS_TEXT])
{
	if (address->family == AF_INET)
		return format_v4((const __u8 *)address->word, text);
	if (!address->family || !inet_ntop((int)address->family, address->word, text, ADDRESS_TEXT))
		snprintf(text, ADDRESS_TEXT, "none");
	return text;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

socklen_t address_to_socket(const struct address *address, __u16 port, struct sockaddr_storage *name)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)name;
	struct sockaddr_in *v4 = (struct sockaddr_in *)name;

	memset(name, 0, sizeof(*name));
	name->ss_family = (sa_family_t)address->family;
	if (address->family == AF_INET6) {
		v6->sin6_port = htons(port);
		memcpy(&v6->sin6_addr, address->word, sizeof(v6->sin6_addr));
		return sizeof(*v6);
	}
	v4->sin_port = htons(port);
	memcpy(&v4->sin_addr, address->word, sizeof(v4->sin_addr));
	return sizeof(*v4);
}

struct address address_from_socket(const struct sockaddr_storage *name)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)name;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)name;
	struct address address = {.family = name->ss_family};

	if (name->ss_family == AF_INET6)
		memcpy(address.word, &v6->sin6_addr, sizeof(v6->sin6_addr));
	else if (name->ss_family == AF_INET)
		memcpy(address.word, &v4->sin_addr, sizeof(v4->sin_addr));
	else
		address.family = 0;
	return address;
}

unsigned int address_bits(const struct address *address)
{
	return address->family == AF_INET6 ? 128 : 32;
}

/* The mask of word i of a prefix, network byte order. */
static __be32 prefix_mask(unsigned int length, unsigned int i)
{
	if (length >= 32 * (i + 1))
		return 0xffffffffU;
	if (length <= 32 * i)
		return 0;
	return htonl(0xffffffffU << (32 * (i + 1) - length));
}

int prefix_parse(const char *text, struct prefix *out)
{
	char address[ADDRESS_TEXT];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);

	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';

	struct prefix parsed = {0};

	if (address_parse(address, &parsed.address))
		return -EINVAL;
	parsed.length = address_bits(&parsed.address);
	if (slash) {
		char *end;
		unsigned long bits = strtoul(slash + 1, &end, 10);

		/* strtoul would take "+8", " 8" and "-8" too */
		if (slash[1] < '0' || slash[1] > '9' || *end || end - slash > 4 || bits > parsed.length)
			return -EINVAL;
		parsed.length = (__u32)bits;
	}
	for (unsigned int i = 0; i < 4; i++)
		if (parsed.address.word[i] & ~prefix_mask(parsed.length, i))
			return -ERANGE;
	*out = parsed;
	return 0;
}

char *prefix_format(const struct prefix *prefix, char text[static ADDRESS_TEXT])
{
	address_format(&prefix->address, text);
	if (prefix->length != address_bits(&prefix->address)) {
		size_t used = strlen(text);

		snprintf(text + used, ADDRESS_TEXT - used, "/%u", prefix->length);
	}
	return text;
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
	if (prefix->address.family != address->family)
		return false;
	for (unsigned int i = 0; i < 4; i++)
		if ((address->word[i] & prefix_mask(prefix->length, i)) != prefix->address.word[i])
			return false;
	return true;
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int order = memcmp(&a->address, &b->address, sizeof(a->address));

	return order ? order : a->length < b->length ? -1 : a->length > b->length;
}

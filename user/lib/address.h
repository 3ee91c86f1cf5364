/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* IPv4 and IPv6 addresses and prefixes as values. */
#ifndef SLUICE_ADDRESS_H
#define SLUICE_ADDRESS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_TEXT 64 /* room for any address or prefix as text */

/* An address, network byte order. IPv4 stands in word[0]; the rest is zero. family 0: none. */
struct address {
	__u32 family; /* AF_INET, AF_INET6 or 0 */
	__be32 word[4];
};
_Static_assert(sizeof(struct address) == 20, "address is a hash key: no padding");

struct prefix {
	struct address address; /* bits beyond the length are zero */
	__u32 length;
};

/* Reads an address; 0, or -EINVAL if the text is none. */
int address_parse(const char *text, struct address *out);

/* Writes the address as text into `text` and returns it; "none" for family 0. */
char *address_format(const struct address *address, char text[static ADDRESS_TEXT]);

bool address_equal(const struct address *a, const struct address *b);

/* As a socket call wants it, with the port in host byte order. Returns the length of what it filled. */
socklen_t address_to_socket(const struct address *address, __u16 port, struct sockaddr_storage *name);

/* The address alone, of AF_INET or AF_INET6; family 0 if it is neither. */
struct address address_from_socket(const struct sockaddr_storage *name);

/* Length of an address of this family in bits: 32 or 128. */
unsigned int address_bits(const struct address *address);

/*
 * Reads "ADDRESS" (a full-length prefix) or "ADDRESS/LENGTH". 0; -EINVAL if the
 * text is none; -ERANGE if bits beyond the length are set.
 */
int prefix_parse(const char *text, struct prefix *out);

/* As text: without "/LENGTH" where the prefix is a single address. */
char *prefix_format(const struct prefix *prefix, char text[static ADDRESS_TEXT]);

bool prefix_contains(const struct prefix *prefix, const struct address *address);

/* Orders prefixes so that one comes before all that it contains, and these before anything else. */
int prefix_compare(const struct prefix *a, const struct prefix *b);

#endif

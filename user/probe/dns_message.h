/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* DNS messages (RFC 1035), as far as a probe needs them: one question, and what an answer says to it. */
#ifndef SLUICE_DNS_MESSAGE_H
#define SLUICE_DNS_MESSAGE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"

#define DNS_QUESTION_MAX 272 /* header, the longest name, type and class */

struct dns_question {
	const char *name; /* without the last dot; "" is the root */
	__u16 type;
	__u16 id;
};

/* Writes the question and returns its length; 0 if the name is none that DNS can have. */
size_t dns_message_ask(__u8 message[static DNS_QUESTION_MAX], const struct dns_question *question);

enum dns_kind {
	DNS_FOREIGN,   /* no reply to this question: too short, another id, no reply at all, another question */
	DNS_MALFORMED, /* it begins as a reply to it, but cannot be read to the end of its answers */
	DNS_REPLY,
};

struct dns_reply {
	__u16 rcode;
	bool truncated;
	bool found;		/* the address looked for is among the answers */
	size_t address_count;	/* of A and AAAA answers */
	struct address address; /* the first of them */
	const char *wrong;	/* of what is not DNS_REPLY: in words */
};

/*
 * Reads a message of `length` bytes, any bytes, as the reply to the question. `wanted`:
 * the address to look for in A and AAAA answers, family 0: none. A truncated message (TC) is
 * read as far as it goes.
 */
enum dns_kind dns_message_read(const __u8 *message, size_t length, const struct dns_question *question,
			       const struct address *wanted, struct dns_reply *reply);

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "probe/dns_message.h"

#include <string.h>
#include <sys/socket.h>

#define HEADER	     12
#define LABEL_MAX    63
#define DNS_NAME_MAX 255 /* with the lengths of its labels and the root */

#define FLAG_REPLY     0x8000
#define FLAG_TRUNCATED 0x0200
#define FLAG_RECURSION 0x0100 /* desired: a resolver is to resolve */
#define OPCODE_MASK    0x7800
#define RCODE_MASK     0x000f

#define CLASS_IN  1
#define TYPE_A	  1
#define TYPE_AAAA 28

/* Reads from the front. Once there is too little, `bad` is set and everything read is zero. */
struct cursor {
	const __u8 *message;
	size_t at, length;
	bool bad;
};

static const __u8 *take(struct cursor *cursor, size_t count)
{
	const __u8 *bytes = cursor->message + cursor->at;

	if (cursor->bad || count > cursor->length - cursor->at) {
		cursor->bad = true;
		return NULL;
	}
	cursor->at += count;
	return bytes;
}

static __u16 take_16(struct cursor *cursor)
{
	const __u8 *bytes = take(cursor, 2);

	return bytes ? (__u16)(bytes[0] << 8 | bytes[1]) : 0;
}

static void put_16(__u8 **to, __u16 value)
{
	*(*to)++ = (__u8)(value >> 8);
	*(*to)++ = (__u8)value;
}

/* Writes the name as labels and moves *to; false if it is none. */
static bool put_name(__u8 **to, const char *name)
{
	const __u8 *begin = *to;

	while (*name) {
		size_t length = strcspn(name, ".");

		if (!length || length > LABEL_MAX || (size_t)(*to - begin) + 1 + length + 1 > DNS_NAME_MAX)
			return false;
		*(*to)++ = (__u8)length;
		memcpy(*to, name, length);
		*to += length;
		name += length;
		if (*name == '.' && !*++name)
			return false;
	}
	*(*to)++ = 0;
	return true;
}

size_t dns_message_ask(__u8 message[static DNS_QUESTION_MAX], const struct dns_question *question)
{
	__u8 *to = message;

	put_16(&to, question->id);
	put_16(&to, FLAG_RECURSION);
	put_16(&to, 1); /* questions */
	for (int i = 0; i < 3; i++)
		put_16(&to, 0); /* answers, authorities, additional records */
	if (!put_name(&to, question->name))
		return 0;
	put_16(&to, question->type);
	put_16(&to, CLASS_IN);
	return (size_t)(to - message);
}

/*
 * Passes over a name, which labels, a pointer, or labels and then a pointer may make up. Pointers are checked
 * to lead back, but not followed: what stands there is never needed.
 */
static void skip_name(struct cursor *cursor)
{
	size_t begin = cursor->at;

	for (;;) {
		const __u8 *byte = take(cursor, 1);

		if (!byte || !*byte)
			break;
		if ((*byte & 0xc0) == 0xc0) {
			const __u8 *low = take(cursor, 1);
			size_t target = low ? (size_t)((*byte & 0x3f) << 8 | *low) : 0;

			if (target < HEADER || target >= begin)
				cursor->bad = true;
			return;
		}
		if (*byte > LABEL_MAX)
			cursor->bad = true;
		take(cursor, *byte);
		if (cursor->at - begin >= DNS_NAME_MAX)
			cursor->bad = true;
		if (cursor->bad)
			return;
	}
}

static __u8 lower(__u8 byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

/* Whether the question section repeats ours; letters may differ in case. */
static bool same_question(struct cursor *cursor, const struct dns_question *question)
{
	__u8 own[DNS_QUESTION_MAX];
	size_t length = dns_message_ask(own, question);
	const __u8 *bytes;

	if (length < HEADER)
		return false;
	length -= HEADER;
	bytes = take(cursor, length);
	if (!bytes)
		return false;
	/* byte by byte, for a name may hold a NUL; lengths of labels are no letters */
	for (size_t i = 0; i < length; i++)
		if (lower(bytes[i]) != lower(own[HEADER + i]))
			return false;
	return true;
}

static void read_answer(struct cursor *cursor, const struct address *wanted, struct dns_reply *reply)
{
	struct address address = {0};
	const __u8 *data;
	__u16 type, class, size;

	skip_name(cursor);
	type = take_16(cursor);
	class = take_16(cursor);
	take(cursor, 4); /* TTL */
	size = take_16(cursor);
	data = take(cursor, size);
	if (!data || class != CLASS_IN || (type != TYPE_A && type != TYPE_AAAA))
		return;
	if (size != (type == TYPE_A ? 4 : 16)) {
		cursor->bad = true;
		return;
	}
	address.family = type == TYPE_A ? AF_INET : AF_INET6;
	memcpy(address.word, data, size);
	if (!reply->address_count++)
		reply->address = address;
	if (wanted->family && address_equal(&address, wanted))
		reply->found = true;
}

static enum dns_kind wrong(struct dns_reply *reply, enum dns_kind kind, const char *what)
{
	reply->wrong = what;
	return kind;
}

enum dns_kind dns_message_read(const __u8 *message, size_t length, const struct dns_question *question,
			       const struct address *wanted, struct dns_reply *reply)
{
	struct cursor cursor = {.message = message, .length = length};
	__u16 id = take_16(&cursor), flags = take_16(&cursor), questions = take_16(&cursor), answers = take_16(&cursor);

	*reply = (struct dns_reply){.rcode = flags & RCODE_MASK, .truncated = flags & FLAG_TRUNCATED};
	take(&cursor, 4); /* authorities, additional records */
	if (cursor.bad)
		return wrong(reply, DNS_FOREIGN, "too short for DNS");
	if (id != question->id)
		return wrong(reply, DNS_FOREIGN, "another id");
	if (!(flags & FLAG_REPLY) || (flags & OPCODE_MASK))
		return wrong(reply, DNS_FOREIGN, "not a reply");
	/* a server that makes nothing of a question need not repeat it */
	if (!questions && reply->rcode && !answers)
		return DNS_REPLY;
	if (questions != 1 || !same_question(&cursor, question))
		return wrong(reply, DNS_FOREIGN, "another question");
	for (__u16 i = 0; i < answers && !cursor.bad; i++)
		read_answer(&cursor, wanted, reply);
	if (cursor.bad && !reply->truncated)
		return wrong(reply, DNS_MALFORMED, "its answers cannot be read");
	return DNS_REPLY;
}

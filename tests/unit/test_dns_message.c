/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* DNS messages: good ones are understood, and no bytes whatever do harm (each message has memory of its exact length).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "probe/dns_message.h"
#include "unit/parsed.h"

static const struct dns_question question = {.name = "www.Example.org", .type = 1, .id = 0x1234};

/* CNAME to web.example.org, its A record, an AAAA record; with compressed names. */
static const __u8 good[] = {
	0x12, 0x34, 0x81, 0x80, 0,    1,   0,	3,   0,	  0,   0,   0, /* header */
	3,    'w',  'w',  'w',	7,    'e', 'X', 'a', 'm', 'p', 'l', 'e', 3,   'o', 'r', 'g',
	0,		     /* at 12; example.org at 16 */
	0,    1,    0,	  1, /* A IN */
	0xc0, 12,   0,	  5,	0,    1,   0,	0,   1,	  0,   0,   6,	 3,   'w', 'e', 'b',
	0xc0, 16,									    /* CNAME; web at 45 */
	0xc0, 45,   0,	  1,	0,    1,   0,	0,   1,	  0,   0,   4,	 192, 0,   2,	1,  /* A */
	3,    'w',  'e',  'b',	0xc0, 16,  0,	28,  0,	  1,   0,   0,	 1,   0,   0,	16, /* AAAA */
	0x20, 0x01, 0x0d, 0xb8, 0,    0,   0,	0,   0,	  0,   0,   0,	 0,   0,   0,	5,
};

/* From memory that ends where the message does. */
static enum dns_kind read_exact(const __u8 *message, size_t length, const struct address *wanted,
				struct dns_reply *reply)
{
	__u8 *copy = memory_new(1, length);
	enum dns_kind kind;

	memcpy(copy, message, length);
	kind = dns_message_read(copy, length, &question, wanted, reply);
	free(copy);
	return kind;
}

static enum dns_kind read_changed(size_t at, __u8 value, struct dns_reply *reply)
{
	struct address wanted = parsed_address("192.0.2.1");
	__u8 message[sizeof(good)];

	memcpy(message, good, sizeof(good));
	message[at] = value;
	return read_exact(message, sizeof(message), &wanted, reply);
}

static void test_question(void **state)
{
	static const __u8 expected[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 2, 'b', 'c', 0, 0, 28, 0, 1};
	const struct dns_question ask = {.name = "a.bc", .type = 28, .id = 0x1234}, root = {.name = "", .type = 2};
	__u8 message[DNS_QUESTION_MAX];

	(void)state;
	assert_int_equal(dns_message_ask(message, &ask), sizeof(expected));
	assert_memory_equal(message, expected, sizeof(expected));
	assert_int_equal(dns_message_ask(message, &root), 17);
}

static void test_names_that_are_none(void **state)
{
	char label[65], name[300] = "", text[3] = "a.";
	struct dns_question ask = {.name = label};
	__u8 message[DNS_QUESTION_MAX];

	(void)state;
	memset(label, 'a', sizeof(label));
	label[64] = '\0';
	assert_int_equal(dns_message_ask(message, &ask), 0);
	label[63] = '\0';
	assert_int_equal(dns_message_ask(message, &ask), 12 + 65 + 4);
	for (const char **wrong = (const char *[]){".", "a..b", ".a", "a.", NULL}; *wrong; wrong++) {
		ask.name = *wrong;
		assert_int_equal(dns_message_ask(message, &ask), 0);
	}
	/* 127 labels of a letter are the most */
	for (int i = 0; i < 127; i++)
		strcat(name, text);
	name[253] = '\0';
	ask.name = name;
	assert_int_equal(dns_message_ask(message, &ask), 12 + 255 + 4);
	strcpy(name + 253, "a");
	name[252] = 'a';
	assert_int_equal(dns_message_ask(message, &ask), 0);
}

static void test_good_reply(void **state)
{
	struct address wanted = parsed_address("192.0.2.1"), other = parsed_address("192.0.2.2"),
		       v6 = parsed_address("2001:db8::5"), none = {0};
	struct dns_reply reply;

	(void)state;
	assert_int_equal(read_exact(good, sizeof(good), &wanted, &reply), DNS_REPLY);
	assert_true(reply.found);
	assert_false(reply.truncated);
	assert_int_equal(reply.rcode, 0);
	assert_int_equal(reply.address_count, 2);
	assert_true(address_equal(&reply.address, &wanted));
	assert_int_equal(read_exact(good, sizeof(good), &v6, &reply), DNS_REPLY);
	assert_true(reply.found);
	assert_int_equal(read_exact(good, sizeof(good), &other, &reply), DNS_REPLY);
	assert_false(reply.found);
	assert_int_equal(read_exact(good, sizeof(good), &none, &reply), DNS_REPLY);
	assert_false(reply.found);
}

static void test_rcode(void **state)
{
	struct dns_reply reply;
	__u8 bare[12];

	(void)state;
	assert_int_equal(read_changed(3, 0x83, &reply), DNS_REPLY);
	assert_int_equal(reply.rcode, 3);
	/* a refusal may leave out the question; a success may not */
	memcpy(bare, good, sizeof(bare));
	bare[5] = bare[7] = 0;
	bare[3] = 0x85;
	assert_int_equal(read_exact(bare, sizeof(bare), &(struct address){0}, &reply), DNS_REPLY);
	assert_int_equal(reply.rcode, 5);
	bare[3] = 0x80;
	assert_int_equal(read_exact(bare, sizeof(bare), &(struct address){0}, &reply), DNS_FOREIGN);
}

static void test_foreign(void **state)
{
	struct dns_reply reply;

	(void)state;
	assert_int_equal(read_changed(0, 0x13, &reply), DNS_FOREIGN);
	assert_string_equal(reply.wrong, "another id");
	assert_int_equal(read_changed(2, 0x01, &reply), DNS_FOREIGN); /* a question */
	assert_string_equal(reply.wrong, "not a reply");
	assert_int_equal(read_changed(2, 0xa9, &reply), DNS_FOREIGN); /* another operation */
	assert_int_equal(read_changed(13, 'x', &reply), DNS_FOREIGN);
	assert_string_equal(reply.wrong, "another question");
	assert_int_equal(read_changed(30, 28, &reply), DNS_FOREIGN); /* type */
	assert_int_equal(read_changed(32, 3, &reply), DNS_FOREIGN);  /* class */
	assert_int_equal(read_exact(good, 11, &(struct address){0}, &reply), DNS_FOREIGN);
	assert_int_equal(read_exact(good, 0, &(struct address){0}, &reply), DNS_FOREIGN);
}

static void test_malformed(void **state)
{
	struct dns_reply reply;

	(void)state;
	assert_int_equal(read_changed(7, 4, &reply), DNS_MALFORMED);	 /* more answers than there are */
	assert_int_equal(read_changed(34, 33, &reply), DNS_MALFORMED);	 /* a pointer to itself */
	assert_int_equal(read_changed(34, 200, &reply), DNS_MALFORMED);	 /* ahead */
	assert_int_equal(read_changed(34, 3, &reply), DNS_MALFORMED);	 /* into the header */
	assert_int_equal(read_changed(33, 0x40, &reply), DNS_MALFORMED); /* a kind of label that there is not */
	assert_int_equal(read_changed(44, 255, &reply), DNS_MALFORMED);	 /* data beyond the end */
	assert_int_equal(read_changed(62, 5, &reply), DNS_MALFORMED);	 /* an IPv4 address of five bytes */
	/* truncated, it is read as far as it goes */
	assert_int_equal(read_changed(2, 0x83, &reply), DNS_REPLY);
	assert_true(reply.truncated);
}

static void test_truncated(void **state)
{
	struct address wanted = parsed_address("2001:db8::5");
	__u8 message[sizeof(good)];
	struct dns_reply reply;

	(void)state;
	memcpy(message, good, sizeof(good));
	message[2] |= 2;
	for (size_t length = 33; length < sizeof(good); length++) {
		assert_int_equal(read_exact(message, length, &wanted, &reply), DNS_REPLY);
		assert_true(reply.truncated);
		assert_false(reply.found);
	}
}

static void test_every_length(void **state)
{
	struct address wanted = parsed_address("2001:db8::5");
	struct dns_reply reply;

	(void)state;
	for (size_t length = 0; length < sizeof(good); length++) {
		enum dns_kind kind = read_exact(good, length, &wanted, &reply);

		assert_int_equal(kind, length < 33 ? DNS_FOREIGN : DNS_MALFORMED);
	}
}

static void test_every_byte(void **state)
{
	struct dns_reply reply;

	(void)state;
	for (size_t at = 0; at < sizeof(good); at++)
		for (unsigned int value = 0; value < 256; value++)
			if (read_changed(at, (__u8)value, &reply) == DNS_REPLY)
				assert_null(reply.wrong);
			else
				assert_non_null(reply.wrong);
}

static void test_random_bytes(void **state)
{
	struct address wanted = parsed_address("192.0.2.1");
	struct dns_reply reply;
	__u8 message[600];

	(void)state;
	srandom(17);
	for (int round = 0; round < 20000; round++) {
		size_t length = (size_t)random() % sizeof(message);

		for (size_t i = 0; i < length; i++)
			message[i] = (__u8)random();
		/* as far as the question a good one, most often */
		if (round % 8)
			memcpy(message, good, length < 33 ? length : 33);
		read_exact(message, length, &wanted, &reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question),   cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_good_reply), cmocka_unit_test(test_rcode),
		cmocka_unit_test(test_foreign),	   cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_truncated),  cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_every_byte), cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests_name("DNS messages", tests, NULL, NULL);
}

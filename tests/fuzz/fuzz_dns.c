/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Replies of DNS servers. The first two bytes choose the question. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "lib/memory.h"
#include "probe/dns_message.h"

static const char *const names[] = {"", "example.com", "a.b.c.d.e.f.g.h", "www.example.com"};
static const char *const wanted[] = {NULL, "10.0.0.11", "2001:db8::1"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct dns_question question = {.name = names[fuzz_byte(&input) % 4], .id = 0x1111};
	uint8_t choice = fuzz_byte(&input);
	struct address address = {0};
	struct dns_reply reply;
	__u8 asked[DNS_QUESTION_MAX], *message;
	enum dns_kind kind;

	question.type = choice & 1 ? 28 : 1;
	if (wanted[choice / 2 % 3])
		fuzz_require(address_parse(wanted[choice / 2 % 3], &address) == 0);
	fuzz_require(dns_message_ask(asked, &question));
	message = memory_new(input.size, 1);
	if (input.size)
		memcpy(message, input.data, input.size);
	kind = dns_message_read(message, input.size, &question, &address, &reply);
	free(message);
	fuzz_require(kind == DNS_REPLY || reply.wrong);
	if (reply.found)
		fuzz_require(address.family && reply.address_count);
	if (reply.address_count)
		fuzz_require(reply.address.family == AF_INET || reply.address.family == AF_INET6);
	return 0;
}

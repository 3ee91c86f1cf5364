/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The kernel's messages about links, neighbours and routes: one or several, as one read of the socket gives them. */
#include <libmnl/libmnl.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "in/rtnetlink_parse.h"
#include "lib/memory.h"

static void check_address(const struct address *address)
{
	char text[ADDRESS_TEXT];
	struct address again;

	fuzz_require(address->family == 0 || address->family == AF_INET || address->family == AF_INET6);
	address_format(address, text);
	if (address->family)
		fuzz_require(address_parse(text, &again) == 0 && address_equal(address, &again));
}

static void read_message(const struct nlmsghdr *message)
{
	struct neighbour neighbour;
	struct link link;
	struct route route = {.destination = {.family = AF_INET, .word = {1}}};

	if (parse_link(message, &link)) {
		fuzz_require(link.ifindex && memchr(link.name, '\0', sizeof(link.name)));
		fuzz_require(memchr(link.kind, '\0', sizeof(link.kind)));
	}
	if (parse_neighbour(message, &neighbour)) {
		fuzz_require(neighbour.key.address.family);
		check_address(&neighbour.key.address);
	}
	parse_route(message, &route);
	check_address(&route.gateway);
	check_address(&route.source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* the kernel's messages are aligned and padded */
	char *buffer = memory_new(MNL_ALIGN(size), 1);
	const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
	int left = (int)size;

	if (size)
		memcpy(buffer, data, size);
	/* libmnl takes a length from 2 GiB on for a negative one; the kernel sends none */
	for (; mnl_nlmsg_ok(message, left) && message->nlmsg_len <= size; message = mnl_nlmsg_next(message, &left))
		read_message(message);
	free(buffer);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * SYNs of random sources in 10.99.0.0/16, as many as the host makes: `flood INTERFACE MAC VIP PORT TIMES [SOURCES]`,
 * each so many times. With SOURCES, those come from so many addresses from 10.99.0.0 on instead, one after the other.
 * It goes on until its standard input ends, and then prints how many packets there were, as JSON.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"

#define BATCH 64

struct syn {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

struct flood {
	int socket;
	__u64 random;	       /* never 0 */
	__u32 sources, source; /* how many in turn, 0: random ones; and whose turn it is */
	struct syn syns[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
};

static __u64 next_random(struct flood *flood) /* xorshift64: Marsaglia, 2003 */
{
	flood->random ^= flood->random << 13;
	flood->random ^= flood->random >> 7;
	flood->random ^= flood->random << 17;
	return flood->random;
}

static __u32 add16(const void *bytes, size_t length, __u32 sum)
{
	const __u8 *byte = bytes;

	for (size_t i = 0; i < length; i += 2)
		sum += (__u32)byte[i] << 8 | byte[i + 1];
	return sum;
}

static __be16 checksum(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((__u16) ~(sum + (sum >> 16)));
}

static __u32 next_source(struct flood *flood, __u64 random)
{
	if (!flood->sources)
		return random & 0xffff;
	flood->source = (flood->source + 1) % flood->sources;
	return flood->source;
}

static void renew(struct flood *flood, struct syn *syn)
{
	__u64 random = next_random(flood);

	syn->ip.saddr = htonl(0x0a630000U + next_source(flood, random));
	syn->ip.check = 0;
	syn->ip.check = checksum(add16(&syn->ip, sizeof(syn->ip), 0));
	syn->tcp.source = htons((__u16)(1024 + (random >> 16 & 0xffff) % 64512));
	syn->tcp.seq = (__be32)(random >> 32);
	syn->tcp.check = 0;
	syn->tcp.check =
		checksum(add16(&syn->tcp, sizeof(syn->tcp), add16(&syn->ip.saddr, 8, IPPROTO_TCP + sizeof(syn->tcp))));
}

static void prepare(struct flood *flood, const struct ether_addr *mac, struct in_addr vip, __u16 port)
{
	for (int i = 0; i < BATCH; i++) {
		struct syn *syn = &flood->syns[i];

		memcpy(syn->ethernet.h_dest, mac, ETH_ALEN);
		memcpy(syn->ethernet.h_source, (__u8[]){2, 0, 0, 0, 0, 0x99}, ETH_ALEN);
		syn->ethernet.h_proto = htons(ETH_P_IP);
		syn->ip = (struct iphdr){.version = 4,
					 .ihl = 5,
					 .tot_len = htons(sizeof(syn->ip) + sizeof(syn->tcp)),
					 .ttl = 60,
					 .protocol = IPPROTO_TCP,
					 .daddr = vip.s_addr};
		syn->tcp = (struct tcphdr){.dest = htons(port), .syn = 1, .doff = 5, .window = htons(65535)};
		flood->parts[i] = (struct iovec){syn, sizeof(*syn)};
		flood->messages[i].msg_hdr = (struct msghdr){.msg_iov = &flood->parts[i], .msg_iovlen = 1};
	}
}

static int open_at(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), yes = 1; /* protocol 0: it hears nothing */

	if (fd < 0 || !address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)))
		return -1;
	return fd;
}

static bool ended(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) != 0;
}

/* The other end may be full. Random sources are given up then, but those in turn wait, so that each of them comes. */
static __u64 send_batch(struct flood *flood)
{
	int sent = 0;

	do {
		int taken = sendmmsg(flood->socket, flood->messages + sent, (unsigned int)(BATCH - sent), 0);

		if (taken > 0)
			sent += taken;
		else if (flood->sources)
			sched_yield();
	} while (flood->sources && sent < BATCH && !ended());
	return (__u64)sent;
}

int main(int argc, char **argv)
{
	static struct flood flood;
	struct ether_addr *mac = argc == 6 || argc == 7 ? ether_aton(argv[2]) : NULL;
	struct in_addr vip;
	__u64 sent = 0, begun = clock_us();

	if (!mac || inet_pton(AF_INET, argv[3], &vip) != 1) {
		fprintf(stderr, "usage: flood INTERFACE MAC VIP PORT TIMES [SOURCES]\n");
		return 2;
	}
	flood.random = begun | 1;
	flood.sources = argc == 7 ? (__u32)atoi(argv[6]) : 0;
	flood.socket = open_at(argv[1]);
	if (flood.socket < 0) {
		perror("flood");
		return 1;
	}
	prepare(&flood, mac, vip, (__u16)atoi(argv[4]));
	while (!ended()) {
		for (int i = 0; i < BATCH; i++)
			renew(&flood, &flood.syns[i]);
		for (int times = atoi(argv[5]); times > 0; times--)
			sent += send_batch(&flood);
	}
	printf("{\"sent\": %llu, \"seconds\": %.3f}\n", sent, (double)(clock_us() - begun) / 1e6);
	return 0;
}

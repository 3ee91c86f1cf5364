/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whether the benchmark of packets a second measures what it should: the frames that arrive, and what was counted. */
#ifndef SLUICE_BENCH_RATE_CHECK_H
#define SLUICE_BENCH_RATE_CHECK_H

#include "bench/packet_lab.h"
#include "bench/rate.h"
#include "reasons.h"

struct rate_encapsulated {
	struct ethhdr eth;
	struct iphdr outer;
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char data[64];
} __attribute__((packed));
_Static_assert(sizeof(struct rate_encapsulated) == RATE_CAUGHT, "what rate.bpf.c catches");

static inline bool rate_checksum_holds(const void *header)
{
	__u16 words[sizeof(struct iphdr) / 2];
	__u32 sum = 0;

	memcpy(words, header, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		sum += words[i];
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

/* The backend that the maps have for the client's flow in the frame. */
static inline const struct backend *rate_backend(const struct rate_encapsulated *frame, const struct maps *maps,
						 const struct flow_key *key)
{
	__u32 ports, hash;

	memcpy(&ports, &frame->tcp, sizeof(ports));
	hash = hash_flow4(key, frame->ip.saddr, frame->ip.daddr, ports, IPPROTO_TCP);
	return &maps->backends[maps->slots[hash_slot(hash, LAB_SLOTS)].owner];
}

/* NULL, or what of it is not the encapsulation that the maps ask for. Any client that `generate` has will do. */
static inline const char *rate_check_frame(const struct rate_caught *caught, const struct maps *maps,
					   const struct flow_key *key)
{
	struct lab_frame sent = lab_frame(false);
	struct rate_encapsulated frame, wanted;
	__u32 client;

	if (caught->length != sizeof(frame))
		return caught->length ? "its length" : "it did not arrive";
	memcpy(&frame, caught->data, sizeof(frame));
	client = ntohl(frame.ip.saddr);
	sent.ip.saddr = frame.ip.saddr;
	sent.tcp.source = frame.tcp.source;
	if (client >> 20 != RATE_CLIENTS >> 20 || memcmp(&frame.ip, &sent.ip, sizeof(sent) - sizeof(sent.eth)) != 0)
		return "the client's packet";
	memcpy(&wanted, rate_backend(&frame, maps, key)->header, sizeof(wanted.eth) + sizeof(wanted.outer));
	if (memcmp(&frame.eth, &wanted.eth, sizeof(frame.eth)) != 0)
		return "the Ethernet header";
	wanted.outer.tot_len = htons(sizeof(frame) - sizeof(frame.eth));
	wanted.outer.protocol = IPPROTO_IPIP;
	wanted.outer.check = frame.outer.check;
	if (memcmp(&frame.outer, &wanted.outer, sizeof(frame.outer)) != 0)
		return "the outer IP header";
	return rate_checksum_holds(&frame.outer) ? NULL : "the outer IP checksum";
}

/* Whether nothing but forwarding and redirecting was counted, and that as often as the program had frames. */
static inline bool rate_check_counts(const struct maps *maps, double frames)
{
	double forwarded = 0, other = 0;

	for (__u32 cpu = 0; cpu < maps->cpus; cpu++) {
		const struct counters *reason = maps->counts[cpu].reason;

		for (int i = 0; i < COUNT_REASONS; i++)
			if (i == REASON_forwarded || i == REASON_redirected)
				forwarded += (double)reason[i].packets;
			else
				other += (double)reason[i].packets;
	}
	return !other && forwarded == frames;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/header.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <string.h>

#define DONT_FRAGMENT 0x4000

/* The ones' complement sum of the header's words, as they stand in memory; the dataplane adds to it and complements. */
static __u16 checksum_base(const struct iphdr *ip)
{
	__u16 words[sizeof(*ip) / 2];
	__u32 sum = 0;

	memcpy(words, ip, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)((sum & 0xffff) + (sum >> 16));
}

/* The outer IP header goes to `at`; returns where it ends. */
static __u8 *put_ip(__u8 *at, __u8 protocol, const struct config_outer *outer, const struct address *source,
		    const struct address *destination)
{
	if (destination->family == AF_INET) {
		struct iphdr ip = {.version = 4,
				   .ihl = sizeof(ip) / 4,
				   .frag_off = outer->df ? htons(DONT_FRAGMENT) : 0,
				   .ttl = outer->ttl,
				   .protocol = protocol,
				   .saddr = source->word[0],
				   .daddr = destination->word[0]};

		ip.check = checksum_base(&ip);
		memcpy(at, &ip, sizeof(ip));
		return at + sizeof(ip);
	}

	struct ipv6hdr ip = {.version = 6, .nexthdr = protocol, .hop_limit = outer->ttl};

	memcpy(&ip.saddr, source->word, sizeof(ip.saddr));
	memcpy(&ip.daddr, destination->word, sizeof(ip.daddr));
	memcpy(at, &ip, sizeof(ip));
	return at + sizeof(ip);
}

/* The prefix from which the pool's outer sources are, whose length is 0 if they are the kernel's. */
static const struct prefix *source_prefix(const struct config_pool *pool, __u32 family)
{
	static const struct prefix none;

	if (pool->forward != FORWARD_IPIP)
		return &none;
	return family == AF_INET ? &pool->outer.source4 : &pool->outer.source6;
}

/* The bits behind the prefix, of its address's last word. */
static __be32 host_bits(const struct prefix *prefix)
{
	__u32 bits = address_bits(&prefix->address) - prefix->length;

	return bits < 32 ? htonl((1U << bits) - 1) : 0xffffffff;
}

/* What goes between the MACs and the type. */
static void put_tags(struct backend *out, const struct next_hop *hop)
{
	if (!hop->tags)
		return;
	out->encap |= ENCAP_SLOW;
	out->tags = hop->tags;
	memcpy(out->tag, hop->tag, sizeof(out->tag));
}

static __u8 encap_of(enum forward forward, bool v6)
{
	if (forward == FORWARD_GUE)
		return v6 ? ENCAP_GUE6 : ENCAP_GUE4;
	return v6 ? ENCAP_IPIP6 : ENCAP_IPIP4;
}

void header_build(struct backend *out, const struct config_pool *pool, const struct address *destination,
		  const struct next_hop *hop)
{
	const bool v6 = destination->family == AF_INET6, gue = pool->forward == FORWARD_GUE;
	const struct prefix *prefix = source_prefix(pool, destination->family);
	const struct address *source = prefix->length ? &prefix->address : &hop->source;
	struct ethhdr ethernet = {0};
	struct udphdr udp = {.dest = htons(pool->gue_port)};
	__u8 *at = out->header;

	*out = (struct backend){0};
	/* a packet that is not encapsulated can only cross a switch, and needs no outer source */
	if (!hop->resolved || (pool->forward == FORWARD_L2 ? !hop->on_link : source->family != destination->family))
		return;
	out->ifindex = hop->out_ifindex;
	out->mtu = hop->mtu < 0xffff ? (__u16)hop->mtu : 0xffff;
	memcpy(ethernet.h_dest, hop->mac, ETH_ALEN);
	memcpy(ethernet.h_source, hop->source_mac, ETH_ALEN);
	if (pool->forward == FORWARD_L2) {
		out->encap = ENCAP_L2;
		put_tags(out, hop);
		memcpy(at, &ethernet, sizeof(ethernet));
		return;
	}
	out->encap = encap_of(pool->forward, v6);
	put_tags(out, hop);
	out->source_mask = prefix->length ? host_bits(prefix) : 0;
	ethernet.h_proto = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
	memcpy(at, &ethernet, sizeof(ethernet));
	/* IPIP's protocol depends on the packet that goes inside */
	at = put_ip(at + sizeof(ethernet), gue ? IPPROTO_UDP : 0, &pool->outer, source, destination);
	if (gue)
		memcpy(at, &udp, sizeof(udp));
}

void header_local(struct backend *out)
{
	*out = (struct backend){.mtu = 0xffff, .encap = ENCAP_LOCAL};
}

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
static __u8 *put_ip(__u8 *at, __u8 protocol, const struct address *source, const struct address *destination)
{
	if (destination->family == AF_INET) {
		struct iphdr ip = {.version = 4,
				   .ihl = sizeof(ip) / 4,
				   .frag_off = htons(DONT_FRAGMENT),
				   .ttl = HEADER_TTL,
				   .protocol = protocol,
				   .saddr = source->word[0],
				   .daddr = destination->word[0]};

		ip.check = checksum_base(&ip);
		memcpy(at, &ip, sizeof(ip));
		return at + sizeof(ip);
	}

	struct ipv6hdr ip = {.version = 6, .nexthdr = protocol, .hop_limit = HEADER_TTL};

	memcpy(&ip.saddr, source->word, sizeof(ip.saddr));
	memcpy(&ip.daddr, destination->word, sizeof(ip.daddr));
	memcpy(at, &ip, sizeof(ip));
	return at + sizeof(ip);
}

void header_build(struct backend *out, enum forward forward, __u16 gue_port, const struct address *destination,
		  const struct next_hop *hop)
{
	bool v6 = destination->family == AF_INET6, gue = forward == FORWARD_GUE;
	struct ethhdr ethernet = {0};
	struct udphdr udp = {.dest = htons(gue_port)};
	__u8 *at = out->header;

	*out = (struct backend){0};
	/* a packet that is not encapsulated can only cross a switch, and needs no outer source */
	if (!hop->resolved || (forward == FORWARD_L2 ? !hop->on_link : hop->source.family != destination->family))
		return;
	out->ifindex = hop->ifindex;
	out->mtu = hop->mtu < 0xffff ? (__u16)hop->mtu : 0xffff;
	memcpy(ethernet.h_dest, hop->mac, ETH_ALEN);
	memcpy(ethernet.h_source, hop->source_mac, ETH_ALEN);
	if (forward == FORWARD_L2) {
		out->encap = ENCAP_L2;
		memcpy(at, &ethernet, sizeof(ethernet));
		return;
	}
	if (gue)
		out->encap = v6 ? ENCAP_GUE6 : ENCAP_GUE4;
	else
		out->encap = v6 ? ENCAP_IPIP6 : ENCAP_IPIP4;
	ethernet.h_proto = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
	memcpy(at, &ethernet, sizeof(ethernet));
	/* IPIP's protocol depends on the packet that goes inside */
	at = put_ip(at + sizeof(ethernet), gue ? IPPROTO_UDP : 0, &hop->source, destination);
	if (gue)
		memcpy(at, &udp, sizeof(udp));
}

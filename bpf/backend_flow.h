/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whose is the inner packet? This host's, unless it is TCP, or an ICMP error about TCP, and
 * no socket here has the connection. When in doubt, it is this host's.
 */
#ifndef SLUICE_BACKEND_FLOW_H
#define SLUICE_BACKEND_FLOW_H

#include <linux/tcp.h>

#include "backend_decap.h"
#include "icmp_types.h"

#define IP_OFFSET_MASK 0x1fff /* of a fragment, in units of 8 bytes */
#define IP_MORE	       0x2000

#define IPV6_OFFSET_MASK 0xfff8 /* likewise, in bytes */
#define IPV6_MORE	 0x0001

#define ICMPV6_FIRST 1 /* of the errors */
#define ICMPV6_LAST  4

struct ipv6_fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset; /* and flags */
	__be32 id;
};

/* What an IP header says, and where the next one is. */
struct inner {
	struct fragments_key key; /* addresses and protocol of any packet; the id of a fragment */
	__u32 version;
	__u32 transport; /* offset of what follows the IP header */
	__u16 more;	 /* not 0: a fragment that others follow */
	__u16 later;	 /* not 0: a fragment that is not the first one, so it has no ports */
};

static __always_inline int read_inner4(struct __sk_buff *skb, __u32 offset, struct inner *inner)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return 0;
	inner->key.source[0] = ip.saddr;
	inner->key.destination[0] = ip.daddr;
	inner->key.id = ip.id;
	inner->key.protocol = ip.protocol;
	inner->transport = offset + ip.ihl * 4;
	inner->more = ip.frag_off & bpf_htons(IP_MORE);
	inner->later = ip.frag_off & bpf_htons(IP_OFFSET_MASK);
	return 1;
}

/* Of extension headers it knows the fragment's alone. */
static __always_inline int read_inner6(struct __sk_buff *skb, __u32 offset, struct inner *inner)
{
	struct ipv6_fragment fragment;
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return 0;
	__builtin_memcpy(inner->key.source, &ip.saddr, sizeof(inner->key.source));
	__builtin_memcpy(inner->key.destination, &ip.daddr, sizeof(inner->key.destination));
	inner->key.protocol = ip.nexthdr;
	inner->transport = offset + sizeof(ip);
	if (ip.nexthdr != IPPROTO_FRAGMENT)
		return 1;
	if (bpf_skb_load_bytes(skb, inner->transport, &fragment, sizeof(fragment)))
		return 0;
	inner->key.id = fragment.id;
	inner->key.protocol = fragment.next;
	inner->transport += sizeof(fragment);
	inner->more = fragment.offset & bpf_htons(IPV6_MORE);
	inner->later = fragment.offset & bpf_htons(IPV6_OFFSET_MASK);
	return 1;
}

static __always_inline int read_addresses(struct __sk_buff *skb, __u32 offset, struct inner *inner)
{
	return inner->version == 6 ? read_inner6(skb, offset, inner) : read_inner4(skb, offset, inner);
}

/* The client's addresses and ports first, as its packets have them. To be released; NULL: there is none. */
static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb, __u32 version, const __be32 *client,
						    const __be32 *vip, __be16 client_port, __be16 vip_port)
{
	struct bpf_sock_tuple tuple = {};

	if (version == 6) {
		__builtin_memcpy(tuple.ipv6.saddr, client, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, vip, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = client_port;
		tuple.ipv6.dport = vip_port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	tuple.ipv4.saddr = client[0];
	tuple.ipv4.daddr = vip[0];
	tuple.ipv4.sport = client_port;
	tuple.ipv4.dport = vip_port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}

/* Whether it is the ACK of a SYN cookie that the listening socket has sent, so that there is no other trace of it. */
static __always_inline int has_cookie(struct __sk_buff *skb, __u32 version, __u32 offset, struct bpf_sock *listener,
				      struct tcphdr *tcp)
{
	union {
		struct iphdr ip4;
		struct ipv6hdr ip6;
	} ip = {};
	__u32 length = version == 6 ? sizeof(ip.ip6) : sizeof(ip.ip4);

	if (version == 6 ? bpf_skb_load_bytes(skb, offset, &ip.ip6, sizeof(ip.ip6))
			 : bpf_skb_load_bytes(skb, offset, &ip.ip4, sizeof(ip.ip4)))
		return 0;
	return bpf_tcp_check_syncookie(listener, &ip, length, tcp, sizeof(*tcp)) == 0;
}

static __always_inline int is_elsewhere_tcp(struct __sk_buff *skb, __u32 offset, const struct inner *inner)
{
	struct bpf_sock *sock;
	struct tcphdr tcp;
	int elsewhere;

	/* a new connection is for who is asked first */
	if (bpf_skb_load_bytes(skb, inner->transport, &tcp, sizeof(tcp)) || (tcp.syn && !tcp.ack))
		return 0;
	sock = find_socket(skb, inner->version, inner->key.source, inner->key.destination, tcp.source, tcp.dest);
	if (!sock)
		return 1;
	elsewhere = sock->state == BPF_TCP_LISTEN && !has_cookie(skb, inner->version, offset, sock, &tcp);
	bpf_sk_release(sock);
	return elsewhere;
}

/* Errors carry the packet that they are about: one from the VIP to the client. */
static __always_inline int is_error(__u32 version, __u8 type)
{
	if (version == 6)
		return type >= ICMPV6_FIRST && type <= ICMPV6_LAST;
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static __always_inline int is_elsewhere_icmp(struct __sk_buff *skb, const struct inner *error)
{
	struct inner about = {.version = error->version};
	struct bpf_sock *sock;
	__be16 ports[2];
	int elsewhere;
	__u8 type;

	if (bpf_skb_load_bytes(skb, error->transport, &type, sizeof(type)) || !is_error(error->version, type) ||
	    !read_addresses(skb, error->transport + ICMP_HEADER_LENGTH, &about) || about.key.protocol != IPPROTO_TCP ||
	    about.later || bpf_skb_load_bytes(skb, about.transport, ports, sizeof(ports)))
		return 0;
	sock = find_socket(skb, about.version, about.key.destination, about.key.source, ports[1], ports[0]);
	if (!sock)
		return 1;
	elsewhere = sock->state == BPF_TCP_LISTEN;
	bpf_sk_release(sock);
	return elsewhere;
}

/* The first fragment decides for the rest. */
static __always_inline void remember_fragments(const struct inner *first, int elsewhere)
{
	const __u8 one = 1;

	if (elsewhere)
		bpf_map_update_elem(&sent_on, &first->key, &one, BPF_ANY);
	else
		bpf_map_delete_elem(&sent_on, &first->key); /* ids come again */
}

static __always_inline int is_elsewhere(struct __sk_buff *skb, const struct packet *packet)
{
	struct inner inner = {.version = packet->inner_version};
	int elsewhere = 0;

	if (!read_addresses(skb, packet->offset, &inner))
		return 0;
	if (inner.later)
		return bpf_map_lookup_elem(&sent_on, &inner.key) != NULL;
	if (inner.key.protocol == IPPROTO_TCP)
		elsewhere = is_elsewhere_tcp(skb, packet->offset, &inner);
	else if (inner.key.protocol == (inner.version == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		elsewhere = is_elsewhere_icmp(skb, &inner);
	if (inner.more)
		remember_fragments(&inner, elsewhere);
	return elsewhere;
}

#endif

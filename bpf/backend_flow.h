/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whose is the inner packet? This host's, unless it is TCP, or an ICMP error about TCP, and
 * no socket here has the connection. When in doubt, it is this host's. Only of a fragment that comes before
 * its first one nobody can tell, and both get it: it is no use without the others.
 */
#ifndef SLUICE_BACKEND_FLOW_H
#define SLUICE_BACKEND_FLOW_H

#include <linux/tcp.h>

#include "backend_inner.h"
#include "icmp_types.h"
#include "service_options.h"

#define ICMPV6_FIRST 1 /* of the errors */
#define ICMPV6_LAST  4

enum whose {
	WHOSE_here,
	WHOSE_elsewhere,
	WHOSE_either,
};

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

	if (inner->transport + sizeof(tcp) > inner->end || bpf_skb_load_bytes(skb, inner->transport, &tcp, sizeof(tcp)))
		return 0;
	/* a new connection is for who is asked first */
	if (tcp.syn && !tcp.ack)
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
	    !read_addresses(skb, error->transport + ICMP_HEADER_LENGTH, &about) || about.protocol != IPPROTO_TCP ||
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
	const struct fragments_owner owner = {.since = bpf_ktime_get_ns(), .elsewhere = elsewhere};

	bpf_map_update_elem(&fragments, &first->key, &owner, BPF_ANY);
}

static __always_inline enum whose whose_fragment(const struct inner *later)
{
	const struct fragments_owner *owner = bpf_map_lookup_elem(&fragments, &later->key);

	/* ids come again */
	if (owner && bpf_ktime_get_ns() - owner->since < FRAGMENT_LIFE * 1000000000ULL)
		return owner->elsewhere ? WHOSE_elsewhere : WHOSE_here;
	return later->protocol == IPPROTO_TCP || is_extension(later->protocol) ? WHOSE_either : WHOSE_here;
}

static __always_inline enum whose whose_is(struct __sk_buff *skb, const struct packet *packet)
{
	struct inner inner = {.version = packet->inner_version};
	int elsewhere = 0;

	if (!read_addresses(skb, packet->offset, &inner))
		return WHOSE_here;
	if (inner.later)
		return whose_fragment(&inner);
	if (inner.protocol == IPPROTO_TCP)
		elsewhere = is_elsewhere_tcp(skb, packet->offset, &inner);
	else if (inner.protocol == (inner.version == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		elsewhere = is_elsewhere_icmp(skb, &inner);
	if (inner.more)
		remember_fragments(&inner, elsewhere);
	return elsewhere ? WHOSE_elsewhere : WHOSE_here;
}

#endif

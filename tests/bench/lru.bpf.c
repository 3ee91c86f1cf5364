// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What Sluice is compared with: a balancer with a connection table, in the steps that Katran and Cilium have. A hash
 * map of VIPs; an LRU hash map of flows, asked for each packet but SYNs; for who is not in it a hash of the flow, the
 * VIP's ring and a new entry; then the backend's outer header, and counters of VIP and backend. It has no more than
 * that: no fragments, ICMP, UDP time-outs, rates of new flows or health.
 *
 * One LRU map for all CPUs, where Katran has one for each: on one CPU it is the faster one, by some 4 ns, for it is
 * asked without the look-up of the CPU's map before. Both families share it, as in Katran: a map for IPv4 alone, as in
 * Cilium, with keys of 16 bytes instead of 40, would save some 13 ns.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lru.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LRU_VIPS);
	__type(key, struct lru_vip);
	__type(value, __u32); /* the VIP's number */
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space sizes it: all flows fit */
	__type(key, struct lru_flow);
	__type(value, __u32); /* the backend's number */
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LRU_VIPS *LRU_RING);
	__type(key, __u32);
	__type(value, __u32);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LRU_BACKENDS);
	__type(key, __u32);
	__type(value, struct lru_backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LRU_VIPS);
	__type(key, __u32);
	__type(value, struct lru_counters);
} vip_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LRU_BACKENDS);
	__type(key, __u32);
	__type(value, struct lru_counters);
} backend_counters SEC(".maps");

__u64 missed; /* packets whose flow was not in the table */

struct packet {
	struct lru_flow flow;
	__u16 length; /* of the IP packet */
	bool v6;
	bool syn;
};

static __always_inline void *parse4(struct packet *p, void *header, void *end)
{
	const struct iphdr *ip = header;

	if ((void *)(ip + 1) > end || ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
		return NULL;
	p->flow.source[0] = ip->saddr;
	p->flow.destination[0] = ip->daddr;
	p->flow.protocol = ip->protocol;
	p->length = bpf_ntohs(ip->tot_len);
	return header + sizeof(*ip);
}

static __always_inline void *parse6(struct packet *p, void *header, void *end)
{
	const struct ipv6hdr *ip = header;

	if ((void *)(ip + 1) > end)
		return NULL;
	__builtin_memcpy(p->flow.source, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(p->flow.destination, &ip->daddr, sizeof(ip->daddr));
	p->flow.protocol = ip->nexthdr;
	p->length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	p->v6 = true;
	return header + sizeof(*ip);
}

static __always_inline bool parse(struct packet *p, struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end, *transport;
	const struct ethhdr *ethernet = (void *)(long)ctx->data;
	const struct tcphdr *tcp;

	if ((void *)(ethernet + 1) > end)
		return false;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		transport = parse4(p, (void *)(ethernet + 1), end);
	else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6))
		transport = parse6(p, (void *)(ethernet + 1), end);
	else
		return false;
	if (!transport || transport + 8 > end)
		return false;
	*(__u32 *)&p->flow.source_port = *(const __u32 *)transport;
	if (p->flow.protocol == IPPROTO_UDP)
		return true;
	tcp = transport;
	if (p->flow.protocol != IPPROTO_TCP || (void *)(tcp + 1) > end)
		return false;
	p->syn = tcp->syn;
	return true;
}

static __always_inline __u32 rotate(__u32 word, int bits)
{
	return word << bits | word >> (32 - bits);
}

/* The end of Bob Jenkins' lookup3 (public domain). */
static __always_inline __u32 hash_of(__u32 a, __u32 b, __u32 c)
{
	c = (c ^ b) - rotate(b, 14);
	a = (a ^ c) - rotate(c, 11);
	b = (b ^ a) - rotate(a, 25);
	c = (c ^ b) - rotate(b, 16);
	a = (a ^ c) - rotate(c, 4);
	b = (b ^ a) - rotate(a, 14);
	return (c ^ b) - rotate(b, 24);
}

/* The backend's number, 0: none. */
static __always_inline __u32 begin(const struct packet *p, __u32 vip)
{
	const __be32 *source = p->flow.source;
	const __u32 folded = p->v6 ? hash_of(source[0], source[1], source[2]) + source[3] : source[0];
	__u32 index = vip * LRU_RING + hash_of(folded, *(const __u32 *)&p->flow.source_port, 0xdeadbeef) % LRU_RING;
	const __u32 *backend = bpf_map_lookup_elem(&rings, &index);

	missed++;
	if (!backend || !*backend)
		return 0;
	bpf_map_update_elem(&flows, &p->flow, backend, BPF_ANY);
	return *backend;
}

static __always_inline void count(void *map, __u32 index, __u32 length)
{
	struct lru_counters *counters = bpf_map_lookup_elem(map, &index);

	if (!counters)
		return;
	counters->packets++;
	counters->bytes += length;
}

static __always_inline int send(struct xdp_md *ctx, const struct packet *p, const struct lru_backend *backend)
{
	struct ethhdr *ethernet;
	struct iphdr *ip;
	__u32 sum;
	__u8 mac[6]; /* the balancer's own */

	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(mac, ethernet->h_dest, sizeof(mac));
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return XDP_DROP;
	ethernet = (void *)(long)ctx->data;
	ip = (void *)(ethernet + 1);
	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(ethernet->h_dest, backend->mac, sizeof(mac));
	__builtin_memcpy(ethernet->h_source, mac, sizeof(mac));
	ethernet->h_proto = bpf_htons(ETH_P_IP);
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .tot_len = bpf_htons(p->length + sizeof(*ip)),
			     .ttl = 64,
			     .protocol = p->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
			     .saddr = backend->source,
			     .daddr = backend->destination};
	sum = bpf_htons(0x4500) + ip->tot_len + bpf_htons(64 << 8 | ip->protocol);
	sum += (backend->source & 0xffff) + (backend->source >> 16);
	sum += (backend->destination & 0xffff) + (backend->destination >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~((sum & 0xffff) + (sum >> 16));
	return XDP_TX;
}

SEC("xdp")
int lru(struct xdp_md *ctx)
{
	struct packet p = {};
	struct lru_vip vip = {};
	const struct lru_backend *backend;
	const __u32 *number, *known = NULL;
	__u32 chosen;

	if (!parse(&p, ctx))
		return XDP_PASS;
	__builtin_memcpy(vip.address, p.flow.destination, sizeof(vip.address));
	vip.port = p.flow.destination_port;
	vip.protocol = p.flow.protocol;
	number = bpf_map_lookup_elem(&vips, &vip);
	if (!number)
		return XDP_PASS;
	if (!p.syn)
		known = bpf_map_lookup_elem(&flows, &p.flow);
	chosen = known ? *known : begin(&p, *number);
	backend = bpf_map_lookup_elem(&backends, &chosen);
	if (!chosen || !backend)
		return XDP_DROP;
	count(&vip_counters, *number, ctx->data_end - ctx->data);
	count(&backend_counters, chosen, ctx->data_end - ctx->data);
	return send(ctx, &p, backend);
}

char _license[] SEC("license") = "Dual BSD/GPL";

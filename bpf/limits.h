/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage limits: packets and new connections a second, of one source and of the service. limit.h has the buckets.
 *
 * All limits are asked first and charged only when each of them lets the packet through: what is refused counts
 * nowhere. So a source gets its whole rate however much more it sends, pays nothing for what the service refuses,
 * and leaves the service's bucket to others. And a flood costs but reads of lines that CPUs can share.
 *
 * Between asking and charging, another CPU may take the last packet of a bucket. Both go through, and the bucket
 * makes up for it by refusing one later: bursts may be longer by as many packets as there are CPUs, rates are exact.
 */
#ifndef SLUICE_LIMITS_H
#define SLUICE_LIMITS_H

#include "maps.h"
#include "packet.h"

static __always_inline bool limit_allows(const struct limit *limit, const __u64 *state, __u64 now)
{
	__u64 present = *(const volatile __u64 *)state;

	return !limit->interval || limit_is_stale(limit, present, now) || limit_next(limit, present, now);
}

/* Only a bucket that is full again needs compare-and-swap; whoever loses found it brought up to now by another. */
static __always_inline void limit_charge(const struct limit *limit, __u64 *state, __u64 now)
{
	__u64 before = *(volatile __u64 *)state;

	if (!limit->interval)
		return;
	if ((before > now && !limit_is_stale(limit, before, now)) ||
	    __sync_val_compare_and_swap(state, before, now + limit->interval) != before)
		__sync_fetch_and_add(state, limit->interval);
}

/* Whether one more packet is within the limit, which it is charged to then. */
static __always_inline bool limit_take(const struct limit *limit, __u64 *state, __u64 now)
{
	if (!limit_allows(limit, state, now))
		return false;
	limit_charge(limit, state, now);
	return true;
}

/*
 * Whether the dataplane may send one more answer of its own. `error`: a reset or an ICMP error, which have a bucket of
 * their own, so that a flood of pings does not stop path MTU discovery.
 */
static __always_inline bool reply_allowed(bool error)
{
	/* read as what it is, volatile: otherwise the compiler takes the constants' zeros for what they are */
	const struct limit replies = {.interval = settings.replies.interval, .tolerance = settings.replies.tolerance};
	__u32 index = SLUICE_MAX_SERVICES;
	struct service_bucket *bucket;

	if (!replies.interval)
		return true;
	bucket = bpf_map_lookup_elem(&buckets, &index);
	return bucket && limit_take(&replies, error ? &bucket->connections : &bucket->packets, bpf_ktime_get_ns());
}

/* The first bits of 64, host byte order. */
static __always_inline __u64 first_bits(__u32 bits)
{
	return bits >= 64 ? ~0ULL : ~(~0ULL >> bits);
}

static __always_inline struct source_key source_key(const struct flow_tuple *tuple,
						    const struct service_options *options, __u16 service)
{
	const __u32 bits = tuple->version == 6 ? options->source_bits6 : options->source_bits4;
	const __u64 high = first_bits(bits), low = first_bits(bits > 64 ? bits - 64 : 0);

	return (struct source_key){
		.address = {tuple->source[0] & bpf_htonl(high >> 32), tuple->source[1] & bpf_htonl(high),
			    tuple->source[2] & bpf_htonl(low >> 32), tuple->source[3] & bpf_htonl(low)},
		.service = service,
		.version = tuple->version,
	};
}

/* A source that has no bucket is within its limits: all bursts are of one packet at least. */
static __always_inline void source_begin(const struct source_key *key, const struct service_options *options, __u64 now,
					 bool begins)
{
	struct source_bucket bucket = {
		.packets = now + options->source_packets.interval,
		.connections = begins ? now + options->source_connections.interval : 0,
	};

	/* another CPU's may be there by now: it has been charged since */
	bpf_map_update_elem(&sources, key, &bucket, BPF_NOEXIST);
}

static __always_inline enum reason over_limit(const struct service_options *options, enum reason reason)
{
	return options->flags & OPTION_EXCESS_PASS ? REASON_over_limit_passed : reason;
}

/*
 * For services with OPTION_LIMITS. `begins`: the packet is a TCP SYN without ACK. UDP has no connections that one
 * could tell without a record of each: its packets are limited alone. A function of its own, for its stack.
 */
static __noinline enum reason limits_apply(const struct flow_tuple *tuple, const struct service_options *options,
					   __u16 service, bool begins)
{
	const bool of_source = options->source_packets.interval || (begins && options->source_connections.interval);
	const bool of_service = options->service_packets.interval || (begins && options->service_connections.interval);
	struct source_key key = source_key(tuple, options, service);
	struct source_bucket *source;
	struct service_bucket *all;
	__u32 index = service;
	__u64 now;

	if (!of_source && !of_service)
		return REASON_go_on;
	now = bpf_ktime_get_ns(); /* the coarse clock's tick has many packets, and a burst may be of one */
	source = of_source ? bpf_map_lookup_elem(&sources, &key) : NULL;
	if (source && !(limit_allows(&options->source_packets, &source->packets, now) &&
			(!begins || limit_allows(&options->source_connections, &source->connections, now))))
		return over_limit(options, REASON_over_source_limit);
	all = bpf_map_lookup_elem(&buckets, &index);
	if (!all)
		return REASON_go_on;
	if (!limit_allows(&options->service_packets, &all->packets, now) ||
	    (begins && !limit_allows(&options->service_connections, &all->connections, now)))
		return over_limit(options, REASON_over_service_limit);
	if (source) {
		limit_charge(&options->source_packets, &source->packets, now);
		if (begins)
			limit_charge(&options->source_connections, &source->connections, now);
	} else if (of_source) {
		source_begin(&key, options, now, begins);
	}
	limit_charge(&options->service_packets, &all->packets, now);
	if (begins)
		limit_charge(&options->service_connections, &all->connections, now);
	return REASON_go_on;
}

#endif

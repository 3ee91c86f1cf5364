/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What benchmarks of the XDP program share: pools of equal backends behind one gateway, and services, in the program's
 * maps; the programs that it is measured behind and beside (floor.bpf.c); and figures from rounds of runs.
 */
#ifndef SLUICE_BENCH_PACKET_LAB_H
#define SLUICE_BENCH_PACKET_LAB_H

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/driven.h" /* floor.skel.h needs these */
#include "bench/headers.h"
#include "bench/remade.h"

#include "floor.skel.h"
#include "lib/memory.h"
#include "model/flow_key.h"
#include "model/header.h"
#include "model/maglev.h"
#include "out/program.h"
#include "out/slot_store.h"
#include "out/sync.h"

#define LAB_BACKENDS   100 /* of lab_load() */
#define LAB_SLOTS      CONFIG_DEFAULT_TABLE_SIZE
#define LAB_GUE_PORT   6080
#define LAB_VIP	       0xc6120000U /* 198.18.0.0 and 2001:db8::198.18.0.0: the first one; others follow */
#define LAB_ROUNDS_MAX 999

static const __u8 lab_key[16] = "bench";

struct lab_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char data[64];
} __attribute__((packed));

/* A TCP segment to the VIP, with data, but a SYN without. Whoever sends it writes its source. */
static inline struct lab_frame lab_frame(bool syn)
{
	struct lab_frame frame = {
		.eth.h_proto = htons(ETH_P_IP),
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .daddr = htonl(LAB_VIP)},
		.tcp = {.dest = htons(80), .doff = 5, .syn = syn, .ack = !syn},
	};

	frame.ip.tot_len = htons(sizeof(frame) - sizeof(frame.eth));
	return frame;
}

/* `count` backends in one family, from index `first` on, whose headers are as the agent makes them. */
static inline void lab_backends(const struct maps *maps, enum forward forward, bool v6, __u16 first, __u16 count)
{
	const struct config_pool pool = {
		.forward = forward, .gue_port = LAB_GUE_PORT, .outer = {.df = true, .ttl = CONFIG_DEFAULT_TTL}};
	struct next_hop hop = {.resolved = true,
			       .out_ifindex = 1,
			       .mtu = 1500,
			       .on_link = true,
			       .mac = {2, 0, 0, 0, 0, 1},
			       .source_mac = {2, 0, 0, 0, 0, 2}};
	struct address address;

	address_parse(v6 ? "2001:db8:ff::1" : "10.200.0.1", &hop.source);
	for (__u32 i = 0; i < count; i++) {
		struct backend *backend = &maps->backends[first + i];

		address_parse(v6 ? "2001:db8:ff::1:0" : "10.201.0.0", &address);
		address.word[v6 ? 3 : 0] += htonl(i + 1);
		header_build(backend, &pool, &address, &hop);
		backend->flags |= BACKEND_SERVES;
	}
}

/* The table of these backends, LAB_SLOTS from slot `first` on. */
static inline void lab_slots(const struct maps *maps, __u32 first, __u16 backend, __u16 count)
{
	struct maglev_backend *members = memory_new(count, sizeof(*members));
	char(*names)[16] = memory_new(count, sizeof(*names));
	__u16 *owner = memory_new(LAB_SLOTS, sizeof(*owner));

	for (__u16 i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "backend%u", i);
		members[i] = (struct maglev_backend){.name = names[i], .weight = 100, .owner = backend + i};
	}
	maglev_build(owner, LAB_SLOTS, members, count, lab_key);
	for (__u32 i = 0; i < LAB_SLOTS; i++)
		slot_store(maps, first + i, (struct slot){.owner = owner[i]});
	free(owner);
	free(names);
	free(members);
}

static inline struct prefix lab_vip(__u32 number, bool v6)
{
	struct prefix prefix;

	prefix_parse(v6 ? "2001:db8::" : "0.0.0.0", &prefix);
	prefix.address.word[v6 ? 3 : 0] = htonl(LAB_VIP + number);
	return prefix;
}

#define LAB_SERVICE_VIPS 6 /* a service's entries of the VIP table */

/* So many services with the table at slot 0, each of one VIP of both families, port 80 of TCP and UDP. */
static inline int lab_vips(const struct maps *maps, __u32 services, __u16 flags)
{
	static const __u8 protocols[LAB_SERVICE_VIPS / 2] = {IPPROTO_TCP, IPPROTO_UDP, 0}; /* 0: the address's own */
	const size_t count = sizeof(protocols);
	struct plan plan = {.vips = memory_new(services * 2 * count, sizeof(*plan.vips))};
	int err;

	for (__u32 i = 0; i < services * 2 * count; i++) {
		struct plan_vip *vip = &plan.vips[plan.vip_count++];
		const __u32 service = i / (2 * (__u32)count);

		vip->address = lab_vip(service, i / count % 2);
		vip->protocol = protocols[i % count];
		vip->port = vip->protocol ? 80 : 0;
		vip->service = (struct service){
			.slot_count = LAB_SLOTS, .index = (__u16)service, .flags = vip->protocol ? flags : 0};
	}
	err = sync_vips(maps, &plan, VIPS_ALL);
	free(plan.vips);
	return err;
}

/*
 * Loads the driver and the floors so that the driver can call a program with these features: only programs of one kind
 * call each other. NULL: errno tells why not.
 */
static inline struct floor_bpf *lab_floor(__u32 features)
{
	struct floor_bpf *floor = floor_bpf__open();
	struct bpf_program *program;
	int err;

	if (!floor)
		return NULL;
	bpf_object__for_each_program(program, floor->obj)
	{
		bpf_program__set_expected_attach_type(program, 0);
		if (features & FEATURE_MULTI)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	}
	err = floor_bpf__load(floor);
	if (!err)
		return floor;
	floor_bpf__destroy(floor);
	errno = -err;
	return NULL;
}

/*
 * Loads the program over new maps of the default sizes. `settings`: features, flow_capacity, replies and, for more than
 * 256 VIPs, vip_shift; the rest is filled in. Negative errno.
 */
static inline int lab_load_with(struct program *program, struct maps *maps, struct settings *settings)
{
	int err;

	flow_key_expand(&settings->key, lab_key);
	settings->slot_capacity = 1 << 20;
	settings->vip_shift = settings->vip_shift ?: VIP_SHIFT_MOST;
	settings->fragment_capacity = CONFIG_DEFAULT_FRAGMENT_RECORDS;
	settings->source_capacity = CONFIG_DEFAULT_SOURCE_RECORDS;
	maps_init(maps);
	program_init(program);
	err = program_load(program, maps, settings);
	*settings = program->settings;
	return err ?: maps_mmap(maps);
}

/* Loads the program with these features over new maps, and fills them: LAB_BACKENDS and one service. Negative errno. */
static inline int lab_load(struct program *program, struct maps *maps, __u32 features, __u32 records)
{
	struct settings settings = {.features = features, .flow_capacity = records};
	int err = lab_load_with(program, maps, &settings);

	if (err)
		return err;
	lab_backends(maps, FORWARD_IPIP, false, 1, LAB_BACKENDS);
	lab_slots(maps, 0, 1, LAB_BACKENDS);
	return lab_vips(maps, 1, 0);
}

struct figure {
	double mean;	  /* of the middle half */
	double low, high; /* its ends */
	double median;
};

static inline int lab_number_order(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static inline struct figure lab_figure(const double *values, int count)
{
	double sorted[LAB_ROUNDS_MAX], sum = 0;
	int from = count / 4, to = count - count / 4;

	memcpy(sorted, values, (size_t)count * sizeof(*values));
	qsort(sorted, (size_t)count, sizeof(*sorted), lab_number_order);
	for (int i = from; i < to; i++)
		sum += sorted[i];
	return (struct figure){.mean = sum / (to - from),
			       .low = sorted[from],
			       .high = sorted[to - 1],
			       .median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2};
}

/* One CPU for all runs: the last, which has least of the system's own work; and before others who want it. */
static inline void lab_pin_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)libbpf_num_possible_cpus() - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fprintf(stderr, "bench: not pinned to a CPU: %s\n", strerror(errno));
	if (setpriority(PRIO_PROCESS, 0, -20))
		fprintf(stderr, "bench: not before others: %s\n", strerror(errno));
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What benchmarks of the XDP program share: one IPIP pool of equal backends behind one gateway and one TCP service in
 * the program's maps, runs of it behind the driver program (floor.bpf.c), and figures from rounds of runs.
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

#include "bench/remade.h" /* floor.skel.h needs it */

#include "floor.skel.h"
#include "lib/memory.h"
#include "model/flow_key.h"
#include "model/header.h"
#include "model/maglev.h"
#include "out/program.h"
#include "out/sync.h"

#define LAB_BACKENDS   100
#define LAB_SLOTS      CONFIG_DEFAULT_TABLE_SIZE
#define LAB_VIP	       "192.0.2.10"
#define LAB_REPEAT     (1 << 20) /* packets a run: every flow at least once */
#define LAB_ROUNDS_MAX 999

static const __u8 lab_key[16] = "bench";

struct lab_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char data[64];
} __attribute__((packed));

/* A TCP segment to the VIP, with data, but a SYN without. The driver program writes its source and ports. */
static inline struct lab_frame lab_frame(bool syn)
{
	struct lab_frame frame = {
		.eth.h_proto = htons(ETH_P_IP),
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP},
		.tcp = {.dest = htons(80), .doff = 5, .syn = syn, .ack = !syn},
	};

	frame.ip.tot_len = htons(sizeof(frame) - sizeof(frame.eth));
	frame.ip.daddr = inet_addr(LAB_VIP);
	return frame;
}

static inline void lab_backends(const struct maps *maps)
{
	const struct config_pool pool = {.forward = FORWARD_IPIP, .outer = {.df = true, .ttl = CONFIG_DEFAULT_TTL}};
	struct next_hop hop = {.resolved = true,
			       .out_ifindex = 1,
			       .mtu = 1500,
			       .on_link = true,
			       .mac = {2, 0, 0, 0, 0, 1},
			       .source_mac = {2, 0, 0, 0, 0, 2}};

	address_parse("10.200.0.1", &hop.source);
	for (__u16 i = 1; i <= LAB_BACKENDS; i++) {
		struct address address = {.family = AF_INET, .word = {htonl(0x0ac80100U + i)}};

		header_build(&maps->backends[i], &pool, &address, &hop);
		maps->backends[i].flags |= BACKEND_SERVES;
	}
}

static inline void lab_slots(const struct maps *maps)
{
	struct maglev_backend members[LAB_BACKENDS] = {0};
	char names[LAB_BACKENDS][16];
	__u16 *owner = memory_new(LAB_SLOTS, sizeof(*owner));

	for (__u16 i = 0; i < LAB_BACKENDS; i++) {
		snprintf(names[i], sizeof(names[i]), "backend%u", i);
		members[i] = (struct maglev_backend){.name = names[i], .weight = 100, .owner = i + 1};
	}
	maglev_build(owner, LAB_SLOTS, members, LAB_BACKENDS, lab_key);
	for (__u32 i = 0; i < LAB_SLOTS; i++)
		maps->slots[i] = (struct slot){.owner = owner[i]};
	free(owner);
}

static inline int lab_vip(const struct maps *maps)
{
	struct plan_vip vip = {.port = 80, .protocol = IPPROTO_TCP, .service.slot_count = LAB_SLOTS};
	struct plan plan = {.vips = &vip, .vip_count = 1};

	prefix_parse(LAB_VIP, &vip.address);
	return sync_vips(maps, &plan, VIPS_ALL);
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

/* Loads the program over new maps of the default sizes. `settings`: features, flow_capacity and replies. Negative
 * errno.
 */
static inline int lab_load_with(struct program *program, struct maps *maps, struct settings *settings)
{
	int err;

	flow_key_expand(&settings->key, lab_key);
	settings->slot_capacity = 1 << 20;
	settings->fragment_capacity = CONFIG_DEFAULT_FRAGMENT_RECORDS;
	settings->source_capacity = CONFIG_DEFAULT_SOURCE_RECORDS;
	maps_init(maps);
	program_init(program);
	err = program_load(program, maps, settings);
	maps->slot_capacity = settings->slot_capacity;
	return err ?: maps_mmap(maps);
}

/* Loads the program with these features over new maps and fills them. Negative errno. */
static inline int lab_load(struct program *program, struct maps *maps, __u32 features, __u32 records)
{
	struct settings settings = {.features = features, .flow_capacity = records};
	int err = lab_load_with(program, maps, &settings);

	if (err)
		return err;
	lab_backends(maps);
	lab_slots(maps);
	return lab_vip(maps);
}

/* One run of the program over that many flows, a power of two: the mean over LAB_REPEAT packets, in ns. */
static inline double lab_measure(struct floor_bpf *bench, int program, __u32 flows, bool syn)
{
	static unsigned char out[512];
	struct lab_frame frame = lab_frame(syn);
	__u32 zero = 0;
	int err;

	bench->bss->flows_mask = flows - 1;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = sizeof(frame), .data_out = out,
		    .data_size_out = sizeof(out), .repeat = LAB_REPEAT);
	err = bpf_map_update_elem(bpf_map__fd(bench->maps.measured), &zero, &program, BPF_ANY);
	err = err ?: bpf_prog_test_run_opts(bpf_program__fd(bench->progs.driver), &options);
	if (err || options.retval != XDP_TX) {
		fprintf(stderr, "bench: test run: %s, XDP action %u\n", strerror(-err), options.retval);
		exit(EXIT_FAILURE);
	}
	return options.duration;
}

struct figure {
	double mean;	  /* of the middle half */
	double low, high; /* its ends */
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
	return (struct figure){.mean = sum / (to - from), .low = sorted[from], .high = sorted[to - 1]};
}

/* One CPU for all runs: the last, which has least of the system's own work. */
static inline void lab_pin_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)libbpf_num_possible_cpus() - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fprintf(stderr, "bench: not pinned to a CPU: %s\n", strerror(errno));
}

#endif

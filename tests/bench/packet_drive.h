/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Runs of a program behind the driver (floor.bpf.c), over packets of a kind. */
#ifndef SLUICE_BENCH_PACKET_DRIVE_H
#define SLUICE_BENCH_PACKET_DRIVE_H

#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bench/packet_lab.h"

#define DRIVE_WARM   64	 /* slices of a run that go before, and bring tables into the cache */
#define DRIVE_SLICES 256 /* that are measured */
#define DRIVE_DATA   64	 /* bytes behind TCP or UDP */

/* Of a run that is measured: the last one ends the last slice. */
#define DRIVE_PACKETS ((DRIVE_WARM + DRIVE_SLICES) * DRIVEN_SLICE + 1)

struct drive_frame {
	unsigned char data[sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr) + DRIVE_DATA];
	__u32 length;
};

/* What the packets of a run are. 0, where a number says nothing else, is the plain one. */
struct drive_packets {
	bool v6, udp, syn;
	__u32 flows;  /* a power of two; 0: every packet has its own */
	__u32 step;   /* to the next flow, odd; 0: far and wide */
	__u32 vips;   /* a power of two; 0: one */
	__u32 vip;    /* the first one; 0: LAB_VIP */
	__u32 action; /* that the last one has to end with; 0: XDP_TX */
};

/* Appends to the frame and returns where. */
static inline void *drive_append(struct drive_frame *frame, __u32 length)
{
	frame->length += length;
	return frame->data + frame->length - length;
}

/* The driver program writes MACs, the source, ports, and the VIP's last word. */
static inline void drive_make(struct drive_frame *frame, const struct drive_packets *packets)
{
	const __u32 transport = packets->udp ? sizeof(struct udphdr) : sizeof(struct tcphdr);
	const __u8 protocol = packets->udp ? IPPROTO_UDP : IPPROTO_TCP;
	const __u32 data = packets->syn ? 0 : DRIVE_DATA;
	struct ipv6hdr *ip6;

	*frame = (struct drive_frame){0};
	((struct ethhdr *)drive_append(frame, sizeof(struct ethhdr)))->h_proto =
		htons(packets->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (packets->v6) {
		ip6 = drive_append(frame, sizeof(*ip6));
		*ip6 = (struct ipv6hdr){
			.version = 6, .nexthdr = protocol, .hop_limit = 64, .payload_len = htons(transport + data)};
		inet_pton(AF_INET6, "2001:db8:c::", &ip6->saddr);
		inet_pton(AF_INET6, "2001:db8::", &ip6->daddr);
	} else {
		*(struct iphdr *)drive_append(frame, sizeof(struct iphdr)) =
			(struct iphdr){.version = 4,
				       .ihl = 5,
				       .ttl = 64,
				       .protocol = protocol,
				       .tot_len = htons(sizeof(struct iphdr) + transport + data)};
	}
	if (packets->udp)
		*(struct udphdr *)drive_append(frame, transport) = (struct udphdr){.len = htons(transport + data)};
	else
		*(struct tcphdr *)drive_append(frame, transport) =
			(struct tcphdr){.doff = 5, .syn = packets->syn, .ack = !packets->syn};
	/* a SYN's frame is as long, so that nothing else differs: it is padded */
	drive_append(frame, DRIVE_DATA);
}

/* One run of the program over so many packets. */
static inline void drive_run(struct floor_bpf *bench, int program, const struct drive_packets *packets, __u32 count)
{
	const __u32 zero = 0, action = packets->action ?: XDP_TX;
	struct driven *driven = &bench->bss->driven;
	static unsigned char out[512];
	struct drive_frame frame;
	int err;

	drive_make(&frame, packets);
	driven->length = frame.length;
	driven->v6 = packets->v6;
	driven->flows_mask = packets->flows - 1;
	driven->step = packets->step ?: 0x9e3779b1U;
	driven->vips_mask = (packets->vips ?: 1) - 1;
	driven->vip = packets->vip ?: LAB_VIP;
	driven->packet = 0;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data, .data_size_in = frame.length, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = (int)count);
	err = bpf_map_update_elem(bpf_map__fd(bench->maps.measured), &zero, &program, BPF_ANY);
	err = err ?: bpf_prog_test_run_opts(bpf_program__fd(bench->progs.driver), &options);
	if (err || options.retval != action) {
		fprintf(stderr, "bench: test run: %s, XDP action %u\n", strerror(-err), options.retval);
		exit(EXIT_FAILURE);
	}
}

/*
 * Nanoseconds a packet, the driver's among them, of one run: the mean of the middle half of its slices. What the CPU
 * does besides falls into few of them.
 */
static inline double drive_measure(struct floor_bpf *bench, int program, const struct drive_packets *packets)
{
	const __u64 *begin = bench->bss->driven.begin + DRIVE_WARM;
	double ns[DRIVE_SLICES];

	drive_run(bench, program, packets, DRIVE_PACKETS);
	for (int i = 0; i < DRIVE_SLICES; i++)
		ns[i] = (double)(begin[i + 1] - begin[i]) / DRIVEN_SLICE;
	return lab_figure(ns, DRIVE_SLICES).mean;
}

#endif

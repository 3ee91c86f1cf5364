/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The interfaces of the benchmark of packets a second, in a network namespace that ends with the process:
 *
 *   gen ══ in     frames are made on gen and arrive at in, whose program is measured
 *   out ══ far    the other interface: what is redirected leaves by out and arrives at far
 *
 * Each has a queue for each CPU. A veth gives a frame to the queue of the CPU that sends it, so that CPUs share none.
 */
#ifndef SLUICE_BENCH_RATE_LINKS_H
#define SLUICE_BENCH_RATE_LINKS_H

#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rate_link {
	const char *name;
	int ifindex;
	__u8 mac[ETH_ALEN];
	__u32 received; /* packets so far, modulo 2^32: a veth counts those for its program here, too */
};

struct rate_links {
	struct rate_link gen, in, out, far;
};

/* Fills the link of that name, or brings it up to date. False: there is none. */
static inline bool rate_link_read(struct rate_link *link, const char *name)
{
	struct ifaddrs *all, *at;

	*link = (struct rate_link){.name = name, .ifindex = (int)if_nametoindex(name)};
	if (!link->ifindex || getifaddrs(&all))
		return false;
	for (at = all; at; at = at->ifa_next) {
		if (!at->ifa_addr || at->ifa_addr->sa_family != AF_PACKET || strcmp(at->ifa_name, name) != 0)
			continue;
		memcpy(link->mac, ((const struct sockaddr_ll *)at->ifa_addr)->sll_addr, ETH_ALEN);
		link->received = ((const struct rtnl_link_stats *)at->ifa_data)->rx_packets;
	}
	freeifaddrs(all);
	return true;
}

/* False: errno, or `ip` itself, tells why not. Without IPv6 the interfaces send nothing of their own. */
static inline bool rate_links_make(struct rate_links *links, int queues)
{
	char command[512];

	if (unshare(CLONE_NEWNET))
		return false;
	snprintf(command, sizeof(command),
		 "set -e\n"
		 "if [ -e /proc/sys/net/ipv6 ]; then echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; fi\n"
		 "queues='numrxqueues %d numtxqueues %d'\n"
		 "ip link add gen $queues type veth peer name in $queues\n"
		 "ip link add out $queues type veth peer name far $queues\n"
		 "for link in gen in out far; do ip link set $link up; done",
		 queues, queues);
	return !system(command) && rate_link_read(&links->gen, "gen") && rate_link_read(&links->in, "in") &&
	       rate_link_read(&links->out, "out") && rate_link_read(&links->far, "far");
}

/* Puts the program on the interface, in place of the one that is there. */
static inline void rate_attach(const struct rate_link *link, int program)
{
	int err = bpf_xdp_attach(link->ifindex, program, XDP_FLAGS_DRV_MODE, NULL);

	if (!err)
		return;
	fprintf(stderr, "bench: attaching to %s: %s\n", link->name, strerror(-err));
	exit(EXIT_FAILURE);
}

#endif

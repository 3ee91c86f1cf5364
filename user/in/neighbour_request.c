/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/neighbour_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"

static int open_icmp6(void)
{
	struct icmp6_filter nothing;
	int hops = 255; /* RFC 4861 7.1.1: any other value is dropped, as it may have crossed a router */
	int off = 0;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);

	if (fd < 0)
		return -1;
	ICMP6_FILTER_SETBLOCKALL(&nothing);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &nothing, sizeof(nothing)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off))) {
		close(fd);
		return -1;
	}
	return fd;
}

void neighbour_request_open(struct neighbour_request *request)
{
	/* protocol 0: a packet socket that receives nothing */
	request->arp = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (request->arp < 0)
		log_warning("cannot open a packet socket (%s): a new MAC of an IPv4 next hop is noticed late; "
			    "run with CAP_NET_RAW",
			    strerror(errno));
	request->icmp6 = open_icmp6();
	if (request->icmp6 < 0 && errno != EAFNOSUPPORT)
		log_warning("cannot open a raw ICMPv6 socket (%s): a new MAC of an IPv6 next hop is noticed late; "
			    "run with CAP_NET_RAW",
			    strerror(errno));
}

void neighbour_request_close(struct neighbour_request *request)
{
	if (request->arp >= 0)
		close(request->arp);
	if (request->icmp6 >= 0)
		close(request->icmp6);
	request->arp = request->icmp6 = -1;
}

static int send_arp(int fd, const struct link *link, const struct address *target, const struct address *source)
{
	struct ether_arp arp = {0};
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = (int)link->ifindex,
		.sll_halen = ETH_ALEN,
	};

	memset(to.sll_addr, 0xff, ETH_ALEN);
	arp.arp_hrd = htons(ARPHRD_ETHER);
	arp.arp_pro = htons(ETH_P_IP);
	arp.arp_hln = ETH_ALEN;
	arp.arp_pln = 4;
	arp.arp_op = htons(ARPOP_REQUEST);
	memcpy(arp.arp_sha, link->mac, ETH_ALEN);
	if (source->family == AF_INET)
		memcpy(arp.arp_spa, source->word, 4);
	memcpy(arp.arp_tpa, target->word, 4);
	return sendto(fd, &arp, sizeof(arp), 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

/* The last 24 bits of the target in ff02::1:ff00:0/104 (RFC 4291 2.7.1). */
static struct in6_addr solicited_node(const struct address *target)
{
	struct in6_addr group = {.s6_addr = {0xff, 0x02, [11] = 0x01, [12] = 0xff}};

	memcpy(&group.s6_addr[13], (const __u8 *)target->word + 13, 3);
	return group;
}

static int send_solicitation(int fd, const struct link *link, const struct address *target)
{
	struct {
		struct nd_neighbor_solicit solicit;
		struct nd_opt_hdr option;
		__u8 mac[ETH_ALEN];
	} message = {
		/* the kernel computes ICMPv6 checksums on raw sockets */
		.solicit.nd_ns_type = ND_NEIGHBOR_SOLICIT,
		.option = {.nd_opt_type = ND_OPT_SOURCE_LINKADDR, .nd_opt_len = 1},
	};
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6,
		.sin6_addr = solicited_node(target),
		.sin6_scope_id = link->ifindex,
	};

	_Static_assert(sizeof(message) == 32, "as on the wire: no padding");
	memcpy(&message.solicit.nd_ns_target, target->word, sizeof(message.solicit.nd_ns_target));
	memcpy(message.mac, link->mac, ETH_ALEN);
	return sendto(fd, &message, sizeof(message), 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

int neighbour_request_send(const struct neighbour_request *request, const struct link *link,
			   const struct address *target, const struct address *source)
{
	if (target->family == AF_INET6)
		return request->icmp6 < 0 ? -EAFNOSUPPORT : send_solicitation(request->icmp6, link, target);
	return request->arp < 0 ? -EPERM : send_arp(request->arp, link, target, source);
}

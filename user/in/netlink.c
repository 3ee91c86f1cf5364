/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "in/rtnetlink_parse.h"
#include "in/solicit.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "lib/rtnetlink.h"

/*
 * Link and neighbour events are facts in themselves and change the network at once.
 * Address, route and rule events only say that the kernel may decide otherwise now:
 * after a short wait for more of them, it is asked anew about every destination.
 */
#define REFRESH_WAIT_MS	   20
#define REFRESH_SHARE	   10	     /* a refresh waits this often its own duration: at most a tenth of the CPU */
#define RETRY_WAIT_MS	   1000	     /* after the kernel failed to answer */
#define DATAGRAMS_PER_TURN 256	     /* then the loop's other events have their turn */
#define EVENT_BUFFER	   (8 << 20) /* bytes */
#define DUMP_TRIES	   10	     /* of a dump that changes interrupt */

struct netlink {
	struct network *network;
	struct event_base *base;
	struct mnl_socket *events;
	struct event *readable, *refresh, *report;
	struct rtnetlink *rtnetlink;
	struct solicit *solicit;
	netlink_changed_fn changed;
	void *argument;
	bool overrun;		  /* events were lost, or do not tell all: dump everything anew */
	unsigned int duration_ms; /* of the last refresh */
	struct route **asked;	  /* while routes are asked for */
	bool differs;		  /* facts have changed since the last report */
	char buffer[RTNETLINK_MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static const unsigned int groups[] = {
	RTNLGRP_LINK,	    RTNLGRP_NEIGH,     RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,   RTNLGRP_NEXTHOP,
};

/* The facts differ: have it reported from the loop, once for all that happens in this turn. */
static void report_later(struct netlink *netlink)
{
	netlink->differs = true;
	event_active(netlink->report, EV_TIMEOUT, 0);
}

static void report(evutil_socket_t fd, short events, void *argument)
{
	struct netlink *netlink = argument;

	(void)fd;
	(void)events;
	if (!netlink->differs)
		return;
	netlink->differs = false;
	netlink->changed(netlink->argument);
}

static void refresh_in(struct netlink *netlink, unsigned int ms)
{
	const struct timeval wait = clock_timeval(ms);

	if (!event_pending(netlink->refresh, EV_TIMEOUT, NULL))
		event_add(netlink->refresh, &wait);
}

static void routes_stale(struct netlink *netlink)
{
	unsigned int share = netlink->duration_ms * REFRESH_SHARE;

	refresh_in(netlink, share > REFRESH_WAIT_MS ? share : REFRESH_WAIT_MS);
}

static void link_event(struct netlink *netlink, const struct nlmsghdr *message)
{
	struct link fact;
	bool differs;

	if (!parse_link(message, &fact))
		return;
	if (network_link_may_be_parent(netlink->network, fact.ifindex))
		netlink->overrun = true; /* its VLAN devices' own events do not tell */
	differs = message->nlmsg_type == RTM_DELLINK ? network_link_delete(netlink->network, fact.ifindex)
						     : network_link_set(netlink->network, &fact);
	if (!differs)
		return;
	report_later(netlink);
	routes_stale(netlink);
}

static void log_move(const struct network *network, const struct neighbour *neighbour, const struct neighbour *fact)
{
	const struct link *link = network_link(network, fact->key.ifindex);
	char text[ADDRESS_TEXT];
	const __u8 *a = neighbour->mac, *b = fact->mac;

	log_info("neighbour %s on %s moved from %02x:%02x:%02x:%02x:%02x:%02x to %02x:%02x:%02x:%02x:%02x:%02x",
		 address_format(&neighbour->key.address, text), link ? link->name : "?", a[0], a[1], a[2], a[3], a[4],
		 a[5], b[0], b[1], b[2], b[3], b[4], b[5]);
}

static void neighbour_apply(struct netlink *netlink, const struct neighbour *fact)
{
	struct neighbour *neighbour = network_neighbour_add(netlink->network, &fact->key);
	bool wanted = solicit_wants(netlink->solicit, &fact->key);
	bool new_mac = fact->known && (!neighbour->known || memcmp(neighbour->mac, fact->mac, 6) != 0);

	if (new_mac && wanted) {
		if (neighbour->known)
			log_move(netlink->network, neighbour, fact);
		report_later(netlink);
	}
	neighbour->nud = fact->nud;
	if (new_mac) {
		neighbour->known = true;
		memcpy(neighbour->mac, fact->mac, sizeof(neighbour->mac));
	}
	if (wanted)
		solicit_heard(netlink->solicit, &fact->key);
	else if (!neighbour->nud)
		network_neighbour_delete(netlink->network, neighbour);
}

static void neighbour_event(struct netlink *netlink, const struct nlmsghdr *message)
{
	struct neighbour fact;

	if (parse_neighbour(message, &fact))
		neighbour_apply(netlink, &fact);
}

/* Forgets the neighbours that neither the kernel nor a route speaks of any more. */
static void neighbours_prune(struct netlink *netlink)
{
	struct neighbour *neighbour, *next;

	HASH_ITER(hh, netlink->network->neighbours, neighbour, next)
		if (!neighbour->nud && !solicit_wants(netlink->solicit, &neighbour->key))
			network_neighbour_delete(netlink->network, neighbour);
}

static void collect_link(void *argument, const struct nlmsghdr *message)
{
	struct network *seen = argument;
	struct link fact;

	if (parse_link(message, &fact))
		network_link_set(seen, &fact);
}

static void collect_neighbour(void *argument, const struct nlmsghdr *message)
{
	struct network *seen = argument;
	struct neighbour fact, *neighbour;

	if (!parse_neighbour(message, &fact))
		return;
	neighbour = network_neighbour_add(seen, &fact.key);
	neighbour->nud = fact.nud;
	neighbour->known = fact.known;
	memcpy(neighbour->mac, fact.mac, sizeof(neighbour->mac));
}

/* Reads all objects of a type into *seen, which the caller frees. */
static int collect(struct netlink *netlink, __u16 type, rtnetlink_message_fn each, struct network *seen)
{
	const struct ifinfomsg zero = {.ifi_family = AF_UNSPEC};
	size_t header_size = type == RTM_GETNEIGH ? sizeof(struct ndmsg) : sizeof(struct ifinfomsg);
	int error = -EINTR;

	for (int i = 0; error == -EINTR && i < DUMP_TRIES; i++) {
		network_free(seen);
		error = rtnetlink_dump(netlink->rtnetlink, type, &zero, header_size, each, seen);
	}
	/* still interrupted: the last try was nearly right, and events tell the rest */
	return error == -EINTR ? 0 : error;
}

static void take_links(struct netlink *netlink, const struct network *seen)
{
	struct link *link, *next;
	bool differs = false;

	HASH_ITER(hh, netlink->network->links, link, next)
		if (!network_link(seen, link->ifindex))
			differs |= network_link_delete(netlink->network, link->ifindex);
	for (link = seen->links; link; link = link->hh.next)
		differs |= network_link_set(netlink->network, link);
	if (differs)
		report_later(netlink);
}

static void take_neighbours(struct netlink *netlink, const struct network *seen)
{
	struct neighbour *neighbour, *next;

	HASH_ITER(hh, netlink->network->neighbours, neighbour, next) {
		struct neighbour gone = {.key = neighbour->key};

		if (!network_neighbour(seen, &gone.key))
			neighbour_apply(netlink, &gone);
	}
	for (neighbour = seen->neighbours; neighbour; neighbour = neighbour->hh.next)
		neighbour_apply(netlink, neighbour);
}

/* Reads all links and neighbours anew. Events have been collected since before: none is missed. */
static int dump_all(struct netlink *netlink)
{
	struct network links = {0}, neighbours = {0};
	int error = collect(netlink, RTM_GETLINK, collect_link, &links);

	if (!error)
		error = collect(netlink, RTM_GETNEIGH, collect_neighbour, &neighbours);
	if (!error) {
		take_links(netlink, &links);
		take_neighbours(netlink, &neighbours);
	}
	network_free(&links);
	network_free(&neighbours);
	return error;
}

static void make_route_question(void *argument, size_t i, struct nlmsghdr *request)
{
	const struct netlink *netlink = argument;
	const struct address *destination = &netlink->asked[i]->destination;
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	request->nlmsg_type = RTM_GETROUTE;
	info->rtm_family = (__u8)destination->family;
	info->rtm_dst_len = (__u8)address_bits(destination);
	mnl_attr_put(request, RTA_DST, info->rtm_dst_len / 8, destination->word);
}

static void take_route(void *argument, size_t i, int error, const struct nlmsghdr *message)
{
	struct netlink *netlink = argument;
	struct route *route = netlink->asked[i], former = *route;

	if (error)
		parse_route_error(error, route);
	else if (message)
		parse_route(message, route);
	if (route->kind != former.kind || route->type != former.type || route->ifindex != former.ifindex ||
	    route->mtu != former.mtu || !address_equal(&route->gateway, &former.gateway) ||
	    !address_equal(&route->source, &former.source))
		netlink->differs = true;
}

/* Asks the kernel for every route; netlink->differs tells whether one changed. */
static int ask_routes(struct netlink *netlink)
{
	size_t count = 0;
	int error;

	netlink->asked = memory_new(HASH_COUNT(netlink->network->routes), sizeof(struct route *));
	for (struct route *route = netlink->network->routes; route; route = route->hh.next)
		netlink->asked[count++] = route;
	error = rtnetlink_ask(netlink->rtnetlink, count, make_route_question, take_route, netlink);
	free(netlink->asked);
	netlink->asked = NULL;
	return error;
}

/* Hands the next hops of all routes to solicit. */
static void solicit_next_hops(struct netlink *netlink)
{
	struct neighbour_key key;

	solicit_begin(netlink->solicit);
	for (struct route *route = netlink->network->routes; route; route = route->hh.next)
		if (route_neighbour(route, &key))
			solicit_add(netlink->solicit, &key, route->gateway.family != 0, &route->source);
	solicit_commit(netlink->solicit);
	neighbours_prune(netlink);
}

static int routes_refresh(struct netlink *netlink)
{
	__u64 start = clock_ms();
	int error = ask_routes(netlink);

	solicit_next_hops(netlink);
	netlink->duration_ms = (unsigned int)(clock_ms() - start);
	if (error) {
		log_warning("cannot ask the kernel for the routes to the backends: %s; trying again in a second",
			    strerror(-error));
		refresh_in(netlink, RETRY_WAIT_MS);
	}
	return error;
}

static void refresh(evutil_socket_t fd, short events, void *argument)
{
	struct netlink *netlink = argument;

	(void)fd;
	(void)events;
	if (netlink->overrun) {
		int error = dump_all(netlink);

		if (error) {
			log_warning("cannot read links and neighbours anew: %s; trying again in a second",
				    strerror(-error));
			refresh_in(netlink, RETRY_WAIT_MS);
			return;
		}
		netlink->overrun = false;
	}
	routes_refresh(netlink);
	if (netlink->differs)
		report_later(netlink);
}

/* Moves the destination's route from *former to the network, or makes a new one. */
static void route_keep(struct netlink *netlink, struct route **former, const struct address *destination)
{
	struct route *route;

	if (network_route(netlink->network, destination))
		return;
	HASH_FIND(hh, *former, destination, sizeof(*destination), route);
	if (route) {
		HASH_DEL(*former, route);
	} else {
		route = memory_new(1, sizeof(*route));
		route->destination = *destination;
	}
	HASH_ADD(hh, netlink->network->routes, destination, sizeof(route->destination), route);
}

int netlink_watch(struct netlink *netlink, const struct address *destinations, size_t count)
{
	struct network former = {.routes = netlink->network->routes};
	bool differed = netlink->differs;
	int error;

	netlink->network->routes = NULL;
	for (size_t i = 0; i < count; i++)
		if (destinations[i].family)
			route_keep(netlink, &former.routes, &destinations[i]);
	network_free(&former);
	error = routes_refresh(netlink);
	/* the caller sees the routes when this returns: what remains to report is what was before */
	netlink->differs = differed;
	return error;
}

static void event_message(struct netlink *netlink, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		link_event(netlink, message);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neighbour_event(netlink, message);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		routes_stale(netlink);
		break;
	}
}

static void events_lost(struct netlink *netlink)
{
	log_debug("the kernel had more network events than the socket holds: reading everything anew");
	netlink->overrun = true;
	routes_stale(netlink);
}

static void read_events(evutil_socket_t fd, short events, void *argument)
{
	struct netlink *netlink = argument;

	(void)fd;
	(void)events;
	for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)netlink->buffer;
		ssize_t received = mnl_socket_recvfrom(netlink->events, netlink->buffer, sizeof(netlink->buffer));
		int length = (int)received;

		if (received < 0 && errno == EAGAIN)
			return;
		if (received < 0 && errno != EINTR)
			events_lost(netlink); /* ENOBUFS; ENOSPC: a truncated message */
		for (; received > 0 && mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length))
			event_message(netlink, message);
	}
}

static int subscribe(struct netlink *netlink)
{
	int fd, size = EVENT_BUFFER;

	netlink->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!netlink->events || mnl_socket_bind(netlink->events, 0, MNL_SOCKET_AUTOPID))
		return -errno;
	fd = mnl_socket_get_fd(netlink->events);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])))
			return -errno;
	return 0;
}

static int make_events(struct netlink *netlink)
{
	netlink->readable = event_new(netlink->base, mnl_socket_get_fd(netlink->events), EV_READ | EV_PERSIST,
				      read_events, netlink);
	netlink->refresh = event_new(netlink->base, -1, 0, refresh, netlink);
	netlink->report = event_new(netlink->base, -1, 0, report, netlink);
	if (!netlink->readable || !netlink->refresh || !netlink->report || event_add(netlink->readable, NULL))
		return -ENOMEM;
	return 0;
}

int netlink_open(struct netlink **out, struct event_base *base, struct network *network, netlink_changed_fn changed,
		 void *argument)
{
	struct netlink *netlink = memory_new(1, sizeof(*netlink));
	int error;

	netlink->network = network;
	netlink->base = base;
	netlink->changed = changed;
	netlink->argument = argument;
	error = rtnetlink_open(&netlink->rtnetlink);
	if (!error)
		error = subscribe(netlink);
	if (!error) {
		netlink->solicit = solicit_open(base, netlink->rtnetlink, network);
		error = netlink->solicit ? 0 : -ENOMEM;
	}
	if (!error)
		error = make_events(netlink);
	/* subscribed before: what changes during the dump is told afterwards */
	if (!error)
		error = dump_all(netlink);
	if (error) {
		log_error("cannot follow the kernel's network state over rtnetlink: %s", strerror(-error));
		netlink_close(netlink);
		return error;
	}
	event_del(netlink->report);
	netlink->differs = false;
	*out = netlink;
	return 0;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	free_event(netlink->readable);
	free_event(netlink->refresh);
	free_event(netlink->report);
	solicit_close(netlink->solicit);
	rtnetlink_close(netlink->rtnetlink);
	if (netlink->events)
		mnl_socket_close(netlink->events);
	free(netlink);
}

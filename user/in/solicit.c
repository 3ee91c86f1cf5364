/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/solicit.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "in/neighbour_request.h"
#include "in/rtnetlink_parse.h"
#include "lib/log.h"
#include "lib/memory.h"

/*
 * One timer ticks ten times a second while there are next hops. Each tick spends
 * two budgets, so that neither the segment nor the kernel's neighbour table suffers
 * from a balancer with thousands of backends:
 *
 *   broadcasts: REQUESTS_PER_TICK, 50 a second in all. Gateways first, then the
 *       on-link next hops, each kind round robin.
 *   resolutions by the kernel: a bucket of USE_BURST that refills by USE_PER_TICK.
 *       Each may put an entry into the neighbour table, which holds 1024 by default
 *       and reclaims what is older than 5 s: at 100 a second it never runs full.
 */
#define TICK_MS		  100
#define REQUESTS_PER_TICK 5
#define USE_PER_TICK	  10
#define USE_BURST	  256
#define LOOK_PER_TICK	  512 /* next hops looked at in vain before a tick gives up */

/*
 * Every ninth tick: a new MAC shows within a second, the answer's way and a late tick
 * included. Half a tick less, lest one that comes a little early cost a whole one.
 */
#define TURN_MS (9 * TICK_MS - TICK_MS / 2)

/*
 * For one second after an entry has changed its state, Linux does not believe an ARP
 * reply with another MAC (locktime): asking sooner would waste a turn.
 */
#define LOCKTIME_MS 1020

struct target {
	struct neighbour_key key;
	bool gateway;
	bool kept;	       /* between begin and commit: still wanted */
	struct address source; /* IPv4 */
	__u64 due;	       /* ms, monotonic: not asked before */
	UT_hash_handle hh;
};

/* Where the next walk goes on, counted from the first of its kind. */
struct turn {
	size_t gateway, on_link;
};

struct solicit {
	struct rtnetlink *rtnetlink;
	const struct network *network;
	struct neighbour_request request;
	struct event *tick;
	struct target *targets; /* by key */

	struct target **order; /* gateways first */
	size_t gateway_count, count;
	struct turn request_turn, use_turn;
	unsigned int use_bucket;

	struct target *asked[USE_BURST]; /* of the present tick */
	size_t asked_count;
};

static __u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000 + (__u64)now.tv_nsec / 1000000;
}

enum need { NEED_NOTHING, NEED_USE, NEED_REQUEST };

static enum need target_need(const struct solicit *solicit, const struct target *target, const struct link **link)
{
	const struct neighbour *neighbour;

	*link = network_link(solicit->network, target->key.ifindex);
	if (!*link || !(*link)->up || !(*link)->ethernet)
		return NEED_NOTHING;
	neighbour = network_neighbour(solicit->network, &target->key);
	if (!neighbour || !neighbour->nud || (neighbour->nud & NUD_FAILED))
		return NEED_USE;
	/* static ones are the operator's; an incomplete one the kernel is resolving already */
	if (neighbour->nud & (NUD_PERMANENT | NUD_NOARP | NUD_INCOMPLETE))
		return NEED_NOTHING;
	return neighbour->known ? NEED_REQUEST : NEED_USE;
}

typedef void (*spend_fn)(struct solicit *solicit, struct target *target, const struct link *link);

/*
 * Walks the targets from order[first] to order[first + count - 1] round robin from
 * *turn, and spends *budget on those whose turn it is and that have this need.
 */
static void walk(struct solicit *solicit, size_t first, size_t count, size_t *turn, enum need need,
		 unsigned int *budget, spend_fn spend)
{
	__u64 now = now_ms();

	for (size_t looked = 0; looked < count && looked < LOOK_PER_TICK && *budget; looked++) {
		struct target *target = solicit->order[first + *turn % count];
		const struct link *link;

		*turn = (*turn + 1) % count;
		if (now < target->due || target_need(solicit, target, &link) != need)
			continue;
		target->due = now + TURN_MS;
		(*budget)--;
		spend(solicit, target, link);
	}
}

/* Gateways first: everything behind them hangs on them. */
static void walk_kinds(struct solicit *solicit, struct turn *turn, enum need need, unsigned int *budget, spend_fn spend)
{
	walk(solicit, 0, solicit->gateway_count, &turn->gateway, need, budget, spend);
	walk(solicit, solicit->gateway_count, solicit->count - solicit->gateway_count, &turn->on_link, need, budget,
	     spend);
}

static void spend_request(struct solicit *solicit, struct target *target, const struct link *link)
{
	char text[ADDRESS_TEXT];
	int error = neighbour_request_send(&solicit->request, link, &target->key.address, &target->source);

	/* passing troubles (no link-local address yet, a full queue) are tried again a second later */
	if (error)
		log_debug("cannot ask for neighbour %s on %s: %s", address_format(&target->key.address, text),
			  link->name, strerror(-error));
}

static void spend_use(struct solicit *solicit, struct target *target, const struct link *link)
{
	(void)link;
	solicit->asked[solicit->asked_count++] = target;
}

/* What `ip neigh add ADDRESS dev DEVICE use nud none` asks for. */
static void make_use(void *argument, size_t i, struct nlmsghdr *request)
{
	const struct solicit *solicit = argument;
	const struct neighbour_key *key = &solicit->asked[i]->key;
	struct ndmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	request->nlmsg_type = RTM_NEWNEIGH;
	request->nlmsg_flags |= NLM_F_CREATE | NLM_F_ACK;
	info->ndm_family = (__u8)key->address.family;
	info->ndm_ifindex = (int)key->ifindex;
	info->ndm_state = NUD_NONE;
	info->ndm_flags = NTF_USE;
	mnl_attr_put(request, NDA_DST, address_bits(&key->address) / 8, key->address.word);
}

static void answer_use(void *argument, size_t i, int error, const struct nlmsghdr *message)
{
	const struct solicit *solicit = argument;
	char text[ADDRESS_TEXT];

	(void)message;
	if (error)
		log_debug("the kernel cannot resolve neighbour %s on interface %u: %s",
			  address_format(&solicit->asked[i]->key.address, text), solicit->asked[i]->key.ifindex,
			  strerror(-error));
}

static void use_missing(struct solicit *solicit)
{
	int error;

	solicit->asked_count = 0;
	walk_kinds(solicit, &solicit->use_turn, NEED_USE, &solicit->use_bucket, spend_use);
	if (!solicit->asked_count)
		return;
	error = rtnetlink_ask(solicit->rtnetlink, solicit->asked_count, make_use, answer_use, solicit);
	if (error)
		log_warning("cannot ask the kernel to resolve neighbours: %s; trying again in a second",
			    strerror(-error));
}

static void tick(evutil_socket_t fd, short events, void *argument)
{
	struct solicit *solicit = argument;
	unsigned int budget = REQUESTS_PER_TICK;

	(void)fd;
	(void)events;
	solicit->use_bucket += USE_PER_TICK;
	if (solicit->use_bucket > USE_BURST)
		solicit->use_bucket = USE_BURST;
	use_missing(solicit);
	walk_kinds(solicit, &solicit->request_turn, NEED_REQUEST, &budget, spend_request);
}

struct solicit *solicit_open(struct event_base *base, struct rtnetlink *rtnetlink, const struct network *network)
{
	struct solicit *solicit = memory_new(1, sizeof(*solicit));

	solicit->rtnetlink = rtnetlink;
	solicit->network = network;
	solicit->use_bucket = USE_BURST;
	solicit->tick = event_new(base, -1, EV_PERSIST, tick, solicit);
	if (!solicit->tick) {
		free(solicit);
		return NULL;
	}
	neighbour_request_open(&solicit->request);
	return solicit;
}

void solicit_close(struct solicit *solicit)
{
	struct target *target, *next;

	if (!solicit)
		return;
	event_free(solicit->tick);
	neighbour_request_close(&solicit->request);
	HASH_ITER(hh, solicit->targets, target, next) {
		HASH_DEL(solicit->targets, target);
		free(target);
	}
	free(solicit->order);
	free(solicit);
}

static struct target *find(const struct solicit *solicit, const struct neighbour_key *key)
{
	struct target *target;

	HASH_FIND(hh, solicit->targets, key, sizeof(*key), target);
	return target;
}

void solicit_begin(struct solicit *solicit)
{
	for (struct target *target = solicit->targets; target; target = target->hh.next) {
		target->kept = false;
		target->gateway = false;
	}
}

void solicit_add(struct solicit *solicit, const struct neighbour_key *key, bool gateway, const struct address *source)
{
	struct target *target = find(solicit, key);

	if (!target) {
		target = memory_new(1, sizeof(*target));
		target->key = *key;
		HASH_ADD(hh, solicit->targets, key, sizeof(target->key), target);
	}
	target->kept = true;
	target->gateway |= gateway;
	target->source = *source;
}

static void make_source_question(void *argument, size_t i, struct nlmsghdr *request)
{
	const struct solicit *solicit = argument;
	const struct neighbour_key *key = &solicit->order[i]->key;
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	request->nlmsg_type = RTM_GETROUTE;
	info->rtm_family = (__u8)key->address.family;
	info->rtm_dst_len = (__u8)address_bits(&key->address);
	mnl_attr_put(request, RTA_DST, info->rtm_dst_len / 8, key->address.word);
	mnl_attr_put_u32(request, RTA_OIF, key->ifindex);
}

static void take_source(void *argument, size_t i, int error, const struct nlmsghdr *message)
{
	struct solicit *solicit = argument;
	struct route route = {.destination = solicit->order[i]->key.address};

	if (!error)
		parse_route(message, &route);
	solicit->order[i]->source = route.source;
}

/* Drops what is no longer wanted and puts the rest in order; returns how many remain. */
static size_t count_kept(struct solicit *solicit)
{
	struct target *target, *next;

	solicit->gateway_count = 0;
	HASH_ITER(hh, solicit->targets, target, next) {
		if (target->kept) {
			solicit->gateway_count += target->gateway;
			continue;
		}
		HASH_DEL(solicit->targets, target);
		free(target);
	}
	return HASH_COUNT(solicit->targets);
}

void solicit_commit(struct solicit *solicit)
{
	struct timeval interval = {.tv_usec = TICK_MS * 1000};
	size_t count = count_kept(solicit), gateway = 0, on_link = solicit->gateway_count;

	free(solicit->order);
	solicit->order = memory_new(count, sizeof(struct target *));
	solicit->count = count;
	for (struct target *target = solicit->targets; target; target = target->hh.next)
		solicit->order[target->gateway ? gateway++ : on_link++] = target;
	/* a gateway's destinations may have another source than its link's (an address of the loopback) */
	if (rtnetlink_ask(solicit->rtnetlink, gateway, make_source_question, take_source, solicit))
		log_debug("some gateways are asked without a sender address");
	use_missing(solicit);
	if (!count)
		event_del(solicit->tick);
	else if (!event_pending(solicit->tick, EV_TIMEOUT, NULL))
		event_add(solicit->tick, &interval);
}

bool solicit_wants(const struct solicit *solicit, const struct neighbour_key *key)
{
	return find(solicit, key) != NULL;
}

void solicit_heard(struct solicit *solicit, const struct neighbour_key *key)
{
	struct target *target = find(solicit, key);

	if (target)
		target->due = now_ms() + (key->address.family == AF_INET ? LOCKTIME_MS : TURN_MS);
}

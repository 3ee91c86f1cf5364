/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/probe_route.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "out/probe_path.h"
#include "probe_abi.h"

/* What a probe sends fits every path with any outer header; lo's own MTU would promise 64 KiB. */
#define ROUTE_MTU    1280
#define ROUTE_MSS_V4 (ROUTE_MTU - 40)
#define ROUTE_MSS_V6 (ROUTE_MTU - 60)

#define REMOVALS_MAX 16 /* of one thing: should there be several by mistake */

static const __u8 families[] = {AF_INET, AF_INET6};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* In this order they are made, so that no marked packet finds another way meanwhile. */
enum object { UNREACHABLE_RULE, ROUTE, LOOKUP_RULE, OBJECTS };

static void put_rule(struct nlmsghdr *request, __u8 family, bool lookup)
{
	struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->family = family;
	header->action = lookup ? FR_ACT_TO_TBL : FR_ACT_UNREACHABLE;
	mnl_attr_put_u32(request, FRA_PRIORITY, lookup ? PROBE_PREFERENCE : PROBE_PREFERENCE + 1);
	mnl_attr_put_u32(request, FRA_FWMARK, PROBE_MARK);
	mnl_attr_put_u32(request, FRA_FWMASK, PROBE_MARK_MASK);
	if (lookup)
		mnl_attr_put_u32(request, FRA_TABLE, PROBE_TABLE);
	mnl_attr_put_u8(request, FRA_PROTOCOL, RTPROT_STATIC);
}

static void put_metrics(struct nlmsghdr *request, __u8 family)
{
	struct nlattr *metrics = mnl_attr_nest_start(request, RTA_METRICS);

	mnl_attr_put_u32(request, RTAX_MTU, ROUTE_MTU);
	mnl_attr_put_u32(request, RTAX_ADVMSS, family == AF_INET ? ROUTE_MSS_V4 : ROUTE_MSS_V6);
	mnl_attr_nest_end(request, metrics);
}

/* For removal without metrics: whatever they are. IPv6 may make of a unicast route through lo a rejection. */
static void put_route(struct nlmsghdr *request, __u8 family, bool add)
{
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->rtm_family = family;
	header->rtm_protocol = RTPROT_STATIC;
	header->rtm_scope = RT_SCOPE_LINK;
	header->rtm_type = family == AF_INET ? RTN_UNICAST : RTN_LOCAL;
	mnl_attr_put_u32(request, RTA_TABLE, PROBE_TABLE);
	mnl_attr_put_u32(request, RTA_OIF, PROBE_LOOPBACK);
	if (add)
		put_metrics(request, family);
}

static void put_object(struct nlmsghdr *request, __u8 family, enum object object, bool add)
{
	request->nlmsg_flags |= NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	if (object == ROUTE) {
		request->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
		put_route(request, family, add);
	} else {
		request->nlmsg_type = add ? RTM_NEWRULE : RTM_DELRULE;
		put_rule(request, family, object == LOOKUP_RULE);
	}
}

/* Answers to the requests for every object of every family. */
struct answers {
	int error[FAMILIES][OBJECTS];
};

static void make_addition(void *argument, size_t i, struct nlmsghdr *request)
{
	(void)argument;
	put_object(request, families[i / OBJECTS], (enum object)(i % OBJECTS), true);
}

static void take_answer(void *argument, size_t i, int error, const struct nlmsghdr *message)
{
	struct answers *answers = argument;

	(void)message;
	answers->error[i / OBJECTS][i % OBJECTS] = error;
}

/* The kernel's different words for IPv6 being off: in the kernel, on the host, on lo. */
static int family_error(int error)
{
	return error == -EOPNOTSUPP || error == -EACCES || error == -ENODEV ? -EAFNOSUPPORT : error;
}

/* Destinations that are nobody's: the IPv4 dummy address (RFC 7600) and the discard prefix (RFC 6666). */
static const char *const nobody[FAMILIES] = {"192.0.0.8", "100::1"};

static void make_question(void *argument, size_t i, struct nlmsghdr *request)
{
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	struct address address;

	(void)argument;
	address_parse(nobody[i], &address);
	request->nlmsg_type = RTM_GETROUTE;
	header->rtm_family = families[i];
	header->rtm_dst_len = (__u8)address_bits(&address);
	mnl_attr_put(request, RTA_DST, address_bits(&address) / 8, address.word);
	mnl_attr_put_u32(request, RTA_MARK, PROBE_MARK);
}

static int see_interface(const struct nlattr *attribute, void *argument)
{
	if (mnl_attr_get_type(attribute) == RTA_OIF)
		*(__u32 *)argument = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static void take_way(void *argument, size_t i, int error, const struct nlmsghdr *message)
{
	int *errors = argument;
	__u32 ifindex = 0;

	if (!error && message)
		mnl_attr_parse(message, sizeof(struct rtmsg), see_interface, &ifindex);
	if (ifindex != PROBE_LOOPBACK)
		errors[i] = -EEXIST;
}

/* An addition that finds its object there fails with EEXIST: one message asks and repairs. */
int probe_route_ensure(struct rtnetlink *rtnetlink, struct probe_route_report *report)
{
	struct answers answers = {0};
	int ways[FAMILIES] = {0}, errors[FAMILIES] = {0};
	bool made[FAMILIES] = {0};
	int err = rtnetlink_ask(rtnetlink, FAMILIES * OBJECTS, make_addition, take_answer, &answers);

	if (!err)
		err = rtnetlink_ask(rtnetlink, FAMILIES, make_question, take_way, ways);
	for (size_t i = 0; i < FAMILIES; i++) {
		for (size_t j = 0; j < OBJECTS; j++) {
			int error = answers.error[i][j];

			made[i] |= !error;
			if (error && error != -EEXIST && !errors[i])
				errors[i] = family_error(error);
		}
		errors[i] = errors[i] ? errors[i] : ways[i];
	}
	*report = (struct probe_route_report){
		.ipv4 = errors[0], .ipv6 = errors[1], .made_ipv4 = made[0], .made_ipv6 = made[1]};
	return err;
}

/* A probe to the VIP and the reply to it. */
enum direction { THERE, BACK, DIRECTIONS };

struct exchange {
	const struct address *vip, *own;
	unsigned int ifindex;
	int way, reply; /* errors */
};

static void make_direction(void *argument, size_t i, struct nlmsghdr *request)
{
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	const struct exchange *exchange = argument;
	const struct address *from = i == THERE ? exchange->own : exchange->vip;
	const struct address *to = i == THERE ? exchange->vip : exchange->own;
	__u8 bits = (__u8)address_bits(exchange->vip);

	request->nlmsg_type = RTM_GETROUTE;
	header->rtm_family = (__u8)exchange->vip->family;
	header->rtm_src_len = bits;
	header->rtm_dst_len = bits;
	mnl_attr_put(request, RTA_SRC, bits / 8, from->word);
	mnl_attr_put(request, RTA_DST, bits / 8, to->word);
	if (i == THERE)
		mnl_attr_put_u32(request, RTA_MARK, PROBE_MARK);
	else
		mnl_attr_put_u32(request, RTA_IIF, exchange->ifindex);
}

static void take_direction(void *argument, size_t i, int error, const struct nlmsghdr *message)
{
	struct exchange *exchange = argument;

	if (i == THERE)
		take_way(&exchange->way, 0, error, message);
	else
		exchange->reply = error;
}

int probe_route_takes_reply(struct rtnetlink *rtnetlink, const struct address *vip, const struct address *own,
			    unsigned int ifindex)
{
	struct exchange exchange = {.vip = vip, .own = own, .ifindex = ifindex};
	int err = rtnetlink_ask(rtnetlink, DIRECTIONS, make_direction, take_direction, &exchange);

	if (err)
		return err;
	if (exchange.way || exchange.reply == -EINVAL || exchange.reply == -EXDEV)
		return 0;
	return exchange.reply ? exchange.reply : 1;
}

struct removal {
	__u8 family;
	enum object object;
	int error;
};

static void make_removal(void *argument, size_t i, struct nlmsghdr *request)
{
	const struct removal *removal = argument;

	(void)i;
	put_object(request, removal->family, removal->object, false);
}

static void take_removal(void *argument, size_t i, int error, const struct nlmsghdr *message)
{
	(void)i;
	(void)message;
	((struct removal *)argument)->error = error;
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ESRCH || family_error(error) == -EAFNOSUPPORT;
}

int probe_route_remove(struct rtnetlink *rtnetlink)
{
	int result = 0;

	for (size_t i = FAMILIES * OBJECTS; i-- > 0;) {
		struct removal removal = {.family = families[i / OBJECTS], .object = (enum object)(i % OBJECTS)};
		int err = 0;

		for (int tries = 0; !err && tries < REMOVALS_MAX; tries++)
			err = rtnetlink_ask(rtnetlink, 1, make_removal, take_removal, &removal) ?: removal.error;
		if (err && !is_gone(err))
			result = err;
	}
	return result;
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/bpf_check.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PRINTED 512 /* bytes of a frame: headers */

static const struct {
	const char *name;
	int action;
} reasons[REASON_COUNT] = {
#define REASON_ROW(name, action, help) {#name, action},
	REASONS(REASON_ROW)
#undef REASON_ROW
};

/* Of several buffers the fast path counts the first one alone: it takes no packet that goes beyond it. */
static bool is_right_length(const struct outcome *outcome, __u64 bytes)
{
	return bytes == outcome->in->length ||
	       (outcome->world->settings.features & FEATURE_MULTI && bytes < outcome->in->length);
}

/* 1 if the packet was counted there, 0 if none was, -1 for anything else. */
static int take(const struct outcome *outcome, struct counters *counters)
{
	struct counters seen = *counters;

	if (!seen.packets && !seen.bytes)
		return 0;
	*counters = (struct counters){0};
	return seen.packets == 1 && is_right_length(outcome, seen.bytes) ? 1 : -1;
}

static const char *take_reason(struct outcome *outcome, struct count_page *page)
{
	outcome->reason = REASON_go_on;
	for (int i = 0; i < COUNT_REASONS; i++) {
		if (!page->reason[i].packets)
			continue;
		if (outcome->reason)
			return "counted for two reasons";
		outcome->reason = i;
		if (take(outcome, &page->reason[i]) < 0)
			return "more or less than one packet was counted for a reason";
	}
	return outcome->reason ? NULL : "not counted";
}

const char *check_counts(struct outcome *outcome, struct count_page *page)
{
	const char *wrong = take_reason(outcome, page);

	outcome->service = -1;
	outcome->backend = 0;
	for (__u32 i = 0; i < FUZZ_NUMBERS && !wrong; i++) {
		int of_service = take(outcome, &page->service[i]), of_backend = take(outcome, &page->backend[i]);

		if (of_service < 0 || of_backend < 0 || (of_service && outcome->service >= 0) ||
		    (of_backend && outcome->backend))
			return "more or less than one packet was counted for a service or backend";
		if (of_service)
			outcome->service = (int)i;
		if (of_backend)
			outcome->backend = i;
		/* the fast path may look for the record before it leaves the packet to the slow one, which does, too */
		if (page->tracked[i] > 2)
			return "its record was looked for three times";
		page->tracked[i] = 0;
	}
	return wrong;
}

static bool is_same(const struct fuzz_frame *one, const struct fuzz_frame *other)
{
	return one->length == other->length && !memcmp(one->data, other->data, one->length);
}

static const __u8 *source_of(const struct outcome *outcome)
{
	return outcome->in->data + view_source(&outcome->view);
}

static const __u8 *destination_of(const struct outcome *outcome)
{
	return source_of(outcome) + view_address_length(outcome->view.v6);
}

static bool is_to_vip(const struct outcome *outcome)
{
	__be32 address[4] = {0};

	if (!outcome->is_ip)
		return false;
	memcpy(address, destination_of(outcome), view_address_length(outcome->view.v6));
	return fuzz_world_is_vip(outcome->world, address, outcome->view.v6);
}

/* Whether the VIP is one of a prefix, not of the world's own block. */
static bool is_in_prefix(const struct outcome *outcome)
{
	const __u8 *to = destination_of(outcome);

	return outcome->view.v6 ? view_get16(to + 4) == 7 : to[0] == 203;
}

/* The number of the VIP's service. */
static __u32 number_of(const struct outcome *outcome)
{
	return is_in_prefix(outcome) ? 3 : destination_of(outcome)[outcome->view.v6 ? 15 : 3];
}

/* RFC 1122, 3.2.1.3; RFC 4291, 2.5: no client's. */
static bool is_martian(const struct outcome *outcome)
{
	static const __u8 mapped[12] = {[10] = 0xff, 0xff}, zero[12];
	const __u8 *from = source_of(outcome);

	if (!memcmp(from, destination_of(outcome), view_address_length(outcome->view.v6)))
		return true;
	if (!outcome->view.v6)
		return from[0] == 0 || from[0] == 127 || from[0] >= 224;
	return from[0] == 0xff || (from[0] == 0xfe && from[1] >> 6 == 2) || !memcmp(from, mapped, sizeof(mapped)) ||
	       !memcmp(from, zero, sizeof(zero));
}

static bool is_denied(const struct outcome *outcome)
{
	const __u8 *from = source_of(outcome);

	if (outcome->view.v6)
		return outcome->world->settings.features & FEATURE_DENY6 && view_get32(from) == 0x20010db8 &&
		       view_get32(from + 4) == 0x000d0000;
	return outcome->world->settings.features & FEATURE_DENY4 &&
	       (view_get32(from) >> 4 == 0xc633641 || view_get32(from) == 0xc63364f0);
}

bool check_is_error(const struct outcome *outcome)
{
	const struct view *view = &outcome->view;
	__u8 type;

	if (view->protocol != (view->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) || view->transport >= outcome->in->length)
		return false;
	type = outcome->in->data[view->transport];
	return view->v6 ? type < 128 : type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static const char *check_drop(const struct outcome *outcome)
{
	const __u32 features = outcome->world->settings.features;

	switch (outcome->reason) {
	case REASON_fragment_lost:
		return outcome->view.later ? NULL : "no later fragment";
	case REASON_martian:
		return is_martian(outcome) ? NULL : "no martian";
	case REASON_denied:
		return is_denied(outcome) ? NULL : "not on the deny list";
	case REASON_denied_by_rule:
		return features & FEATURE_RULES ? NULL : "there are no rules";
	case REASON_over_source_limit:
	case REASON_over_service_limit:
		return features & FEATURE_LIMITS ? NULL : "there are no limits";
	case REASON_unknown_port:
		return features & FEATURE_ADDRESS ? NULL : "unknown ports are to pass";
	case REASON_reply_limited:
		return outcome->world->settings.replies.interval ? NULL : "answers have no bound";
	case REASON_no_headroom:
		return outcome->short_of_room ? NULL : "there was headroom enough";
	case REASON_echo_dropped:
	case REASON_no_backend:
	case REASON_no_next_hop:
	case REASON_too_big:
		return NULL;
	default:
		return "no reason to drop anything here";
	}
}

/* Whether it is what every VIP takes: whole, without anything that is seldom, to the one port that all of them have. */
static bool is_plain(const struct outcome *outcome)
{
	const struct view *view = &outcome->view;
	const __u8 *data = outcome->in->data;

	if (!is_to_vip(outcome) || !view->whole || view->tags || view->first || view->later || data[0] & 1 ||
	    (outcome->linear && outcome->linear < view->transport + 8))
		return false;
	if (view->protocol != IPPROTO_TCP && view->protocol != IPPROTO_UDP)
		return false;
	return view->transport == view->ip + (view->v6 ? 40 : 20) &&
	       view->ip_length >= view->transport - view->ip + 8 && data[view->transport + 2] == 443 >> 8 &&
	       data[view->transport + 3] == (443 & 0xff);
}

static const char *check_passed(const struct outcome *outcome)
{
	const enum reason reason = outcome->reason;
	const struct service_options *options;

	if (!is_same(outcome->in, outcome->out))
		return "what goes to the host was changed";
	if (!is_plain(outcome) || reason == REASON_local || reason == REASON_over_limit_passed)
		return NULL;
	/* a prefix has 443/udp alone, where no port is any; and a VLAN's service has nothing without a tag */
	options = &outcome->world->options[number_of(outcome)];
	if (reason == REASON_no_service && (outcome->world->settings.features & FEATURE_SLOW && options->vlan))
		return NULL;
	return reason == REASON_no_service && is_in_prefix(outcome) && outcome->view.protocol == IPPROTO_TCP
		       ? NULL
		       : "a service's plain packet went to the host";
}

const char *check_outcome(struct outcome *outcome)
{
	outcome->is_ip = view_read(&outcome->view, outcome->in->data, outcome->in->length);
	if (outcome->verdict != reasons[outcome->reason].action || outcome->verdict == XDP_ABORTED)
		return "not its reason's action";
	if (outcome->verdict == XDP_PASS)
		return check_passed(outcome);
	if (!is_to_vip(outcome))
		return "for no VIP";
	if (!outcome->view.whole)
		return "not a whole IP packet";
	if (outcome->service >= 0 && (__u32)outcome->service != number_of(outcome))
		return "counted for another VIP's service";
	if (outcome->verdict == XDP_DROP)
		return check_drop(outcome);
	if (outcome->in->data[0] & 1)
		return "came by broadcast";
	if (!check_is_error(outcome) && (is_martian(outcome) || is_denied(outcome)))
		return "from nobody's or a denied address";
	if (outcome->reason == REASON_forwarded || outcome->reason == REASON_redirected)
		return check_forwarded(outcome);
	return check_answer(outcome);
}

static void print_frame(const char *what, const struct fuzz_frame *frame)
{
	fprintf(stderr, "%s, %u bytes:", what, frame->length);
	for (__u32 i = 0; i < frame->length && i < PRINTED; i++)
		fprintf(stderr, "%s%02x", i % 32 ? " " : "\n    ", frame->data[i]);
	fputc('\n', stderr);
}

void check_print(const struct outcome *outcome, const char *what)
{
	fprintf(stderr, "broken: %s\nworld \"%s\": verdict %d for %s, service %d, backend %u, interface %u to %u\n",
		what, outcome->world->name, outcome->verdict, reasons[outcome->reason].name, outcome->service,
		outcome->backend, outcome->from, outcome->to);
	print_frame("before", outcome->in);
	print_frame("after", outcome->out);
}

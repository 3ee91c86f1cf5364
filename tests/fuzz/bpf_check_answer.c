/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Checks of what the balancer answers by itself. */
#include <netinet/in.h>
#include <string.h>

#include "fuzz/bpf_check.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* Link and IP header: back to the sender with its tags. */
static const char *check_way_back(const struct outcome *outcome, const struct view *answer)
{
	const struct view *asked = &outcome->view;
	const __u8 *in = outcome->in->data, *out = outcome->out->data;
	const __u32 length = view_address_length(asked->v6);

	if (answer->v6 != asked->v6 || answer->tags != asked->tags || !answer->whole)
		return "no whole packet of the same family";
	if (memcmp(out, in + 6, 6) || memcmp(out + 6, in, 6) || memcmp(out + 12, in + 12, 4 * asked->tags))
		return "not the sender's MAC and tags";
	if (memcmp(out + view_source(answer), in + view_source(asked) + length, length) ||
	    memcmp(out + view_source(answer) + length, in + view_source(asked), length))
		return "not from the VIP to the client";
	if (!asked->v6 && (answer->header != 20 || view_sum(out + answer->ip, 20, 0) != 0xffff))
		return "the IP header's checksum";
	if (answer->first || answer->later || answer->transport != answer->ip + answer->header)
		return "a fragment, or with more headers";
	return NULL;
}

static bool is_right(const struct outcome *outcome, const struct view *answer)
{
	return view_transport_sum(answer, outcome->out->data, answer->ip + answer->ip_length - answer->transport) ==
	       0xffff;
}

static const char *check_echo(const struct outcome *outcome, const struct view *answer)
{
	const struct view *asked = &outcome->view;
	const __u8 *request = outcome->in->data + asked->transport, *reply = outcome->out->data + answer->transport;
	const __u32 length = asked->ip + asked->ip_length - asked->transport;

	if (asked->protocol != answer->protocol || asked->first || outcome->out->length != outcome->in->length)
		return "not of the request's kind or length";
	if (request[0] != (asked->v6 ? VIEW_ECHO6 : VIEW_ECHO4) || request[1] ||
	    reply[0] != (asked->v6 ? VIEW_ECHO6_REPLY : VIEW_ECHO4_REPLY) || reply[1])
		return "no request, or no reply";
	if (memcmp(request + 4, reply + 4, outcome->in->length - asked->transport - 4))
		return "not what was sent";
	if (view_transport_sum(asked, outcome->in->data, length) == 0xffff && !is_right(outcome, answer))
		return "the checksum is wrong now";
	return NULL;
}

static const char *check_reset(const struct outcome *outcome, const struct view *answer)
{
	const struct view *asked = &outcome->view;
	const __u8 *segment = outcome->in->data + asked->transport, *reset = outcome->out->data + answer->transport;
	const __u32 header = (segment[12] >> 4) * 4, behind = asked->ip + asked->ip_length - asked->transport;
	const __u8 flags = segment[13];
	const __u32 expected = view_get32(segment + 4) + behind - header + !!(flags & TCP_SYN) + (flags & TCP_FIN);

	if (flags & TCP_RST)
		return "a RST was answered";
	if (answer->ip_length != answer->header + 20 || reset[12] != 0x50 || !is_right(outcome, answer))
		return "no bare reset with a right checksum";
	if (memcmp(reset, segment + 2, 2) || memcmp(reset + 2, segment, 2))
		return "the ports";
	if (flags & TCP_ACK)
		return reset[13] == TCP_RST && !memcmp(reset + 4, segment + 8, 4) ? NULL : "the sequence number";
	return reset[13] == (TCP_RST | TCP_ACK) && !view_get32(reset + 4) && view_get32(reset + 8) == expected
		       ? NULL
		       : "the acknowledgement";
}

/* An ICMP error of this type and code about the packet. */
static const char *check_error(const struct outcome *outcome, const struct view *answer, __u8 type, __u8 code)
{
	const struct view *asked = &outcome->view;
	const __u8 *icmp = outcome->out->data + answer->transport;
	const __u32 quote = answer->ip_length - answer->header - 8;
	/* of several buffers only the first is quoted */
	const bool all = outcome->linear && asked->ip + quote == outcome->linear;

	if (answer->protocol != (answer->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) || icmp[0] != type || icmp[1] != code)
		return "not the right ICMP error";
	if (!is_right(outcome, answer))
		return "the ICMP checksum";
	if ((quote < asked->header + 8 && !all) || quote > asked->ip_length ||
	    answer->ip_length > (asked->v6 ? 1280 : 576))
		return "it quotes too much or too little";
	return memcmp(icmp + 8, outcome->in->data + asked->ip, quote) ? "what it quotes is not what came" : NULL;
}

static const char *check_rejected(const struct outcome *outcome, const struct view *answer)
{
	if (!(outcome->world->settings.features & FEATURE_ADDRESS))
		return "unknown ports are to pass";
	if (outcome->view.protocol == IPPROTO_UDP)
		return check_error(outcome, answer, answer->v6 ? 1 : 3, answer->v6 ? 4 : 3);
	return outcome->view.protocol == IPPROTO_TCP && answer->protocol == IPPROTO_TCP ? check_reset(outcome, answer)
											: "neither TCP nor UDP";
}

static const char *check_too_big(const struct outcome *outcome, const struct view *answer)
{
	const char *wrong = check_error(outcome, answer, answer->v6 ? 2 : 3, answer->v6 ? 0 : 4);
	__u32 mtu = view_get32(outcome->out->data + answer->transport + 4);

	if (wrong)
		return wrong;
	return mtu && mtu < outcome->view.ip_length ? NULL : "it was not too big for the MTU that it is told";
}

const char *check_answer(const struct outcome *outcome)
{
	struct view answer;
	const char *wrong;

	if (!view_read(&answer, outcome->out->data, outcome->out->length))
		return "no IP packet";
	if (check_is_error(outcome))
		return "an ICMP error was answered";
	wrong = check_way_back(outcome, &answer);
	if (wrong)
		return wrong;
	if (outcome->reason == REASON_echo)
		return outcome->view.later ? "a later fragment was answered" : check_echo(outcome, &answer);
	if (outcome->out->length != answer.ip + answer.ip_length)
		return "something is behind the answer";
	if (outcome->view.later)
		return "a later fragment was answered";
	if (outcome->reason == REASON_rejected)
		return check_rejected(outcome, &answer);
	return outcome->reason == REASON_too_big_told ? check_too_big(outcome, &answer) : "no such answer";
}

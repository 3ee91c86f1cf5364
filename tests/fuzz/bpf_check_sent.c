/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Checks of what goes to backends. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "fuzz/bpf_check.h"
#include "wire.h"

#define ETHERNET 14
#define UDP	 8
#define MSS	 2 /* the option's kind */

/* The encapsulation that a packet should have. */
struct outer {
	const __u8 *template; /* the backend's finished IP header */
	const __u8 *ip;	      /* what stands there */
	bool v6, gue;
	__u32 header;	 /* bytes of the outer IP header */
	__u32 extra;	 /* of GUE's header and the second hop */
	__u32 length;	 /* of the outer IP packet */
	__u8 tos, inner; /* the inner packet's, and its protocol number */
	__u32 mask;	 /* bits of the source that may be any */
	bool any_id;
};

static const char *check_ip4(const struct outer *outer)
{
	static const __u8 same[] = {0, 6, 7, 8, 16, 17, 18, 19};
	const __u8 *ip = outer->ip, *template = outer->template;

	for (__u32 i = 0; i < sizeof(same); i++)
		if (ip[same[i]] != template[same[i]])
			return "the outer header is not the backend's";
	if ((view_get32(ip + 12) ^ view_get32(template + 12)) & ~outer->mask)
		return "the outer source is not the backend's";
	if (!outer->any_id && view_get16(ip + 4) != view_get16(template + 4))
		return "an outer ID where nothing is ever cut";
	if (ip[1] != outer->tos || ip[9] != (outer->gue ? IPPROTO_UDP : outer->inner))
		return "outer TOS or protocol";
	if (view_get16(ip + 2) != outer->length)
		return "outer length";
	return view_sum(ip, 20, 0) == 0xffff ? NULL : "outer checksum";
}

static const char *check_ip6(const struct outer *outer)
{
	const __u8 *ip = outer->ip, *template = outer->template;

	if (ip[7] != template[7] || memcmp(ip + 8, template + 8, 12) || memcmp(ip + 24, template + 24, 16))
		return "the outer header is not the backend's";
	if ((view_get32(ip + 20) ^ view_get32(template + 20)) & ~outer->mask)
		return "the outer source is not the backend's";
	if ((view_get16(ip) >> 4) != (0x600 | outer->tos))
		return "outer version or traffic class";
	if (ip[6] != (outer->gue ? IPPROTO_UDP : outer->inner))
		return "outer next header";
	return view_get16(ip + 4) + 40U == outer->length ? NULL : "outer length";
}

static const char *check_gue(const struct outcome *outcome, const struct outer *outer)
{
	const __u8 *udp = outer->ip + outer->header, *hop = udp + UDP;
	const __u32 features = outcome->world->settings.features;

	if (view_get16(udp) < 0xc000 || view_get16(udp + 2) != GUE_PORT || view_get16(udp + 6))
		return "UDP ports or checksum";
	if (view_get16(udp + 4) != outer->length - outer->header)
		return "UDP length";
	if (!outer->extra)
		return NULL;
	if (!(features & FEATURE_SECOND_HOP) ||
	    (outer->extra != 4 + GUE_SECOND_HOP4 && outer->extra != 4 + GUE_SECOND_HOP6))
		return "no second hop is that long";
	if (hop[0] != (outer->extra - 4) / 4 || hop[1] != outer->inner || hop[2] || hop[3] || hop[4] != 1 ||
	    hop[5] != 1 || view_get16(hop + 6) != GUE_PORT)
		return "second hop";
	return NULL;
}

/* Where the MSS may have been lowered, two bytes; 0: nowhere. */
static __u32 mss_at(const struct outcome *outcome)
{
	const struct view *view = &outcome->view;
	const struct service_options *options = &outcome->world->options[outcome->service < 0 ? 0 : outcome->service];
	const __u8 *data = outcome->in->data;
	__u32 at = view->transport + 20, end;

	if (!(outcome->world->settings.features & FEATURE_SLOW) ||
	    !(options->mss || options->flags & OPTION_MSS_AUTO) || view->protocol != IPPROTO_TCP || view->later ||
	    at > outcome->in->length || (data[view->transport + 13] & 0x12) != 0x02)
		return 0;
	end = view->transport + (data[view->transport + 12] >> 4) * 4;
	if (end > outcome->in->length)
		end = outcome->in->length;
	while (at + 4 <= end && data[at]) {
		if (data[at] == MSS && data[at + 1] == 4)
			return at + 2;
		if (data[at] != 1 && data[at + 1] < 2)
			return 0;
		at += data[at] == 1 ? 1 : data[at + 1];
	}
	return 0;
}

/* The packet itself, from its IP header on, at `inner` of what was sent. */
static const char *check_inner(const struct outcome *outcome, __u32 inner)
{
	const struct view *view = &outcome->view;
	const __u32 length = outcome->in->length - view->ip, segment = view->ip + view->ip_length - view->transport;
	const __u32 mss = mss_at(outcome), check = view->transport + 16;
	struct fuzz_frame mended;
	const __u8 *sent = outcome->out->data + inner - view->ip;

	if (!memcmp(outcome->in->data + view->ip, outcome->out->data + inner, length))
		return NULL;
	if (!mss || view_get16(sent + mss) >= view_get16(outcome->in->data + mss))
		return "the packet itself was changed";
	mended.length = outcome->in->length;
	memcpy(mended.data, outcome->in->data, mended.length);
	memcpy(mended.data + mss, sent + mss, 2);
	memcpy(mended.data + check, sent + check, 2);
	if (memcmp(mended.data + view->ip, outcome->out->data + inner, length))
		return "more than the MSS was changed";
	if (view_transport_sum(view, outcome->in->data, segment) == 0xffff &&
	    view_transport_sum(view, mended.data, segment) != 0xffff)
		return "the checksum is wrong since the MSS was changed";
	return NULL;
}

static const char *check_encapsulated(const struct outcome *outcome, const struct backend *backend, __u8 encap,
				      __u32 link)
{
	const struct view *view = &outcome->view;
	const __u8 *ip = outcome->in->data + view->ip;
	struct outer outer = {
		.template = backend->header + ETHERNET,
		.ip = outcome->out->data + link,
		.v6 = encap == ENCAP_IPIP6 || encap == ENCAP_GUE6,
		.gue = encap == ENCAP_GUE4 || encap == ENCAP_GUE6,
		.tos = view->v6 ? (__u8)(view_get16(ip) >> 4) : ip[1],
		.inner = view->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
		.mask = ntohl(backend->source_mask),
		.any_id = outcome->world->settings.features & FEATURE_ID && !(backend->header[ETHERNET + 6] & 0x40),
	};
	const __u32 behind = outcome->in->length - view->ip;
	__u32 least;
	const char *wrong;

	outer.header = outer.v6 ? 40 : 20;
	least = link + outer.header + (outer.gue ? UDP : 0) + behind;
	if (outcome->out->length < least)
		return "shorter than packet and outer header";
	outer.extra = outcome->out->length - least;
	if (outer.extra && !outer.gue)
		return "longer than packet and outer header";
	outer.length = outer.header + (outer.gue ? UDP : 0) + outer.extra + view->ip_length;
	if (outer.length > backend->mtu)
		return "larger than the MTU";
	wrong = outer.v6 ? check_ip6(&outer) : check_ip4(&outer);
	if (!wrong && outer.gue)
		wrong = check_gue(outcome, &outer);
	return wrong ? wrong : check_inner(outcome, outcome->out->length - behind);
}

const char *check_forwarded(const struct outcome *outcome)
{
	const struct backend *backend = &outcome->world->backends[outcome->backend];
	const __u32 several = FEATURE_TRANSITION | FEATURE_RULES | FEATURE_QUIC;
	const __u32 link = ETHERNET + 4 * backend->tags, behind = outcome->in->length - outcome->view.ip;
	const __u8 encap = backend->encap & ~ENCAP_SLOW, *sent = outcome->out->data;
	const __u16 type = outcome->view.v6 ? 0x86dd : 0x0800;

	if (!outcome->backend || outcome->service < 0)
		return "sent, but counted for no service or backend";
	if (!(outcome->world->settings.features & several) && outcome->backend != (__u32)outcome->service)
		return "sent to another service's backend";
	if ((outcome->reason == REASON_forwarded) != (backend->ifindex == outcome->from))
		return "sent to the wrong interface";
	if (outcome->reason == REASON_redirected && outcome->to && outcome->to != backend->ifindex)
		return "redirected to the wrong interface";
	if (outcome->out->length < link || memcmp(sent, backend->header, 12) ||
	    memcmp(sent + 12, backend->tag, 4 * backend->tags))
		return "not the next hop's MACs and tags";
	if (encap != ENCAP_L2)
		return memcmp(sent + link - 2, backend->header + 12, 2)
			       ? "not the outer header's type"
			       : check_encapsulated(outcome, backend, encap, link);
	if (view_get16(sent + link - 2) != type || outcome->out->length != link + behind ||
	    outcome->view.ip_length > backend->mtu)
		return "not the packet's type or length";
	return check_inner(outcome, link);
}

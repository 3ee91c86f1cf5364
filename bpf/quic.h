/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage quic: the backend whose server ID is in a QUIC packet's destination connection ID, without encryption
 * (draft-ietf-quic-load-balancers-21, section 5). A client that changes its address keeps its backend that way.
 *
 *   long header    0x80 set | version, 4 bytes | length of the ID | ID ...       RFC 8999, 5.1
 *   short header   0x80 clear | ID ...                                          RFC 8999, 5.2
 *   ID             config, 3 bits, and 5 more | server ID | nonce ...           the draft
 *
 * No more is read than what all versions of QUIC have in common; the "fixed bit" is not among it. What is not
 * routable goes by its flow hash: IDs that clients chose, config 7 or one that the pool has not, unknown server IDs,
 * backends that serve no more, whatever is no QUIC at all.
 */
#ifndef SLUICE_QUIC_H
#define SLUICE_QUIC_H

#include "flow_stage.h"
#include "maps.h"
#include "packet.h"

#define QUIC_LONG	  0x80
#define QUIC_LENGTH	  5 /* offset of the ID's length in a long header */
#define QUIC_ID_LONG	  6 /* offset of the ID */
#define QUIC_ID_SHORT	  1
#define QUIC_CONFIG_SHIFT 5

/*
 * The backend's index; 0: the ID is not routable. For UDP packets of services with OPTION_QUIC; `payload` is right
 * behind the UDP header.
 */
static __noinline __u32 quic_pick(const struct service_options *options, const void *payload, const void *end)
{
	const struct udphdr *udp = payload - sizeof(*udp);
	const __u8 *first = payload, *id = first + QUIC_ID_SHORT;
	struct quic_key key = {.pool = options->quic_pool};
	const __u32 *backend;
	__s32 length;

	if ((const void *)(id + 1) > end)
		return 0;
	/* the datagram ends the ID, not the frame, which may be padded; less than nothing where the length lies */
	length = bpf_ntohs(udp->len) - (__s32)(sizeof(*udp) + QUIC_ID_SHORT);
	if (*first & QUIC_LONG) {
		if ((const void *)(first + QUIC_ID_LONG + 1) > end)
			return 0;
		id = first + QUIC_ID_LONG;
		length -= QUIC_ID_LONG - QUIC_ID_SHORT;
		if (length > first[QUIC_LENGTH])
			length = first[QUIC_LENGTH];
	}
	key.config = *id >> QUIC_CONFIG_SHIFT;
	if (key.config >= QUIC_CONFIGS)
		return 0;
	key.length = options->quic_server_id_length[key.config];
	if (!key.length || length < 1 + key.length)
		return 0;
	for (__u32 i = 0; i < QUIC_SERVER_ID_MAX && i < key.length; i++) {
		if ((const void *)(id + 1 + i + 1) > end)
			return 0;
		key.server_id[i] = id[1 + i];
	}
	backend = bpf_map_lookup_elem(&quic_servers, &key);
	return backend && serves(*backend) ? *backend : 0;
}

#endif

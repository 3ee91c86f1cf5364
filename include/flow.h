/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Slots, transitions and flow records: what keeps connections where they are when
 * a table changes.
 *
 * A flow without a record is where its slot says; in a steady slot no flow has one:
 *
 *   steady    → owner
 *   open      both windows run. TCP SYN → owner, with a record; anything else → previous owner, with a record
 *   tcp       the window of UDP is over. TCP as before; UDP → owner, with a record
 *             (without a previous owner: the owner's flows all began since, and have records)
 *   settled   both are over; records that differ from the owner remain.  → owner, no new record
 *
 * A flow with a record is where the record says, whatever the phase, as long as that backend serves;
 * only a SYN that follows FIN or RST, and not doubtful ones, begins anew, at the owner.
 *
 * Invariants, which user/model/transition.h keeps on the agent's side:
 *
 *   1. While a slot is open or tcp, each live TCP connection in it either has a record or is with the previous owner;
 *      each UDP conversation likewise while it is open, and each has a record once it is tcp. So the owner may change
 *      again, for it was recorded who is with whom; the previous owner may not, while the window runs.
 *   2. While a slot is settled, each live flow either has a record or is with the owner.
 *   3. While a slot is steady, each live flow is with the owner, and no record says otherwise.
 *   4. A record that says what its slot would say without it is redundant in settled and steady slots alone.
 *   5. An index of a backend is not given to another one while a slot or record may name it.
 *
 * A service that goes over to another table (another pool, table_size or hash) is in a move, which has the same
 * phases: the slot of its former table then says who the previous owner is.
 */
#ifndef SLUICE_FLOW_H
#define SLUICE_FLOW_H

#include <linux/types.h>

enum phase {
	PHASE_STEADY,
	PHASE_OPEN,
	PHASE_TCP,
	PHASE_SETTLED,
};

/*
 * Times are seconds of CLOCK_MONOTONIC. A slot's is when its transition was opened, modulo 2^24 (194 days): it
 * lies in the slot, so that whoever adopts the map knows it.
 */
#define SINCE_MASK 0xffffffU

/*
 * One slot of a pool's Maglev table. It is read and written as one aligned
 * 8-byte word, so a packet never sees half a change. Steady: all but the owner is zero.
 */
struct slot {
	__u16 owner;	/* backend index, 0: none */
	__u16 previous; /* 0: none. Of a settled slot: only for the second hop */
	__u8 phase;	/* enum phase */
	__u8 since[3];	/* low byte first */
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct slot) == 8, "slot");

/*
 * What a packet reads of a slot, in a quarter of its bytes, so that a table stays in the CPU's cache: the owner's
 * index, and whether the slot has more to say. The agent stores the slot first. A packet that comes between the two
 * stores takes the slot for what it was before.
 */
#define OWNER_ASK 0x8000 /* the slot is not steady */

static inline __attribute__((always_inline)) __u16 slot_owner_entry(const struct slot *slot)
{
	return slot->owner | (slot->previous || slot->phase ? OWNER_ASK : 0);
}

/* Seconds since a slot was opened. */
static inline __attribute__((always_inline)) __u32 slot_age(const struct slot *slot, __u32 now)
{
	__u32 since = slot->since[0] | (__u32)slot->since[1] << 8 | (__u32)slot->since[2] << 16;

	return (now - since) & SINCE_MASK;
}

static inline __attribute__((always_inline)) int phase_is_recording(__u8 phase)
{
	return phase == PHASE_OPEN || phase == PHASE_TCP;
}

/* Whether flows without a record are still the previous owner's. `tcp`: else UDP. */
static inline __attribute__((always_inline)) int phase_is_open(__u8 phase, int tcp)
{
	return phase == PHASE_OPEN || (tcp && phase == PHASE_TCP);
}

/* The backend of a flow that has no record and does not begin with this packet. */
static inline __attribute__((always_inline)) __u16 slot_unrecorded(const struct slot *slot, int tcp)
{
	return phase_is_open(slot->phase, tcp) && slot->previous ? slot->previous : slot->owner;
}

/* Client's side first, as the client's packets have it. */
struct flow_tuple {
	__be32 source[4], destination[4]; /* IPv4 in word 0, the rest zero */
	__be16 source_port, destination_port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 version;  /* 4 or 6 */
	__u8 zero[2];
};
_Static_assert(sizeof(struct flow_tuple) == 40, "flow_tuple");

#define FLOW_CLOSING 0x1 /* FIN or RST was seen, and no data since */
#define FLOW_DOUBTFUL                                                                                                  \
	0x2 /* by the record's first packet, which may be forged: another one shows by its sequence number */

/* Seconds without a packet after which a closing record is over. What ends the others is in the configuration. */
#define FLOW_CLOSING_LIFE 10

/* How far a FIN's or RST's sequence number may be from the last one seen: a blind forger hits it once in 2,048 times */
#define FLOW_SEQUENCE_NEAR (1U << 20)

struct flow_record {
	__u16 backend;
	__u8 flags; /* FLOW_* */
	__u8 zero;
	__u32 born;	/* when it was written */
	__u32 seen;	/* when its last packet came */
	__u32 sequence; /* TCP: of the client's last packet near the one before; host byte order */
};
_Static_assert(sizeof(struct flow_record) == 16, "flow_record");

/* A table, as a service uses it. */
struct table_use {
	__u32 slot_first; /* in the slots array */
	__u32 slot_count; /* slots of the table, a prime; 0: none */
};
_Static_assert(sizeof(struct table_use) == 8, "table_use");

/*
 * How a service came to its table. The entry of each service that is configured tells its table, so that a later
 * agent knows whether a configuration changes it; the dataplane looks at it while SERVICE_MOVING is set.
 */
struct service_move {
	struct table_use now;
	struct table_use before; /* slot_count 0: none */
	__u16 flags;		 /* SERVICE_HASH_SOURCE, now */
	__u16 flags_before;
	__u8 phase; /* enum phase */
	__u8 zero[3];
	__u32 since; /* when the move began */
	__u32 spare;
};
_Static_assert(sizeof(struct service_move) == 32, "service_move");

#endif

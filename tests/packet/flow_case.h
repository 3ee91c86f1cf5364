/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One slot or service in transition, one record at most, one packet in each family: whom the packet reaches, and
 * what becomes of the record.
 */
#ifndef SLUICE_TEST_FLOW_CASE_H
#define SLUICE_TEST_FLOW_CASE_H

#include "packet/packet_case.h"

#define SERVICE		L2 /* its pool's slots are given away below */
#define OWNER		IPIP4
#define PREVIOUS	IPIP6
#define HOLDER		GUE4 /* whom a record names */
#define FORMER		GUE6 /* owner in the table that the service had before */
#define FORMER_PREVIOUS IPIP4_OUT
#define WRONG		GUE4_OUT /* owner of every slot that is not the flow's */

#define PORT	 40002 /* its flows hash to other slots than their source */
#define SEQUENCE 1000000

enum packet_kind { DATA, SYN, SYN_ECN, SYN_ACK, ACK, FIN, RST, SHORT, DATAGRAM, TCP_ERROR, UDP_ERROR };

enum record_after {
	NONE,	   /* there was none, and is none */
	ANEW,	   /* written, or written anew; it names whom the packet reached */
	FOLLOWED,  /* as it was, its times and sequence moved on */
	UNTOUCHED, /* as it was */
};

struct flow_case {
	const char *name;
	struct slot slot;
	__u16 flags;		  /* of the service */
	struct service_move move; /* `before` is filled in where the phase is not steady */
	struct slot former;	  /* the flow's slot in the table before */
	enum packet_kind packet;
	__u16 record; /* backend of the record that there is; 0: none */
	__u8 record_flags;
	__u16 dead; /* this backend does not serve */
	bool features_off;
	__u16 to;
	enum record_after after;
	__u8 after_flags;
	bool untracked; /* no record was looked for */
};

/* The program with a case's slots and record; packet_assert_counted() at its end. */
struct lab {
	const struct flow_case *test;
	bool v6;
	struct fixture *fixture;
	struct counts *counts;
	struct flow_tuple tuple;
};

void lab_open(struct lab *lab);
void lab_close(struct lab *lab);

/* The client's packet from this port; of the kinds that are errors, what they are made of. */
void flow_packet(struct frame *out, enum packet_kind kind, bool v6, __u16 port, __u32 sequence);
struct flow_tuple flow_tuple(enum packet_kind kind, bool v6, __u16 port);

/* Sends it and checks that it reaches this backend. */
void flow_send(struct lab *lab, const struct frame *in, __u16 to);

/* Reads or writes the record; the written one's times are long ago. */
bool record_get(const struct fixture *fixture, const struct flow_tuple *tuple, struct flow_record *record);
void record_put(const struct fixture *fixture, const struct flow_tuple *tuple, __u16 backend, __u8 flags,
		__u32 sequence);

/* cmocka's test function, for CASES_RUN; *state is a const struct flow_case *. */
void flow_case_run(void **state);

/* How its packet ends: of a const struct flow_case *. */
enum reason flow_case_reason(const void *test);

#endif

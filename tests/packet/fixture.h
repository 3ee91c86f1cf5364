/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The real XDP program, loaded with the settings of a test, its maps filled by
 * hand, fed with one frame at a time by BPF_PROG_TEST_RUN. What cannot be set up
 * fails the running test. Ports and counts are in host byte order, addresses text.
 */
#ifndef SLUICE_TEST_FIXTURE_H
#define SLUICE_TEST_FIXTURE_H

#include <linux/types.h>
#include <stdbool.h>

#include "abi.h"
#include "model/config.h"
#include "packet/counts.h"
#include "packet/frame.h"

#define FIXTURE_SLOTS	  4096
#define FIXTURE_BACKENDS  1023
#define FIXTURE_FLOWS	  1024
#define FIXTURE_SOURCES	  1024
#define FIXTURE_INTERFACE 1 /* lo: exists wherever tests run, and test runs send nothing */

struct fixture;

/* A backend and how it is reached. */
struct target {
	enum forward forward;
	const char *address; /* l2 has one too: the family does not matter there */
	const char *source;  /* of the outer header */
	__u16 gue_port;
	__u32 ifindex;
	__u16 mtu;
	bool unresolved;    /* no next hop is known */
	bool second_hop;    /* it sends on what is not its own */
	__u32 tag[2];	    /* VLAN tags on the way, the outermost first: TPID << 16 | TCI; 0: none */
	__u8 ttl;	    /* of the outer header [64] */
	bool no_df;	    /* the outer header allows fragments */
	__u8 source_length; /* ipip: `source` is a prefix of that length, the rest comes from the flow hash */
};

/* How a frame arrives. */
struct arrival {
	__u32 ifindex;	    /* [FIXTURE_INTERFACE] */
	__u32 metadata;	    /* bytes of XDP metadata before the frame: they take from the headroom; a multiple of 4 */
	__u32 first_buffer; /* bytes of the frame in the first of several buffers [as the kernel does] */
};

extern const __u8 fixture_key[16];

struct fixture_options {
	__u32 features;	 /* FEATURE_* */
	const __u8 *key; /* the 16 bytes of hash_key [fixture_key] */
	struct limit replies;
	bool alone; /* loaded anew and not kept; it may have more than FIXTURE_BACKENDS backends */
};

/* Skips the running test unless the process may load BPF programs. */
void fixture_need_root(void);

/*
 * Loads the program with these features and fixture_key, or takes one that was closed before: its maps are empty
 * again. Never NULL. fixture_close() frees it.
 */
struct fixture *fixture_open(__u32 features);
void fixture_close(struct fixture *fixture);

/* Loads it with options; NULL, with the verifier's log on standard error, if the kernel refuses it. */
struct fixture *fixture_try(const struct fixture_options *options);

/* The loaded programs' descriptors; the fixture owns them. */
int fixture_program(const struct fixture *fixture);
int fixture_slow_program(const struct fixture *fixture);

/* The secrets as the program has them. */
const struct flow_key *fixture_flow_key(const struct fixture *fixture);

/* Port 0: any. `prefix` is "ADDRESS/LENGTH". */
void fixture_vip(struct fixture *fixture, const char *address, __u16 port, __u8 protocol,
		 const struct service *service);
void fixture_prefix(struct fixture *fixture, const char *prefix, __u16 port, __u8 protocol,
		    const struct service *service);

/* Gives slots [first, first + count) to one backend. */
void fixture_slots(struct fixture *fixture, __u32 first, __u32 count, __u16 owner);

/* Likewise, in transition or not. */
void fixture_slots_as(struct fixture *fixture, __u32 first, __u32 count, const struct slot *slot);

void fixture_move(struct fixture *fixture, __u16 service, const struct service_move *move);

/* The flow map's descriptor; the fixture owns it. Keys and values: include/flow.h. */
int fixture_flows(const struct fixture *fixture);

/* A map's descriptor by its name in bpf/maps.h; the fixture owns it. */
int fixture_map(const struct fixture *fixture, const char *name);

/* Writes the entry as the agent would make it for a backend that serves. */
void fixture_backend(struct fixture *fixture, __u16 index, const struct target *target);
void fixture_backend_raw(struct fixture *fixture, __u16 index, const struct backend *entry);

/* The backend is the host itself. */
void fixture_backend_local(struct fixture *fixture, __u16 index);

/* From now on it serves no connections; packets still reach it. */
void fixture_backend_dies(struct fixture *fixture, __u16 index);

/* The outer header that frames to this target should get. */
struct outer target_outer(const struct target *target);

/*
 * Runs one frame through the program. Returns the XDP action, and the frame
 * afterwards in *out; -EINVAL if the kernel does not take that much metadata, or no such first buffer.
 */
int fixture_run(struct fixture *fixture, const struct frame *in, const struct arrival *arrival, struct frame *out);

/* Reads all counters. */
void fixture_counts(struct fixture *fixture, struct counts *out);

#endif

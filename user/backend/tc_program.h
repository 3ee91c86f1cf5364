/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The TC programs and their maps: loaded afresh by `up`, found through the attached program by `status`. */
#ifndef SLUICE_BACKEND_TC_PROGRAM_H
#define SLUICE_BACKEND_TC_PROGRAM_H

#include "backend/host.h"
#include "backend/options.h"
#include "backend_abi.h"

struct backend_bpf;

struct tc_program {
	struct backend_bpf *skeleton;
	int decap_fd; /* owned by the skeleton */
	int mss_fd;
};

/*
 * Loads the programs. `predecessor` is the id of an attached sluice_decap whose
 * counters go on, or 0. 0 or a negative errno, reported. Free with tc_program_free,
 * which leaves attached programs where they are.
 */
int tc_program_load(struct tc_program *program, __u16 gue_port, __u32 predecessor);
void tc_program_free(struct tc_program *program);

/* Fill the maps of a program that is not yet attached. 0 or a negative errno, reported. */
int tc_program_set_vips(struct tc_program *program, const struct prefixes *vips);
int tc_program_set_from(struct tc_program *program, const struct prefixes *from);
int tc_program_add_own(struct tc_program *program, const struct address *address);
int tc_program_set_mss(struct tc_program *program, __u32 ifindex, const struct link_mss *mss);

/* Reads an attached program's counters. 0 or a negative errno. */
int tc_program_counters(__u32 program_id, __u64 packets[static OUTCOME_COUNT]);

/* Whether an attached program takes `address` for the host's own. 1, 0 or a negative errno. */
int tc_program_has_own(__u32 program_id, const struct address *address);

/*
 * The last address in no --from prefix that an attached program has had an encapsulated packet from; family 0: none
 * since `up`. 0 or a negative errno.
 */
int tc_program_stranger(__u32 program_id, struct address *stranger);

/* The MSS limits of an interface in an attached program. 0 or a negative errno. */
int tc_program_mss(__u32 program_id, __u32 ifindex, struct link_mss *mss);

#endif

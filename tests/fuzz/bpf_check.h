/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What holds of every packet, whatever it is:
 *
 *   - it is counted once, for a reason whose action it gets; never ABORTED
 *   - what goes to the host is the very packet that came, and so is all that is for no VIP
 *   - what goes to a backend is that packet behind the outer header that this backend is due, with right lengths
 *     and checksums; the MSS of a SYN may be less than it was, where the service says so
 *   - an answer goes back to whom the packet came from, with right lengths and checksums; none to what no client can
 *     be, to an ICMP error, a RST, a later fragment, or to what came by broadcast
 *   - a plain packet to a port that every VIP has does not go to the host, but where the service says so
 *   - what is dropped is dropped for a reason that the world has
 */
#ifndef SLUICE_FUZZ_BPF_CHECK_H
#define SLUICE_FUZZ_BPF_CHECK_H

#include "fuzz/bpf_frame.h"
#include "fuzz/bpf_view.h"
#include "fuzz/bpf_world.h"
#include "reasons.h"

/* How a packet came and how it ended. */
struct outcome {
	const struct fuzz_world *world;
	const struct fuzz_frame *in, *out;
	struct view view; /* of `in`, if it is IP */
	bool is_ip;
	__u32 linear;	    /* bytes in the first of several buffers; 0: not known, or all */
	__u32 from;	    /* interface */
	bool short_of_room; /* the driver left less than the usual headroom, or the frame has several buffers */
	int verdict;
	__u32 to; /* interface of a redirect; 0: not known */
	enum reason reason;
	int service;   /* that it was counted for, -1: none */
	__u32 backend; /* likewise, 0: none */
};

/* Takes what the page counted into the outcome, and makes it zero again. NULL, or what is wrong. */
const char *check_counts(struct outcome *outcome, struct count_page *page);

/* NULL, or what is wrong. All but `view` and `is_ip` has been set. */
const char *check_outcome(struct outcome *outcome);

/* Of what goes to a backend, and of answers; for check_outcome(). */
const char *check_forwarded(const struct outcome *outcome);
const char *check_answer(const struct outcome *outcome);

/* Whether an ICMP error is what came. */
bool check_is_error(const struct outcome *outcome);

/* On standard error. */
void check_print(const struct outcome *outcome, const char *what);

#endif

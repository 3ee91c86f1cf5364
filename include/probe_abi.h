/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the TC program of probes to VIPs (bpf/probe.bpf.c) and user space agree
 * on. A probe's socket has the mark (SO_MARK) PROBE_MARK | backend index.
 */
#ifndef SLUICE_PROBE_ABI_H
#define SLUICE_PROBE_ABI_H

#include "abi.h"

#define PROBE_MARK	 0x51500000U
#define PROBE_INDEX_MASK 0x00007fffU /* 1 to 32767 */
#define PROBE_MARK_MASK	 0xffff8000U
_Static_assert((PROBE_MARK_MASK ^ PROBE_INDEX_MASK) == 0xffffffffU, "each bit is the mark's or the index's");
_Static_assert((PROBE_MARK & PROBE_INDEX_MASK) == 0, "the mark leaves the index alone");
_Static_assert(SLUICE_MAX_BACKENDS <= PROBE_INDEX_MASK, "every backend index fits the mark");

/* The filter's place on the egress side of lo's clsact qdisc, and the name its program is known by. */
#define PROBE_TC_PRIORITY 6080
#define PROBE_TC_HANDLE	  0x51
#define PROBE_PROGRAM	  "sluice_probe"

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Expands the configured 128-bit hash_key into the flow hash's secrets. */
#ifndef SLUICE_FLOW_KEY_H
#define SLUICE_FLOW_KEY_H

#include "hash.h"

void flow_key_expand(struct flow_key *out, const __u8 key[16]);

#endif

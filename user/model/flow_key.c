/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/flow_key.h"

#include "lib/siphash.h"

void flow_key_expand(struct flow_key *out, const __u8 key[16])
{
	for (__u8 i = 0; i < FLOW_KEY_WORDS; i++)
		out->word[i] = siphash(key, &i, sizeof(i));
}

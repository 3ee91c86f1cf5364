/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The XDP programs, of the fast path and of the slow one that it calls: loading them over given maps, and recognizing
 * one that runs. */
#ifndef SLUICE_PROGRAM_H
#define SLUICE_PROGRAM_H

#include <linux/types.h>
#include <stdbool.h>

#include "abi.h"
#include "out/maps.h"
#include "sluice.skel.h"

struct program {
	int fd; /* of the fast path, -1: none; the other one is in the map of programs */
	__u32 id;
	struct settings settings; /* that it was loaded with */
};

void program_init(struct program *program);
void program_close(struct program *program);

/* Identifies this build's program object: goes into settings.object. */
__u64 program_object(void);

/* FEATURE_* that this kernel has, not the configuration. */
__u32 program_features(void);

/*
 * Opens, but does not load, the program with these settings over `maps`; maps
 * that are -1, but for arrays, will be made on loading. NULL with the reason in the log. To be destroyed.
 */
struct sluice_bpf *program_prepare(const struct maps *maps, const struct settings *settings);

/*
 * Loads the program, its setting `cpus` as the maps have it, and `vip_shift` too if it is 0; maps that were -1 are made and put into `maps`. Negative
 * errno with the verifier's words in the log.
 */
int program_load(struct program *program, struct maps *maps, const struct settings *settings);

/*
 * Takes over the program pinned at `path`, if it uses `maps`; its settings are
 * read back from its constants. -ENOENT if there is none, -EINVAL if it is not over these maps.
 */
int program_open_pinned(struct program *program, const char *path, const struct maps *maps);

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Attachments of the program to interfaces: through a bpf_link of our own,
 * or (attach: shared) beside others in libxdp's dispatcher.
 */
#ifndef SLUICE_ATTACH_H
#define SLUICE_ATTACH_H

#include <net/if.h>
#include <stdbool.h>
#include <uthash.h>
#include <xdp/libxdp.h>

#include "model/config.h"
#include "model/network.h"
#include "out/maps.h"
#include "out/program.h"

struct attachment {
	char interface[IFNAMSIZ];
	enum attach kind;
	bool attached;
	unsigned int reattached; /* times that it was put back after somebody had taken it off */
	bool refused;		 /* attaching as below failed; trying again would disturb the interface for nothing */
	enum attach refused_kind;
	enum xdp_mode refused_mode;
	char why[160]; /* if not attached as wanted */
	__u32 ifindex;
	__u32 program_id;	    /* of the program that runs there, 0: an adopted instance, not yet compared */
	const char *mode;	    /* "native" or "generic" */
	enum xdp_mode asked;	    /* mode that it was attached for; MODE_AUTO if adopted */
	int link;		    /* exclusive: the bpf_link, -1 if none */
	struct xdp_program *shared; /* shared: the instance in the dispatcher */
	UT_hash_handle hh;
};

struct attachments {
	const char *folder;
	struct attachment *by_interface;
};

/* What to attach. */
struct attach_source {
	const struct program *program;
	const struct maps *maps;
};

/* Takes over the attachments pinned under the folder; pins of interfaces that are gone are removed. */
void attachments_adopt(struct attachments *attachments, const char *folder);

/* Lets go of them in this process; they stay in the kernel. */
void attachments_close(struct attachments *attachments);

/* Makes missing pins of attachments anew. Returns how many, or the last negative errno. */
int attachments_repair(const struct attachments *attachments);

/* Brings every attachment to the source's program. Negative errno of the last one that failed. */
int attachments_update(struct attachments *attachments, const struct attach_source *source);

/* See dataplane_attach(). */
int attachments_apply(struct attachments *attachments, const struct attach_source *source, const struct config *config,
		      const struct network *network);

/* Detaches and unpins all of them. Negative errno of the last one that failed. */
int attachments_remove(struct attachments *attachments);

/* attach_shared.c: the same steps through libxdp; what went wrong is in attachment->why. */
int shared_attach(struct attachment *attachment, const char *folder, const struct attach_source *source,
		  enum xdp_mode mode);
int shared_detach(struct attachment *attachment, const char *folder);
int shared_adopt(struct attachment *attachment, const char *path);
int shared_repair(const struct attachment *attachment, const char *folder); /* as pins_repair() */

/* Whether it is still there: anybody can take a program out of a dispatcher. */
bool shared_stands(const struct attachment *attachment);

/* Whether an adopted instance has the source's settings and maps. */
bool shared_is_current(const struct attachment *attachment, const char *folder, const struct attach_source *source);

#endif

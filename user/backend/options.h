/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the command line asks for. */
#ifndef SLUICE_BACKEND_OPTIONS_H
#define SLUICE_BACKEND_OPTIONS_H

#include <net/if.h>
#include <stdbool.h>

#include "backend/prefixes.h"
#include "backend_abi.h"

#define STATE_PATH "/run/sluice-backend/state.json"

#define MSS_AUTO (-1) /* from the interface's MTU */
#define MSS_OFF	 0

struct options {
	struct prefixes vips;
	struct prefixes from;
	char interfaces[BACKEND_MAX_LINKS][IFNAMSIZ];
	size_t interface_count; /* 0: those of the default routes */
	__u16 gue_port;		/* host byte order */
	int mss;		/* MSS_AUTO, MSS_OFF or the largest in bytes */
	__u32 mtu;		/* of the path from the balancer, in bytes; 0: the interface's */
	bool rp_filter_loose;
	bool json;
	const char *state_path; /* points into argv or at STATE_PATH */
};

/*
 * Reads the options of `command` ("up", "down", "status"), argv[0] being the
 * command. 0, or -EINVAL, reported on standard error. Free with options_free
 * in either case.
 */
int options_parse(struct options *options, const char *command, int argc, char **argv);

void options_free(struct options *options);

#endif

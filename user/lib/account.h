/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A user of this host, as a program needs it that is to run as one. */
#ifndef SLUICE_ACCOUNT_H
#define SLUICE_ACCOUNT_H

#include <sys/types.h>

struct account {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* all that it belongs to, `gid` among them */
	int group_count;
};

/* Asks the host's databases for the user. 0; -ENOENT: there is none; or another negative errno. Then *out is empty. */
int account_find(struct account *out, const char *name);

/* Empties it; an empty one is fine. */
void account_clear(struct account *account);

#endif

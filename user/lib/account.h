/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A user of this host, as a program needs it that is to run as one. Of /etc/passwd and /etc/group alone: a directory
 * in the network (LDAP, NIS) might take a while to answer, and a loop must not wait for it.
 */
#ifndef SLUICE_ACCOUNT_H
#define SLUICE_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

struct account {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* all that it belongs to, `gid` among them */
	int group_count;
};

/* 0; -ENOENT: there is no such user; or another negative errno. Then *out is empty. */
int account_find(struct account *out, const char *name);

/* Empties it; an empty one is fine. */
void account_clear(struct account *account);

#define ACCOUNT_NAME 33 /* room for a user's name */

/* The user's name, as one line of UTF-8. False if it is not known, and then it is empty. */
bool account_name(uid_t uid, char name[ACCOUNT_NAME]);

#endif

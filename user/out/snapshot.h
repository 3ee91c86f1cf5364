/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Snapshots: what the agent must find again after a restart, as JSON files NAME.json in
 * the state folder ("snapshot", "health", "overrides").
 */
#ifndef SLUICE_SNAPSHOT_H
#define SLUICE_SNAPSHOT_H

#include <jansson.h>

enum snapshot_how {
	SNAPSHOT_DURABLE, /* fsync before the rename, and of the folder; what is there already is not written again */
	SNAPSHOT_SOON,	  /* none of that, for what is written often: a crash of the host may lose it */
};

/* Makes the folder (and its parents) if it is missing. Negative errno with the reason in the log. */
int snapshot_folder(const char *folder);

/*
 * Replaces the snapshot whole: a crash leaves the old one or the new one. Negative errno: it is the caller's to say
 * once what fails often.
 */
int snapshot_write(const char *folder, const char *name, enum snapshot_how how, const json_t *content);

/* Removes the snapshot, if there is one: better none than one of another time. 0, or a negative errno with the reason
 * in the log. */
int snapshot_remove(const char *folder, const char *name);

/* A new reference, or NULL if there is none (*why is NULL) or it cannot be used (*why says it, to be freed). */
json_t *snapshot_read(const char *folder, const char *name, char **why);

#endif

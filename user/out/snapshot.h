/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Snapshots: what the agent must find again after a restart, as JSON files NAME.json in
 * the state folder ("snapshot", "health", "overrides", "notify"). The folder is one agent's alone.
 */
#ifndef SLUICE_SNAPSHOT_H
#define SLUICE_SNAPSHOT_H

#include <jansson.h>

enum snapshot_how {
	SNAPSHOT_DURABLE, /* fsync before the rename, and of the folder; what is there already is not written again */
	SNAPSHOT_SOON,	  /* none of that, for what is written often: a crash of the host may lose it */
};

/*
 * Makes the folder (and its parents) if it is missing and takes its lock, which ends with the process. Returns the
 * lock's descriptor, -EBUSY if another process has it, or another negative errno; the reason is in the log.
 */
int snapshot_open(const char *folder);

/*
 * Makes the folder and takes its lock anew if it is gone, as the lock of a folder that is gone is worth nothing.
 * 1: done, and the folder may be empty; 0: it is there; or a negative errno: then it is not ours, or not there.
 * Logs nothing.
 */
int snapshot_repair_folder(const char *folder, int *lock);

/*
 * Replaces the snapshot whole: a crash leaves the old one or the new one. Negative errno: it is the caller's to say
 * once what fails often.
 */
int snapshot_write(const char *folder, const char *name, enum snapshot_how how, const json_t *content);
int snapshot_write_text(const char *folder, const char *name, enum snapshot_how how, const char *text, size_t length);

/* Removes the snapshot, if there is one: better none than one of another time. 0, or a negative errno with the reason
 * in the log. */
int snapshot_remove(const char *folder, const char *name);

/* A new reference, or NULL if there is none (*why is NULL) or it cannot be used (*why says it, to be freed). */
json_t *snapshot_read(const char *folder, const char *name, char **why);

#endif

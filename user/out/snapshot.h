/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The snapshot: what the agent must find again after a restart, as one JSON file in the state folder. */
#ifndef SLUICE_SNAPSHOT_H
#define SLUICE_SNAPSHOT_H

#include <jansson.h>

/* Makes the folder (and its parents) if it is missing. Negative errno with the reason in the log. */
int snapshot_folder(const char *folder);

/*
 * Replaces the snapshot whole: write, fsync, rename, fsync of the folder. A crash
 * leaves the old one or the new one. Negative errno with the reason in the log.
 */
int snapshot_write(const char *folder, const json_t *content);

/* Removes the snapshot, if there is one: better none than one of another time. 0, or a negative errno with the reason
 * in the log. */
int snapshot_remove(const char *folder);

/* A new reference, or NULL if there is none (*why is NULL) or it cannot be used (*why says it, to be freed). */
json_t *snapshot_read(const char *folder, char **why);

#endif

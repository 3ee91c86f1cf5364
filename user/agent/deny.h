/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The deny list in the agent: operators' wishes, the end of what was denied for a time, the kernel and the file.
 * Lists may be long, so all of it is done in pieces between which the loop turns:
 *
 *   wish: read → keep places for all of it → put on the list ─┐
 *   timer: take off the list what is over ────────────────────┴→ kernel → file → answers
 *
 * A wish is granted whole or not at all, and answered once it is in the kernel and on disk.
 */
#ifndef SLUICE_AGENT_DENY_H
#define SLUICE_AGENT_DENY_H

#include "agent/agent.h"
#include "lib/buffer.h"

#define DENY_LONGEST_MS (365LL * 24 * 3600 * 1000)

enum deny_action { DENY_ADD, DENY_REMOVE, DENY_REMOVE_ALL };

/* Reads what the run before kept into state.deny, which the first commit brings to the kernel. */
void denying_open(struct agent *agent);

/* What has no answer yet is refused. Fine if it was not opened. */
void denying_close(struct agent *agent);

/* An operator's wish; the request's body is a JSON array of prefixes. for_ms 0: for good. Answers later. */
void agent_deny(struct agent *agent, const struct control_request *request, enum deny_action action, __u64 for_ms,
		struct control_later *reply);

/* A piece of the list, from the place `from` on: for GET /v1/deny. A new reference. */
json_t *agent_denied(const struct agent *agent, __u32 from, size_t limit);

/* deny_file.c: deny.json in the state folder, as it is made. Zeroed: not begun. */
struct deny_file {
	bool begun;
	struct buffer text;
	__u32 at;     /* of deny_walk() */
	__s64 offset; /* from the monotonic clock to the time of day, in ms */
};

/* Adds up to `piece` prefixes of the list. False: there are no more, and the file is written. */
bool deny_file_write(struct deny_file *file, struct agent *agent, size_t piece);

/* Lets go of what was made so far: the list has changed. */
void deny_file_forget(struct deny_file *file);

/* Fills the list; an event tells of what could not be read. */
void deny_file_restore(struct agent *agent);

/* Writes all of it at once, for when it could not be written before; as agent_save_ids(). */
int deny_file_save(struct agent *agent);

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The deny list on disk: {"deny": [["203.0.113.0/24", 1767225600000], ["2001:db8::/32", null]]}. The number is the time
 * of day when it ends, in ms: what is denied for an hour is so for an hour, whether sluiced or the host restarts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/deny.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/memory.h"
#include "out/snapshot.h"

#define SAVE_PIECE 1024

static __s64 day_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (__s64)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void add_entry(struct deny_file *file, const struct denied *denied, bool first)
{
	char text[ADDRESS_TEXT];

	buffer_add_text(&file->text, first ? "\n[\"" : ",\n[\"");
	buffer_add_text(&file->text, prefix_format(&denied->prefix, text));
	buffer_add_text(&file->text, "\",");
	if (denied->until == DENY_FOREVER)
		buffer_add_text(&file->text, "null");
	else
		buffer_add_number(&file->text, (__s64)denied->until + file->offset);
	buffer_add_text(&file->text, "]");
}

/* Of an empty list there is no file. */
static int write_file(struct deny_file *file, const struct agent *agent, bool empty)
{
	char *path = memory_format("%s/deny.json", agent->options.state);
	int err;

	if (agent->state_taken)
		err = -EBUSY;
	else
		err = empty ? file_remove(path) : file_replace(path, file->text.bytes, file->text.length, 0);
	free(path);
	return err;
}

bool deny_file_write(struct deny_file *file, struct agent *agent, size_t piece)
{
	static const char head[] = "{\"deny\":[";
	struct denied denied;
	int err;

	if (!file->begun) {
		*file = (struct deny_file){.begun = true, .offset = day_ms() - (__s64)clock_ms()};
		buffer_add_text(&file->text, head);
	}
	for (; piece; piece--) {
		bool first = file->text.length == sizeof(head) - 1;

		if (deny_walk(agent->state.deny, &file->at, &denied)) {
			add_entry(file, &denied, first);
			continue;
		}
		buffer_add_text(&file->text, "\n]}\n");
		err = write_file(file, agent, first);
		agent_saved(agent, "deny.json", err, &agent->deny_unsaved);
		deny_file_forget(file);
		return false;
	}
	return true;
}

void deny_file_forget(struct deny_file *file)
{
	free(file->text.bytes);
	*file = (struct deny_file){0};
}

int deny_file_save(struct agent *agent)
{
	struct deny_file file = {0};

	while (deny_file_write(&file, agent, SAVE_PIECE))
		;
	return agent->deny_unsaved ? -EIO : 0;
}

/* False if it cannot be read or has no room. What is over meanwhile is left out. */
static bool restore_entry(struct agent *agent, const json_t *entry, __s64 day, __u64 now)
{
	const char *text = json_string_value(json_array_get(entry, 0));
	const json_t *end = json_array_get(entry, 1);
	struct prefix prefix;
	__s64 left;

	if (!text || prefix_parse(text, &prefix) || !(json_is_integer(end) || json_is_null(end)))
		return false;
	if (json_is_null(end))
		return deny_add(agent->state.deny, &prefix, DENY_FOREVER) >= 0;
	if (json_integer_value(end) <= day)
		return true;
	left = json_integer_value(end) - day;
	if (left > DENY_LONGEST_MS) /* the time of day was set back */
		left = DENY_LONGEST_MS;
	return deny_add(agent->state.deny, &prefix, now + (__u64)left) >= 0;
}

void deny_file_restore(struct agent *agent)
{
	__u64 now = clock_ms();
	__s64 day = day_ms();
	json_t *content, *entry;
	const json_t *list;
	size_t skipped = 0, i;
	char *why;

	content = snapshot_read(agent->options.state, "deny", &why);
	list = json_object_get(content, "deny");
	json_array_foreach(list, i, entry)
		skipped += !restore_entry(agent, entry, day, now);
	if (why || (content && !json_is_array(list)))
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY, "the deny list is lost (%s): fill it anew",
			    why ? why : "deny.json has none");
	else if (skipped)
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY,
			    "the deny list: %zu entries of deny.json could not be read", skipped);
	free(why);
	json_decref(content);
}

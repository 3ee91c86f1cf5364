/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/standing.h"
#include "lib/memory.h"

#define MAX_NOTES 20

struct notes {
	size_t count, limit;
};

/* Takes the text over; NULL is none. */
static void print_note(struct notes *notes, const json_t *backend, const char *colour, const char *what, char *text)
{
	if (!text)
		return;
	if (notes->count++ < notes->limit) {
		printf("%s%s%s/%s %s", notes->count == 1 ? "\n" : "", cli_colour(colour), cli_text(backend, "pool"),
		       cli_text(backend, "name"), what);
		cli_print_text(stdout, text);
		puts(cli_colour(NULL));
	}
	free(text);
}

/* Why it goes to the backend's own address, in brackets; empty where it goes through the VIP or was told to. */
static const char *detour(const json_t *probe, char text[static 128])
{
	const char *why = json_string_value(json_object_get(probe, "why"));

	text[0] = '\0';
	if (why)
		snprintf(text, 128, " (not through the VIP: %s)", why);
	return text;
}

static char *probe_text(const json_t *probe)
{
	const char *verdict = cli_text(probe, "verdict");
	char aim[128];

	if (strcmp(verdict, "none") == 0)
		verdict = "no verdict yet";
	if (!json_is_integer(json_object_get(probe, "ago_ms"))) /* the verdict is of an earlier run */
		return memory_format("%s: %s, nothing found yet", cli_text(probe, "type"), verdict);
	return memory_format("%s: %s, %lld alike in a row, the last %.1f s ago: %s%s", cli_text(probe, "type"), verdict,
			     cli_number(probe, "run"), (double)cli_number(probe, "ago_ms") / 1000,
			     cli_text(probe, "text"), detour(probe, aim));
}

static void note_backend(struct notes *notes, const json_t *backend)
{
	if (json_is_false(json_object_get(backend, "resolved")))
		print_note(notes, backend, "red", "cannot be reached: ", memory_format("%s", cli_text(backend, "why")));
	if (standing_is_down(backend))
		print_note(notes, backend, standing_colour(backend), "is down", standing_fault(backend));
	print_note(notes, backend, "yellow", "cannot be probed: ", standing_trouble(backend));
	print_note(notes, backend, "yellow", "is set to ", standing_override(backend));
}

void notes_print(const json_t *backends, bool detailed)
{
	struct notes notes = {.limit = detailed ? (size_t)-1 : MAX_NOTES};
	const json_t *backend, *probe;
	size_t i, j;

	json_array_foreach(backends, i, backend) {
		note_backend(&notes, backend);
		if (!detailed)
			continue;
		json_array_foreach(json_object_get(backend, "probes"), j, probe)
			print_note(&notes, backend, NULL, "probe ", probe_text(probe));
	}
	if (notes.count > notes.limit)
		printf("and %zu more: sluice show backends --long\n", notes.count - notes.limit);
}

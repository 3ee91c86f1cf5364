/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/standing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/moment.h"
#include "cli/number.h"
#include "lib/memory.h"

static bool is_state(const json_t *backend, const char *state)
{
	return strcmp(cli_text(backend, "state"), state) == 0;
}

bool standing_is_down(const json_t *backend)
{
	return is_state(backend, "down");
}

static bool is_kept(const json_t *backend)
{
	return json_is_true(json_object_get(backend, "kept"));
}

static bool is_held(const json_t *backend)
{
	return cli_number(backend, "held_ms") > 0;
}

/* How many of its probes have this verdict. */
static size_t verdicts(const json_t *backend, const char *verdict)
{
	const json_t *probe;
	size_t i, found = 0;

	json_array_foreach(json_object_get(backend, "probes"), i, probe)
		found += strcmp(cli_text(probe, "verdict"), verdict) == 0;
	return found;
}

/* Whether no probe has come to a verdict yet. */
static bool is_new(const json_t *backend)
{
	size_t probes = json_array_size(json_object_get(backend, "probes"));

	return probes && verdicts(backend, "none") == probes;
}

/* The weight that it is to have while it is up: the operator's, or the configured one. */
static long long wanted_weight(const json_t *backend)
{
	const json_t *override = json_object_get(backend, "override");

	return json_is_integer(json_object_get(override, "weight")) ? cli_number(override, "weight")
								    : cli_number(backend, "weight");
}

/* Per cent of the wanted weight that a backend which came up has so far; 100 for others. */
static long long ramp(const json_t *backend)
{
	long long wanted = wanted_weight(backend);

	if (!is_state(backend, "up") || !wanted || !json_is_integer(json_object_get(backend, "weight_now")))
		return 100;
	return 100 * cli_number(backend, "weight_now") / wanted;
}

char *standing_state(const json_t *backend)
{
	const char *mark = json_is_object(json_object_get(backend, "override")) ? "*" : "", *detail = "";
	long long percent = ramp(backend);

	if (percent < 100)
		return memory_format("up %lld%%%s", percent, mark);
	if (standing_is_down(backend))
		detail = is_kept(backend) ? " (kept)" : is_held(backend) ? " (held)" : is_new(backend) ? " (new)" : "";
	if (is_state(backend, "drain") && json_is_true(json_object_get(backend, "drained")))
		return memory_format("drained%s", mark);
	return memory_format("%s%s%s", cli_text(backend, "state"), detail, mark);
}

const char *standing_colour(const json_t *backend)
{
	if (standing_is_down(backend))
		return is_kept(backend) || is_new(backend) ? "yellow" : "red";
	return is_state(backend, "up") && ramp(backend) == 100 ? "green" : "yellow";
}

char *standing_weight(const json_t *backend)
{
	const json_t *now = json_object_get(backend, "weight_now");
	long long weight = cli_number(backend, "weight");

	if (!json_is_integer(now) || json_integer_value(now) == weight)
		return memory_format("%lld", weight);
	return memory_format("%lld/%lld", (long long)json_integer_value(now), weight);
}

char *standing_probe(const json_t *backend)
{
	if (json_is_false(json_object_get(backend, "resolved")))
		return memory_format("cannot be reached: %s", cli_text(backend, "why"));
	return memory_format("%s", *cli_text(backend, "probe") ? cli_text(backend, "probe") : "-");
}

/* "root", or "uid 1234" of one without a name. */
static char *who(const json_t *override)
{
	const char *user = cli_text(override, "user");

	if (*user)
		return memory_format("%s", user);
	return memory_format("uid %lld", cli_number(override, "uid"));
}

char *standing_override(const json_t *backend)
{
	const json_t *override = json_object_get(backend, "override");
	const char *state = cli_text(override, "state"), *reason = cli_text(override, "reason");
	char when[MOMENT_TEXT], left[NUMBER_TEXT], *text = NULL, *user;
	size_t length;
	FILE *out;

	if (!json_is_object(override))
		return NULL;
	out = open_memstream(&text, &length);
	if (!out)
		memory_exhausted();
	if (strcmp(state, "drain") == 0 || strcmp(state, "maint") == 0)
		fputs(state, out);
	else
		state = "";
	if (json_is_integer(json_object_get(override, "weight")))
		fprintf(out, "%sweight %lld", *state ? ", " : "", cli_number(override, "weight"));
	user = who(override);
	fprintf(out, " by %s since %s", user, moment_short(cli_text(override, "when"), when));
	free(user);
	if (cli_number(override, "left_ms") > 0)
		fprintf(out, ", %s left", number_duration((cli_number(override, "left_ms") + 999) / 1000, left));
	if (*reason)
		fprintf(out, ": %s", reason);
	fclose(out);
	return text;
}

char *standing_trouble(const json_t *backend)
{
	const char *trouble = cli_text(backend, "trouble");

	if (!*trouble || (standing_is_down(backend) && strcmp(trouble, cli_text(backend, "probe")) == 0))
		return NULL;
	return memory_format("%s", trouble);
}

char *standing_fault(const json_t *backend)
{
	char age[NUMBER_TEXT], held[NUMBER_TEXT], *text = NULL;
	long long seconds = moment_age(cli_text(backend, "state_since"));
	const char *probe = cli_text(backend, "probe");
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		memory_exhausted();
	if (seconds >= 0)
		fprintf(out, " for %s", number_duration(seconds, age));
	if (is_held(backend) && !verdicts(backend, "down"))
		fputs(": its probes pass again", out);
	else if (*probe)
		fprintf(out, ": %s", probe);
	else if (is_new(backend))
		fputs(": not probed yet", out);
	if (is_held(backend))
		fprintf(out, "; held down for %s more after %lld falls",
			number_duration((cli_number(backend, "held_ms") + 999) / 1000, held),
			cli_number(backend, "falls"));
	if (is_kept(backend))
		fputs("; min_healthy keeps it in the table", out);
	fclose(out);
	return text;
}

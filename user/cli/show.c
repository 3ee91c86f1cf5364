/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice show: once, or again and again with rates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/deny.h"
#include "cli/events.h"
#include "cli/flows.h"
#include "cli/rates.h"
#include "cli/subject.h"
#include "cli/word.h"
#include "lib/suggest.h"
#include "lib/text.h"

#define CLEAR_SCREEN "\033[H\033[2J"

/* Keeps only the objects that have `name` at that level; EXIT_FAILED, after a message, if there is none. */
static enum exit_code filter(const struct subject *subject, size_t level, const char *name, json_t *objects)
{
	const char *key = subject->filter[level], *noun = subject->filter_noun[level];
	struct suggestion suggestion = {0};
	bool found = false;

	for (size_t i = 0; i < json_array_size(objects); i++) {
		const char *value = cli_text(json_array_get(objects, i), key);

		suggest_consider(&suggestion, name, value);
		found |= strcmp(name, value) == 0;
	}
	if (!found && suggestion.best)
		cli_error("there is no %s '%s': did you mean '%s'?", noun, name, suggestion.best);
	else if (!found)
		cli_error("there is no %s '%s': see 'sluice show %s'", noun, name, subject->name);
	if (!found)
		return EXIT_FAILED;
	for (size_t i = json_array_size(objects); i-- > 0;)
		if (strcmp(name, cli_text(json_array_get(objects, i), key)) != 0)
			json_array_remove(objects, i);
	return EXIT_DONE;
}

/* The same for all names of the command line. */
static enum exit_code filter_all(const struct cli *cli, const struct subject *subject, json_t *objects)
{
	enum exit_code code = EXIT_DONE;

	for (size_t i = 1; i < cli->argument_count && code == EXIT_DONE; i++)
		code = filter(subject, i - 1, cli->arguments[i], objects);
	return code;
}

static void print_once(const struct cli *cli, const struct subject *subject, const json_t *objects, bool rates)
{
	const struct view view = {
		.rates = rates,
		/* what was asked for by name is shown even if it is zero */
		.all = (cli->given & OPTION_ALL) || cli->argument_count > 1,
		.detailed = cli->given & OPTION_LONG,
	};

	if (!subject->fields)
		subject_print_bpf(objects);
	else
		subject_print(subject, objects, &view);
}

static double clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
	struct timespec until = {.tv_sec = (time_t)when};

	until.tv_nsec = (long)((when - (double)until.tv_sec) * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* One sample: a line of JSON, a table below the former one, or a screen. */
static void print_sample(const struct cli *cli, const struct subject *subject, json_t *objects, double seconds)
{
	char when[TEXT_DATE];
	json_t *line;

	text_date(time(NULL), when);
	if (cli->json) {
		line = json_pack("{s:s, s:f, s:O}", "time", when, "interval_s", seconds, subject->name, objects);
		json_dumpf(line, stdout, JSON_COMPACT);
		json_decref(line);
	} else {
		if (cli_is_terminal())
			printf(CLEAR_SCREEN "sluice show %s, every %g s, %s\n\n", subject->name, cli->interval, when);
		print_once(cli, subject, objects, subject->counters);
	}
	if (cli->json || !cli_is_terminal())
		putchar('\n');
	fflush(stdout);
}

/* What watching remembers from sample to sample. */
struct watch {
	json_t *before; /* the last sample, or NULL */
	double taken;	/* when */
	bool lost;	/* the agent does not answer at present */
};

/*
 * Takes a sample. An agent that stays away after it had answered is waited for:
 * it may be restarting, and its counters live on in the kernel. watch->lost then
 * tells that this EXIT_NO_AGENT means "not this time".
 */
static enum exit_code take_sample(const struct cli *cli, const struct subject *subject, struct watch *watch,
				  json_t **objects)
{
	struct request request = {.method = "GET", .path = subject->path, .seconds = QUESTION_SECONDS};
	char *error = NULL;
	enum exit_code code = client_ask(cli->socket, &request, objects, &error);

	if (code == EXIT_DONE && watch->lost) {
		cli_error("the agent answers again");
		watch->lost = false;
	} else if (code == EXIT_NO_AGENT && watch->before && !watch->lost) {
		cli_error("%s; trying on every %g s", error, cli->interval);
		watch->lost = true;
	} else if (code != EXIT_DONE && !watch->lost) {
		cli_error("%s", error);
	}
	free(error);
	if (code != EXIT_DONE)
		return code;
	code = filter_all(cli, subject, *objects);
	if (code != EXIT_DONE)
		json_decref(*objects);
	return code;
}

static enum exit_code show_again(const struct cli *cli, const struct subject *subject)
{
	struct watch watch = {0};
	enum exit_code code = EXIT_DONE;
	double next = clock_seconds();
	json_t *objects;

	for (long printed = 0; !cli->count || printed < cli->count; next += cli->interval) {
		double now;

		sleep_until(next);
		code = take_sample(cli, subject, &watch, &objects);
		if (code != EXIT_DONE && !(code == EXIT_NO_AGENT && watch.lost))
			break;
		now = clock_seconds();
		if (now > next + cli->interval)
			next = now; /* no burst of samples after a pause */
		if (code != EXIT_DONE)
			continue;
		if (subject->counters)
			rates_add(subject, objects, watch.before, now - watch.taken);
		/* rates take two samples; only who looks at a screen wants to see something until then */
		if (watch.before || !subject->counters || (cli_is_terminal() && !cli->json)) {
			print_sample(cli, subject, objects, watch.before ? now - watch.taken : 0);
			printed += watch.before || !subject->counters;
		}
		json_decref(watch.before);
		watch.before = objects;
		watch.taken = now;
		if (ferror(stdout))
			break;
	}
	json_decref(watch.before);
	return code;
}

static enum exit_code show_once(const struct cli *cli, const struct subject *subject)
{
	json_t *objects;
	enum exit_code code = cli_get(cli, subject->path, &objects);

	if (code != EXIT_DONE)
		return code;
	code = filter_all(cli, subject, objects);
	if (code == EXIT_DONE && cli->json)
		cli_print_json(objects);
	else if (code == EXIT_DONE)
		print_once(cli, subject, objects, false);
	json_decref(objects);
	return code;
}

/* Whether the subject takes so many names and these options. */
static enum exit_code check_usage(const struct cli *cli, const struct subject *subject)
{
	const bool events = strcmp(subject->name, "events") == 0, flows = strcmp(subject->name, "flows") == 0;
	const bool deny = strcmp(subject->name, "deny") == 0;
	const size_t names = subject->filter[1] ? 2 : subject->filter[0] ? 1 : 0;

	if (cli->argument_count > 1 && !names)
		cli_error("'show %s' takes no name", subject->name);
	else if (cli->argument_count > names + 1)
		cli_error("'show %s' takes no '%s': it shows all, or those of %s", subject->name,
			  cli->arguments[names + 1], names == 1 ? "one name" : "one pool, or one backend of it");
	else if (events && (cli->given & OPTION_WATCH))
		cli_error("'show events' takes no --watch: see 'sluice watch', which prints events as they come");
	else if (flows && (cli->given & OPTION_WATCH))
		cli_error("'show flows' takes no --watch: the agent counts records about once a second");
	else if (deny && (cli->given & (OPTION_WATCH | OPTION_ALL)))
		cli_error("'show deny' takes neither --watch nor --all: it shows the list as it is now");
	else if (!flows && (cli->given & OPTION_RECORDS))
		cli_error("--records goes with 'show flows'");
	else if (flows && !(cli->given & OPTION_RECORDS) && (cli->given & (OPTION_ALL | OPTION_COUNT)))
		cli_error("--all and --count go with --records there");
	else if ((events || flows) && (cli->given & OPTION_ALL) && (cli->given & OPTION_COUNT))
		cli_error("--all and --count exclude each other");
	else if (!events && !flows && (cli->given & OPTION_COUNT) && !(cli->given & OPTION_WATCH))
		cli_error("--count goes with --watch");
	else
		return EXIT_DONE;
	return EXIT_WRONG_USAGE;
}

enum exit_code do_show(const struct cli *cli)
{
	int found = word_find("subject", cli->arguments[0], subjects, subject_count, sizeof(subjects[0]));
	const struct subject *subject;
	enum exit_code code;

	if (found < 0)
		return EXIT_WRONG_USAGE;
	subject = &subjects[found];
	code = check_usage(cli, subject);
	if (code != EXIT_DONE)
		return code;
	if (strcmp(subject->name, "events") == 0)
		return events_show(cli);
	if (strcmp(subject->name, "flows") == 0)
		return flows_show(cli);
	if (strcmp(subject->name, "deny") == 0)
		return deny_show(cli);
	return cli->given & OPTION_WATCH ? show_again(cli, subject) : show_once(cli, subject);
}

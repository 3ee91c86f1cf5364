/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/duration.h"
#include "lib/memory.h"
#include "lib/suggest.h"

#define SHORTEST_INTERVAL 0.1
#define LONGEST_INTERVAL  86400.0
#define LONGEST_FOR	  365 /* days; a drain's is shorter */
#define LONGEST_CONFIRM	  1   /* days */
#define LONGEST_REASON	  119 /* bytes: health_override.reason */

/* ARGUMENT_NUMBER may be left out: the next word is taken only if it is a number. */
enum argument { ARGUMENT_NONE, ARGUMENT_NEEDED, ARGUMENT_NUMBER };

static const struct option {
	const char *name;
	char letter;
	unsigned int bit;
	enum argument argument;
	const char *help;
	const char *argument_name;
} options[] = {
	{"socket", 's', OPTION_SOCKET, ARGUMENT_NEEDED, "the agent's control socket (" DEFAULT_SOCKET ")", "PATH"},
	{"json", 'j', OPTION_JSON, ARGUMENT_NONE, "print JSON, with exact numbers", NULL},
	{"all", 'a', OPTION_ALL, ARGUMENT_NONE,
	 "drops: also reasons that no packet had; events, flows, deny remove: all there are", NULL},
	{"long", 'l', OPTION_LONG, ARGUMENT_NONE, "more columns, and every backend's notes", NULL},
	{"watch", 'w', OPTION_WATCH, ARGUMENT_NUMBER, "again and again, with rates (every second)", "[SECONDS]"},
	{"count", 'n', OPTION_COUNT, ARGUMENT_NEEDED,
	 "end watching after so many samples or events; events: the last N; flows: so many records", "N"},
	{"for", 'f', OPTION_FOR, ARGUMENT_NEEDED, "drain, deny add: how long, such as 10m", "DURATION"},
	{"reason", 'r', OPTION_REASON, ARGUMENT_NEEDED, "why, for those who look at the override", "TEXT"},
	{"confirm", 'c', OPTION_CONFIRM, ARGUMENT_NEEDED, "go back unless 'sluice confirm' follows within, say, 60s",
	 "DURATION"},
	{"records", 'R', OPTION_RECORDS, ARGUMENT_NONE, "flows: one by one", NULL},
	{"wait", 'W', OPTION_WAIT, ARGUMENT_NONE, "drain: until no connection is left, or its time is over", NULL},
	{"file", 'F', OPTION_FILE, ARGUMENT_NEEDED, "deny: prefixes from a file, one a line (-: standard input)",
	 "LIST"},
	{"bpffs", 'b', OPTION_BPFFS, ARGUMENT_NEEDED, "the folder of the pins (" DEFAULT_BPFFS ")", "DIR"},
	{"yes", 'y', OPTION_YES, ARGUMENT_NONE, "do not ask", NULL},
	{"help", 'h', OPTION_HELP, ARGUMENT_NONE, "help, also for a verb", NULL},
	{"version", 'V', OPTION_VERSION, ARGUMENT_NONE, "print the version", NULL},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static bool is_number(const char *text)
{
	char *end;

	if (!text || !(isdigit((unsigned char)*text) || *text == '.'))
		return false;
	strtod(text, &end);
	return !*end;
}

static enum exit_code take_duration(const char *option, const char *value, int days, long long *milliseconds)
{
	if (duration_parse(value, days * 86400000LL, milliseconds))
		return EXIT_DONE;
	cli_error("--%s %s: give a duration from 1s to %dd, such as 90s, 10m or 2h", option, value, days);
	return EXIT_WRONG_USAGE;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return true;
	return false;
}

static enum exit_code take_reason(struct cli *cli, const char *value)
{
	json_t *text = json_string(value); /* which it is not if it is no UTF-8 */

	json_decref(text);
	if (!text)
		cli_error("--reason: the text is not UTF-8");
	else if (has_control(value))
		cli_error("--reason: give one line of text");
	else if (strlen(value) > LONGEST_REASON)
		cli_error("--reason: a text of %zu bytes: at most %d are kept", strlen(value), LONGEST_REASON);
	else
		cli->reason = value;
	return cli->reason ? EXIT_DONE : EXIT_WRONG_USAGE;
}

static enum exit_code take_value(struct cli *cli, const struct option *option, const char *value)
{
	char *end;

	switch (option->bit) {
	case OPTION_SOCKET:
		cli->socket = value;
		break;
	case OPTION_BPFFS:
		cli->bpffs = value;
		break;
	case OPTION_WATCH:
		cli->interval = value ? is_number(value) ? strtod(value, NULL) : -1 : 1;
		if (cli->interval < SHORTEST_INTERVAL || cli->interval > LONGEST_INTERVAL) {
			cli_error("--watch %s: give seconds, from %g to %g", value, SHORTEST_INTERVAL,
				  LONGEST_INTERVAL);
			return EXIT_WRONG_USAGE;
		}
		break;
	case OPTION_COUNT:
		cli->count = strtol(value, &end, 10);
		if (!isdigit((unsigned char)*value) || *end || cli->count < 1 || cli->count > 1000000000) {
			cli_error("--count %s: give a number from 1", value);
			return EXIT_WRONG_USAGE;
		}
		break;
	case OPTION_FOR:
		return take_duration(option->name, value, LONGEST_FOR, &cli->for_ms);
	case OPTION_CONFIRM:
		return take_duration(option->name, value, LONGEST_CONFIRM, &cli->confirm_ms);
	case OPTION_REASON:
		return take_reason(cli, value);
	case OPTION_FILE:
		cli->file = value;
		break;
	case OPTION_JSON:
		cli->json = true;
		break;
	}
	return EXIT_DONE;
}

static enum exit_code unknown_option(const char *word)
{
	struct suggestion suggestion = {0};

	for (size_t i = 0; i < OPTIONS; i++)
		suggest_consider(&suggestion, word + strspn(word, "-"), options[i].name);
	if (suggestion.best)
		cli_error("unknown option '%s': did you mean '--%s'?", word, suggestion.best);
	else
		cli_error("unknown option '%s': see 'sluice help'", word);
	return EXIT_WRONG_USAGE;
}

/* The option that a word is, or NULL; *value is what stands behind "=" or the letter in the same word, or NULL. */
static const struct option *option_find(const char *word, const char **value)
{
	size_t length = strcspn(word, "=");

	*value = NULL;
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *option = &options[i];

		if (word[1] == '-' && strlen(option->name) == length - 2 &&
		    strncmp(word + 2, option->name, length - 2) == 0) {
			*value = word[length] ? word + length + 1 : NULL;
			return option;
		}
		if (word[1] == option->letter && (!word[2] || option->argument)) {
			*value = word[2] ? word + 2 : NULL;
			return option;
		}
	}
	return NULL;
}

/* Takes the option at argv[*at], and moves *at if the next word is its value. */
static enum exit_code take_option(struct cli *cli, char **argv, int *at)
{
	const char *word = argv[*at], *next = argv[*at + 1], *value;
	const struct option *option = option_find(word, &value);

	if (!option)
		return unknown_option(word);
	if (option->argument == ARGUMENT_NONE && value) {
		cli_error("--%s takes no value", option->name);
		return EXIT_WRONG_USAGE;
	}
	if (!value &&
	    (option->argument == ARGUMENT_NEEDED || (option->argument == ARGUMENT_NUMBER && is_number(next)))) {
		value = next;
		++*at;
	}
	if (option->argument == ARGUMENT_NEEDED && !(value && *value)) {
		cli_error("--%s needs a value: --%s %s", option->name, option->name, option->argument_name);
		return EXIT_WRONG_USAGE;
	}
	cli->given |= option->bit;
	return take_value(cli, option, value);
}

enum exit_code options_parse(struct cli *cli, int argc, char **argv)
{
	enum exit_code code = EXIT_DONE;
	bool over = false; /* after "--" */

	cli->arguments = memory_new((size_t)argc + 1, sizeof(*cli->arguments));
	for (int i = 1; i < argc && code == EXIT_DONE; i++) {
		if (over || argv[i][0] != '-' || !argv[i][1])
			cli->arguments[cli->argument_count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			over = true;
		else
			code = take_option(cli, argv, &i);
	}
	return code;
}

enum exit_code options_check(const struct cli *cli, unsigned int taken, const char *verb)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		if (cli->given & ~taken & options[i].bit) {
			cli_error("'%s' takes no --%s: see 'sluice help %s'", verb, options[i].name, verb);
			return EXIT_WRONG_USAGE;
		}
	}
	return EXIT_DONE;
}

void options_help(unsigned int which)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		const char *argument = options[i].argument_name ? options[i].argument_name : "";
		char *text;

		if (!(options[i].bit & which))
			continue;
		text = memory_format("-%c, --%s %s", options[i].letter, options[i].name, argument);
		printf("  %-32s %s\n", text, options[i].help);
		free(text);
	}
}

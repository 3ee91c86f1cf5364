/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice diff and sluice reload: what a configuration changes, before and after. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"

static const struct kind {
	const char *name;
	char sign;
	const char *colour; /* terminal escape */
} kinds[] = {
	{"add", '+', "\033[32m"},
	{"remove", '-', "\033[31m"},
	{"change", '~', "\033[33m"},
};

static void print_changes(const json_t *changes)
{
	const bool colours = cli_has_colours();
	const json_t *change;
	size_t i;

	json_array_foreach(changes, i, change) {
		const struct kind *kind = &kinds[2];
		const char *detail = cli_text(change, "detail");

		for (size_t j = 0; j < sizeof(kinds) / sizeof(kinds[0]); j++)
			if (strcmp(kinds[j].name, cli_text(change, "change")) == 0)
				kind = &kinds[j];
		printf("%s%c %s%s%s%s\n", colours ? kind->colour : "", kind->sign, cli_text(change, "what"),
		       *detail ? ": " : "", detail, colours ? "\033[0m" : "");
	}
}

enum exit_code do_diff(const struct cli *cli)
{
	json_t *reply;
	enum exit_code code = cli_ask(cli, "GET", "/v1/diff", WISH_SECONDS, &reply);
	const json_t *changes;

	if (code != EXIT_DONE)
		return code;
	changes = json_object_get(reply, "changes");
	if (json_array_size(changes))
		code = EXIT_DIFFERENT;
	if (cli->json)
		cli_print_json(reply);
	else if (code == EXIT_DIFFERENT)
		print_changes(changes);
	else
		puts("nothing would change");
	json_decref(reply);
	return code;
}

static void print_warnings(const json_t *warnings)
{
	json_t *warning;
	size_t i;

	json_array_foreach(warnings, i, warning)
		fprintf(stderr, "sluice: warning: %s\n", json_string_value(warning));
}

enum exit_code do_reload(const struct cli *cli)
{
	json_t *reply;
	enum exit_code code = cli_ask(cli, "POST", "/v1/reload", WISH_SECONDS, &reply);
	const json_t *changes;

	if (code != EXIT_DONE)
		return code;
	changes = json_object_get(reply, "changes");
	if (cli->json)
		cli_print_json(reply);
	else if (json_array_size(changes))
		print_changes(changes);
	else
		puts("reloaded: nothing changed");
	print_warnings(json_object_get(reply, "warnings"));
	json_decref(reply);
	return EXIT_DONE;
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/changes.h"

#include <stdio.h>
#include <string.h>

#include "cli/client.h"

static const struct kind {
	const char *name;
	char sign;
	const char *colour;
} kinds[] = {
	{"add", '+', "green"},
	{"remove", '-', "red"},
	{"change", '~', "yellow"},
};

static void print_change(const json_t *change)
{
	const char *name = cli_text(change, "change"), *detail = cli_text(change, "detail");
	const struct kind *kind = &kinds[2];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			kind = &kinds[i];
	printf("%s%c %s%s%s%s\n", cli_colour(kind->colour), kind->sign, cli_text(change, "what"), *detail ? ": " : "",
	       detail, cli_colour(NULL));
	if (*cli_text(change, "warning"))
		printf("    %swarning: %s%s\n", cli_colour("yellow"), cli_text(change, "warning"), cli_colour(NULL));
}

void changes_print(const json_t *reply, const char *none)
{
	const json_t *changes = json_object_get(reply, "changes"), *change;
	size_t i;

	if (!json_array_size(changes))
		puts(none);
	json_array_foreach(changes, i, change)
		print_change(change);
}

void changes_warn(const json_t *reply)
{
	const json_t *warnings = json_object_get(reply, "warnings"), *warning;
	size_t i;

	json_array_foreach(warnings, i, warning)
		fprintf(stderr, "sluice: warning: %s\n", json_string_value(warning));
}

enum exit_code changes_ask(const struct cli *cli, const char *path, const char *none)
{
	struct request request = {.method = "POST", .path = path, .seconds = WISH_SECONDS};
	json_t *reply;
	enum exit_code code = cli_ask(cli, &request, &reply);

	if (code != EXIT_DONE)
		return code;
	if (cli->json)
		cli_print_json(reply);
	else
		changes_print(reply, none);
	changes_warn(reply);
	json_decref(reply);
	return EXIT_DONE;
}

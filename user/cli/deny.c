/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice deny: puts prefixes on the deny list and takes them off; sluice show deny. */
#include "cli/deny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/changes.h"
#include "cli/client.h"
#include "cli/deny_list.h"
#include "cli/grid.h"
#include "cli/number.h"
#include "cli/word.h"
#include "lib/memory.h"

static const struct action {
	const char *name;
	bool adds;
	const char *help;
} actions[] = {
	{"add", true, "services take no packet of these sources any more, for the time of --for or for good"},
	{"remove", false, "they do again; --all: of every source"},
};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

void deny_actions(void)
{
	puts("\nactions, which may be abbreviated:");
	for (size_t i = 0; i < ACTIONS; i++)
		printf("  %-8s %s\n", actions[i].name, actions[i].help);
	puts("\nthe list stays over reloads and restarts: 'sluice show deny' shows it");
}

static enum exit_code check_usage(const struct cli *cli, const struct action *action)
{
	const bool all = cli->given & OPTION_ALL, named = cli->argument_count > 1 || cli->file;

	if (action->adds && all)
		cli_error("'deny add' takes no --all");
	else if (!action->adds && (cli->given & OPTION_FOR))
		cli_error("'deny remove' takes no --for: it is done at once");
	else if (all && named)
		cli_error("'deny remove --all' takes no prefixes: it removes them all");
	else if (!all && !named && action->adds)
		cli_error("'deny add' needs prefixes: sluice deny add PREFIX ..., or --file LIST");
	else if (!all && !named)
		cli_error("'deny remove' needs prefixes: sluice deny remove PREFIX ..., --file LIST or --all");
	else
		return EXIT_DONE;
	return EXIT_WRONG_USAGE;
}

/* Command line first, then the file. */
static enum exit_code take_prefixes(const struct cli *cli, struct deny_list *list)
{
	for (size_t i = 1; i < cli->argument_count; i++)
		if (!deny_list_add(list, cli->arguments[i]))
			return EXIT_WRONG_USAGE;
	return !cli->file || deny_list_read(list, cli->file) ? EXIT_DONE : EXIT_FAILED;
}

static bool is_yes(const struct prefix *prefix)
{
	char answer[16], text[ADDRESS_TEXT];

	printf("%s is every source there is: services would take no packet any more.\nGo on? [y/N] ",
	       prefix_format(prefix, text));
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

/* Nobody means it that takes every service away. */
static enum exit_code confirm(const struct cli *cli, const struct deny_list *list)
{
	const struct prefix *everything = deny_list_everything(list);
	char text[ADDRESS_TEXT];

	if (!everything || (cli->given & OPTION_YES))
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO) || !cli_is_terminal()) {
		cli_error("%s is every source there is, and services would take no packet any more: confirm it with "
			  "--yes",
			  prefix_format(everything, text));
		return EXIT_WRONG_USAGE;
	}
	if (is_yes(everything))
		return EXIT_DONE;
	puts("nothing done");
	return EXIT_FAILED;
}

static void print_done(const struct cli *cli, const struct action *action, const json_t *reply)
{
	long long took = cli_number(reply, action->adds ? "added" : "removed");
	long long vain = cli_number(reply, action->adds ? "renewed" : "missing"), count = cli_number(reply, "count");
	char lasts[NUMBER_TEXT];

	if (action->adds)
		printf("%lld added, %lld renewed%s%s; ", took, vain, cli->given & OPTION_FOR ? ", for " : "",
		       cli->given & OPTION_FOR ? number_duration(cli->for_ms / 1000, lasts) : "");
	else
		printf("%lld removed; ", took);
	printf("%lld prefix%s denied\n", count, count == 1 ? " is" : "es are");
	if (!action->adds && vain)
		cli_error("warning: %lld of them %s not on the list, which has prefixes as they were added: see "
			  "'sluice show deny'",
			  vain, vain == 1 ? "was" : "were");
}

static enum exit_code ask(const struct cli *cli, const struct action *action, const struct deny_list *list)
{
	char *path = memory_format("/v1/deny/%s", action->name), *body = NULL;
	struct request request = {.method = "POST", .seconds = WISH_SECONDS, .type = BODY_JSON};
	enum exit_code code;
	json_t *reply;

	if (cli->given & (OPTION_FOR | OPTION_ALL)) {
		free(path);
		path = cli->given & OPTION_ALL ? memory_format("/v1/deny/remove?all=1")
					       : memory_format("/v1/deny/add?for_ms=%lld", cli->for_ms);
	}
	if (!(cli->given & OPTION_ALL)) {
		body = deny_list_json(list);
		request.body = body;
		request.length = strlen(body);
	}
	request.path = path;
	code = cli_ask(cli, &request, &reply);
	free(path);
	free(body);
	if (code != EXIT_DONE)
		return code;
	if (cli->json)
		cli_print_json(reply);
	else
		print_done(cli, action, reply);
	changes_warn(reply);
	json_decref(reply);
	return EXIT_DONE;
}

enum exit_code do_deny(const struct cli *cli)
{
	int found = word_find("action", cli->arguments[0], actions, ACTIONS, sizeof(actions[0]));
	struct deny_list list = {0};
	enum exit_code code;

	if (found < 0)
		return EXIT_WRONG_USAGE;
	code = check_usage(cli, &actions[found]);
	if (code == EXIT_DONE)
		code = take_prefixes(cli, &list);
	if (code == EXIT_DONE && actions[found].adds)
		code = confirm(cli, &list);
	if (code == EXIT_DONE && !list.count && !(cli->given & OPTION_ALL)) {
		cli_error("%s has no prefix in it", cli->file);
		code = EXIT_FAILED;
	}
	if (code == EXIT_DONE)
		code = ask(cli, &actions[found], &list);
	deny_list_free(&list);
	return code;
}

/* One prefix of the agent's answer, for sorting. */
struct shown {
	struct prefix prefix;
	json_t *object;
};

static int shown_order(const void *a, const void *b)
{
	return prefix_compare(&((const struct shown *)a)->prefix, &((const struct shown *)b)->prefix);
}

/* Those that deny all of `within`, or all; in the order of their addresses. A new reference. */
static json_t *select_and_sort(const json_t *all, const struct prefix *within)
{
	struct shown *shown = memory_new(json_array_size(all) + 1, sizeof(*shown));
	json_t *object, *sorted = json_array();
	size_t count = 0, i;

	json_array_foreach((json_t *)all, i, object) {
		struct shown *one = &shown[count];

		if (prefix_parse(cli_text(object, "prefix"), &one->prefix))
			continue; /* of another version's agent */
		one->object = object;
		count += !within ||
			 (one->prefix.length <= within->length && prefix_contains(&one->prefix, &within->address));
	}
	qsort(shown, count, sizeof(*shown), shown_order);
	for (i = 0; i < count; i++)
		json_array_append(sorted, shown[i].object);
	free(shown);
	return sorted;
}

/* The agent answers piece by piece, so that it is kept from nothing. *answer is that of the last one, with all. */
static enum exit_code get_list(const struct cli *cli, json_t **answer)
{
	json_t *all = json_array();
	enum exit_code code;
	long long from = 0;

	do {
		char *path = memory_format("/v1/deny?from=%lld", from);

		code = cli_get(cli, path, answer);
		free(path);
		if (code != EXIT_DONE)
			break;
		json_array_extend(all, json_object_get(*answer, "deny"));
		from = cli_number(*answer, "next");
		if (from)
			json_decref(*answer);
	} while (from);
	if (code == EXIT_DONE)
		json_object_set(*answer, "deny", all);
	json_decref(all);
	return code;
}

static void print_list(const json_t *list)
{
	struct grid *grid = grid_new(cli_has_colours());
	char text[NUMBER_TEXT];
	const json_t *one;
	size_t i;

	grid_column(grid, "PREFIX", 0);
	grid_column(grid, "LEFT", GRID_RIGHT);
	json_array_foreach(list, i, one) {
		const json_t *left = json_object_get(one, "left_ms");

		grid_row(grid);
		grid_cell(grid, cli_text(one, "prefix"), NULL);
		grid_cell(grid,
			  json_is_integer(left) ? number_duration((json_integer_value(left) + 999) / 1000, text) : "-",
			  NULL);
	}
	grid_print(grid);
}

static void print_denied(const json_t *answer, const json_t *list, const char *name)
{
	long long count = cli_number(answer, "count");
	char room[NUMBER_TEXT];

	if (json_array_size(list)) {
		print_list(list);
		putchar('\n');
	} else if (name) {
		printf("%s is not denied; ", name);
	}
	printf("%lld prefix%s denied; there is room for %s\n", count, count == 1 ? " is" : "es are",
	       number_human((double)cli_number(answer, "capacity"), room));
}

enum exit_code deny_show(const struct cli *cli)
{
	const char *name = cli->argument_count > 1 ? cli->arguments[1] : NULL;
	struct deny_list named = {0};
	enum exit_code code;
	json_t *answer, *list;

	if (name && !deny_list_add(&named, name)) {
		deny_list_free(&named);
		return EXIT_WRONG_USAGE;
	}
	code = get_list(cli, &answer);
	if (code == EXIT_DONE) {
		list = select_and_sort(json_object_get(answer, "deny"), named.count ? named.prefixes : NULL);
		if (cli->json) {
			json_object_set(answer, "deny", list);
			json_object_del(answer, "next");
			cli_print_json(answer);
		} else {
			print_denied(answer, list, name);
		}
		json_decref(list);
		json_decref(answer);
	}
	deny_list_free(&named);
	return code;
}

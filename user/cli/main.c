/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice: the command line client of sluiced. */
#include <errno.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/word.h"

static enum exit_code do_help(const struct cli *cli);
static enum exit_code do_version(const struct cli *cli);

static const struct command {
	const char *name;
	const char *arguments;
	size_t least, most; /* arguments */
	unsigned int options;
	enum exit_code (*function)(const struct cli *cli);
	const char *help;
} commands[] = {
	{"status", "", 0, 0, 0, do_status, "the agent, what needs attention, its interfaces and totals"},
	{"show", " SUBJECT [NAME [BACKEND]]", 1, 3,
	 OPTION_ALL | OPTION_WATCH | OPTION_COUNT | OPTION_LONG | OPTION_RECORDS, do_show,
	 "services, pools, backends, flows, neighbours, drops, deny, events or bpf"},
	{"watch", " [POOL [BACKEND]]", 0, 2, OPTION_COUNT, do_watch, "events as they come"},
	{"backend", " ACTION POOL BACKEND ...", 3, SIZE_MAX, OPTION_FOR | OPTION_REASON | OPTION_WAIT, do_backend,
	 "drain, maint, ready, or weight with a number at the end"},
	{"deny", " ACTION [PREFIX ...]", 1, SIZE_MAX, OPTION_FOR | OPTION_FILE | OPTION_ALL | OPTION_YES, do_deny,
	 "add or remove prefixes from which services take no packets"},
	{"check", " [FILE]", 0, 1, 0, do_check,
	 "validate a configuration (" DEFAULT_CONFIG "); an agent adds warnings"},
	{"diff", " [FILE]", 0, 1, 0, do_diff, "what a reload, or applying FILE, would change"},
	{"reload", "", 0, 0, 0, do_reload, "have the agent read its configuration anew"},
	{"apply", " FILE", 1, 1, OPTION_CONFIRM, do_apply, "have the agent run this configuration (-: standard input)"},
	{"confirm", "", 0, 0, 0, do_confirm, "keep what 'apply --confirm' has applied"},
	{"rollback", "", 0, 0, 0, do_rollback, "go back from it at once"},
	{"detach", "", 0, 0, OPTION_BPFFS | OPTION_YES, do_detach,
	 "take Sluice out of the kernel; the agent ends, if one runs"},
	{"version", "", 0, 0, 0, do_version, "print the version"},
	{"help", " [VERB]", 0, 1, 0, do_help, "this list, or one verb's help"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char usage[] = "usage: sluice [--socket PATH] [--json] VERB [ARGUMENT ...] [OPTION ...]\n";

static const char exit_codes[] = "exit codes:\n"
				 "  0  done\n"
				 "  1  refused or failed: the message says why\n"
				 "  2  wrong usage\n"
				 "  3  diff: something would change\n"
				 "  4  no agent answers, or you may not open its socket\n";

static void print_help(void)
{
	fputs(usage, stdout);
	fputs("\nverbs, which may be abbreviated (sluice sh ba):\n", stdout);
	for (size_t i = 0; i < COMMANDS; i++) {
		char head[40];

		snprintf(head, sizeof(head), "%s%s", commands[i].name, commands[i].arguments);
		printf("  %-32s %s\n", head, commands[i].help);
	}
	fputs("\noptions, anywhere on the line:\n", stdout);
	options_help(OPTIONS_EVERYWHERE);
	putchar('\n');
	fputs(exit_codes, stdout);
	fputs("\nSee sluice(8).\n", stdout);
}

static void print_command_help(const struct command *command)
{
	printf("usage: sluice %s%s\n\n%s\n", command->name, command->arguments, command->help);
	if (command->function == do_show)
		show_subjects();
	if (command->function == do_backend)
		backend_actions();
	if (command->function == do_deny)
		deny_actions();
	fputs("\noptions:\n", stdout);
	options_help(command->options | OPTIONS_EVERYWHERE);
	putchar('\n');
	fputs(exit_codes, stdout);
}

static enum exit_code do_help(const struct cli *cli)
{
	int found;

	if (!cli->argument_count) {
		print_help();
		return EXIT_DONE;
	}
	found = word_find("verb", cli->arguments[0], commands, COMMANDS, sizeof(commands[0]));
	if (found < 0)
		return EXIT_WRONG_USAGE;
	print_command_help(&commands[found]);
	return EXIT_DONE;
}

static enum exit_code do_version(const struct cli *cli)
{
	json_t *json;

	if (!cli->json) {
		puts("sluice " SLUICE_VERSION);
		return EXIT_DONE;
	}
	json = json_pack("{s:s}", "version", SLUICE_VERSION);
	cli_print_json(json);
	json_decref(json);
	return EXIT_DONE;
}

static enum exit_code check_arguments(const struct command *command, size_t count, const char **arguments)
{
	if (count > command->most) {
		cli_error("'%s' takes no '%s': sluice %s%s", command->name, arguments[command->most], command->name,
			  command->arguments);
		return EXIT_WRONG_USAGE;
	}
	if (count < command->least) {
		cli_error("'%s' needs to know what: sluice %s%s", command->name, command->name, command->arguments);
		if (command->function == do_show || command->function == do_backend || command->function == do_deny)
			fprintf(stderr, "(%s)\n", command->help);
		return EXIT_WRONG_USAGE;
	}
	return EXIT_DONE;
}

static enum exit_code run(struct cli *cli)
{
	const struct command *command;
	enum exit_code code;
	int found;

	if (cli->given & OPTION_VERSION)
		return do_version(cli);
	if (!cli->argument_count) {
		if (cli->given & OPTION_HELP) {
			print_help();
			return EXIT_DONE;
		}
		fprintf(stderr, "%stry: sluice help\n", usage);
		return EXIT_WRONG_USAGE;
	}
	found = word_find("verb", cli->arguments[0], commands, COMMANDS, sizeof(commands[0]));
	if (found < 0)
		return EXIT_WRONG_USAGE;
	command = &commands[found];
	if (cli->given & OPTION_HELP) {
		print_command_help(command);
		return EXIT_DONE;
	}
	cli->arguments++;
	cli->argument_count--;
	code = options_check(cli, command->options | OPTIONS_EVERYWHERE, command->name);
	if (code == EXIT_DONE)
		code = check_arguments(command, cli->argument_count, cli->arguments);
	return code == EXIT_DONE ? command->function(cli) : code;
}

/* Output that could not be written is a failure, but a closed pipe is the reader's wish. */
static enum exit_code finish(enum exit_code code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno != EPIPE)
		cli_error("cannot write the output: %s", strerror(errno));
	return code == EXIT_DONE ? EXIT_FAILED : code;
}

int main(int argc, char **argv)
{
	struct cli cli = {.socket = DEFAULT_SOCKET, .bpffs = DEFAULT_BPFFS};
	enum exit_code code = options_parse(&cli, argc, argv);
	const char **words = cli.arguments;

	setlocale(LC_CTYPE, ""); /* reasons and probes' texts are UTF-8, in tables too */
	if (code == EXIT_DONE)
		code = run(&cli);
	free(words);
	return (int)finish(code);
}

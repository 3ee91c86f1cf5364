/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice-backend: makes a host take what Sluice sends it. See sluice-backend(8). */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/commands.h"
#include "lib/log.h"

enum exit_code { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static const struct command {
	const char *name;
	int (*run)(const struct options *options);
	const char *help;
} commands[] = {
	{"up", command_up, "take encapsulated packets for the VIPs; again: apply new arguments"},
	{"down", command_down, "undo everything that `up` did"},
	{"status", command_status, "show what is set up, counters and advice"},
};

static void print_help(FILE *stream)
{
	fputs("usage: sluice-backend up --vip ADDRESS[/LEN] --from PREFIX [OPTION...]\n"
	      "       sluice-backend down [--state FILE]\n"
	      "       sluice-backend status [--json] [--state FILE]\n"
	      "       sluice-backend --help | --version\n\n",
	      stream);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(stream, "  %-7s %s\n", commands[i].name, commands[i].help);
	fputs("\noptions of up:\n"
	      "  --vip ADDRESS[/LEN]  a VIP of this host; may be given again\n"
	      "  --from PREFIX        addresses of the balancers; may be given again\n"
	      "  --interface NAME     where their packets arrive and replies leave; may be given again\n"
	      "                       (default: the interfaces of the default routes)\n"
	      "  --gue-port PORT      UDP port of GUE (default: 6080)\n"
	      "  --mss auto|off|N     largest TCP segment that clients are offered (default: auto)\n"
	      "  --mtu N              MTU between balancer and this host (default: the interface's)\n"
	      "  --rp-filter loose    relax a strict reverse path filter on the interfaces\n"
	      "  --state FILE         (default: " STATE_PATH ")\n\n"
	      "exit codes: 0 done or up, 1 failed or not up, 2 wrong usage\n",
	      stream);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	struct options options;
	int code = EXIT_USAGE;

	if (!options_parse(&options, command->name, argc, argv)) {
		if (geteuid()) {
			log_error("%s: root's rights are needed; run it with sudo", command->name);
			code = EXIT_FAILED;
		} else {
			code = command->run(&options) ? EXIT_FAILED : EXIT_OK;
		}
	}
	options_free(&options);
	return code;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct command *command;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			print_help(stdout);
			return EXIT_OK;
		}
	}
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		puts("sluice-backend " SLUICE_VERSION);
		return EXIT_OK;
	}
	command = find_command(name);
	if (!command) {
		if (*name)
			log_error("`%s` is no command", name);
		print_help(stderr);
		return EXIT_USAGE;
	}
	/* libbpf reports what we handle ourselves, such as a filter that is not there */
	libbpf_set_print(NULL);
	return run_command(command, argc - 1, argv + 1);
}

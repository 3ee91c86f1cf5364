/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluiced: the command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/agent.h"
#include "lib/log.h"

#define EXIT_USAGE 2

static const char usage[] = "usage: sluiced [OPTION ...]\n"
			    "\n"
			    "Loads Sluice's XDP program, keeps its maps as the configuration wants them, and\n"
			    "answers sluice(8). Runs in the foreground; logs to standard error. SIGHUP reloads\n"
			    "the configuration; SIGTERM ends the agent and leaves the dataplane forwarding.\n"
			    "\n"
			    "  --config FILE   configuration (/etc/sluice/sluice.yaml)\n"
			    "  --socket PATH   control socket (/run/sluice/control.sock)\n"
			    "  --group NAME    group that may use the socket (the process's own)\n"
			    "  --state DIR     state kept over restarts (/var/lib/sluice)\n"
			    "  --bpffs DIR     pins, on a bpffs (/sys/fs/bpf/sluice)\n"
			    "  --debug         log more\n"
			    "  --version       print the version\n"
			    "  --help          print this\n"
			    "\n"
			    "Exit codes: 0 ended on request, 1 failure (the log says why), 2 wrong usage.\n";

static int parse_options(int argc, char **argv, struct agent_options *options)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'},
		{"group", required_argument, NULL, 'g'},
		{"state", required_argument, NULL, 'd'},
		{"bpffs", required_argument, NULL, 'b'},
		{"debug", no_argument, NULL, 'D'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 's':
			options->socket = optarg;
			break;
		case 'g':
			options->group = optarg;
			break;
		case 'd':
			options->state = optarg;
			break;
		case 'b':
			options->bpffs = optarg;
			break;
		case 'D':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'V':
			puts("sluiced " SLUICE_VERSION);
			exit(EXIT_SUCCESS);
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			return -1;
		}
	}
	if (optind < argc)
		fprintf(stderr, "sluiced: unexpected argument '%s'\n", argv[optind]);
	return optind == argc ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct agent_options options = {
		.config = "/etc/sluice/sluice.yaml",
		.socket = "/run/sluice/control.sock",
		.state = "/var/lib/sluice",
		.bpffs = "/sys/fs/bpf/sluice",
	};

	if (parse_options(argc, argv, &options)) {
		fputs("try: sluiced --help\n", stderr);
		return EXIT_USAGE;
	}
	if (geteuid() != 0) {
		log_error("sluiced must run as root: it loads BPF programs");
		return EXIT_FAILURE;
	}
	return agent_run(&options);
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice detach: takes the dataplane out of the kernel, through the agent if one runs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "lib/memory.h"
#include "out/dataplane.h"

static bool is_yes(void)
{
	char answer[16];

	fputs("This takes Sluice's XDP program off every interface: packets to the services will go to this host.\n"
	      "Go on? [y/N] ",
	      stdout);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static enum exit_code confirm(const struct cli *cli)
{
	if (cli->given & OPTION_YES)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO) || !cli_is_terminal()) {
		cli_error("detach stops all forwarding: confirm it with --yes");
		return EXIT_WRONG_USAGE;
	}
	if (is_yes())
		return EXIT_DONE;
	puts("nothing done");
	return EXIT_FAILED;
}

static bool same_folder(const char *a, const char *b)
{
	char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
	bool same = strcmp(real_a ? real_a : a, real_b ? real_b : b) == 0;

	free(real_a);
	free(real_b);
	return same;
}

/* Whoever names a folder must not detach the agent of another one. */
static enum exit_code check_folder(const struct cli *cli)
{
	json_t *bpf;
	enum exit_code code = cli_get(cli, "/v1/bpf", &bpf);
	const char *folder;

	if (code != EXIT_DONE)
		return code;
	folder = json_string_value(json_object_get(bpf, "folder"));
	if (folder && !same_folder(folder, cli->bpffs)) {
		cli_error("the agent at %s has its pins in %s, not in %s: name the socket of the agent that you mean, "
			  "or that no agent has, with --socket",
			  cli->socket, folder, cli->bpffs);
		code = EXIT_FAILED;
	}
	json_decref(bpf);
	return code;
}

static enum exit_code detach_agent(const struct cli *cli)
{
	struct request request = {.method = "POST", .path = "/v1/detach", .seconds = WISH_SECONDS};
	json_t *reply;
	enum exit_code code = cli->given & OPTION_BPFFS ? check_folder(cli) : EXIT_DONE;

	if (code == EXIT_DONE)
		code = cli_ask(cli, &request, &reply);
	if (code != EXIT_DONE)
		return code;
	if (cli->json)
		cli_print_json(reply);
	else
		puts("detached; the agent ends");
	json_decref(reply);
	return EXIT_DONE;
}

static enum exit_code detach_folder(const struct cli *cli)
{
	json_t *json;
	int error;

	if (geteuid() != 0) {
		cli_error("no agent answers at %s, and taking the pins in %s away needs root: use sudo", cli->socket,
			  cli->bpffs);
		return EXIT_FAILED;
	}
	error = dataplane_remove(cli->bpffs);
	if (error && error != -ENOENT) {
		cli_error("%s: cannot take everything away: %s", cli->bpffs, strerror(-error));
		return EXIT_FAILED;
	}
	if (cli->json) {
		json = json_object();
		cli_print_json(json);
		json_decref(json);
	} else {
		printf(error ? "nothing of Sluice is pinned in %s\n" : "detached: %s is removed\n", cli->bpffs);
	}
	return EXIT_DONE;
}

enum exit_code do_detach(const struct cli *cli)
{
	struct request request = {.method = "GET", .path = "/v1/status", .seconds = QUESTION_SECONDS};
	char *error = NULL;
	json_t *status;
	enum exit_code code = confirm(cli);

	if (code != EXIT_DONE)
		return code;
	code = client_ask(cli->socket, &request, &status, &error);
	if (code == EXIT_DONE) {
		json_decref(status);
		return detach_agent(cli);
	}
	/* an agent that is there but hangs, or a socket that may not be opened, is no absent agent */
	if (code == EXIT_NO_AGENT && client_is_absent(cli->socket))
		code = detach_folder(cli);
	else
		cli_error("%s", error);
	free(error);
	return code;
}

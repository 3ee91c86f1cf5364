/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice apply, confirm and rollback: a whole configuration over the socket. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/number.h"
#include "cli/upload.h"
#include "lib/memory.h"

/* What to do next, with the same socket. */
static void print_deadline(const struct cli *cli, const json_t *reply)
{
	const bool named = cli->given & OPTION_SOCKET;
	long long seconds = cli_number(reply, "confirm_ms") / 1000;
	char text[NUMBER_TEXT];

	if (!seconds)
		return;
	if (seconds <= 120) /* "1 min" may be nearly two */
		snprintf(text, sizeof(text), "%lld s", seconds);
	else
		number_duration(seconds, text);
	printf("confirm within %s with: sluice %s%s%sconfirm; otherwise the former configuration comes back\n", text,
	       named ? "--socket " : "", named ? cli->socket : "", named ? " " : "");
}

enum exit_code do_apply(const struct cli *cli)
{
	char *more = cli->given & OPTION_CONFIRM ? memory_format("&confirm_ms=%lld", cli->confirm_ms)
						 : memory_format("%s", "");
	json_t *reply;
	enum exit_code code = upload(cli, "/v1/apply", cli->arguments[0], more, &reply);

	free(more);
	if (code != EXIT_DONE)
		return code;
	if (cli->json) {
		cli_print_json(reply);
	} else {
		changes_print(reply, "applied: nothing changed");
		print_deadline(cli, reply);
	}
	changes_warn(reply);
	json_decref(reply);
	return EXIT_DONE;
}

enum exit_code do_confirm(const struct cli *cli)
{
	return changes_ask(cli, "/v1/confirm", "confirmed: the applied configuration stays");
}

enum exit_code do_rollback(const struct cli *cli)
{
	return changes_ask(cli, "/v1/rollback", "rolled back: nothing changed");
}

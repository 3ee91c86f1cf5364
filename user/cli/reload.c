/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice diff and sluice reload: what a configuration changes, before and after. */
#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/upload.h"

enum exit_code do_diff(const struct cli *cli)
{
	struct request request = {.method = "GET", .path = "/v1/diff", .seconds = WISH_SECONDS};
	enum exit_code code;
	json_t *reply;

	if (cli->argument_count)
		code = upload(cli, "/v1/diff", cli->arguments[0], "", &reply);
	else
		code = cli_ask(cli, &request, &reply);
	if (code != EXIT_DONE)
		return code;
	if (json_array_size(json_object_get(reply, "changes")))
		code = EXIT_DIFFERENT;
	if (cli->json)
		cli_print_json(reply);
	else
		changes_print(reply, "nothing would change");
	json_decref(reply);
	return code;
}

enum exit_code do_reload(const struct cli *cli)
{
	return changes_ask(cli, "/v1/reload", "reloaded: nothing changed");
}

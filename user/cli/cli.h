/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the verbs of the CLI share: the parsed command line, exit codes and messages. */
#ifndef SLUICE_CLI_H
#define SLUICE_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define DEFAULT_SOCKET "/run/sluice/control.sock"
#define DEFAULT_BPFFS  "/sys/fs/bpf/sluice"
#define DEFAULT_CONFIG "/etc/sluice/sluice.yaml"

/* Stable: documented in `sluice help` and sluice(8). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_WRONG_USAGE = 2,
	EXIT_DIFFERENT = 3, /* diff: a reload would change something */
	EXIT_NO_AGENT = 4,
};

/* Options by bit: those given, and those that a verb takes. */
#define OPTION_SOCKET	   0x01
#define OPTION_JSON	   0x02
#define OPTION_HELP	   0x04
#define OPTION_VERSION	   0x08
#define OPTION_ALL	   0x10
#define OPTION_WATCH	   0x20
#define OPTION_COUNT	   0x40
#define OPTION_BPFFS	   0x80
#define OPTION_YES	   0x100
#define OPTIONS_EVERYWHERE (OPTION_SOCKET | OPTION_JSON | OPTION_HELP | OPTION_VERSION)

struct cli {
	unsigned int given; /* OPTION_* */
	const char *socket, *bpffs;
	double interval; /* of --watch, seconds */
	long count;	 /* of --watch's samples, 0: endless */
	bool json;
	const char **arguments; /* after the verb */
	size_t argument_count;
};

/* The verbs; each returns the exit code, with its message already printed. */
enum exit_code do_check(const struct cli *cli);
enum exit_code do_detach(const struct cli *cli);
enum exit_code do_diff(const struct cli *cli);
enum exit_code do_reload(const struct cli *cli);
enum exit_code do_show(const struct cli *cli);
enum exit_code do_status(const struct cli *cli);

/* Prints show's subjects, for help. */
void show_subjects(void);

/* "sluice: MESSAGE" on standard error. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the JSON on standard output, for --json. */
void cli_print_json(const json_t *json);

/* The text under a key of an object; "" if there is none. Borrowed. */
const char *cli_text(const json_t *object, const char *key);

/* Whether standard output is a terminal, and one that wants colours (NO_COLOR, TERM). */
bool cli_is_terminal(void);
bool cli_has_colours(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the verbs of the CLI share: the parsed command line, exit codes and messages. */
#ifndef SLUICE_CLI_H
#define SLUICE_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DEFAULT_SOCKET "/run/sluice/control.sock"
#define DEFAULT_BPFFS  "/sys/fs/bpf/sluice"
#define DEFAULT_CONFIG "/etc/sluice/sluice.yaml"

/* Stable: documented in `sluice help` and sluice(8). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_WRONG_USAGE = 2,
	EXIT_DIFFERENT = 3, /* diff: a reload would change something */
	EXIT_NO_AGENT = 4,  /* nobody answers, or the socket may not be opened */
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
#define OPTION_FOR	   0x200
#define OPTION_REASON	   0x400
#define OPTION_CONFIRM	   0x800
#define OPTION_LONG	   0x1000
#define OPTION_RECORDS	   0x2000
#define OPTION_WAIT	   0x4000
#define OPTION_FILE	   0x8000
#define OPTIONS_EVERYWHERE (OPTION_SOCKET | OPTION_JSON | OPTION_HELP | OPTION_VERSION)

struct cli {
	unsigned int given; /* OPTION_* */
	const char *socket, *bpffs;
	double interval;      /* of --watch, seconds */
	long count;	      /* of --watch's samples, or of events; 0: not given */
	long long for_ms;     /* --for, if given */
	long long confirm_ms; /* --confirm, if given */
	const char *reason;   /* UTF-8, or NULL */
	const char *file;     /* --file, or NULL */
	bool json;
	const char **arguments; /* after the verb */
	size_t argument_count;
};

/* The verbs; each returns the exit code, with its message already printed. */
enum exit_code do_apply(const struct cli *cli);
enum exit_code do_backend(const struct cli *cli);
enum exit_code do_check(const struct cli *cli);
enum exit_code do_confirm(const struct cli *cli);
enum exit_code do_deny(const struct cli *cli);
enum exit_code do_detach(const struct cli *cli);
enum exit_code do_diff(const struct cli *cli);
enum exit_code do_reload(const struct cli *cli);
enum exit_code do_rollback(const struct cli *cli);
enum exit_code do_show(const struct cli *cli);
enum exit_code do_status(const struct cli *cli);
enum exit_code do_watch(const struct cli *cli);

/* Print show's subjects and the actions of backend and deny, for help. */
void show_subjects(void);
void backend_actions(void);
void deny_actions(void);

/* "sluice: MESSAGE" on standard error. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the JSON on standard output, for --json. */
void cli_print_json(const json_t *json);

/* What is under a key of an object; "" and 0 if there is none. The text is borrowed. */
const char *cli_text(const json_t *object, const char *key);
long long cli_number(const json_t *object, const char *key);

/*
 * Prints a text that may hold anything, such as what a server answered to a probe,
 * without its control characters: they would steer the terminal.
 */
void cli_print_text(FILE *out, const char *text);

/* Whether standard output is a terminal, and one that wants colours (NO_COLOR, TERM). */
bool cli_is_terminal(void);
bool cli_has_colours(void);

/* The escape for a colour ("red", ...; NULL: back to normal) on standard output; "" where there are no colours. */
const char *cli_colour(const char *name);

/* Whether standard output is a pipe that nobody reads any more. */
bool cli_reader_is_gone(void);

#endif

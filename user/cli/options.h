/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The CLI's options, which may stand anywhere on the command line. */
#ifndef SLUICE_OPTIONS_H
#define SLUICE_OPTIONS_H

#include "cli/cli.h"

/*
 * Takes the options out of the command line; what is left are cli->arguments,
 * pointing into argv, in an array to be freed. EXIT_DONE, or EXIT_WRONG_USAGE after a message.
 */
enum exit_code options_parse(struct cli *cli, int argc, char **argv);

/* EXIT_WRONG_USAGE, after a message, if an option was given that is not among `taken`. */
enum exit_code options_check(const struct cli *cli, unsigned int taken, const char *verb);

/* Prints the help of these options. */
void options_help(unsigned int options);

#endif

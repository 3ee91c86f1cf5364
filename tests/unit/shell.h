/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Shell commands that must work. Include it after cmocka.h. */
#ifndef SLUICE_TEST_SHELL_H
#define SLUICE_TEST_SHELL_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 1, 2))) static inline void shell_run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

#endif

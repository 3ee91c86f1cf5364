/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/moment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* -1 if it cannot be read: nothing of ours was in 1969. */
static time_t parse(const char *moment)
{
	struct tm utc = {0};
	const char *rest = strptime(moment, "%Y-%m-%dT%H:%M:%S", &utc);

	if (!rest)
		return -1;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return strcmp(rest, "Z") == 0 ? timegm(&utc) : -1;
}

char *moment_short(const char *moment, char text[static MOMENT_TEXT])
{
	time_t when = parse(moment);
	struct tm local;

	if (when == -1 || !localtime_r(&when, &local) || !strftime(text, MOMENT_TEXT, "%b %e %H:%M:%S", &local))
		strcpy(text, "-");
	return text;
}

long long moment_age(const char *moment)
{
	time_t when = parse(moment), now = time(NULL);

	if (when == -1)
		return -1;
	return now > when ? now - when : 0;
}

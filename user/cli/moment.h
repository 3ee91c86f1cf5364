/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Times of day as the agent writes them: "2026-01-01T00:00:00Z", with or without a fraction. */
#ifndef SLUICE_MOMENT_H
#define SLUICE_MOMENT_H

#define MOMENT_TEXT 32

/* "Jan  1 00:00:00" in local time; "-" if it cannot be read. Returns `text`. */
char *moment_short(const char *moment, char text[static MOMENT_TEXT]);

/* Seconds since then, at least 0; -1 if it cannot be read. */
long long moment_age(const char *moment);

#endif

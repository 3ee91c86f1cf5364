/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Numbers for people. */
#ifndef SLUICE_NUMBER_H
#define SLUICE_NUMBER_H

#define NUMBER_TEXT 32

/* "9999", "10.0k", "1.2M", "3.4G": powers of 1,000. Fractions below 10 keep one digit. Returns `text`. */
char *number_human(double value, char text[static NUMBER_TEXT]);

/* Seconds as "45 s", "12 min", "3 h 4 min", "5 d 6 h". Returns `text`. */
char *number_duration(long long seconds, char text[static NUMBER_TEXT]);

/* Seconds in one unit alone: "45 s", "12 min", "3 h", "5 d". Returns `text`. */
char *number_age(long long seconds, char text[static NUMBER_TEXT]);

#endif

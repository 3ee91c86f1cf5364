/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/number.h"

#include <stdio.h>

char *number_human(double value, char text[static NUMBER_TEXT])
{
	static const char units[] = "kMGTPE";
	size_t unit = 0;

	if (value < 9999.5) {
		/* one digit behind the point only where there is something behind it */
		int digits = value < 9.95 && value - (double)(long long)value >= 0.05 ? 1 : 0;

		snprintf(text, NUMBER_TEXT, "%.*f", digits, value);
		return text;
	}
	value /= 1000;
	while (value >= 999.95 && units[unit + 1]) {
		value /= 1000;
		unit++;
	}
	snprintf(text, NUMBER_TEXT, "%.1f%c", value, units[unit]);
	return text;
}

char *number_duration(long long seconds, char text[static NUMBER_TEXT])
{
	long long minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (seconds < 60)
		snprintf(text, NUMBER_TEXT, "%lld s", seconds);
	else if (!hours)
		snprintf(text, NUMBER_TEXT, "%lld min", minutes);
	else if (!days)
		snprintf(text, NUMBER_TEXT, "%lld h %lld min", hours, minutes % 60);
	else
		snprintf(text, NUMBER_TEXT, "%lld d %lld h", days, hours % 24);
	return text;
}

char *number_age(long long seconds, char text[static NUMBER_TEXT])
{
	static const struct {
		long long seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t unit = 0;

	while (units[unit].seconds > 1 && seconds < units[unit].seconds)
		unit++;
	snprintf(text, NUMBER_TEXT, "%lld %s", seconds < 0 ? 0 : seconds / units[unit].seconds, units[unit].name);
	return text;
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"
#include "model/health_inner.h"

void health_tell(struct health *health, enum event_kind kind, const struct health_pool *pool,
		 const struct health_backend *backend, uid_t uid, const char *format, ...)
{
	char whole[2 * EVENT_TEXT], text[EVENT_TEXT];
	struct event_fact fact = {
		.kind = kind,
		.pool = pool ? pool->name : NULL,
		.backend = backend ? backend->name : NULL,
		.text = text,
		.uid = uid,
	};
	va_list arguments;

	if (health->quiet || !health->event)
		return;
	va_start(arguments, format);
	vsnprintf(whole, sizeof(whole), format, arguments);
	va_end(arguments);
	text_clean(text, sizeof(text), whole, strlen(whole)); /* cuts between characters */
	health->event(health->argument, &fact);
}

char *health_duration(__u64 milliseconds, char text[static HEALTH_DURATION])
{
	double ms = (double)milliseconds;

	if (milliseconds < 1000)
		snprintf(text, HEALTH_DURATION, "%u ms", (unsigned int)milliseconds);
	else if (milliseconds < 120 * 1000)
		snprintf(text, HEALTH_DURATION, "%.1f s", ms / 1000);
	else if (milliseconds < 120 * 60 * 1000)
		snprintf(text, HEALTH_DURATION, "%.1f min", ms / 60000);
	else
		snprintf(text, HEALTH_DURATION, "%.1f h", ms / 3600000);
	return text;
}

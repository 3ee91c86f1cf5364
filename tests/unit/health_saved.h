/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What health_save_text() gives, as restoring takes it. */
#ifndef SLUICE_TEST_HEALTH_SAVED_H
#define SLUICE_TEST_HEALTH_SAVED_H

#include <jansson.h>
#include <stdlib.h>

#include "model/health.h"

/* A new reference, or NULL if the text is not JSON. */
static inline json_t *health_save(const struct health *health, __u64 now)
{
	char *text = health_save_text(health, now);
	json_t *saved = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	free(text);
	return saved;
}

#endif

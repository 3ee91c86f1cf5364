/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What is right in a configuration but hardly meant. */
#ifndef SLUICE_CONFIG_ADVICE_H
#define SLUICE_CONFIG_ADVICE_H

#include <jansson.h>

#include "model/config.h"

/* A new reference to an array of texts, one for each pool and service of which there is something to say. */
json_t *config_advice(const struct config *config);

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* How a backend of /v1/backends stands, in words. Texts are to be freed. */
#ifndef SLUICE_STANDING_H
#define SLUICE_STANDING_H

#include <jansson.h>
#include <stdbool.h>

/* "up", "up 40%" (its weight is being raised), "down (kept)", "drain*" (* an operator's wish). */
char *standing_state(const json_t *backend);

/* "red", "yellow", "green". */
const char *standing_colour(const json_t *backend);

/* "100", or "40/100" where the weight in the table is not the configured one. */
char *standing_weight(const json_t *backend);

/* What its probes found, or why no packet can be sent to it; may be empty. */
char *standing_probe(const json_t *backend);

/* "drain by root, 14 min left: kernel update"; NULL without an override. */
char *standing_override(const json_t *backend);

/* Of one that is down: "for 12 min: connect 10.0.0.1:80: connection refused; held down for 40 s more after 3 falls". */
char *standing_fault(const json_t *backend);

/* Why it cannot be probed now; NULL if it can, or if standing_fault() says so. */
char *standing_trouble(const json_t *backend);

bool standing_is_down(const json_t *backend);

#endif

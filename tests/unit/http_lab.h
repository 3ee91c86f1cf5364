/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What tests of the http and https probes share. Include it after cmocka.h. */
#ifndef SLUICE_TEST_HTTP_LAB_H
#define SLUICE_TEST_HTTP_LAB_H

#include "unit/probe_lab.h"

/* The probe says GET, by HTTP/1.1; which statuses are right is the test's to say. */
static inline struct lab *http_setup(void **state, enum probe_type type, const char *path)
{
	struct lab *lab = lab_setup(state, type);

	lab->probe.method = "GET";
	lab->probe.path = path;
	lab->probe.http_version = 1;
	lab->shared.http = probe_http_open(lab->base);
	return lab;
}

static inline int http_teardown(void **state)
{
	struct lab *lab = *state;

	probe_http_close(lab->shared.http);
	return lab_teardown(state);
}

#endif

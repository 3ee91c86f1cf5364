/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The state and the counters as JSON, for the control socket. A json_t * is a new reference. */
#ifndef SLUICE_REPORT_H
#define SLUICE_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "model/plan.h"
#include "model/state.h"
#include "out/dataplane.h"
#include "out/events.h"

struct prober;

struct report {
	const struct state *state; /* its health has taken its config */
	const struct plan *plan;
	struct dataplane *dataplane; /* or NULL, as once detached */
	const struct prober *prober; /* or NULL */
	const struct events *events; /* or NULL */
	const struct swept *swept;   /* or NULL */
	const bool *unsaved;	     /* something could not be written to the state folder; or NULL */
};

json_t *report_status(const struct report *report);
json_t *report_services(const struct report *report);
json_t *report_pools(const struct report *report);

/* All backends as the text of a JSON array, in a line, to be freed: of what there may be many no tree is made. */
char *report_backends(const struct report *report);

/* One backend as that has it; NULL if there is none of that name. */
json_t *report_backend(const struct report *report, const char *pool, const char *backend);

/* What the sweep's last pass counted. */
json_t *report_flows(const struct report *report);

/* Which records are wanted. */
struct flow_query {
	const char *pool; /* of their backends; NULL: any */
	__u32 from;	  /* "next" of the reply before, 0: from the beginning */
	size_t limit;	  /* so many at most */
};

/*
 * Records as they are in the map. Takes some milliseconds at most: where that is not enough the reply's "next" tells
 * from where to ask again. "complete": there are no more.
 */
json_t *report_flow_records(const struct report *report, const struct flow_query *query);

/* What the program is attached to; "hint": what is to be changed outside of Sluice, or null. */
json_t *report_interfaces(const struct report *report);

json_t *report_neighbours(const struct report *report);
json_t *report_drops(const struct report *report);
json_t *report_bpf(const struct report *report);

/* The same counters in Prometheus' text format 0.0.4; to be freed. */
char *report_metrics(const struct report *report);

#endif

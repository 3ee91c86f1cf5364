/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Prometheus' text format, made from the same JSON that the control socket gives, so that both always agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "out/report.h"
#include "probe/prober.h"

/* A metric: one sample for each object of a report. */
struct metric {
	const char *name, *type, *help;
	const char *value; /* the object's key; integer or boolean */
};

/* The metrics of a report's objects, which are labelled with some of their texts. */
struct family {
	const struct metric *metrics; /* up to the one without a name */
	const char *keys[2];	      /* the objects' keys, NULL: none */
	const char *labels[2];	      /* what they are called in the metrics */
};

/* clang-format off */
#define COUNTER_METRICS(prefix, of)                                                                                    \
	{prefix "packets_total", "counter", "Packets " of ".", "packets"},                                             \
	{prefix "bytes_total", "counter", "Bytes, Ethernet headers included, of packets " of ".", "bytes"}

static const struct metric reason_metrics[] = {
	COUNTER_METRICS("sluice_", "by what became of them"),
	{NULL},
};

static const struct metric service_metrics[] = {
	COUNTER_METRICS("sluice_service_", "to the service"),
	{NULL},
};

static const struct metric pool_metrics[] = {
	{"sluice_pool_backends", "gauge", "Backends of the pool.", "backends"},
	{"sluice_pool_backends_up", "gauge", "Backends of the pool that are up.", "up"},
	{"sluice_pool_backends_kept", "gauge", "Failed backends that min_healthy keeps in the table.", "kept"},
	{"sluice_pool_min_healthy", "gauge", "Backends that min_healthy wants to be up.", "min_healthy"},
	{"sluice_pool_degraded", "gauge", "Whether fewer backends are up than min_healthy wants (1) or not (0).", "degraded"},
	{NULL},
};

static const struct metric backend_metrics[] = {
	COUNTER_METRICS("sluice_backend_", "sent to the backend"),
	{"sluice_backend_resolved", "gauge", "Whether the backend's next hop is resolved (1) or not (0).", "resolved"},
	{"sluice_backend_slots", "gauge", "Slots of its pool's table that the backend has.", "slots"},
	{"sluice_backend_weight", "gauge", "The backend's configured weight.", "weight"},
	{"sluice_backend_weight_now", "gauge", "The weight that the backend has in its pool's table now.", "weight_now"},
	{"sluice_backend_kept", "gauge", "Whether the backend is down but kept in the table by min_healthy (1) or not (0).", "kept"},
	{"sluice_backend_falls", "gauge", "Falls of the backend that are remembered for its hold-down.", "falls"},
	{NULL},
};

static const struct metric probing_metrics[] = {
	{"sluice_probes", "gauge", "Probes of backends that are configured.", "configured"},
	{"sluice_probes_under_way", "gauge", "Probes that are under way.", "under_way"},
	{"sluice_probes_begun_total", "counter", "Probes begun since the agent started.", "begun"},
	{"sluice_probes_late_total", "counter", "Probes begun too late for their interval.", "late"},
	{NULL},
};

static const struct family reasons = {reason_metrics, {"reason", "action"}, {"reason", "action"}};
static const struct family services = {service_metrics, {"name"}, {"service"}};
static const struct family pools = {pool_metrics, {"name"}, {"pool"}};
static const struct family backends = {backend_metrics, {"pool", "name"}, {"pool", "backend"}};
static const struct family probing = {probing_metrics, {NULL}, {NULL}};
/* clang-format on */

/* A label's value: backslash, quote and line feed are escaped (text format 0.0.4). */
static void print_label(FILE *out, const char *label, const char *value)
{
	fprintf(out, "%s=\"", label);
	for (; value && *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '\\' || *value == '"')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Each object's labels behind an opening brace, as more may follow; empty where there are none. */
static char **labels_make(const struct family *family, const json_t *objects)
{
	char **sets = memory_new(json_array_size(objects), sizeof(*sets));
	const json_t *object;
	size_t i, length;

	json_array_foreach(objects, i, object) {
		FILE *out = open_memstream(&sets[i], &length);

		if (!out)
			memory_exhausted();
		for (size_t j = 0; j < 2 && family->keys[j]; j++) {
			fputc(j ? ',' : '{', out);
			print_label(out, family->labels[j],
				    json_string_value(json_object_get(object, family->keys[j])));
		}
		if (fclose(out))
			memory_exhausted();
	}
	return sets;
}

static void labels_free(char **sets, size_t count)
{
	while (count)
		free(sets[--count]);
	free(sets);
}

static void print_metric(FILE *out, const struct metric *metric, const json_t *objects, char *const *labels)
{
	const json_t *object, *value;
	size_t i;

	print_head(out, metric->name, metric->type, metric->help);
	json_array_foreach(objects, i, object) {
		value = json_object_get(object, metric->value);
		if (!json_is_integer(value) && !json_is_boolean(value))
			continue; /* counters that could not be read: no sample is the truth */
		fprintf(out, "%s%s%s %lld\n", metric->name, labels[i], *labels[i] ? "}" : "",
			json_is_boolean(value) ? (long long)json_is_true(value) : (long long)json_integer_value(value));
	}
}

/* One sample for each state that a backend can be in, 1 for the one that it is in. */
static void print_states(FILE *out, const json_t *objects, char *const *labels)
{
	const json_t *object;
	size_t i;

	print_head(out, "sluice_backend_state", "gauge", "Whether the backend is in the state (1) or not (0).");
	json_array_foreach(objects, i, object) {
		const char *present = json_string_value(json_object_get(object, "state"));

		for (size_t state = 0; state <= STATE_DOWN; state++)
			fprintf(out, "sluice_backend_state%s,state=\"%s\"} %d\n", labels[i], state_names[state],
				present && strcmp(present, state_names[state]) == 0);
	}
}

/* Drops the reference to the objects. */
static void print_family(FILE *out, const struct family *family, json_t *objects)
{
	char **labels = labels_make(family, objects);

	for (const struct metric *metric = family->metrics; metric->name; metric++)
		print_metric(out, metric, objects, labels);
	if (family == &backends)
		print_states(out, objects, labels);
	labels_free(labels, json_array_size(objects));
	json_decref(objects);
}

static void print_events(FILE *out, const struct events *events)
{
	print_head(out, "sluice_events_total", "counter", "Events since the agent started, by kind.");
	for (int kind = 0; kind < EVENT_KINDS; kind++)
		fprintf(out, "sluice_events_total{event=\"%s\"} %llu\n", event_names[kind],
			(unsigned long long)events_count(events, (enum event_kind)kind));
}

static void print_agent(FILE *out, const struct state *state)
{
	print_head(out, "sluice_build_info", "gauge", "Always 1; the label tells the agent's version.");
	fputs("sluice_build_info{", out);
	print_label(out, "version", SLUICE_VERSION);
	fputs("} 1\n", out);
	print_head(out, "sluice_start_time_seconds", "gauge", "When the agent started, in seconds since 1970.");
	fprintf(out, "sluice_start_time_seconds %lld\n", (long long)state->started);
	print_head(out, "sluice_config_loaded_time_seconds", "gauge",
		   "When the running configuration was loaded, in seconds since 1970.");
	fprintf(out, "sluice_config_loaded_time_seconds %lld\n", (long long)state->config_loaded);
	print_head(out, "sluice_config_last_reload_successful", "gauge",
		   "Whether the last reload was accepted (1) or not (0).");
	fprintf(out, "sluice_config_last_reload_successful %d\n", !state->last_error);
}

char *report_metrics(const struct report *report)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	print_agent(out, report->state);
	print_family(out, &reasons, report_drops(report));
	print_family(out, &services, report_services(report));
	print_family(out, &pools, report_pools(report));
	print_family(out, &backends, report_backends(report));
	if (report->events)
		print_events(out, report->events);
	if (report->prober)
		print_family(out, &probing, json_pack("[o]", prober_json(report->prober)));
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

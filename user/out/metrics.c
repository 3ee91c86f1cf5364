/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Prometheus' text format, made from what the control socket's JSON is made from, so that both always agree: from that
 * JSON itself, and where there may be many, for the backends, from their views.
 */
#include <stdlib.h>

#include "lib/memory.h"
#include "out/report_part.h"
#include "probe/prober.h"

/* A metric: one sample for each object of a report. */
struct metric {
	const char *name, *type, *help;
	const char *value; /* the object's key; integer or boolean. Of backends none is read */
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
	{"sluice_tracked_packets_total", "counter", "Packets for which a flow record was looked for.", "tracked"},
	{NULL},
};

static const struct metric pool_metrics[] = {
	{"sluice_pool_backends", "gauge", "Backends of the pool.", "backends"},
	{"sluice_pool_backends_up", "gauge", "Backends of the pool that are up.", "up"},
	{"sluice_pool_backends_kept", "gauge", "Failed backends that min_healthy keeps in the table.", "kept"},
	{"sluice_pool_min_healthy", "gauge", "Backends that min_healthy wants to be up.", "min_healthy"},
	{"sluice_pool_backends_troubled", "gauge", "Backends of the pool that this host cannot probe now.", "troubled"},
	{"sluice_pool_degraded", "gauge", "Whether fewer backends are up than min_healthy wants (1) or not (0).",
	 "degraded"},
	{"sluice_pool_usable", "gauge", "Whether some backend of the pool is in its table (1) or none (0).", "usable"},
	{"sluice_pool_fallback_in_use", "gauge", "Whether another pool serves in the pool's place (1) or not (0).",
	 "fallback_in_use"},
	{NULL},
};

enum backend_column {
	BACKEND_PACKETS, BACKEND_BYTES, BACKEND_RESOLVED, BACKEND_SLOTS,
	BACKEND_WEIGHT, BACKEND_WEIGHT_NOW, BACKEND_KEPT, BACKEND_HELD, BACKEND_FALLS,
	BACKEND_DRAINED, BACKEND_RECORDS,
	BACKEND_COLUMNS /* no family has more */
};

/* In the order of their columns, which take_backend() fills. */
static const struct metric backend_metrics[] = {
	COUNTER_METRICS("sluice_backend_", "sent to the backend"),
	{"sluice_backend_resolved", "gauge", "Whether the backend's next hop is resolved (1) or not (0).", NULL},
	{"sluice_backend_slots", "gauge", "Slots of its pool's table that the backend has.", NULL},
	{"sluice_backend_weight", "gauge", "The backend's configured weight.", NULL},
	{"sluice_backend_weight_now", "gauge", "The weight that the backend has in its pool's table now.", NULL},
	{"sluice_backend_kept", "gauge", "Whether the backend is down but kept in the table by min_healthy (1) or not (0).",
	 NULL},
	{"sluice_backend_held", "gauge", "Whether the backend is held down after several falls (1) or not (0).", NULL},
	{"sluice_backend_falls", "gauge", "Falls of the backend that are remembered for its hold-down.", NULL},
	{"sluice_backend_drained", "gauge", "Whether a drain has left the backend without connections (1) or not (0).",
	 NULL},
	{"sluice_flow_records", "gauge", "Live flow records that name the backend.", NULL},
	{NULL},
};

static const struct metric probing_metrics[] = {
	{"sluice_probes", "gauge", "Probes of backends that are configured.", "configured"},
	{"sluice_probes_under_way", "gauge", "Probes that are under way.", "under_way"},
	{"sluice_probes_begun_total", "counter", "Probes begun since the agent started.", "begun"},
	{"sluice_probes_late_total", "counter", "Probes begun too late for their interval.", "late"},
	{"sluice_probes_aside", "gauge", "Probes that might go through a VIP, but went to the backend's own address last.",
	 "aside"},
	{NULL},
};

static const struct family reasons = {reason_metrics, {"reason", "action"}, {"reason", "action"}};
static const struct family services = {service_metrics, {"name"}, {"service"}};
static const struct family pools = {pool_metrics, {"name"}, {"pool"}};
static const struct family backends = {backend_metrics, {NULL}, {"pool", "backend"}};
static const struct family probing = {probing_metrics, {NULL}, {NULL}};
/* clang-format on */

_Static_assert(sizeof(backend_metrics) / sizeof(backend_metrics[0]) == BACKEND_COLUMNS + 1, "a metric for each column");

#define NO_SAMPLE INT64_MIN /* counters that could not be read: no sample is the truth */

/* What an object's samples are made of. */
struct row {
	char *labels;		       /* behind an opening brace, as more may follow; empty where there are none */
	__s64 values[BACKEND_COLUMNS]; /* by metric of the family */
	enum backend_state state;      /* a backend's */
};

struct rows {
	struct row *row;
	size_t count;
};

static struct row *rows_add(struct rows *rows)
{
	if (!(rows->count & (rows->count - 1)))
		rows->row = memory_resize(rows->row, rows->count ? rows->count * 2 : 1, sizeof(*rows->row));
	return &rows->row[rows->count++];
}

static void rows_free(struct rows *rows)
{
	while (rows->count)
		free(rows->row[--rows->count].labels);
	free(rows->row);
}

/* A label's value: backslash, quote and line feed are escaped (text format 0.0.4). */
static void print_label(struct buffer *out, const char *label, const char *value)
{
	buffer_add_text(out, label);
	buffer_add_text(out, "=\"");
	for (; value && *value; value++) {
		if (*value == '\n')
			buffer_add_text(out, "\\n");
		else if (*value == '\\' || *value == '"')
			buffer_add_format(out, "\\%c", *value);
		else
			buffer_add(out, value, 1);
	}
	buffer_add_text(out, "\"");
}

static void print_head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `values`: of the family's labels. */
static char *labels_make(const struct family *family, const char *const values[2])
{
	struct buffer out = {0};

	for (size_t i = 0; i < 2 && family->labels[i]; i++) {
		buffer_add_text(&out, i ? "," : "{");
		print_label(&out, family->labels[i], values[i]);
	}
	return buffer_take(&out);
}

static __s64 object_value(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_boolean(value))
		return json_is_true(value);
	return json_is_integer(value) ? json_integer_value(value) : NO_SAMPLE;
}

static void take_object(struct rows *rows, const struct family *family, const json_t *object)
{
	const char *labels[2] = {NULL, NULL};
	struct row *row = rows_add(rows);

	for (size_t i = 0; i < 2 && family->keys[i]; i++)
		labels[i] = json_string_value(json_object_get(object, family->keys[i]));
	row->labels = labels_make(family, labels);
	for (size_t i = 0; family->metrics[i].name; i++)
		row->values[i] = object_value(object, family->metrics[i].value);
}

static void take_backend(void *rows, const struct backend_view *view)
{
	const struct health_backend *health = view->health;
	const char *const labels[2] = {view->pool->name, view->config->name};
	struct row *row = rows_add(rows);

	row->labels = labels_make(&backends, labels);
	row->state = health->state;
	row->values[BACKEND_PACKETS] = view->counters ? (__s64)view->counters->packets : NO_SAMPLE;
	row->values[BACKEND_BYTES] = view->counters ? (__s64)view->counters->bytes : NO_SAMPLE;
	row->values[BACKEND_RESOLVED] = view->resolved;
	row->values[BACKEND_SLOTS] = view->slots;
	row->values[BACKEND_WEIGHT] = health->configured;
	row->values[BACKEND_WEIGHT_NOW] = health_weight(health);
	row->values[BACKEND_KEPT] = health->kept;
	row->values[BACKEND_HELD] = health->held_until != 0;
	row->values[BACKEND_FALLS] = health->falls;
	row->values[BACKEND_DRAINED] = health->override.drained;
	row->values[BACKEND_RECORDS] = view->swept ? (__s64)view->records : NO_SAMPLE;
}

static void print_metric(struct buffer *out, const struct metric *metric, const struct rows *rows, size_t column)
{
	print_head(out, metric->name, metric->type, metric->help);
	for (const struct row *row = rows->row; row < rows->row + rows->count; row++) {
		if (row->values[column] == NO_SAMPLE)
			continue;
		buffer_add_text(out, metric->name);
		buffer_add_text(out, row->labels);
		buffer_add_text(out, *row->labels ? "} " : " ");
		buffer_add_number(out, row->values[column]);
		buffer_add_text(out, "\n");
	}
}

static void print_metrics(struct buffer *out, const struct family *family, const struct rows *rows)
{
	for (size_t i = 0; family->metrics[i].name; i++)
		print_metric(out, &family->metrics[i], rows, i);
}

/* Drops the reference to the objects. */
static void print_family(struct buffer *out, const struct family *family, json_t *objects)
{
	struct rows rows = {0};
	const json_t *object;
	size_t i;

	json_array_foreach(objects, i, object)
		take_object(&rows, family, object);
	print_metrics(out, family, &rows);
	rows_free(&rows);
	json_decref(objects);
}

/* One sample for each state that a backend can be in, 1 for the one that it is in. */
static void print_states(struct buffer *out, const struct rows *rows)
{
	print_head(out, "sluice_backend_state", "gauge", "Whether the backend is in the state (1) or not (0).");
	for (const struct row *row = rows->row; row < rows->row + rows->count; row++) {
		for (enum backend_state state = 0; state <= STATE_DOWN; state++) {
			buffer_add_text(out, "sluice_backend_state");
			buffer_add_text(out, row->labels);
			buffer_add_text(out, ",state=\"");
			buffer_add_text(out, state_names[state]);
			buffer_add_text(out, row->state == state ? "\"} 1\n" : "\"} 0\n");
		}
	}
}

static void print_backends(struct buffer *out, const struct report *report)
{
	struct rows rows = {0};

	report_each_backend(report, take_backend, &rows);
	print_metrics(out, &backends, &rows);
	print_states(out, &rows);
	rows_free(&rows);
}

static void print_slots(struct buffer *out, const struct report *report)
{
	const struct config *config = report->state->config;
	__u32 phases[SWEEP_PHASES];

	print_head(out, "sluice_slots", "gauge", "Slots of the pool's table, by phase.");
	for (size_t i = 0; i < config->pool_count; i++) {
		report_phases(report, i, phases);
		for (__u8 phase = 0; phase < SWEEP_PHASES; phase++) {
			buffer_add_text(out, "sluice_slots{");
			print_label(out, "pool", config->pools[i].name);
			buffer_add_format(out, ",phase=\"%s\"} %u\n", report_phase_name(phase), phases[phase]);
		}
	}
}

static void print_sweep(struct buffer *out, const struct report *report)
{
	const struct swept *swept = report_swept(report);

	print_head(out, "sluice_flow_map_capacity", "gauge", "Flow records that there is room for.");
	buffer_add_format(out, "sluice_flow_map_capacity %u\n", dataplane_maps(report->dataplane)->flow_capacity);
	if (!swept)
		return;
	print_head(out, "sluice_flow_map_records", "gauge", "Flow records that the last pass of the sweep left.");
	buffer_add_format(out, "sluice_flow_map_records %u\n", swept->tally.records);
	print_head(out, "sluice_sweep_seconds", "gauge", "Time that the last pass of the sweep took.");
	buffer_add_format(out, "sluice_sweep_seconds %llu.%06llu\n", swept->spent_us / 1000000,
			  swept->spent_us % 1000000);
}

static void print_events(struct buffer *out, const struct events *events)
{
	print_head(out, "sluice_events_total", "counter", "Events since the agent started, by kind.");
	for (int kind = 0; kind < EVENT_KINDS; kind++)
		buffer_add_format(out, "sluice_events_total{event=\"%s\"} %llu\n", event_names[kind],
				  (unsigned long long)events_count(events, (enum event_kind)kind));
}

static void print_agent(struct buffer *out, const struct report *report)
{
	const struct state *state = report->state;

	print_head(out, "sluice_build_info", "gauge", "Always 1; the label tells the agent's version.");
	buffer_add_text(out, "sluice_build_info{");
	print_label(out, "version", SLUICE_VERSION);
	buffer_add_text(out, "} 1\n");
	print_head(out, "sluice_start_time_seconds", "gauge", "When the agent started, in seconds since 1970.");
	buffer_add_format(out, "sluice_start_time_seconds %lld\n", (long long)state->started);
	print_head(out, "sluice_config_loaded_time_seconds", "gauge",
		   "When the running configuration was loaded, in seconds since 1970.");
	buffer_add_format(out, "sluice_config_loaded_time_seconds %lld\n", (long long)state->config_loaded);
	print_head(out, "sluice_config_last_reload_successful", "gauge",
		   "Whether the configuration of the last reload or apply was taken (1) or refused (0).");
	buffer_add_format(out, "sluice_config_last_reload_successful %d\n", !state->last_error);
	print_head(out, "sluice_state_saved", "gauge",
		   "Whether the state folder has everything (1) or some of it could not be written (0).");
	buffer_add_format(out, "sluice_state_saved %d\n", report_saved(report));
	print_head(out, "sluice_denied_prefixes", "gauge", "Prefixes on the deny list.");
	buffer_add_format(out, "sluice_denied_prefixes %zu\n", state->deny ? deny_count(state->deny) : 0);
}

char *report_metrics(const struct report *report)
{
	struct buffer out = {0};

	print_agent(&out, report);
	print_family(&out, &reasons, report_drops(report));
	print_family(&out, &services, report_services(report));
	print_family(&out, &pools, report_pools(report));
	print_backends(&out, report);
	if (report->dataplane) {
		print_slots(&out, report);
		print_sweep(&out, report);
	}
	if (report->events)
		print_events(&out, report->events);
	if (report->prober)
		print_family(&out, &probing, json_pack("[o]", prober_json(report->prober)));
	return buffer_take(&out);
}

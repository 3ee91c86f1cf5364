/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Prometheus' text format, made from the same JSON that the control socket gives, so that both always agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/report.h"

/* A metric: one sample for each object of a report, labelled with some of the object's texts. */
struct metric {
	const char *name, *type, *help;
	const char *value;     /* the object's key; integer or boolean */
	const char *labels[3]; /* the objects' keys, NULL-terminated */
};

/* clang-format off */
#define COUNTER_METRICS(prefix, of, ...)                                                                               \
	{prefix "packets_total", "counter", "Packets " of ".", "packets", {__VA_ARGS__}},                              \
	{prefix "bytes_total", "counter", "Bytes, Ethernet headers included, of packets " of ".", "bytes", {__VA_ARGS__}}
/* clang-format on */

static const struct metric reason_metrics[] = {
	COUNTER_METRICS("sluice_", "by what became of them", "reason", "action"),
};

static const struct metric service_metrics[] = {
	COUNTER_METRICS("sluice_service_", "to the service", "name"),
};

static const struct metric backend_metrics[] = {
	COUNTER_METRICS("sluice_backend_", "sent to the backend", "pool", "name"),
	{"sluice_backend_resolved",
	 "gauge",
	 "Whether the backend's next hop is resolved (1) or not (0).",
	 "resolved",
	 {"pool", "name"}},
	{"sluice_backend_slots", "gauge", "Slots of its pool's table that the backend has.", "slots", {"pool", "name"}},
	{"sluice_backend_weight", "gauge", "The backend's configured weight.", "weight", {"pool", "name"}},
};

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

/* `kind` names the label that the key "name" becomes: "service" or "backend". */
static void print_metric(FILE *out, const struct metric *metric, const json_t *objects, const char *kind)
{
	const json_t *object, *value;
	size_t i;

	print_head(out, metric->name, metric->type, metric->help);
	json_array_foreach(objects, i, object) {
		value = json_object_get(object, metric->value);
		if (!json_is_integer(value) && !json_is_boolean(value))
			continue; /* counters that could not be read: no sample is the truth */
		fprintf(out, "%s{", metric->name);
		for (size_t j = 0; metric->labels[j]; j++) {
			const char *key = metric->labels[j];

			if (j)
				fputc(',', out);
			print_label(out, strcmp(key, "name") == 0 ? kind : key,
				    json_string_value(json_object_get(object, key)));
		}
		fprintf(out, "} %lld\n",
			json_is_boolean(value) ? (long long)json_is_true(value) : (long long)json_integer_value(value));
	}
}

static void print_metrics(FILE *out, const struct metric *metrics, size_t count, json_t *objects, const char *kind)
{
	for (size_t i = 0; i < count; i++)
		print_metric(out, &metrics[i], objects, kind);
	json_decref(objects);
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

char *report_metrics(const struct report *report)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	print_agent(out, report->state);
	print_metrics(out, reason_metrics, COUNT(reason_metrics), report_drops(report), "");
	print_metrics(out, service_metrics, COUNT(service_metrics), report_services(report), "service");
	print_metrics(out, backend_metrics, COUNT(backend_metrics), report_backends(report), "backend");
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

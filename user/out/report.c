/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/report.h"

#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/text.h"
#include "out/report_part.h"
#include "probe/prober.h"

char *report_mac_format(const __u8 mac[6], char text[static REPORT_MAC])
{
	snprintf(text, REPORT_MAC, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}

struct counters *report_counters(const struct report *report, enum counted what, __u32 count)
{
	struct counters *counters = memory_new(count, sizeof(*counters));

	/* once detached there is no dataplane, but the agent still answers for a moment */
	if (report->dataplane && dataplane_counters(report->dataplane, what, 0, count, counters) == 0)
		return counters;
	free(counters);
	return NULL;
}

void report_set_counters(json_t *object, const struct counters *counters)
{
	set(object, "packets", counters ? json_integer((json_int_t)counters->packets) : json_null());
	set(object, "bytes", counters ? json_integer((json_int_t)counters->bytes) : json_null());
}

void report_add_counters(struct counters *sum, const struct counters *one)
{
	sum->packets += one->packets;
	sum->bytes += one->bytes;
}

/* The running configuration: where it came from, and whether it waits to be confirmed. */
static json_t *config_json(const struct state *state)
{
	json_t *object = json_object();
	char loaded[TEXT_DATE];

	set(object, "file", text_or_null(state->config->file));
	set(object, "loaded_at", text_or_null(text_date(state->config_loaded, loaded)));
	set(object, "source", json_string(state->applied ? "socket" : "file"));
	set(object, "applied", text_or_null(state->applied));
	set(object, "confirm_left_ms",
	    state->confirm_by ? count_json(left_ms(state->confirm_by, clock_ms())) : json_null());
	return object;
}

/* When the tables last followed the health, and how long they took from the verdict on; null: never. */
static json_t *change_json(const struct change_times *change)
{
	if (!change->verdict || change->planned < change->verdict || change->written < change->planned)
		return json_null();
	return json_pack("{sI sI sI}", "verdict_us", (json_int_t)change->verdict, "planned_us",
			 (json_int_t)(change->planned - change->verdict), "written_us",
			 (json_int_t)(change->written - change->verdict));
}

static json_t *probing_json(const struct report *report)
{
	json_t *probing;

	if (!report->prober)
		return json_null();
	probing = prober_json(report->prober);
	set(probing, "troubled", count_json(report_troubled(report->state)));
	return probing;
}

static void set_totals(json_t *status, const struct report *report)
{
	const struct config *config = report->state->config;
	size_t backends = 0, resolved = 0;

	for (size_t i = 0; i < config->pool_count; i++) {
		backends += config->pools[i].backend_count;
		resolved += report_resolved(report, &config->pools[i]);
	}
	set(status, "services", count_json(config->service_count));
	set(status, "pools", count_json(config->pool_count));
	set(status, "backends", count_json(backends));
	set(status, "backends_unresolved", count_json(backends - resolved));
	report_set_health_totals(status, report->state);
}

bool report_saved(const struct report *report)
{
	return !report->unsaved || !*report->unsaved;
}

json_t *report_status(const struct report *report)
{
	const struct state *state = report->state;
	struct counters *reasons = report_counters(report, COUNTED_REASONS, REASON_COUNT);
	json_t *status = json_object();

	if (reasons) {
		report_add_counters(&reasons[REASON_forwarded], &reasons[REASON_redirected]);
		report_add_counters(&reasons[REASON_forwarded], &reasons[REASON_local]);
	}
	set(status, "version", json_string(SLUICE_VERSION));
	set(status, "pid", json_integer(getpid()));
	set(status, "uptime_s", count_json((clock_ms() - state->begun) / 1000));
	set(status, "config", config_json(state));
	set(status, "state_saved", json_boolean(report_saved(report)));
	set(status, "interfaces", report_interfaces(report));
	set_totals(status, report);
	set(status, "probing", probing_json(report));
	set(status, "last_change", change_json(&state->change));
	report_set_flow_totals(status, report);
	report_set_counters(status, reasons ? &reasons[REASON_forwarded] : NULL);
	set(status, "last_error", text_or_null(state->last_error));
	free(reasons);
	return status;
}

static json_t *service_json(const struct config *config, const struct config_service *service)
{
	json_t *object = json_object(), *addresses = json_array(), *ports = json_array();
	char text[ADDRESS_TEXT], port[CONFIG_PORT_TEXT];

	for (size_t i = 0; i < service->address_count; i++)
		append(addresses, json_string(prefix_format(&service->addresses[i], text)));
	for (size_t i = 0; i < service->port_count; i++)
		append(ports, json_string(config_port_format(&service->ports[i], port)));
	set(object, "name", json_string(service->name));
	set(object, "addresses", addresses);
	set(object, "ports", ports);
	set(object, "pool", json_string(config->pools[service->pool].name));
	set(object, "hash", json_string(hash_names[service->hash]));
	report_set_service_options(object, config, service);
	return object;
}

json_t *report_services(const struct report *report)
{
	const struct state *state = report->state;
	struct counters *counters = report_counters(report, COUNTED_SERVICES, SLUICE_MAX_SERVICES);
	__u64 *tracked = report_tracked(report);
	json_t *services = json_array();

	for (size_t i = 0; i < state->config->service_count; i++) {
		const struct config_service *service = &state->config->services[i];
		json_t *object = service_json(state->config, service);
		__u16 index = ids_service(state->ids, service->name);

		report_set_counters(object, counters ? &counters[index] : NULL);
		set(object, "tracked", tracked ? count_json(tracked[index]) : json_null());
		append(services, object);
	}
	free(tracked);
	free(counters);
	return services;
}

static const char *action_name(enum xdp_action action)
{
	switch (action) {
	case XDP_ABORTED:
		return "aborted";
	case XDP_DROP:
		return "drop";
	case XDP_PASS:
		return "pass";
	case XDP_TX:
		return "tx";
	case XDP_REDIRECT:
		return "redirect";
	}
	return "unknown";
}

json_t *report_drops(const struct report *report)
{
	static const struct {
		const char *name;
		enum xdp_action action;
		const char *help;
	} reasons[] = {
#define REASON_ROW(name, action, help) {#name, action, help},
		REASONS(REASON_ROW)
#undef REASON_ROW
	};
	struct counters *counters = report_counters(report, COUNTED_REASONS, REASON_COUNT);
	json_t *drops = json_array();

	for (size_t i = REASON_go_on + 1; i < REASON_COUNT; i++) {
		json_t *object = json_object();

		set(object, "reason", json_string(reasons[i].name));
		set(object, "action", json_string(action_name(reasons[i].action)));
		set(object, "help", json_string(reasons[i].help));
		report_set_counters(object, counters ? &counters[i] : NULL);
		append(drops, object);
	}
	free(counters);
	return drops;
}

json_t *report_bpf(const struct report *report)
{
	return report->dataplane ? dataplane_bpf_json(report->dataplane) : json_object();
}

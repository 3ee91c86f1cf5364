/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Transitions and flow records, for the reports: sums from the sweep's last pass, records from the map itself. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "out/flow_service.h"
#include "out/flows.h"
#include "out/report_part.h"

/* Of the loop's time that reading records may take at once. */
#define READ_US 5000

static const char *const phase_names[] = {
	[PHASE_STEADY] = "steady", [PHASE_OPEN] = "open", [PHASE_TCP] = "tcp", [PHASE_SETTLED] = "settled"};

const char *report_phase_name(__u8 phase)
{
	return phase_names[phase % SWEEP_PHASES];
}

const struct swept *report_swept(const struct report *report)
{
	return report->swept && report->swept->known ? report->swept : NULL;
}

__u64 *report_tracked(const struct report *report)
{
	__u64 *tracked = memory_new(SLUICE_MAX_SERVICES, sizeof(*tracked));

	if (report->dataplane && dataplane_tracked(report->dataplane, tracked) == 0)
		return tracked;
	free(tracked);
	return NULL;
}

void report_phases(const struct report *report, size_t pool, __u32 phases[static SWEEP_PHASES])
{
	memset(phases, 0, SWEEP_PHASES * sizeof(*phases));
	if (report->dataplane)
		dataplane_phases(report->dataplane, report->state->config->pools[pool].name, phases);
}

/* Live records of all its backends. */
static json_t *pool_records(const struct report *report, const struct config_pool *pool)
{
	const struct swept *swept = report_swept(report);
	__u64 records = 0;

	if (!swept)
		return json_null();
	for (size_t i = 0; i < pool->backend_count; i++)
		records += sweep_tally_backend(&swept->tally,
					       ids_backend(report->state->ids, pool->name, &pool->backends[i].address));
	return count_json(records);
}

void report_set_pool_flows(json_t *object, const struct report *report, size_t pool, const __u64 *tracked,
			   const struct counters *counters)
{
	const struct config *config = report->state->config;
	__u32 phases[SWEEP_PHASES];
	__u64 packets = 0, looked = 0, moving = 0;

	for (size_t i = 0; i < config->service_count; i++) {
		__u16 index;

		if (config->services[i].pool != pool)
			continue;
		index = ids_service(report->state->ids, config->services[i].name);
		packets += counters ? counters[index].packets : 0;
		looked += tracked ? tracked[index] : 0;
		moving += report->plan && report->plan->moves && report->plan->moves[index].phase;
	}
	report_phases(report, pool, phases);
	set(object, "slots_open", count_json((__u64)phases[PHASE_OPEN] + phases[PHASE_TCP]));
	set(object, "slots_settled", count_json(phases[PHASE_SETTLED]));
	set(object, "moving", count_json(moving));
	set(object, "records", pool_records(report, &config->pools[pool]));
	set(object, "tracked_share",
	    tracked && counters && packets ? json_real((double)looked / (double)packets) : json_null());
}

static json_t *count_row(const char *pool, const char *backend, __u8 phase, const struct sweep_count *count)
{
	json_t *object = json_object();

	set(object, "pool", json_string(pool));
	set(object, "backend", json_string(backend));
	set(object, "phase", json_string(report_phase_name(phase)));
	set(object, "records", count_json(count->records));
	set(object, "closing", count_json(count->closing));
	set(object, "oldest_s", count_json(count->oldest));
	set(object, "newest_s", count_json(count->newest));
	return object;
}

/* A row for each backend and phase of which there are records. */
static json_t *count_rows(const struct report *report, const struct swept *swept)
{
	static const __u8 phases[] = {PHASE_OPEN, PHASE_TCP, PHASE_SETTLED};
	const struct config *config = report->state->config;
	json_t *rows = json_array();

	for (size_t i = 0; swept && i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];

		for (size_t j = 0; j < pool->backend_count; j++) {
			__u16 index = ids_backend(report->state->ids, pool->name, &pool->backends[j].address);

			for (size_t k = 0; k < sizeof(phases); k++)
				if (swept->tally.count[index][phases[k]].records)
					append(rows, count_row(pool->name, pool->backends[j].name, phases[k],
							       &swept->tally.count[index][phases[k]]));
		}
	}
	return rows;
}

static json_t *records_json(const struct swept *swept)
{
	return swept ? count_json(swept->tally.records) : json_null();
}

static json_t *capacity_json(const struct report *report)
{
	return report->dataplane ? count_json(dataplane_maps(report->dataplane)->flow_capacity) : json_null();
}

void report_set_flow_totals(json_t *status, const struct report *report)
{
	set(status, "flow_records", records_json(report_swept(report)));
	set(status, "flow_capacity", capacity_json(report));
}

json_t *report_flows(const struct report *report)
{
	const struct swept *swept = report_swept(report);
	json_t *object = json_object();

	set(object, "records", records_json(swept));
	set(object, "capacity", capacity_json(report));
	set(object, "swept_s", swept ? count_json((clock_ms() - swept->at_ms) / 1000) : json_null());
	set(object, "pass_ms", swept ? count_json(swept->spent_us / 1000) : json_null());
	set(object, "flows", count_rows(report, swept));
	return object;
}

/* A listing of records under way. */
struct records {
	const struct report *report;
	const struct maps *maps;
	const struct flow_query *query;
	struct flow_service_cache cache;
	struct flows_walk walk;
	json_t *list;
	__u32 second;
};

#define PLACE_TEXT (ADDRESS_TEXT + 8)

/* "198.51.100.7:40000", "[2001:db8::7]:40000" */
static json_t *place_json(const struct flow_tuple *tuple, const __be32 word[4], __be16 port)
{
	struct address address = {.family = tuple->version == 4 ? AF_INET : AF_INET6};
	char text[ADDRESS_TEXT], place[PLACE_TEXT];

	memcpy(address.word, word, sizeof(address.word));
	snprintf(place, sizeof(place), tuple->version == 4 ? "%s:%u" : "[%s]:%u", address_format(&address, text),
		 ntohs(port));
	return json_string(place);
}

/* Pool and name of a backend; false if there is no such index. */
static bool backend_names(const struct plan *plan, __u16 index, const char **pool, const char **backend)
{
	const struct table *table;

	if (index > SLUICE_MAX_BACKENDS || plan->standing[index] == STANDS_GONE ||
	    plan->table_of[index] >= plan->table_count)
		return false;
	table = plan->tables[plan->table_of[index]];
	for (size_t i = 0; i < table->member_count; i++) {
		if (table->members[i].owner == index) {
			*pool = table->pool;
			*backend = table->members[i].name;
			return true;
		}
	}
	return false;
}

static __u8 record_phase(struct records *records, const struct flow_tuple *tuple)
{
	const struct plan *plan = records->report->plan;
	const struct service *service = flow_service(records->maps, plan->settings.features, &records->cache, tuple);
	__u32 slot;

	if (!service || !service->slot_count)
		return PHASE_STEADY;
	slot = sweep_slot(&plan->settings.key, tuple, (struct table_use){service->slot_first, service->slot_count},
			  service->flags);
	return sweep_phase(slot < records->maps->slot_capacity ? records->maps->slots[slot].phase : PHASE_STEADY,
			   records->maps->moves[service->index % SLUICE_MAX_SERVICES].phase);
}

static void add_record(struct records *records, const struct flow_tuple *tuple, const struct flow_record *record)
{
	const char *pool = NULL, *backend = NULL, *only = records->query->pool;
	json_t *object;

	if (!backend_names(records->report->plan, record->backend, &pool, &backend) && only)
		return;
	if (only && strcmp(only, pool) != 0)
		return;
	object = json_object();
	set(object, "client", place_json(tuple, tuple->source, tuple->source_port));
	set(object, "vip", place_json(tuple, tuple->destination, tuple->destination_port));
	set(object, "protocol", json_string(tuple->protocol == IPPROTO_TCP ? "tcp" : "udp"));
	set(object, "pool", text_or_null(pool));
	set(object, "backend", text_or_null(backend));
	set(object, "phase", json_string(report_phase_name(record_phase(records, tuple))));
	set(object, "age_s", count_json(sweep_age(record->born, records->second)));
	set(object, "idle_s", count_json(sweep_age(record->seen, records->second)));
	set(object, "closing", json_boolean(record->flags & FLOW_CLOSING));
	append(records->list, object);
}

/* Until all are read, the limit is reached or the time is over. 0 or a negative errno. */
static int read_records(struct records *records)
{
	__u64 until = clock_us() + READ_US;
	int err = 0;

	while (!records->walk.ended && json_array_size(records->list) < records->query->limit && clock_us() < until) {
		err = flows_next(records->maps->fd[MAP_flows], &records->walk);
		for (__u32 i = 0; i < records->walk.count; i++) {
			if (json_array_size(records->list) == records->query->limit) {
				records->walk.ended = false; /* there is more */
				break;
			}
			add_record(records, &records->walk.tuple[i], &records->walk.record[i]);
		}
	}
	return err;
}

json_t *report_flow_records(const struct report *report, const struct flow_query *query)
{
	struct records *records = memory_new(1, sizeof(*records));
	json_t *object = json_object();
	bool full, ended;
	int err = 0;

	records->report = report;
	records->query = query;
	records->list = json_array();
	records->maps = report->dataplane ? dataplane_maps(report->dataplane) : NULL;
	records->second = (__u32)(clock_ms() / 1000);
	records->walk.begun = query->from != 0;
	records->walk.position = query->from;
	if (report->plan && records->maps && records->maps->slots)
		err = read_records(records);
	else
		records->walk.ended = true;
	full = json_array_size(records->list) >= query->limit;
	ended = records->walk.ended;
	set(object, "complete", json_boolean(ended && !err));
	set(object, "next", ended || full ? json_null() : count_json(records->walk.position));
	set(object, "flows", records->list);
	free(records);
	return object;
}

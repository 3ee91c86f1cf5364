/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From a verdict to the last slot written: a backend falls, in one pool of 1,000 backends, and in 100 pools of
 * 300 at once, as when a host fails that is in all of them; and every slot of a table goes over to
 * another backend and opens its transition, as when one half of the pool takes the other one's place. Judgement,
 * plan and the writing of the maps as the agent does them, in one process over the kernel's own maps. Between changes
 * every window passes.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/results.h"
#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "model/plan.h"
#include "out/program.h"
#include "out/slot_store.h"
#include "out/sync.h"

#define ROUNDS_MAX 300 /* a backend each */
#define APART_MS   (CONFIG_DEFAULT_WINDOW_MS + 1000)
#define SECOND	   1000 /* ms */

static const struct {
	const char *name;
	size_t pools, backends;
	bool whole;    /* every slot changes, instead of one backend's */
	double target; /* ms, from the verdict to the last slot */
} cases[] = {
	{"1 pool of 1,000", 1, 1000, false, 5},
	{"100 pools of 300", 100, 300, false, 50},
	{"every slot of a pool", 1, 100, true, 5},
};

struct lab {
	struct state state;
	struct plan *plan;
	struct maps maps;
	struct program program;
	struct synced synced;
};

static struct config *make_config(size_t pools, size_t backends)
{
	struct arena *arena = arena_new();
	struct config *config = arena_alloc(arena, sizeof(*config));
	char name[32];

	config->arena = arena;
	config->file = "bench";
	memcpy(config->hash_key, "the bench's key.", sizeof(config->hash_key));
	config->pools = arena_array(arena, pools, sizeof(*config->pools));
	config->pool_count = pools;
	for (size_t i = 0; i < pools; i++) {
		struct config_pool *pool = &config->pools[i];

		snprintf(name, sizeof(name), "pool%03zu", i);
		pool->name = arena_strdup(arena, name);
		pool->table_size = CONFIG_DEFAULT_TABLE_SIZE;
		pool->fallback = CONFIG_NONE;
		pool->transition = (struct config_transition){.window_ms = CONFIG_DEFAULT_WINDOW_MS,
							      .udp_window_ms = CONFIG_DEFAULT_UDP_WINDOW_MS,
							      .idle_ms = CONFIG_DEFAULT_IDLE_MS};
		pool->probes = arena_array(arena, 1, sizeof(*pool->probes));
		pool->probes[0] = (struct config_probe){
			.type = PROBE_TCP, .interval_ms = 1000, .timeout_ms = 1000, .rise = 1, .fall = 1};
		pool->probe_count = 1;
		pool->backends = arena_array(arena, backends, sizeof(*pool->backends));
		pool->backend_count = backends;
		for (size_t j = 0; j < backends; j++) {
			snprintf(name, sizeof(name), "backend%04zu", j);
			pool->backends[j].name = arena_strdup(arena, name);
			pool->backends[j].weight = CONFIG_DEFAULT_WEIGHT;
			pool->backends[j].address = (struct address){
				.family = AF_INET, .word = {htonl(0x0a000001 + (__u32)(i * backends + j))}};
		}
	}
	return config;
}

static void ignore(void *argument, const struct event_fact *fact)
{
	(void)argument;
	(void)fact;
}

/* Plan and sync. Returns the moment between them, in us. */
static __u64 write_maps(struct lab *lab, enum plan_scope scope, __u64 now)
{
	__u64 planned;

	lab->plan->second = (__u32)(now / SECOND);
	lab->plan->former = lab->maps.moves;
	plan_make(lab->plan, &lab->state, scope);
	planned = clock_us();
	sync_clear(&lab->maps, lab->plan, &lab->synced, sync_tables(&lab->maps, lab->plan, &lab->synced, false));
	return planned;
}

static int lab_open(struct lab *lab, size_t pools, size_t backends)
{
	struct settings settings = {.slot_capacity = SLUICE_MAX_SLOTS / 8,
				    .flow_capacity = 1024,
				    .fragment_capacity = CONFIG_DEFAULT_FRAGMENT_RECORDS,
				    .source_capacity = CONFIG_DEFAULT_SOURCE_RECORDS};
	int err;

	*lab = (struct lab){.plan = plan_new()};
	lab->state.config = make_config(pools, backends);
	lab->state.ids = ids_new();
	lab->state.health = health_new(ignore, NULL, time);
	maps_init(&lab->maps);
	program_init(&lab->program);
	err = ids_assign(lab->state.ids, lab->state.config);
	err = err ?: program_load(&lab->program, &lab->maps, &settings);
	err = err ?: maps_mmap(&lab->maps);
	if (err)
		return err;
	health_configure(lab->state.health, lab->state.config, true, 1);
	write_maps(lab, PLAN_ALL, SECOND);
	return 0;
}

static void lab_close(struct lab *lab)
{
	synced_free(&lab->synced);
	program_close(&lab->program);
	maps_close(&lab->maps);
	plan_free(lab->plan);
	health_free(lab->state.health);
	ids_free(lab->state.ids);
	config_free(lab->state.config);
}

/* As sweeps leave it when every window is over: all slots steady. */
static void settle(struct lab *lab, __u64 now)
{
	for (size_t i = 0; i < lab->plan->table_count; i++) {
		const struct table *table = lab->plan->tables[i];

		for (__u32 slot = 0; slot < table->size; slot++)
			slot_store(&lab->maps, table->first + slot, (struct slot){.owner = table->owner[slot]});
	}
	write_maps(lab, PLAN_HEALTH, now);
}

struct took {
	double plan, total; /* ms */
};

static struct took took_since(__u64 start, __u64 planned)
{
	return (struct took){(double)(planned - start) / 1000, (double)(clock_us() - start) / 1000};
}

/* Judges backend number `backend` of every pool, until the maps hold what follows from it. */
static struct took judge(struct lab *lab, size_t backend, enum finding finding, __u64 now)
{
	__u64 start = clock_us();

	for (size_t i = 0; i < lab->state.config->pool_count; i++)
		health_report(lab->state.health, health_pool(lab->state.health, i)->backends[backend], 0, finding,
			      "bench", now);
	return took_since(start, write_maps(lab, PLAN_HEALTH, now));
}

/* Gives the first pool's odd or even backends all weight, the others none. */
static struct took swap_halves(struct lab *lab, size_t odd, __u64 now)
{
	struct health_pool *pool = health_pool(lab->state.health, 0);
	__u64 start = clock_us();

	for (size_t i = 0; i < lab->state.config->pools[0].backend_count; i++)
		health_set_weight(lab->state.health, pool->backends[i], i % 2 == odd ? CONFIG_DEFAULT_WEIGHT : 0, 0,
				  NULL, now);
	return took_since(start, write_maps(lab, PLAN_HEALTH, now));
}

static void need_all_open(const struct lab *lab)
{
	const struct table *table = lab->plan->tables[0];
	const struct synced_table *one;

	HASH_FIND_STR(lab->synced.tables, table->pool, one);
	if (one->phases[PHASE_OPEN] == table->size)
		return;
	fprintf(stderr, "bench: %u slots of %u are open: the figure would be of another change\n",
		one->phases[PHASE_OPEN], table->size);
	exit(EXIT_FAILURE);
}

static int number_order(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* Sorts the figures. */
static json_t *print_row(size_t which, double *plan, double *total, int rounds)
{
	int middle = rounds / 2, low = rounds / 4, high = rounds - 1 - rounds / 4;

	qsort(total, (size_t)rounds, sizeof(*total), number_order);
	qsort(plan, (size_t)rounds, sizeof(*plan), number_order);
	printf("%-21s %9.2f %9.2f %9.2f %7.2f-%-7.2f %9.2f %9.0f\n", cases[which].name, plan[middle],
	       total[middle] - plan[middle], total[middle], total[low], total[high], total[rounds - 1],
	       cases[which].target);
	return json_pack("{ss sf sf sf sf sf sf}", "case", cases[which].name, "ms", total[middle], "low", total[low],
			 "high", total[high], "plan_ms", plan[middle], "worst_ms", total[rounds - 1], "ms_at_most",
			 cases[which].target);
}

static json_t *run(size_t which, int rounds)
{
	double total[ROUNDS_MAX], plan[ROUNDS_MAX];
	struct lab lab;
	__u64 now = SECOND;

	if (lab_open(&lab, cases[which].pools, cases[which].backends)) {
		fprintf(stderr, "bench: cannot load the program: are you root?\n");
		exit(EXIT_FAILURE);
	}
	if (cases[which].whole)
		swap_halves(&lab, 1, now); /* from all to one half: not every slot yet */
	settle(&lab, now += APART_MS);
	for (int round = 0; round < rounds; round++) {
		struct took took;

		if (cases[which].whole) {
			took = swap_halves(&lab, (size_t)round % 2, now += APART_MS);
			need_all_open(&lab);
		} else {
			took = judge(&lab, (size_t)round, FINDING_FAILED, now += APART_MS);
			judge(&lab, (size_t)round, FINDING_PASSED, now += APART_MS);
		}
		settle(&lab, now += APART_MS);
		total[round] = took.total;
		plan[round] = took.plan;
	}
	lab_close(&lab);
	return print_row(which, plan, total, rounds);
}

int main(int argc, char **argv)
{
	int rounds = results_rounds(argc, argv, 41, ROUNDS_MAX);
	json_t *rows = json_array();

	printf("%-21s %9s %9s %9s %15s %9s %9s\n", "verdict to slots, ms", "plan", "write", "median", "middle half",
	       "worst", "target");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		json_array_append_new(rows, run(i, rounds));
	results_save(argc, argv, "ms from a verdict to the last slot written, in memory", rounds, NULL, rows);
	return 0;
}

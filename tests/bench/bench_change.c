/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From a verdict to the last slot written: a backend falls, in one pool of 1,000 backends, and in 100 pools of
 * 300 at once, as when a host fails that is in all of them. Judgement, plan and the writing of
 * the maps as the agent does them, in one process over the kernel's own maps.
 */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "model/plan.h"
#include "out/program.h"
#include "out/sync.h"

#define ROUNDS 41

static const struct {
	const char *name;
	size_t pools, backends;
	double target; /* ms, from the verdict to the last slot */
} cases[] = {{"1 pool of 1,000", 1, 1000, 5}, {"100 pools of 300", 100, 300, 50}};

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

static int lab_open(struct lab *lab, size_t pools, size_t backends)
{
	struct settings settings = {.slot_capacity = SLUICE_MAX_SLOTS / 8};
	int err;

	*lab = (struct lab){.plan = plan_new()};
	lab->state.config = make_config(pools, backends);
	lab->state.ids = ids_new();
	lab->state.health = health_new(ignore, NULL, time);
	maps_init(&lab->maps);
	program_init(&lab->program);
	err = ids_assign(lab->state.ids, lab->state.config);
	err = err ?: program_load(&lab->program, &lab->maps, &settings);
	lab->maps.slot_capacity = settings.slot_capacity;
	err = err ?: maps_mmap(&lab->maps);
	if (err)
		return err;
	health_configure(lab->state.health, lab->state.config, true, 1);
	plan_make(lab->plan, &lab->state, PLAN_ALL);
	sync_clear(&lab->maps, lab->plan, &lab->synced, sync_tables(&lab->maps, lab->plan, &lab->synced));
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

/* Judges backend number `backend` of every pool; returns the milliseconds until the maps hold what follows from it. */
static double change(struct lab *lab, size_t backend, enum finding finding, __u64 now, double *planned)
{
	__u64 start = clock_us(), middle;

	for (size_t i = 0; i < lab->state.config->pool_count; i++)
		health_report(lab->state.health, health_pool(lab->state.health, i)->backends[backend], 0, finding,
			      "bench", now);
	plan_make(lab->plan, &lab->state, PLAN_HEALTH);
	middle = clock_us();
	sync_clear(&lab->maps, lab->plan, &lab->synced, sync_tables(&lab->maps, lab->plan, &lab->synced));
	*planned = (double)(middle - start) / 1000;
	return (double)(clock_us() - start) / 1000;
}

static int number_order(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static json_t *run(size_t which)
{
	double total[ROUNDS], plan[ROUNDS];
	struct lab lab;
	__u64 now = 1000;

	if (lab_open(&lab, cases[which].pools, cases[which].backends)) {
		fprintf(stderr, "bench: cannot load the program: are you root?\n");
		exit(EXIT_FAILURE);
	}
	for (int round = 0; round < ROUNDS; round++) {
		double unused;

		total[round] = change(&lab, (size_t)round, FINDING_FAILED, now += 1000, &plan[round]);
		change(&lab, (size_t)round, FINDING_PASSED, now += 1000, &unused);
	}
	lab_close(&lab);
	qsort(total, ROUNDS, sizeof(*total), number_order);
	qsort(plan, ROUNDS, sizeof(*plan), number_order);
	printf("%-20s %10.2f %10.2f %10.2f %10.2f %10.0f\n", cases[which].name, plan[ROUNDS / 2],
	       total[ROUNDS / 2] - plan[ROUNDS / 2], total[ROUNDS / 2], total[ROUNDS - 1], cases[which].target);
	return json_pack("{ss sf sf sf}", "case", cases[which].name, "plan_ms", plan[ROUNDS / 2], "median_ms",
			 total[ROUNDS / 2], "worst_ms", total[ROUNDS - 1]);
}

int main(int argc, char **argv)
{
	json_t *rows = json_array();

	printf("verdict to slots, ms %9s %10s %10s %10s %10s\n", "plan", "write", "median", "worst", "target");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		json_array_append_new(rows, run(i));
	if (argc > 1 && json_dump_file(rows, argv[1], JSON_INDENT(2)))
		fprintf(stderr, "bench: %s: %s\n", argv[1], strerror(errno));
	json_decref(rows);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the agent does with a configuration, stage by stage, in one process over the kernel's own maps: from the file to
 * the last slot, and then a change of one backend's weight, of one in every pool, and a look at all for nothing, as
 * after a change of routes. Between changes every window passes. Beside them Maglev by itself.
 *
 * bench_agent.py, which measures the agent as a whole, runs this with its own file: bench_agent FILE [ROUNDS] [JSON].
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/results.h"
#include "in/config_file.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "model/plan.h"
#include "out/program.h"
#include "out/slot_store.h"
#include "out/sync.h"

#define ROUNDS_MAX   101
#define APART_MS     (CONFIG_DEFAULT_WINDOW_MS + 1000)
#define SECOND	     1000 /* ms */
#define GATEWAY	     htonl(0x0a010001)
#define MOST_MEMBERS 10000

/* stage, in words, target in ms or 0 */
#define STAGES(STAGE)                                                                                                  \
	STAGE(read, "the file is read", 0)                                                                             \
	STAGE(ids, "indices", 0)                                                                                       \
	STAGE(health, "health", 0)                                                                                     \
	STAGE(plan, "first plan: all tables", 0)                                                                       \
	STAGE(load, "program and maps", 0)                                                                             \
	STAGE(write, "first sync: all maps", 0)                                                                        \
	STAGE(nothing_plan, "plan after no change", 0)                                                                 \
	STAGE(nothing_write, "sync after no change", 0)                                                                \
	STAGE(one_plan, "plan after one change", 0)                                                                    \
	STAGE(one_write, "sync after one change", 0)                                                                   \
	STAGE(one, "one change, both", 5)                                                                              \
	STAGE(each_plan, "plan after one in each pool", 0)                                                             \
	STAGE(each_write, "sync after one in each pool", 0)

enum stage {
#define STAGE_ENUM(name, text, target) STAGE_##name,
	STAGES(STAGE_ENUM)
#undef STAGE_ENUM
		STAGE_COUNT
};

static const struct {
	const char *text;
	double target;
} stages[] = {
#define STAGE_ROW(name, words, ms) [STAGE_##name] = {.text = words, .target = ms},
	STAGES(STAGE_ROW)
#undef STAGE_ROW
};

static const struct {
	__u32 size;
	size_t members;
	double target; /* ms, 0: none */
} builds[] = {{65537, 10, 0},  {65537, 1000, 1.2}, {65537, 10000, 0},
	      {655373, 10, 0}, {655373, 1000, 15}, {655373, 10000, 0}};

#define BUILD_COUNT (sizeof(builds) / sizeof(*builds))

struct lab {
	struct state state;
	struct plan *plan;
	struct maps maps;
	struct program program;
	struct synced synced;
	__u64 now; /* ms */
};

static double stage_ms[STAGE_COUNT][ROUNDS_MAX], build_ms[BUILD_COUNT][ROUNDS_MAX];

static void fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(EXIT_FAILURE);
}

static double ms_since(__u64 us)
{
	return (double)(clock_us() - us) / 1000;
}

static void ignore(void *argument, const struct event_fact *fact)
{
	(void)argument;
	(void)fact;
}

/* All backends are behind one gateway that has answered. */
static void add_network(struct network *network, const struct config *config)
{
	const struct address gateway = {.family = AF_INET, .word = {GATEWAY}};
	const struct neighbour_key key = {.ifindex = 1, .address = gateway};

	network_link_set(
		network,
		&(struct link){.ifindex = 1, .name = "eth0", .mac = {2}, .ethernet = true, .up = true, .mtu = 1600});
	network_neighbour_remember(network, &key, (const __u8[6]){2, 1});
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			struct route *route = memory_new(1, sizeof(*route));

			*route = (struct route){.destination = config->pools[i].backends[j].address,
						.kind = ROUTE_UNICAST,
						.ifindex = 1,
						.gateway = gateway,
						.source = {.family = AF_INET, .word = {GATEWAY + htonl(1)}}};
			HASH_ADD(hh, network->routes, destination, sizeof(route->destination), route);
		}
}

static void make_plan(struct lab *lab, enum plan_scope scope)
{
	lab->plan->second = (__u32)(lab->now / SECOND);
	lab->plan->former = lab->maps.moves;
	plan_make(lab->plan, &lab->state, scope);
}

/* As dataplane_sync() does it. */
static void write_maps(struct lab *lab)
{
	bool moved = sync_tables(&lab->maps, lab->plan, &lab->synced, false);

	if (lab->synced.options != lab->plan->options_generation && sync_options_begin(&lab->maps, lab->plan))
		fail("the options' maps cannot be written");
	sync_moves_begin(&lab->maps, lab->plan);
	if (lab->synced.vips != lab->plan->vip_generation && sync_vips(&lab->maps, lab->plan, VIPS_ALL))
		fail("the VIPs cannot be written");
	sync_moves_end(&lab->maps, lab->plan);
	if (lab->synced.options != lab->plan->options_generation && sync_options_end(&lab->maps, lab->plan))
		fail("the options' maps cannot be written");
	lab->synced.vips = lab->plan->vip_generation;
	lab->synced.options = lab->plan->options_generation;
	sync_clear(&lab->maps, lab->plan, &lab->synced, moved);
}

static void load_program(struct lab *lab)
{
	struct settings settings = lab->plan->settings;

	for (settings.slot_capacity = 1 << 20; settings.slot_capacity < lab->plan->slots_used;)
		settings.slot_capacity *= 2;
	if (program_load(&lab->program, &lab->maps, &settings))
		fail("cannot load the program: are you root?");
	if (maps_mmap(&lab->maps))
		fail("cannot map the maps into memory");
}

/* From the file to the last slot. */
static void lab_open(struct lab *lab, const char *file, int round)
{
	__u64 begin = clock_us();
	char *errors;

	*lab = (struct lab){.plan = plan_new(), .now = SECOND};
	maps_init(&lab->maps);
	program_init(&lab->program);
	if (config_file_read(file, &lab->state.config, &errors))
		fail(errors);
	stage_ms[STAGE_read][round] = ms_since(begin);

	begin = clock_us();
	lab->state.ids = ids_new();
	if (ids_assign(lab->state.ids, lab->state.config))
		fail("no room for the tables");
	stage_ms[STAGE_ids][round] = ms_since(begin);

	begin = clock_us();
	lab->state.health = health_new(ignore, NULL, time);
	health_configure(lab->state.health, lab->state.config, false, lab->now);
	stage_ms[STAGE_health][round] = ms_since(begin);

	add_network(&lab->state.network, lab->state.config);
	begin = clock_us();
	make_plan(lab, PLAN_ALL);
	stage_ms[STAGE_plan][round] = ms_since(begin);

	begin = clock_us();
	load_program(lab);
	stage_ms[STAGE_load][round] = ms_since(begin);

	begin = clock_us();
	write_maps(lab);
	stage_ms[STAGE_write][round] = ms_since(begin);
}

static void lab_close(struct lab *lab)
{
	synced_free(&lab->synced);
	program_close(&lab->program);
	maps_close(&lab->maps);
	plan_free(lab->plan);
	health_free(lab->state.health);
	ids_free(lab->state.ids);
	network_free(&lab->state.network);
	config_free(lab->state.config);
}

/* As sweeps leave it when every window is over: all slots steady. */
static void settle(struct lab *lab)
{
	lab->now += APART_MS;
	for (size_t i = 0; i < lab->plan->table_count; i++) {
		const struct table *table = lab->plan->tables[i];

		for (__u32 slot = 0; slot < table->size; slot++)
			slot_store(&lab->maps, table->first + slot, (struct slot){.owner = table->owner[slot]});
	}
	make_plan(lab, PLAN_HEALTH);
	write_maps(lab);
	lab->now += APART_MS;
}

/* The first backend of pools [first, end) has another weight. */
static void weigh(struct lab *lab, size_t first, size_t end, __u32 weight)
{
	for (size_t i = first; i < end; i++)
		health_set_weight(lab->state.health, health_pool(lab->state.health, i)->backends[0], weight, 0, NULL,
				  lab->now);
}

static void change(struct lab *lab, enum plan_scope scope, double *plan, double *write)
{
	__u64 begin = clock_us();

	make_plan(lab, scope);
	*plan = ms_since(begin);
	begin = clock_us();
	write_maps(lab);
	*write = ms_since(begin);
}

static void run(const char *file, int round)
{
	struct lab lab;
	size_t pools;

	lab_open(&lab, file, round);
	pools = lab.state.config->pool_count;
	settle(&lab);
	change(&lab, PLAN_NETWORK, &stage_ms[STAGE_nothing_plan][round], &stage_ms[STAGE_nothing_write][round]);
	weigh(&lab, pools / 2, pools / 2 + 1, 50);
	change(&lab, PLAN_HEALTH, &stage_ms[STAGE_one_plan][round], &stage_ms[STAGE_one_write][round]);
	stage_ms[STAGE_one][round] = stage_ms[STAGE_one_plan][round] + stage_ms[STAGE_one_write][round];
	settle(&lab);
	weigh(&lab, 0, pools, 60);
	change(&lab, PLAN_HEALTH, &stage_ms[STAGE_each_plan][round], &stage_ms[STAGE_each_write][round]);
	lab_close(&lab);
}

static void build(int round)
{
	static const __u8 key[16] = "the bench's key";
	static struct maglev_backend members[MOST_MEMBERS];
	static char names[MOST_MEMBERS][16];

	for (size_t i = 0; i < MOST_MEMBERS; i++) {
		snprintf(names[i], sizeof(names[i]), "backend%05zu", i);
		members[i] = (struct maglev_backend){
			.name = names[i], .weight = CONFIG_DEFAULT_WEIGHT, .owner = (__u16)(i + 1)};
	}
	for (size_t i = 0; i < BUILD_COUNT; i++) {
		__u16 *table = memory_new(builds[i].size, sizeof(*table));
		__u64 begin;

		memset(table, 1, builds[i].size * sizeof(*table)); /* the agent builds into the table that it had */
		begin = clock_us();
		if (maglev_build(table, builds[i].size, members, builds[i].members, key))
			fail("no table was built");
		build_ms[i][round] = ms_since(begin);
		free(table);
	}
}

static int number_order(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static void add_row(json_t *rows, const char *what, double *ms, int rounds, double target)
{
	json_t *row;

	qsort(ms, (size_t)rounds, sizeof(*ms), number_order);
	row = json_pack("{ss sf sf sf}", "what", what, "ms", ms[rounds / 2], "low", ms[rounds / 4], "high",
			ms[rounds - 1 - rounds / 4]);
	printf("%-48s %9.2f %7.2f-%-7.2f", what, ms[rounds / 2], ms[rounds / 4], ms[rounds - 1 - rounds / 4]);
	if (target > 0) {
		json_object_set_new(row, "ms_at_most", json_real(target));
		printf(" %8g", target);
	}
	putchar('\n');
	json_array_append_new(rows, row);
}

int main(int argc, char **argv)
{
	json_t *rows = json_array();
	char what[64];
	int rounds;

	if (argc < 2)
		fail("name a configuration");
	rounds = results_rounds(argc - 1, argv + 1, 5, ROUNDS_MAX);
	for (int round = 0; round < rounds; round++) {
		run(argv[1], round);
		build(round);
	}
	printf("%-48s %9s %15s %8s\n", "stage by stage, in one process", "ms", "middle half", "target");
	for (int i = 0; i < STAGE_COUNT; i++)
		add_row(rows, stages[i].text, stage_ms[i], rounds, stages[i].target);
	for (size_t i = 0; i < BUILD_COUNT; i++) {
		snprintf(what, sizeof(what), "Maglev: %u slots, %zu backends", builds[i].size, builds[i].members);
		add_row(rows, what, build_ms[i], rounds, builds[i].target);
	}
	results_save(argc - 1, argv + 1, "ms of the agent's stages", rounds, NULL, rows);
	return 0;
}

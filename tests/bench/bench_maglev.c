/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ms of CPU time a Maglev table, built in full and after one backend's weight was halved, beside the paper's pseudo
 * code as it stands (section 3.4, with weights as credit), in one process and interleaved. With equal weights both must
 * give the same table. The paper's own figures, for 1,000 backends: 1.8 ms for 65,537 slots, 22.9 ms for 655,373.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/results.h"
#include "lib/memory.h"
#include "lib/siphash.h"
#include "model/maglev.h"

#define MOST_BACKENDS 10000
#define ROUNDS_MAX    99

static const __u8 key[16] = "the bench's key";

static const __u32 sizes[] = {65537, 655373};
static const size_t counts[] = {10, 1000, MOST_BACKENDS};

enum way { FULL, CHANGED, TEXTBOOK, WAYS };

struct scene {
	__u32 slots;
	size_t count;
	bool mixed;
	double target; /* ms of a full build; 0: none */
	struct maglev_backend *backends;
	__u16 *tables[WAYS];
	double ms[WAYS][ROUNDS_MAX];
};

#define SCENES (sizeof(sizes) / sizeof(*sizes) * (sizeof(counts) / sizeof(*counts)) * 2)

static char names[MOST_BACKENDS][16];

static struct scene scene_make(size_t which)
{
	struct scene scene = {.slots = sizes[which / 6], .count = counts[which / 2 % 3], .mixed = which % 2};

	if (scene.count == 1000 && !scene.mixed)
		scene.target = which / 6 ? 15 : 1.2;
	scene.backends = memory_new(scene.count, sizeof(*scene.backends));
	for (size_t i = 0; i < scene.count; i++)
		scene.backends[i] = (struct maglev_backend){.name = names[i],
							    .weight = scene.mixed ? 1 + (__u32)(i * 7919 % 100) : 100,
							    .owner = (__u16)(i + 1)};
	for (int way = 0; way < WAYS; way++)
		scene.tables[way] = memory_new(scene.slots, sizeof(*scene.tables[way]));
	return scene;
}

static void scene_free(struct scene *scene)
{
	free(scene->backends);
	for (int way = 0; way < WAYS; way++)
		free(scene->tables[way]);
}

struct permutation {
	__u64 offset, skip, next;
	__u32 credit;
};

/* All have their turns in order, whoever has credit enough; the backends are in order of name. */
static void textbook(__u16 *table, __u32 size, const struct maglev_backend *backends, size_t count)
{
	struct permutation *permutations = memory_new(count, sizeof(*permutations));
	__u32 heaviest = 0, filled = 0;

	memset(table, 0, size * sizeof(*table));
	for (size_t i = 0; i < count; i++) {
		__u64 hash = siphash(key, backends[i].name, strlen(backends[i].name));

		permutations[i].offset = hash % size;
		permutations[i].skip = hash / size % (size - 1) + 1;
		heaviest = backends[i].weight > heaviest ? backends[i].weight : heaviest;
	}
	while (filled < size)
		for (size_t i = 0; i < count && filled < size; i++) {
			struct permutation *one = &permutations[i];
			__u64 slot;

			one->credit += backends[i].weight;
			if (one->credit < heaviest)
				continue;
			one->credit -= heaviest;
			do
				slot = (one->offset + one->next++ * one->skip) % size;
			while (table[slot]);
			table[slot] = backends[i].owner;
			filled++;
		}
	free(permutations);
}

/* Of this thread, which does all the work: what others do on the machine is not in it. */
static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double build(struct scene *scene, enum way way)
{
	__u32 *weight = &scene->backends[scene->count / 2].weight, before = *weight;
	double start;

	if (way == CHANGED)
		*weight /= 2;
	start = cpu_ms();
	if (way == TEXTBOOK)
		textbook(scene->tables[way], scene->slots, scene->backends, scene->count);
	else
		maglev_build(scene->tables[way], scene->slots, scene->backends, scene->count, key);
	*weight = before;
	return cpu_ms() - start;
}

static void need_same(const struct scene *scene)
{
	if (scene->mixed || !memcmp(scene->tables[FULL], scene->tables[TEXTBOOK], scene->slots * sizeof(__u16)))
		return;
	fprintf(stderr, "bench: %u slots, %zu backends: not the paper's table\n", scene->slots, scene->count);
	exit(EXIT_FAILURE);
}

static int number_order(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* Percent of the slots that have another owner after the change. */
static double moved(const struct scene *scene)
{
	__u32 slots = 0;

	for (__u32 i = 0; i < scene->slots; i++)
		slots += scene->tables[FULL][i] != scene->tables[CHANGED][i];
	return 100.0 * slots / scene->slots;
}

/* Sorts the figures. */
static json_t *print_row(struct scene *scene, int rounds)
{
	double *full = scene->ms[FULL], faster[ROUNDS_MAX], middle[WAYS];
	int low = rounds / 4, high = rounds - 1 - rounds / 4;
	char target[16] = "";
	json_t *row;

	for (int i = 0; i < rounds; i++)
		faster[i] = scene->ms[TEXTBOOK][i] / full[i];
	qsort(faster, (size_t)rounds, sizeof(*faster), number_order);
	for (int way = 0; way < WAYS; way++) {
		qsort(scene->ms[way], (size_t)rounds, sizeof(*full), number_order);
		middle[way] = scene->ms[way][rounds / 2];
	}
	if (scene->target > 0)
		snprintf(target, sizeof(target), "%.1f", scene->target);
	printf("%-8u %8zu  %-6s %8.2f %7.2f-%-7.2f %8s %11.2f %7.1f%% %10.2f %7.1f\n", scene->slots, scene->count,
	       scene->mixed ? "mixed" : "equal", middle[FULL], full[low], full[high], target, middle[CHANGED],
	       moved(scene), middle[TEXTBOOK], faster[rounds / 2]);
	row = json_pack("{sI sI ss sf sf sf sf sf sf sf}", "slots", (json_int_t)scene->slots, "backends",
			(json_int_t)scene->count, "weights", scene->mixed ? "mixed" : "equal", "ms", middle[FULL],
			"low", full[low], "high", full[high], "one_weight_ms", middle[CHANGED], "moved_percent",
			moved(scene), "textbook_ms", middle[TEXTBOOK], "times_faster", faster[rounds / 2]);
	if (scene->target > 0)
		json_object_set_new(row, "ms_at_most", json_real(scene->target));
	return row;
}

int main(int argc, char **argv)
{
	int rounds = results_rounds(argc, argv, 11, ROUNDS_MAX);
	static struct scene scenes[SCENES];
	json_t *rows = json_array();

	for (size_t i = 0; i < MOST_BACKENDS; i++)
		snprintf(names[i], sizeof(names[i]), "backend%05zu", i);
	for (size_t i = 0; i < SCENES; i++)
		scenes[i] = scene_make(i);
	for (int round = -1; round < rounds; round++) /* the first one warms up */
		for (size_t i = 0; i < SCENES; i++)
			for (enum way way = 0; way < WAYS; way++)
				scenes[i].ms[way][round < 0 ? 0 : round] = build(&scenes[i], way);
	printf("%-8s %8s  %-6s %8s %15s %8s %11s %8s %10s %7s\n", "slots", "backends", "weight", "ms", "middle half",
	       "target", "one changed", "moved", "textbook", "faster");
	for (size_t i = 0; i < SCENES; i++) {
		need_same(&scenes[i]);
		json_array_append_new(rows, print_row(&scenes[i], rounds));
		scene_free(&scenes[i]);
	}
	results_save(argc, argv, "ms of CPU time to build a Maglev table", rounds, NULL, rows);
	return 0;
}

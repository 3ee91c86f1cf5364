/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What transitions cost a packet, in ns: with no slot in one, against the same object without the feature (`off`);
 * and with every slot in one, so that each packet asks the flow map. Measured as bench_packet does, all ways
 * interleaved; `extra` is a way's mean difference to `steady` of the same round.
 */
#include <time.h>
#include <unistd.h>

#include "bench/packet_drive.h"
#include "bench/results.h"

#define RECORDS (1 << 21) /* for 1 Mi flows: the kernel begins to replace before a map is full */
#define FULL	(1 << 16) /* where every flow is new */
#define TARGET	2	  /* ns: what a steady slot may cost more than without the feature */

enum way { BARE, OFF, STEADY, OPEN_DATA, OPEN_SYN, SETTLED_RECORD, SETTLED_NONE, OPEN_NEW, WAYS };

/* Which program: without the feature, or with it over a flow map that has a record of each flow, none, or other flows'
 */
enum which { WITHOUT, RECORDED, EMPTY, FLOODED, PROGRAMS };

static const struct {
	const char *name;
	enum which program;
	enum phase phase;
	bool syn;
} ways[WAYS] = {
	[BARE] = {"bare XDP_TX", WITHOUT, PHASE_STEADY, false},
	[OFF] = {"off", WITHOUT, PHASE_STEADY, false},
	[STEADY] = {"steady", RECORDED, PHASE_STEADY, false},
	[OPEN_DATA] = {"open, data", RECORDED, PHASE_OPEN, false},
	[OPEN_SYN] = {"open, SYN", RECORDED, PHASE_OPEN, true},
	[SETTLED_RECORD] = {"settled, record", RECORDED, PHASE_SETTLED, false},
	[SETTLED_NONE] = {"settled, none", EMPTY, PHASE_SETTLED, false},
	[OPEN_NEW] = {"open, new flows", FLOODED, PHASE_OPEN, true}, /* the map is full: each takes another's place */
};

static const struct {
	const char *name;
	__u32 flows;
} sizes[] = {{"1", 1}, {"16 Ki", 1 << 14}, {"1 Mi", 1 << 20}};

#define SIZES (sizeof(sizes) / sizeof(*sizes))

struct lab {
	struct floor_bpf *floor;
	struct maps maps;
	struct program programs[PROGRAMS];
	int flows[PROGRAMS]; /* the flow maps; maps.fd is the one of RECORDED */
	double ns[WAYS][SIZES][LAB_ROUNDS_MAX];
};

/* One more program over the same maps but the flow map, which is its own; `features` 0: over the same one. */
static int load_more(struct lab *lab, enum which which, __u32 features, __u32 records)
{
	struct settings settings = lab->programs[RECORDED].settings;
	struct maps maps = lab->maps;
	int err;

	settings.features = features;
	settings.flow_capacity = records;
	if (features)
		maps.fd[MAP_flows] = -1;
	program_init(&lab->programs[which]);
	err = program_load(&lab->programs[which], &maps, &settings);
	lab->flows[which] = features ? maps.fd[MAP_flows] : -1;
	return err;
}

static int lab_open(struct lab *lab)
{
	lab->floor = lab_floor(FEATURE_TRANSITION);
	if (!lab->floor)
		return -errno;
	return lab_load(&lab->programs[RECORDED], &lab->maps, FEATURE_TRANSITION, RECORDS) ?:
	       load_more(lab, WITHOUT, 0, RECORDS) ?:
	       load_more(lab, EMPTY, FEATURE_TRANSITION, RECORDS) ?:
	       load_more(lab, FLOODED, FEATURE_TRANSITION, FULL);
}

static void lab_close(struct lab *lab)
{
	for (int i = 0; i < PROGRAMS; i++)
		program_close(&lab->programs[i]);
	close(lab->flows[EMPTY]);
	close(lab->flows[FLOODED]);
	maps_close(&lab->maps);
	floor_bpf__destroy(lab->floor);
}

static void set_phase(const struct lab *lab, enum phase phase)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (__u32 i = 0; i < LAB_SLOTS; i++) {
		struct slot slot = {.owner = lab->maps.slots[i].owner, .phase = phase};

		if (phase != PHASE_STEADY)
			slot.previous = slot.owner % LAB_BACKENDS + 1;
		for (int byte = 0; byte < 3; byte++)
			slot.since[byte] = phase == PHASE_STEADY ? 0 : (__u8)((__u32)now.tv_sec >> 8 * byte);
		slot_store(&lab->maps, i, slot);
	}
}

static int program_of(const struct lab *lab, enum way way)
{
	return way == BARE ? bpf_program__fd(lab->floor->progs.bare_tx) : lab->programs[ways[way].program].fd;
}

static double measure(const struct lab *lab, enum way way, __u32 flows)
{
	const struct drive_packets packets = {.flows = way == OPEN_NEW ? 0 : flows, .syn = ways[way].syn};

	set_phase(lab, ways[way].phase);
	return drive_measure(lab->floor, program_of(lab, way), &packets);
}

/* In another order than packets come by: else each record would lie behind the one before it. */
static void make_records(const struct lab *lab)
{
	const struct drive_packets packets = {.flows = sizes[SIZES - 1].flows, .step = 1};

	set_phase(lab, PHASE_OPEN);
	drive_run(lab->floor, program_of(lab, OPEN_DATA), &packets, packets.flows);
}

static void run(struct lab *lab, int rounds)
{
	make_records(lab);
	for (int round = -1; round < rounds; round++) /* the first one warms up */
		for (size_t size = 0; size < SIZES; size++)
			for (enum way way = 0; way < WAYS; way++)
				if (way != OPEN_NEW || size == SIZES - 1)
					lab->ns[way][size][round < 0 ? 0 : round] =
						measure(lab, way, sizes[size].flows);
}

/* The mean difference of two ways, round by round. */
static double difference(const struct lab *lab, enum way way, enum way base, size_t size, int rounds)
{
	double values[LAB_ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		values[i] = lab->ns[way][size][i] - lab->ns[base][size][i];
	return lab_figure(values, rounds).mean;
}

static json_t *print_row(const struct lab *lab, enum way way, size_t size, int rounds)
{
	const char *flows = way == OPEN_NEW ? "all new" : sizes[size].name;
	struct figure ns = lab_figure(lab->ns[way][size], rounds);
	double net = difference(lab, way, BARE, size, rounds), extra = difference(lab, way, STEADY, size, rounds);
	double more = -difference(lab, OFF, STEADY, size, rounds);
	json_t *row = json_pack("{ss ss sf sf sf sf sf}", "flows", flows, "way", ways[way].name, "ns", ns.mean, "low",
				ns.low, "high", ns.high, "net_ns", net, "extra_ns", extra);

	printf("%-8s %-16s %9.1f %7.0f-%-7.0f %9.1f", flows, ways[way].name, ns.mean, ns.low, ns.high, net);
	if (way > STEADY)
		printf(" %+9.1f", extra);
	if (way == STEADY)
		printf(" %9s %+9.1f than off; target: %d at most", "", more, TARGET);
	putchar('\n');
	if (way == STEADY) {
		json_object_set_new(row, "more_than_off_ns", json_real(more));
		json_object_set_new(row, "more_than_off_ns_at_most", json_integer(TARGET));
	}
	return row;
}

int main(int argc, char **argv)
{
	static struct lab lab;
	int rounds = results_rounds(argc, argv, 11, LAB_ROUNDS_MAX);
	json_t *rows = json_array();

	lab_pin_cpu();
	if (lab_open(&lab)) {
		fprintf(stderr, "bench: cannot load the programs: are you root?\n");
		return EXIT_FAILURE;
	}
	run(&lab, rounds);
	printf("%-8s %-16s %9s %15s %9s %9s\n", "flows", "way", "ns", "middle half", "net ns", "extra");
	for (size_t size = 0; size < SIZES; size++)
		for (enum way way = 0; way < WAYS; way++)
			if (way != OPEN_NEW || size == SIZES - 1)
				json_array_append_new(rows, print_row(&lab, way, size, rounds));
	results_save(argc, argv, "ns a packet, ipip, IPv4 TCP, 118 bytes; all slots in the phase", rounds,
		     json_pack("{si}", "records", RECORDS), rows);
	lab_close(&lab);
	return 0;
}

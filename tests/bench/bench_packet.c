/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ns a packet of the loaded program, beside a bare XDP_TX, a constant header and a balancer with a connection table,
 * behind one driver program, in groups of cases (packet_cases.h). The cases of a group are interleaved, round by round,
 * in short runs: what else the host does meets all of them alike. A figure is the mean of the middle half of the
 * rounds; "net" has the bare XDP_TX's of the same round taken off; comparisons are medians of rounds.
 *
 * With BASE=FILE, sluice.bpf.o of an earlier build, that one is measured beside the present one.
 */
#include "bench/packet_cases.h"
#include "bench/packet_lru.h"
#include "bench/paths_former.h"
#include "bench/results.h"

#define ROUNDS 41

struct lab {
	__u32 kernel; /* FEATURE_* */
	struct floor_bpf *floor;
	const struct packet_group *group;
	size_t count; /* of its cases */
	struct world worlds[WORLDS];
	struct lru_bpf *lrus[CASES_MAX];
	const char *former; /* BASE, or NULL */
	struct bpf_object *former_object;
	int former_program;
	bool left_out[CASES_MAX];
	double ns[CASES_MAX][LAB_ROUNDS_MAX];
};

static void fail(const char *what, int err)
{
	fprintf(stderr, "bench: %s: %s%s\n", what, strerror(err < 0 ? -err : err),
		err == EPERM || err == -EPERM ? ": are you root?" : "");
	exit(EXIT_FAILURE);
}

/*
 * Lets the program's table learn the flows, one after the other. Most cases ask in another order, as packets come in
 * another one than connections: else each entry would lie behind the one before it.
 */
static void learn(const struct lab *lab, int program, __u32 flows)
{
	const struct drive_packets all = {.flows = flows, .step = 1};

	drive_run(lab->floor, program, &all, flows);
}

/* Cases of as many flows come one after the other, and share it. */
static void open_lru(struct lab *lab, size_t i)
{
	const struct packet_case *one = &lab->group->cases[i];

	if (i && one[-1].measured == LRU) {
		lab->lrus[i] = lab->lrus[i - 1];
		lab->left_out[i] = lab->left_out[i - 1];
		return;
	}
	lab->lrus[i] = lru_open(one->packets.flows, worlds[one->world].backends, lab->kernel);
	if (!lab->lrus[i] && errno != ENOMEM)
		fail("the LRU balancer", errno);
	lab->left_out[i] = !lab->lrus[i];
	if (lab->left_out[i])
		return;
	learn(lab, bpf_program__fd(lab->lrus[i]->progs.lru), one->packets.flows);
	lab->lrus[i]->bss->missed = 0; /* what is missed from now on is a fault of the comparison */
}

static void open_world(struct lab *lab, enum which which)
{
	int err = lab->worlds[which].opened ? 0 : world_open(&lab->worlds[which], which);

	if (err)
		fail("loading the program", err);
}

static void open_sluice(struct lab *lab, const struct packet_case *one)
{
	open_world(lab, one->world);
	if (worlds[one->world].open)
		learn(lab, lab->worlds[one->world].program.fd, one->packets.flows);
}

static void open_former(struct lab *lab)
{
	struct world *world = &lab->worlds[PLAIN];

	open_world(lab, PLAIN);
	if (lab->former_object)
		return;
	lab->former_program = former_load(&lab->former_object, lab->former, &world->maps, &world->settings);
	if (lab->former_program < 0)
		fail(lab->former, lab->former_program);
}

static void open_case(struct lab *lab, size_t i)
{
	const struct packet_case *one = &lab->group->cases[i];

	lab->left_out[i] = one->measured == BASE && !lab->former;
	if (one->measured == LRU)
		open_lru(lab, i);
	else if (one->measured == SLUICE)
		open_sluice(lab, one);
	else if (one->measured == BASE && lab->former)
		open_former(lab);
}

static void open_group(struct lab *lab, const struct packet_group *group)
{
	lab->group = group;
	lab->count = 0;
	while (lab->count < CASES_MAX && group->cases[lab->count].name)
		open_case(lab, lab->count++);
}

static void close_group(struct lab *lab)
{
	bpf_object__close(lab->former_object);
	lab->former_object = NULL;
	for (int i = 0; i < WORLDS; i++)
		world_close(&lab->worlds[i]);
	for (size_t i = 0; i < lab->count; i++)
		if (!i || lab->lrus[i] != lab->lrus[i - 1])
			lru_bpf__destroy(lab->lrus[i]);
	memset(lab->lrus, 0, sizeof(lab->lrus));
}

/* Each like the constant one. */
static void fill_headers(const struct lab *lab)
{
	const struct header header = {
		{0x0002010000000200, 0x0045000801000000, 0x0040000000007c00, 0x000a01000a9e1140, 0x0200}};
	struct header_slot slot = {0};
	int err = 0;

	for (__u32 i = 0; i < HEADERS_MAX && !err; i++)
		err = bpf_map_update_elem(bpf_map__fd(lab->floor->maps.headers), &i, &header, BPF_ANY);
	for (__u32 i = 0; i < HEADERS_SLOTS && !err; i++) {
		slot.number = i * 0x9e3779b1U;
		err = bpf_map_update_elem(bpf_map__fd(lab->floor->maps.header_slots), &i, &slot, BPF_ANY);
	}
	if (err)
		fail("filling the floor's maps", err);
}

static int program_of(const struct lab *lab, size_t i)
{
	const struct packet_case *one = &lab->group->cases[i];

	switch (one->measured) {
	case CONSTANT:
		return bpf_program__fd(lab->floor->progs.constant_header);
	case READ:
	case FIND:
		lab->floor->bss->header_count = worlds[one->world].backends;
		return bpf_program__fd(one->measured == READ ? lab->floor->progs.read_header
							     : lab->floor->progs.find_header);
	case LRU:
		return bpf_program__fd(lab->lrus[i]->progs.lru);
	case SLUICE:
		return lab->worlds[one->world].program.fd;
	case BASE:
		return lab->former_program;
	case BARE:
		break;
	}
	return bpf_program__fd(lab->floor->progs.bare_tx);
}

/* All packets have to end as they should. */
static double measure(const struct lab *lab, size_t i)
{
	const struct packet_case *one = &lab->group->cases[i];
	const struct world *world = &lab->worlds[one->world];
	const enum reason reason = one->packets.action == XDP_PASS ? REASON_no_service : REASON_forwarded;
	__u64 before = one->measured == SLUICE ? world_counted(world, reason) : 0;
	double ns = drive_measure(lab->floor, program_of(lab, i), &one->packets);

	if (one->measured == SLUICE && world_counted(world, reason) - before != DRIVE_PACKETS) {
		fprintf(stderr, "bench: %s: not all packets ended with reason %s\n", one->name,
			reason == REASON_forwarded ? "forwarded" : "no_service");
		exit(EXIT_FAILURE);
	}
	return ns;
}

/* There and back, so that no case always has the same one before it. */
static void run(struct lab *lab, int rounds)
{
	for (int round = -1; round < rounds; round++) /* the first one warms up */
		for (size_t n = 0; n < lab->count; n++) {
			size_t i = round & 1 ? lab->count - 1 - n : n;

			if (!lab->left_out[i])
				lab->ns[i][round < 0 ? 0 : round] = measure(lab, i);
		}
}

/* Of a round, in ns. */
static double net(const struct lab *lab, size_t i, int round)
{
	size_t bare = i;

	while (lab->group->cases[bare].measured != BARE)
		bare--;
	return lab->ns[i][round] - lab->ns[bare][round];
}

static double compare_round(const struct lab *lab, size_t i, const struct comparison *comparison, int round)
{
	const size_t with = i - (size_t)comparison->above;
	const double mine = net(lab, i, round), other = net(lab, with, round);

	switch (comparison->how) {
	case TIMES:
		return mine / other;
	case FASTER:
		return other / mine;
	case BEYOND:
		return mine - other -
		       (net(lab, i - (size_t)comparison->floor, round) -
			net(lab, with - (size_t)comparison->floor, round));
	default:
		return mine - other;
	}
}

static json_t *print_comparison(const struct lab *lab, size_t i, const struct comparison *comparison, int rounds)
{
	static const struct {
		const char *name, *words;
	} how[] = {
		[TIMES] = {"times", "%.2f times %s"},
		[FASTER] = {"faster", "%.2f times faster than %s"},
		[MORE] = {"more", "%+.1f ns over %s"},
		[BEYOND] = {"beyond", "%+.1f beyond that of %s"},
	};
	const int above = comparison->how == BEYOND ? comparison->floor : comparison->above;
	const char *with = lab->group->cases[i - (size_t)above].name;
	double values[LAB_ROUNDS_MAX], value;

	for (int round = 0; round < rounds; round++)
		values[round] = compare_round(lab, i, comparison, round);
	value = lab_figure(values, rounds).median;
	printf(how[comparison->how].words, value, with);
	if (comparison->target)
		printf(" (wanted: at %s %g)", comparison->how == FASTER ? "least" : "most", comparison->target);
	return json_pack("{ss ss sf sf}", "how", how[comparison->how].name, "with", with, "value", value, "target",
			 comparison->target);
}

static json_t *print_case(const struct lab *lab, size_t i, int rounds)
{
	const struct packet_case *one = &lab->group->cases[i];
	const struct figure ns = lab_figure(lab->ns[i], rounds);
	json_t *comparisons = json_array();
	double nets[LAB_ROUNDS_MAX];
	struct figure net_ns;

	for (int round = 0; round < rounds; round++)
		nets[round] = net(lab, i, round);
	net_ns = lab_figure(nets, rounds);
	printf("%8u  %-30s %8.1f %7.1f-%-7.1f %8.1f  ", one->packets.flows, one->name, ns.mean, ns.low, ns.high,
	       net_ns.mean);
	for (int n = 0; n < COMPARISONS && one->comparisons[n].how; n++) {
		if (lab->left_out[i - (size_t)one->comparisons[n].above])
			continue;
		printf("%s", json_array_size(comparisons) ? ", " : "");
		json_array_append_new(comparisons, print_comparison(lab, i, &one->comparisons[n], rounds));
	}
	putchar('\n');
	return json_pack("{ss ss sI sf sf sf sf so}", "group", lab->group->name, "program", one->name, "flows",
			 (json_int_t)one->packets.flows, "ns", ns.mean, "low", ns.low, "high", ns.high, "net_ns",
			 net_ns.mean, "comparisons", comparisons);
}

static void print_group(const struct lab *lab, int rounds, json_t *rows)
{
	printf("\n%s\n%8s  %-30s %8s %15s %8s\n", lab->group->title, "flows", "case", "ns", "middle half", "net ns");
	for (size_t i = 0; i < lab->count; i++) {
		const struct packet_case *one = &lab->group->cases[i];

		if (!lab->left_out[i])
			json_array_append_new(rows, print_case(lab, i, rounds));
		else if (one->measured == LRU)
			printf("%8u  %-30s left out: its table needs %llu MiB, %llu are to be had\n",
			       one->packets.flows, one->name, lru_memory(one->packets.flows) >> 20,
			       memory_available() >> 20);
		if (lab->lrus[i] && lab->lrus[i]->bss->missed)
			printf("%8s  %-30s %llu packets found no entry\n", "", "", lab->lrus[i]->bss->missed);
	}
}

static bool is_group(const char *name)
{
	for (size_t i = 0; i < GROUPS; i++)
		if (!strcmp(groups[i].name, name))
			return true;
	return false;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: [BASE=FILE] bench_packet [ROUNDS (1 to %d) [JSON FILE [GROUP]]]\ngroups:", LAB_ROUNDS_MAX);
	for (size_t i = 0; i < GROUPS; i++)
		fprintf(stderr, " %s", groups[i].name);
	fputc('\n', stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static struct lab lab;
	const int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	const char *group = argc > 3 ? argv[3] : NULL;
	json_t *rows = json_array();

	if (rounds < 1 || rounds > LAB_ROUNDS_MAX || argc > 4 || (group && !is_group(group)))
		return usage();
	lab.former = getenv("BASE");
	if (lab.former && !*lab.former)
		lab.former = NULL;
	lab.kernel = program_features();
	lab_pin_cpu();
	lab.floor = lab_floor(lab.kernel);
	if (!lab.floor)
		fail("loading the programs", errno);
	fill_headers(&lab);
	for (size_t i = 0; i < GROUPS; i++) {
		if (group && strcmp(groups[i].name, group) != 0)
			continue;
		open_group(&lab, &groups[i]);
		run(&lab, rounds);
		print_group(&lab, rounds, rows);
		close_group(&lab);
	}
	results_save(argc > 2 && *argv[2] ? argc : 1, argv, "ns a packet of 64 bytes of data behind TCP or UDP", rounds,
		     json_object(), rows);
	floor_bpf__destroy(lab.floor);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ns a packet of the loaded program, over 1, 16 Ki and 1 Mi flows, beside a bare
 * XDP_TX and a constant-header encapsulation behind the same driver program, in
 * one process and interleaved: round by round, every program after the other.
 * The kernel reports a run's mean in whole nanoseconds, so a figure is the mean
 * of the middle half of the rounds; "net" has the bare XDP_TX's taken off.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <jansson.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "floor.skel.h"
#include "lib/memory.h"
#include "model/flow_key.h"
#include "model/header.h"
#include "model/maglev.h"
#include "out/program.h"
#include "out/sync.h"

#define BACKENDS   100
#define REPEAT	   (1 << 20) /* packets a run: every flow at least once */
#define ROUNDS_MAX 999
#define VIP	   "192.0.2.10"

struct subject {
	const char *name;
	int program;
	double ns[3][ROUNDS_MAX]; /* by flow count, by round */
};

static const struct {
	const char *name;
	__u32 flows;
	double target; /* times the constant-header encapsulation, net */
} sizes[] = {{"1", 1, 5.5}, {"16 Ki", 1 << 14, 6}, {"1 Mi", 1 << 20, 9}};

/* One IPIP pool of BACKENDS equal backends behind one gateway, and one TCP service. */
static void fill_plan(struct plan *plan, struct table *table)
{
	static const __u8 key[16] = "bench";
	struct maglev_backend members[BACKENDS] = {0};
	char names[BACKENDS][16];
	struct next_hop hop = {.resolved = true,
			       .ifindex = 1,
			       .mtu = 1500,
			       .on_link = true,
			       .mac = {2, 0, 0, 0, 0, 1},
			       .source_mac = {2, 0, 0, 0, 0, 2}};

	address_parse("10.200.0.1", &hop.source);
	for (__u16 i = 0; i < BACKENDS; i++) {
		struct address address = {.family = AF_INET, .word = {htonl(0x0ac80100U + i)}};

		snprintf(names[i], sizeof(names[i]), "backend%u", i);
		members[i] = (struct maglev_backend){.name = names[i], .weight = 100, .owner = i + 1};
		header_build(&plan->backends[i + 1], FORWARD_IPIP, 0, &address, &hop);
	}
	flow_key_expand(&plan->settings.key, key);
	strcpy(table->pool, "bench");
	table->size = CONFIG_DEFAULT_TABLE_SIZE;
	table->generation = 1;
	table->owner = memory_new(table->size, sizeof(*table->owner));
	maglev_build(table->owner, table->size, members, BACKENDS, key);
	plan->backends_generation = 1;
	plan->tables = memory_new(1, sizeof(struct table *));
	plan->tables[0] = table;
	plan->table_count = 1;
	plan->vips = memory_new(1, sizeof(*plan->vips));
	plan->vip_count = 1;
	plan->vips[0].port = 80;
	plan->vips[0].protocol = IPPROTO_TCP;
	plan->vips[0].service = (struct service){.slot_count = table->size};
	prefix_parse(VIP, &plan->vips[0].address);
}

static int load_sluice(struct program *program, struct maps *maps)
{
	struct plan *plan = plan_new();
	struct table table = {0};
	struct synced synced = {0};
	int err;

	fill_plan(plan, &table);
	plan->settings.slot_capacity = 1 << 20;
	maps_init(maps);
	err = program_load(program, maps, &plan->settings);
	maps->slot_capacity = plan->settings.slot_capacity;
	err = err ?: maps_mmap(maps);
	if (!err) {
		sync_tables(maps, plan, &synced);
		err = sync_vips(maps, plan, VIPS_ALL);
	}
	synced_free(&synced);
	plan_free(plan);
	free(table.owner);
	return err;
}

static void make_frame(unsigned char frame[static 118])
{
	struct ethhdr *eth = (void *)frame;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	memset(frame, 0, 118);
	eth->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_TCP;
	ip->tot_len = htons(104);
	inet_pton(AF_INET, VIP, &ip->daddr);
	tcp->dest = htons(80);
	tcp->doff = 5;
	tcp->ack = 1;
}

/* One run: the mean over REPEAT packets, in ns. */
static double measure(struct floor_bpf *bench, int program, __u32 flows)
{
	static unsigned char out[512];
	unsigned char frame[118];
	__u32 zero = 0;
	int err;

	make_frame(frame);
	bench->bss->flows_mask = flows - 1;
	bench->bss->next_flow = 0;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame), .data_out = out,
		    .data_size_out = sizeof(out), .repeat = REPEAT);
	err = bpf_map_update_elem(bpf_map__fd(bench->maps.measured), &zero, &program, BPF_ANY);
	err = err ?: bpf_prog_test_run_opts(bpf_program__fd(bench->progs.driver), &options);
	if (err || options.retval != XDP_TX) {
		fprintf(stderr, "bench: test run: %s, XDP action %u\n", strerror(-err), options.retval);
		exit(EXIT_FAILURE);
	}
	return options.duration;
}

static int number_order(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

struct figure {
	double mean;	  /* of the middle half */
	double low, high; /* its ends */
};

static struct figure figure_of(const double *values, int count)
{
	double sorted[ROUNDS_MAX], sum = 0;
	int from = count / 4, to = count - count / 4;

	memcpy(sorted, values, (size_t)count * sizeof(*values));
	qsort(sorted, (size_t)count, sizeof(*sorted), number_order);
	for (int i = from; i < to; i++)
		sum += sorted[i];
	return (struct figure){.mean = sum / (to - from), .low = sorted[from], .high = sorted[to - 1]};
}

static json_t *print_results(struct subject subjects[3], int rounds)
{
	json_t *rows = json_array();

	printf("%-8s %-16s %9s %15s %9s %8s %8s\n", "flows", "program", "ns", "middle half", "net ns", "ratio",
	       "target");
	for (int size = 0; size < 3; size++) {
		double floor = figure_of(subjects[0].ns[size], rounds).mean;
		double base = figure_of(subjects[1].ns[size], rounds).mean - floor;

		for (int i = 0; i < 3; i++) {
			struct figure ns = figure_of(subjects[i].ns[size], rounds);
			double net = ns.mean - floor;

			printf("%-8s %-16s %9.1f %7.0f-%-7.0f %9.1f", sizes[size].name, subjects[i].name, ns.mean,
			       ns.low, ns.high, net);
			if (i)
				printf(" %8.2f", net / base);
			if (i == 2)
				printf(" %8.1f", sizes[size].target);
			putchar('\n');
			json_array_append_new(
				rows, json_pack("{sI ss sf sf sf}", "flows", (json_int_t)sizes[size].flows, "program",
						subjects[i].name, "ns", ns.mean, "net_ns", net, "ratio", net / base));
		}
	}
	return rows;
}

static void save_json(const char *path, json_t *rows, int rounds)
{
	struct utsname system;
	json_t *all;

	uname(&system);
	all = json_pack("{ss ss si si so}", "measure", "ns a packet, ipip, IPv4 TCP, 118 bytes", "kernel",
			system.release, "backends", BACKENDS, "rounds", rounds, "rows", rows);
	if (json_dump_file(all, path, JSON_INDENT(2)))
		fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
	json_decref(all);
}

/* One CPU for all runs: the last, which has least of the system's own work. */
static void pin_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)libbpf_num_possible_cpus() - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fprintf(stderr, "bench: not pinned to a CPU: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct subject subjects[3] = {{.name = "bare XDP_TX"}, {.name = "constant header"}, {.name = "sluice"}};
	int rounds = argc > 1 ? atoi(argv[1]) : 41;
	struct floor_bpf *bench = floor_bpf__open_and_load();
	struct program program;
	struct maps maps;

	if (rounds < 1 || rounds > ROUNDS_MAX || argc > 3) {
		fprintf(stderr, "usage: bench_packet [ROUNDS (1 to %d)] [JSON FILE]\n", ROUNDS_MAX);
		return 2;
	}
	pin_cpu();
	program_init(&program);
	if (!bench || load_sluice(&program, &maps)) {
		fprintf(stderr, "bench: cannot load the programs: %s: are you root?\n", strerror(errno));
		return EXIT_FAILURE;
	}
	subjects[0].program = bpf_program__fd(bench->progs.bare_tx);
	subjects[1].program = bpf_program__fd(bench->progs.constant_header);
	subjects[2].program = program.fd;
	for (int round = -1; round < rounds; round++) /* the first one warms up */
		for (int size = 0; size < 3; size++)
			for (int i = 0; i < 3; i++)
				subjects[i].ns[size][round < 0 ? 0 : round] =
					measure(bench, subjects[i].program, sizes[size].flows);
	json_t *rows = print_results(subjects, rounds);

	if (argc > 2)
		save_json(argv[2], rows, rounds);
	else
		json_decref(rows);
	program_close(&program);
	maps_close(&maps);
	floor_bpf__destroy(bench);
	return 0;
}

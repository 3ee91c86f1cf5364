/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Packets a second of the loaded program over veth, on one core and on two, with XDP_TX and with a redirect to another
 * interface, beside programs that do only that (bare) or put a constant header before the packet.
 *
 * Live frames (BPF_F_TEST_XDP_LIVE_FRAMES) are made on one end of a veth and sent to the other one, whose native XDP
 * program is measured. What comes back, or leaves by the other interface, a program at the far end counts and drops;
 * a rate is of frames that arrived there. They are lost "in" before the measured program or "out" behind it.
 *
 * Whose time is it? A veth's NAPI runs in the softirq of the CPU that sends. So one core does everything: it makes the
 * frame, passes it through a veth twice, runs the measured program and the receiver. A rate holds all of that, and
 * "added" is what a frame costs more than with the bare program. "alone" says what the rest takes without a measured
 * program and without the way back: its frames are dropped where they arrive.
 *
 * Of two cores each makes and receives frames of its own, of flows and on queues of its own, as a NIC with RSS would
 * have it. What they share is the measured program's maps, and that alone may take two cores below twice the rate of
 * one: where it was looked into, on a virtual machine, a read from half a MiB (one table) took 13 ns instead of 9 when
 * two cores read there, though neither wrote; and with maps of its own for each core the loss was gone.
 *
 * Generators have a real-time priority, so that other processes take no time from them. Runs are short and
 * interleaved, round by round and to and fro; a share compares two runs of the same round.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/packet_lab.h"
#include "bench/rate_check.h"
#include "bench/rate_cpus.h"
#include "bench/rate_links.h"
#include "bench/results.h"

#include "rate.skel.h"

#define ROUNDS	    21
#define RUN_SECONDS 0.1
#define RUN_REPEAT  (1 << 15) /* frames a call: some ms, so that two cores stop together */
#define TARGET	    85.0      /* percent of the bare program's rate */

enum way { ALONE, TX, REDIRECT };

static const char *const way_names[] = {"alone", "XDP_TX", "redirect"};

enum measured { BARE, CONSTANT, SLUICE };

static const char *const measured_names[] = {"bare", "constant header", "sluice"};

struct run {
	double rate; /* received, in millions a second */
	double sent, entered, received;
};

struct row {
	int cores;
	enum way way;
	enum measured measured;
	const struct row *bare; /* NULL: none to compare with */
	struct run runs[LAB_ROUNDS_MAX];
};

#define ROWS (RATE_CORES * 7)

struct bench {
	struct rate_cpus cpus;
	struct rate_links links;
	struct rate_bpf *rate;
	struct program sluice;
	struct maps maps;
	double forwarded; /* frames that should have been */
};

struct generator {
	const struct bench *bench;
	pthread_t thread;
	pthread_barrier_t *start;
	int cpu;
	double seconds;
};

static void give_up(const char *what, int error)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void send_frames(const struct bench *bench, int count)
{
	struct lab_frame frame = lab_frame(false);
	struct xdp_md ctx = {.data_end = sizeof(frame), .ingress_ifindex = (__u32)bench->links.gen.ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = sizeof(frame), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = count, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	if (bpf_prog_test_run_opts(bpf_program__fd(bench->rate->progs.generate), &options))
		give_up("sending live frames, which Linux 5.18 and later have", errno);
}

static void *generator_run(void *argument)
{
	const struct sched_param priority = {.sched_priority = 1};
	struct generator *generator = argument;
	double begin;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)generator->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		give_up("pinning a generator to its CPU", errno);
	pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority); /* else the figures are noisier */
	pthread_barrier_wait(generator->start);
	begin = now();
	do {
		send_frames(generator->bench, RUN_REPEAT);
		generator->seconds = now() - begin;
	} while (generator->seconds < RUN_SECONDS);
	return NULL;
}

static __u64 read_counts(const struct bench *bench, struct rate_counts counts[])
{
	__u64 received = 0;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(bench->rate->maps.counts), &zero, counts))
		give_up("reading the frames' counts", errno);
	for (__u32 cpu = 0; cpu < bench->maps.cpus; cpu++)
		received += counts[cpu].received;
	return received;
}

/* Frames may still be on their way, if ksoftirqd has to bring them. */
static void read_settled_counts(const struct bench *bench, struct rate_counts counts[])
{
	__u64 former, received = read_counts(bench, counts);

	do {
		former = received;
		usleep(1000);
		received = read_counts(bench, counts);
	} while (received != former);
}

static __u32 entered(const struct bench *bench)
{
	struct rate_link in;

	return rate_link_read(&in, bench->links.in.name) ? in.received : 0;
}

/* Whether frames go back or on, the backends' headers say. */
static void aim_sluice(const struct bench *bench, const struct rate_link *exit, const struct rate_link *gateway)
{
	for (int i = 1; i <= LAB_BACKENDS; i++) {
		struct backend *backend = &bench->maps.backends[i];

		backend->ifindex = (__u32)exit->ifindex;
		memcpy(backend->header, gateway->mac, ETH_ALEN);
		memcpy(backend->header + ETH_ALEN, exit->mac, ETH_ALEN);
	}
}

static int measured_program(const struct bench *bench, enum way way, enum measured measured)
{
	const struct rate_bpf *rate = bench->rate;
	bool on = way == REDIRECT;

	if (way == ALONE)
		return bpf_program__fd(rate->progs.receive);
	switch (measured) {
	case BARE:
		return bpf_program__fd(on ? rate->progs.bare_redirect : rate->progs.bare_tx);
	case CONSTANT:
		return bpf_program__fd(on ? rate->progs.constant_redirect : rate->progs.constant_tx);
	case SLUICE:
		break;
	}
	aim_sluice(bench, on ? &bench->links.out : &bench->links.in, on ? &bench->links.far : &bench->links.gen);
	return bench->sluice.fd;
}

static void place_programs(const struct bench *bench, enum way way, enum measured measured,
			   const struct bpf_program *receiver)
{
	rate_attach(&bench->links.gen, bpf_program__fd(receiver));
	rate_attach(&bench->links.far, bpf_program__fd(receiver));
	rate_attach(&bench->links.in, measured_program(bench, way, measured));
}

static void run_generators(const struct bench *bench, struct generator generators[], int count)
{
	pthread_barrier_t start;

	pthread_barrier_init(&start, NULL, (unsigned int)count);
	for (int i = 0; i < count; i++) {
		int err;

		generators[i] = (struct generator){.bench = bench, .start = &start, .cpu = bench->cpus.cpu[i]};
		err = pthread_create(&generators[i].thread, NULL, generator_run, &generators[i]);
		if (err)
			give_up("starting a generator", err);
	}
	for (int i = 0; i < count; i++)
		pthread_join(generators[i].thread, NULL);
	pthread_barrier_destroy(&start);
}

static struct run run_row(struct bench *bench, const struct row *row)
{
	struct rate_counts before[bench->maps.cpus], after[bench->maps.cpus];
	struct generator generators[RATE_CORES];
	struct run run = {0};
	__u32 entered_before;

	place_programs(bench, row->way, row->measured, bench->rate->progs.receive);
	entered_before = entered(bench);
	read_counts(bench, before);
	run_generators(bench, generators, row->cores);
	read_settled_counts(bench, after);
	run.entered = (__u32)(entered(bench) - entered_before); /* modulo 2^32 */
	for (int i = 0; i < row->cores; i++) {
		int cpu = generators[i].cpu;
		double received = (double)(after[cpu].received - before[cpu].received);

		run.sent += (double)(after[cpu].sent - before[cpu].sent);
		run.received += received;
		run.rate += received / generators[i].seconds / 1e6;
	}
	if (row->way != ALONE && row->measured == SLUICE)
		bench->forwarded += run.entered;
	return run;
}

/* Of both ways one frame, byte by byte. */
static int check_frames(struct bench *bench)
{
	struct rate_caught *caught = &bench->rate->bss->caught;

	for (enum way way = TX; way <= REDIRECT; way++) {
		const char *wrong;

		caught->length = 0;
		place_programs(bench, way, SLUICE, bench->rate->progs.catch_frame);
		send_frames(bench, 1);
		for (int i = 0; i < 1000 && !*(volatile __u64 *)&caught->length; i++)
			usleep(1000);
		bench->forwarded++;
		wrong = rate_check_frame(caught, &bench->maps, &bench->sluice.settings.key);
		if (!wrong)
			continue;
		fprintf(stderr, "bench: sluice, %s: the frame that came back is not as wanted: %s\n", way_names[way],
			wrong);
		return -1;
	}
	return 0;
}

struct quartiles {
	double low, median, high;
};

static struct quartiles quartiles(const double *values, int count)
{
	double sorted[LAB_ROUNDS_MAX];

	memcpy(sorted, values, (size_t)count * sizeof(*values));
	qsort(sorted, (size_t)count, sizeof(*sorted), lab_number_order);
	return (struct quartiles){sorted[count / 4], sorted[count / 2], sorted[count - 1 - count / 4]};
}

struct result {
	struct quartiles rate, share; /* Mpps, percent of the bare program's */
	double ns, added;	      /* of one core, a frame; added to the bare program's */
	double lost_in, lost_out;     /* percent of what was sent */
};

static struct result row_result(const struct row *row, int rounds)
{
	double rates[LAB_ROUNDS_MAX], shares[LAB_ROUNDS_MAX], added[LAB_ROUNDS_MAX];
	double sent = 0, entered = 0, received = 0;
	struct result result;

	for (int i = 0; i < rounds; i++) {
		const struct run *run = &row->runs[i], *bare = row->bare ? &row->bare->runs[i] : run;

		rates[i] = run->rate;
		shares[i] = run->rate / bare->rate * 100;
		added[i] = row->cores * (1e3 / run->rate - 1e3 / bare->rate);
		sent += run->sent;
		entered += run->entered;
		received += run->received;
	}
	result.rate = quartiles(rates, rounds);
	result.share = quartiles(shares, rounds);
	result.ns = row->cores * 1e3 / result.rate.median;
	result.added = quartiles(added, rounds).median;
	result.lost_in = (sent - entered) / sent * 100;
	result.lost_out = (entered - received) / sent * 100;
	return result;
}

static json_t *row_json(const struct row *row, const struct result *result)
{
	json_t *json = json_pack("{si ss ss sf sf sf sf sf sf}", "cores", row->cores, "way", way_names[row->way],
				 "program", row->way == ALONE ? "none" : measured_names[row->measured], "mpps",
				 result->rate.median, "low", result->rate.low, "high", result->rate.high, "ns",
				 result->ns, "lost_in_percent", result->lost_in, "lost_out_percent", result->lost_out);

	if (!row->bare)
		return json;
	json_object_set_new(json, "share_percent", json_real(result->share.median));
	json_object_set_new(json, "share_low", json_real(result->share.low));
	json_object_set_new(json, "share_high", json_real(result->share.high));
	json_object_set_new(json, "added_ns", json_real(result->added));
	if (row->measured == SLUICE)
		json_object_set_new(json, "share_percent_at_least", json_real(TARGET));
	return json;
}

static json_t *print_rows(const struct row rows[], int count, int rounds)
{
	json_t *all = json_array();

	printf("%-5s %-8s %-15s %6s %13s %6s %8s %13s %7s %6s %8s %8s\n", "cores", "way", "program", "Mpps",
	       "middle half", "ns", "% bare", "middle half", "target", "added", "% lost in", "out");
	for (const struct row *row = rows; row < rows + count; row++) {
		const struct result result = row_result(row, rounds);

		printf("%-5d %-8s %-15s %6.2f %6.2f-%-6.2f %6.1f", row->cores, way_names[row->way],
		       row->way == ALONE ? "" : measured_names[row->measured], result.rate.median, result.rate.low,
		       result.rate.high, result.ns);
		if (row->bare)
			printf(" %8.1f %6.1f-%-6.1f", result.share.median, result.share.low, result.share.high);
		else
			printf(" %22s", "");
		if (row->bare && row->measured == SLUICE)
			printf(" %7.0f", TARGET);
		else
			printf(" %7s", "");
		if (row->bare)
			printf(" %6.1f", result.added);
		else
			printf(" %6s", "");
		printf(" %9.3f %8.3f\n", result.lost_in, result.lost_out);
		json_array_append_new(all, row_json(row, &result));
	}
	return all;
}

static int fill_rows(struct row rows[], const struct rate_cpus *cpus)
{
	int count = 0;

	for (int cores = 1; cores <= RATE_CORES && cpus->cpu[cores - 1] >= 0; cores++) {
		rows[count++] = (struct row){.cores = cores, .way = ALONE};
		for (enum way way = TX; way <= REDIRECT; way++) {
			const struct row *bare = &rows[count];

			for (enum measured measured = BARE; measured <= SLUICE; measured++)
				rows[count++] = (struct row){.cores = cores,
							     .way = way,
							     .measured = measured,
							     .bare = measured == BARE ? NULL : bare};
		}
	}
	return count;
}

static void bench_open(struct bench *bench)
{
	const __u32 features = FEATURE_TRANSITION | program_features(); /* as the agent loads it */

	bench->cpus = rate_cpus_pick();
	if (!rate_links_make(&bench->links, bench->cpus.all))
		give_up("making veths in a network namespace of its own: are you root?", errno ?: EIO);
	bench->rate = rate_bpf__open_and_load();
	if (!bench->rate || lab_load(&bench->sluice, &bench->maps, features, 1024))
		give_up("loading the programs", errno);
	memcpy(bench->rate->bss->begin.h_dest, bench->links.in.mac, ETH_ALEN);
	memcpy(bench->rate->bss->begin.h_source, bench->links.gen.mac, ETH_ALEN);
	bench->rate->bss->begin.h_proto = htons(ETH_P_IP);
	bench->rate->bss->out = (__u32)bench->links.out.ifindex;
	/*
	 * It gets no frames there. But the kernel calls an attached program directly, and to make it so takes some 20
	 * ms, which else each test run would wait for.
	 */
	rate_attach(&bench->links.out, bpf_program__fd(bench->rate->progs.generate));
}

static void say_of_cpus(const struct rate_cpus *cpus)
{
	if (cpus->cpu[1] < 0)
		printf("Two cores: this machine has one CPU.\n");
	else if (cpus->siblings)
		printf("Two cores: its CPUs are threads of one core, which share its time: less than twice the "
		       "rate.\n");
}

int main(int argc, char **argv)
{
	int rounds = results_rounds(argc, argv, ROUNDS, LAB_ROUNDS_MAX), count;
	static struct row rows[ROWS];
	static struct bench bench;
	int status = 0;

	bench_open(&bench);
	if (check_frames(&bench))
		return EXIT_FAILURE;
	count = fill_rows(rows, &bench.cpus);
	for (int round = -1; round < rounds; round++) /* the first one warms up */
		for (int i = 0; i < count; i++) {
			struct row *row = &rows[round & 1 ? count - 1 - i : i];

			row->runs[round < 0 ? 0 : round] = run_row(&bench, row);
		}
	json_t *results = print_rows(rows, count, rounds);

	say_of_cpus(&bench.cpus);
	if (!rate_check_counts(&bench.maps, bench.forwarded)) {
		fprintf(stderr, "bench: does not hold: sluice forwarded every frame that it had, and counted it\n");
		status = 1;
	}
	results_save(argc, argv, "packets a second over veth, ipip, IPv4 TCP, 118 bytes", rounds,
		     json_pack("{si si}", "backends", LAB_BACKENDS, "flows", RATE_FLOWS), results);
	program_close(&bench.sluice);
	maps_close(&bench.maps);
	rate_bpf__destroy(bench.rate);
	return status;
}

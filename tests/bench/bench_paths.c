/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ns a packet of every way through the program, over 16 Ki clients, net of a bare XDP_TX behind the same driver, which
 * makes each packet anew. All ways are interleaved, round by round, and all packets of a run have to be among those
 * that the program counted for the way. `extra` is a way's mean difference to the plain one of its family in the same
 * round. What the driver does to undo a change of length is the way's, as in bench_packet.
 *
 * With BASE=FILE, sluice.bpf.o of an earlier build, that one's plain ways are measured among them.
 */
#include <unistd.h>

#include "bench/paths_former.h"
#include "bench/paths_frame.h"
#include "bench/paths_world.h"
#include "bench/results.h"
#include "reasons.h"

#define REPEAT	  (1 << 18) /* packets a run */
#define RECORDS	  1024
#define SYN	  0x02
#define SOURCE_AT 26 /* IPv4's source address, and the second word of IPv6's */

#define ALL_BUT_DENY                                                                                                   \
	(FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6 | FEATURE_TRANSITION | FEATURE_SECOND_HOP |              \
	 FEATURE_SLOW | FEATURE_ADDRESS | FEATURE_ENTROPY | FEATURE_RULES | FEATURE_LIMITS | FEATURE_QUIC |            \
	 FEATURE_ID)

/* Which program: with transitions alone, as before there was a slow path; with addresses of their own besides; with all
 * features but the deny list; likewise, but its answers are used up; with all. */
enum which { WITHOUT, ADDRESS, WITH, SILENT, DENYING, PROGRAMS, FORMER = PROGRAMS, BARE };

/* What it takes the flow's word from, and how many there are. */
struct clients {
	__u32 first, shift;
	__u32 at;    /* offset in the frame [the source's] */
	__u32 flows; /* [CLIENTS] */
};

struct path {
	const char *name;
	enum which program;
	bool v6;
	int service;
	enum reason reason;
	struct client client; /* addresses are by service and family; port 0: 80 */
	void (*change)(struct frame *frame);
	struct clients clients; /* [those of the world] */
	__s32 pushed;		/* bytes put before an answer; else it is what the frame grows by */
	bool after_first;	/* the first fragments go before */
};

#define PATH(label, by, six, of, ends, ...)                                                                            \
	{                                                                                                              \
		.name = label, .program = by, .v6 = six, .service = of, .reason = ends, ##__VA_ARGS__                  \
	}
#define UDP	   .client.protocol = IPPROTO_UDP
#define CHANGE(by) .change = frame_##by
#define FRAGMENTS4 .clients = {.first = CLIENT4_FIRST, .shift = CLIENT4_STEP, .flows = 1 << 12}
#define FRAGMENTS6 .clients = {.first = CLIENT6_FIRST, .shift = CLIENT6_STEP, .flows = 1 << 12}
#define FORWARDED  REASON_forwarded

/* What the others are compared with. */
enum { BARE_PATH = 0, PLAIN4_PATH = 1, PLAIN6_PATH = 3 };

static const struct path paths[] = {
	[BARE_PATH] = PATH("bare XDP_TX", BARE, false, PLAIN, FORWARDED),
	[PLAIN4_PATH] = PATH("plain TCP", WITHOUT, false, PLAIN, FORWARDED),
	PATH("plain TCP of BASE", FORMER, false, PLAIN, FORWARDED),
	[PLAIN6_PATH] = PATH("plain TCP, IPv6", WITHOUT, true, PLAIN, FORWARDED),
	PATH("plain TCP of BASE, IPv6", FORMER, true, PLAIN, FORWARDED),
	PATH("not ours", WITHOUT, false, NOBODY, REASON_no_service),
	PATH("not ours, IPv6", WITHOUT, true, NOBODY, REASON_no_service),
	PATH("not ours, VIPs' other ports watched", ADDRESS, false, NOBODY, REASON_no_service),
	PATH("not ours, VIPs' other ports watched, IPv6", ADDRESS, true, NOBODY, REASON_no_service),
	/* all features on, none used */
	PATH("all features", WITH, false, PLAIN, FORWARDED),
	PATH("all features, IPv6", WITH, true, PLAIN, FORWARDED),
	PATH("all features, not ours", WITH, false, NOBODY, REASON_no_service),
	PATH("all features, not ours, IPv6", WITH, true, NOBODY, REASON_no_service),
	/* 100,000 prefixes; clients between them, or far from them */
	PATH("deny list", DENYING, false, PLAIN, FORWARDED),
	PATH("deny list, IPv6", DENYING, true, PLAIN, FORWARDED),
	PATH("deny list, 1 client", DENYING, false, PLAIN, FORWARDED, .clients = {.first = CLIENT4_FIRST, .flows = 1}),
	PATH("deny list, far", DENYING, false, PLAIN, FORWARDED, .clients = {.first = 0x60000000}),
	PATH("denied", DENYING, false, PLAIN, REASON_denied,
	     .clients = {.first = DENIED4_FIRST, .shift = CLIENT4_STEP}),
	PATH("denied, IPv6", DENYING, true, PLAIN, REASON_denied,
	     .clients = {.first = DENIED6_FIRST, .shift = CLIENT6_STEP}),
	PATH("martian", WITH, false, PLAIN, REASON_martian, .clients = {.first = 0x7f000001}),
	PATH("local", WITH, false, HERE, REASON_local),
	/* the slow path, for the frame's sake */
	PATH("tagged in", WITH, false, PLAIN, FORWARDED, CHANGE(tagged),
	     .clients = {.first = CLIENT4_FIRST, .shift = CLIENT4_STEP, .at = SOURCE_AT + 4}),
	PATH("tagged in, IPv6", WITH, true, PLAIN, FORWARDED, CHANGE(tagged),
	     .clients = {.first = CLIENT6_FIRST, .shift = CLIENT6_STEP, .at = SOURCE_AT + 4}),
	PATH("tagged out", WITH, false, TAGS, FORWARDED),
	PATH("IPv4 options", WITH, false, PLAIN, FORWARDED, CHANGE(options4)),
	PATH("IPv6 destination options", WITH, true, PLAIN, FORWARDED, CHANGE(destination6)),
	PATH("first fragment, new datagrams", WITH, false, PLAIN, FORWARDED, UDP, CHANGE(first4),
	     .clients = {.first = 0x20000000, .flows = 1 << 20}),
	PATH("first fragment, new datagrams, IPv6", WITH, true, PLAIN, FORWARDED, UDP, CHANGE(first6),
	     .clients = {.first = 0x11000001, .shift = 1, .flows = 1 << 20}),
	PATH("later fragment", WITH, false, PLAIN, FORWARDED, UDP, CHANGE(later4), FRAGMENTS4, .after_first = true),
	PATH("later fragment, IPv6", WITH, true, PLAIN, FORWARDED, UDP, CHANGE(later6), FRAGMENTS6,
	     .after_first = true),
	PATH("later fragment, lost", WITH, false, PLAIN, REASON_fragment_lost, UDP, CHANGE(later4),
	     .clients = {.first = 0x21000000}),
	PATH("later fragment by source", WITH, false, BY_SOURCE, FORWARDED, UDP, CHANGE(later4)),
	PATH("ICMP error", WITH, false, PLAIN, FORWARDED, CHANGE(too_big4),
	     .clients = {.first = CLIENT4_FIRST, .shift = CLIENT4_STEP, .at = FRAME_QUOTE4 + 16}),
	PATH("ICMP error, IPv6", WITH, true, PLAIN, FORWARDED, CHANGE(too_big6),
	     .clients = {.first = CLIENT6_FIRST, .shift = CLIENT6_STEP, .at = FRAME_QUOTE6 + 28}),
	/* answers of the balancer's own */
	PATH("echo", WITH, false, PLAIN, REASON_echo, .client.protocol = IPPROTO_ICMP),
	PATH("echo, IPv6", WITH, true, PLAIN, REASON_echo, .client.protocol = IPPROTO_ICMPV6),
	PATH("echo over the rate", SILENT, false, PLAIN, REASON_reply_limited, .client.protocol = IPPROTO_ICMP),
	PATH("unknown port, RST", WITH, false, PLAIN, REASON_rejected, .client.to_port = 81),
	PATH("unknown port, RST, IPv6", WITH, true, PLAIN, REASON_rejected, .client.to_port = 81),
	PATH("unknown port, unreachable", WITH, false, PLAIN, REASON_rejected, UDP, .client.to_port = 81, .pushed = 28),
	PATH("unknown port, unreachable, IPv6", WITH, true, PLAIN, REASON_rejected, UDP, .client.to_port = 81,
	     .pushed = 48),
	PATH("unknown port, dropped", WITH, false, DROPS, REASON_unknown_port, .client.to_port = 81),
	PATH("too big told", WITH, false, PLAIN, REASON_too_big_told, .client.ip_length = 1500, .pushed = 28),
	PATH("too big told, IPv6", WITH, true, PLAIN, REASON_too_big_told, .client.ip_length = 1500, .pushed = 48),
	/* the slow path, for the service's sake */
	PATH("options of no use", WITH, false, SLOW, FORWARDED),
	PATH("options of no use, IPv6", WITH, true, SLOW, FORWARDED),
	PATH("source limit, 1 source", WITH, false, LIMIT_SOURCE, FORWARDED,
	     .clients = {.first = CLIENT4_FIRST, .flows = 1}),
	PATH("source limit", WITH, false, LIMIT_SOURCE, FORWARDED),
	PATH("source limit, IPv6", WITH, true, LIMIT_SOURCE, FORWARDED),
	PATH("service limit", WITH, false, LIMIT_SERVICE, FORWARDED),
	PATH("source and service limit", WITH, false, LIMIT_BOTH, FORWARDED),
	PATH("over the source limit", WITH, false, OVER_SOURCE, REASON_over_source_limit),
	PATH("over the service limit", WITH, false, OVER_SERVICE, REASON_over_service_limit),
	PATH("source rules, 10", WITH, false, RULES_FEW, FORWARDED),
	PATH("source rules, 10,000", WITH, false, RULES_MANY, FORWARDED),
	PATH("QUIC, server ID found", WITH, false, QUIC, FORWARDED, UDP, CHANGE(quic)),
	PATH("QUIC, not found", WITH, false, QUIC, FORWARDED, UDP, CHANGE(quic_unknown)),
	PATH("SYN, its MSS clamped", WITH, false, MSS, FORWARDED, .client.tcp_flags = SYN, CHANGE(mss)),
};

#define PATHS (sizeof(paths) / sizeof(*paths))

struct lab {
	struct floor_bpf *floor;
	struct maps maps;
	struct program programs[PROGRAMS];
	int programs_fd[PROGRAMS]; /* maps of programs; WITH's is among `maps` */
	struct bpf_object *former;
	int former_program; /* -1: none */
	double ns[PATHS][LAB_ROUNDS_MAX];
};

static bool is_measured(const struct lab *lab, size_t path)
{
	return paths[path].program != FORMER || lab->former_program >= 0;
}

/* As many bytes as bench_packet's frames have; in IPv6 the header more. */
static void make_frame(struct frame *out, const struct path *path)
{
	struct client client = path->client;
	char to[INET6_ADDRSTRLEN];

	snprintf(to, sizeof(to), "%s", world_vip(path->service, path->v6));
	client.from = path->v6 ? "2001:db9::7" : "16.0.1.7";
	client.to = to;
	client.from_port = 1024;
	client.to_port = client.to_port ?: 80;
	client.ip_length = client.ip_length ?: path->v6 ? 124 : 104;
	frame_client(out, &client);
	if (path->change)
		path->change(out);
}

static __u64 counted(const struct lab *lab, enum reason reason)
{
	__u64 sum = 0;

	for (__u32 cpu = 0; cpu < lab->maps.cpus; cpu++)
		sum += lab->maps.counts[cpu].reason[reason].packets;
	return sum;
}

static int program_of(const struct lab *lab, const struct path *path)
{
	return path->program == BARE	 ? bpf_program__fd(lab->floor->progs.bare_tx)
	       : path->program == FORMER ? lab->former_program
					 : lab->programs[path->program].fd;
}

static void run_frames(struct lab *lab, const struct frame *frame, struct bpf_test_run_opts *options)
{
	static __u8 out[FRAME_MAX];
	int err;

	options->data_in = frame->data;
	options->data_size_in = frame->length;
	options->data_out = out;
	options->data_size_out = sizeof(out);
	lab->floor->bss->remade.fresh = 1;
	err = bpf_prog_test_run_opts(bpf_program__fd(lab->floor->progs.remake), options);
	if (!err)
		return;
	fprintf(stderr, "bench: test run: %s\n", strerror(-err));
	exit(EXIT_FAILURE);
}

/* Sets the driver to the path's packets. What the program puts before them, one packet shows. */
static void set_driver(struct lab *lab, const struct path *path, const struct frame *frame)
{
	const struct clients world = path->v6 ? (struct clients){CLIENT6_FIRST, CLIENT6_STEP, 0, 0}
					      : (struct clients){CLIENT4_FIRST, CLIENT4_STEP, 0, 0};
	const struct clients *clients = path->clients.first || path->clients.shift ? &path->clients : &world;
	struct remade *remade = &lab->floor->bss->remade;
	int program = program_of(lab, path);
	const __u32 zero = 0;

	memcpy(remade->begin, frame->data, sizeof(remade->begin));
	remade->length = frame->length;
	remade->at = clients->at ?: SOURCE_AT;
	remade->first = clients->first;
	remade->shift = clients->shift;
	lab->floor->bss->flows_mask = (clients->flows ?: CLIENTS) - 1;
	if (bpf_map_update_elem(bpf_map__fd(lab->floor->maps.measured), &zero, &program, BPF_ANY)) {
		fprintf(stderr, "bench: %s: %s\n", path->name, strerror(errno));
		exit(EXIT_FAILURE);
	}
	LIBBPF_OPTS(bpf_test_run_opts, options, .repeat = 1);
	run_frames(lab, frame, &options);
	remade->pushed = path->pushed;
	if (!path->pushed && path->reason == REASON_forwarded)
		remade->pushed = (__s32)options.data_size_out - (__s32)frame->length;
}

/* Lets the program see the first fragment of each datagram whose further ones come next. */
static void send_first(struct lab *lab, const struct path *later)
{
	struct path first = *later;
	struct frame frame;

	first.change = first.v6 ? frame_first6 : frame_first4;
	make_frame(&frame, &first);
	set_driver(lab, &first, &frame);
	LIBBPF_OPTS(bpf_test_run_opts, options, .repeat = (int)first.clients.flows);
	run_frames(lab, &frame, &options);
}

/* One run; all of its packets have to end as the path says. */
static double measure(struct lab *lab, const struct path *path)
{
	static struct frame frame;
	__u64 before;

	if (path->after_first)
		send_first(lab, path);
	make_frame(&frame, path);
	set_driver(lab, path, &frame);
	LIBBPF_OPTS(bpf_test_run_opts, options, .repeat = REPEAT);
	before = counted(lab, path->reason);
	run_frames(lab, &frame, &options);
	if (path->program < PROGRAMS && counted(lab, path->reason) - before != REPEAT) {
		fprintf(stderr, "bench: %s: %llu packets of %d ended so (XDP action %u)\n", path->name,
			counted(lab, path->reason) - before, REPEAT, options.retval);
		exit(EXIT_FAILURE);
	}
	return options.duration;
}

/* There and back, so that no path always has the same one before it. */
static void run(struct lab *lab, int rounds)
{
	for (int round = -1; round < rounds; round++) /* the first one warms up */
		for (size_t i = 0; i < PATHS; i++) {
			size_t path = round & 1 ? PATHS - 1 - i : i;

			if (is_measured(lab, path))
				lab->ns[path][round < 0 ? 0 : round] = measure(lab, &paths[path]);
		}
}

/* One more program over the same maps, but with a slow path and a bucket for its answers of its own. */
static int load_more(struct lab *lab, enum which which, const struct settings *settings)
{
	struct maps maps = lab->maps;
	int err;

	maps.fd[MAP_programs] = -1;
	maps.fd[MAP_buckets] = -1;
	program_init(&lab->programs[which]);
	err = program_load(&lab->programs[which], &maps, settings);
	lab->programs_fd[which] = maps.fd[MAP_programs]; /* it is emptied when nobody has it open */
	if (maps.fd[MAP_buckets] >= 0)
		close(maps.fd[MAP_buckets]);
	return err;
}

static int load_all(struct lab *lab, __u32 kernel, struct settings *settings)
{
	int err;

	settings->features = ALL_BUT_DENY | kernel;
	settings->replies = (struct limit){1, 1ULL << 40};
	err = lab_load_with(&lab->programs[WITH], &lab->maps, settings);
	settings->features |= FEATURE_DENY4 | FEATURE_DENY6;
	err = err ?: load_more(lab, DENYING, settings);
	settings->features = ALL_BUT_DENY | kernel;
	settings->replies = (struct limit){SPENT, 0};
	err = err ?: load_more(lab, SILENT, settings);
	settings->features = FEATURE_TRANSITION | FEATURE_ADDRESS | kernel;
	err = err ?: load_more(lab, ADDRESS, settings);
	settings->features = FEATURE_TRANSITION | kernel;
	return err ?: load_more(lab, WITHOUT, settings);
}

static int lab_open(struct lab *lab, const char *former)
{
	const __u32 kernel = program_features();
	struct settings settings = {.flow_capacity = RECORDS};
	int err;

	lab->former_program = -1;
	lab->floor = lab_floor(kernel);
	if (!lab->floor)
		return -errno;
	err = load_all(lab, kernel, &settings) ?: world_fill(&lab->maps);
	if (err || !former)
		return err;
	lab->former_program = former_load(&lab->former, former, &lab->maps, &settings);
	return lab->former_program < 0 ? lab->former_program : 0;
}

static void lab_close(struct lab *lab)
{
	bpf_object__close(lab->former);
	for (int i = 0; i < PROGRAMS; i++) {
		program_close(&lab->programs[i]);
		if (i != WITH)
			close(lab->programs_fd[i]);
	}
	maps_close(&lab->maps);
	floor_bpf__destroy(lab->floor);
}

/* The mean difference of two ways, round by round. */
static double difference(const struct lab *lab, size_t path, size_t base, int rounds)
{
	double values[LAB_ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		values[i] = lab->ns[path][i] - lab->ns[base][i];
	return lab_figure(values, rounds).mean;
}

static json_t *print_row(const struct lab *lab, size_t path, int rounds)
{
	struct figure ns = lab_figure(lab->ns[path], rounds);
	double net = difference(lab, path, BARE_PATH, rounds);
	double extra = difference(lab, path, paths[path].v6 ? PLAIN6_PATH : PLAIN4_PATH, rounds);

	printf("%-44s %9.1f %7.0f-%-7.0f %9.1f %+9.1f\n", paths[path].name, ns.mean, ns.low, ns.high, net, extra);
	return json_pack("{ss sf sf sf sf sf}", "path", paths[path].name, "ns", ns.mean, "low", ns.low, "high", ns.high,
			 "net_ns", net, "extra_ns", extra);
}

static json_t *print_results(const struct lab *lab, int rounds)
{
	json_t *rows = json_array();

	printf("%-44s %9s %15s %9s %9s\n", "path", "ns", "middle half", "net ns", "extra");
	for (size_t i = 0; i < PATHS; i++)
		if (is_measured(lab, i))
			json_array_append_new(rows, print_row(lab, i, rounds));
	return rows;
}

int main(int argc, char **argv)
{
	static struct lab lab;
	const char *former = getenv("BASE");
	int rounds = results_rounds(argc, argv, 21, LAB_ROUNDS_MAX), err;
	json_t *rows;

	lab_pin_cpu();
	err = lab_open(&lab, former && *former ? former : NULL);
	if (err) {
		fprintf(stderr, "bench: cannot load the programs: %s: are you root?\n", strerror(-err));
		return EXIT_FAILURE;
	}
	run(&lab, rounds);
	rows = print_results(&lab, rounds);
	results_save(argc, argv, "ns a packet, ipip, 118 bytes (IPv6: 138)", rounds,
		     json_pack("{si}", "clients", CLIENTS), rows);
	lab_close(&lab);
	return 0;
}

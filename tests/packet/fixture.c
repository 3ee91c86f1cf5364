/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/fixture.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "model/flow_key.h"
#include "model/header.h"
#include "model/vip_table.h"
#include "sluice.skel.h"

#define LOG_SIZE  (1 << 20)
#define VIPS_SIZE (VIP_BUCKETS * sizeof(struct vip_bucket))

struct fixture {
	struct sluice_bpf *skeleton;
	struct flow_key key;
	struct vip_bucket *vips; /* mapped when first needed */
};

const __u8 fixture_key[16] = {0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78,
			      0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0};

static const __u8 next_hop_mac[6] = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01};
static const __u8 own_mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x02};

void fixture_need_root(void)
{
	if (geteuid() == 0)
		return;
	fprintf(stderr, "skipped: only root may load BPF programs\n");
	skip();
}

static void must(int error, const char *what)
{
	if (error < 0)
		fail_msg("%s: %s", what, strerror(-error));
}

/* At full size the maps are allocated in 30 ms, most of a test's time. */
static void make_small(struct sluice_bpf *skeleton)
{
	bpf_map__set_max_entries(skeleton->maps.backends, FIXTURE_BACKENDS + 1);
}

static int load(struct fixture *fixture, const struct fixture_options *options, char *log)
{
	struct sluice_bpf *skeleton = sluice_bpf__open();

	if (!skeleton)
		return -errno;
	fixture->skeleton = skeleton;
	flow_key_expand(&fixture->key, options->key ? options->key : fixture_key);
	skeleton->rodata->settings = (struct settings){
		.key = fixture->key,
		.features = options->features,
		.slot_capacity = FIXTURE_SLOTS,
		.flow_capacity = FIXTURE_FLOWS,
	};
	bpf_map__set_max_entries(skeleton->maps.slots, FIXTURE_SLOTS);
	bpf_map__set_max_entries(skeleton->maps.flows, FIXTURE_FLOWS);
	bpf_map__set_max_entries(skeleton->maps.counts, (__u32)libbpf_num_possible_cpus());
	if (!options->full_size)
		make_small(skeleton);
	bpf_program__set_log_buf(skeleton->progs.sluice, log, LOG_SIZE);
	return sluice_bpf__load(skeleton);
}

struct fixture *fixture_try(const struct fixture_options *options)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char *log = calloc(1, LOG_SIZE);
	int error;

	assert_non_null(fixture);
	assert_non_null(log);
	error = load(fixture, options, log);
	if (error) {
		fprintf(stderr, "%s\nfeatures 0x%x: %s\n", log, options->features, strerror(-error));
		fixture_close(fixture);
		fixture = NULL;
	}
	free(log);
	return fixture;
}

struct fixture *fixture_open(__u32 features)
{
	struct fixture *fixture = fixture_try(&(struct fixture_options){.features = features});

	assert_non_null(fixture);
	return fixture;
}

void fixture_close(struct fixture *fixture)
{
	if (fixture->vips)
		munmap(fixture->vips, VIPS_SIZE);
	sluice_bpf__destroy(fixture->skeleton);
	free(fixture);
}

int fixture_program(const struct fixture *fixture)
{
	return bpf_program__fd(fixture->skeleton->progs.sluice);
}

const struct flow_key *fixture_flow_key(const struct fixture *fixture)
{
	return &fixture->key;
}

static void put(struct bpf_map *map, const void *key, const void *value)
{
	must(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) ? -errno : 0, bpf_map__name(map));
}

static struct vip_bucket *fixture_vips(struct fixture *fixture)
{
	if (!fixture->vips) {
		fixture->vips = mmap(NULL, VIPS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				     bpf_map__fd(fixture->skeleton->maps.vips), 0);
		assert_ptr_not_equal(fixture->vips, MAP_FAILED);
	}
	return fixture->vips;
}

void fixture_vip(struct fixture *fixture, const char *address, __u16 port, __u8 protocol, const struct service *service)
{
	struct address parsed;
	struct vip_entry entry;

	if (address_parse(address, &parsed))
		fail_msg("%s is no address", address);
	entry = vip_key(&parsed, port, protocol);
	entry.service = *service;
	assert_int_equal(vip_table_set(fixture_vips(fixture), &entry), 0);
}

void fixture_prefix(struct fixture *fixture, const char *prefix, __u16 port, __u8 protocol,
		    const struct service *service)
{
	struct prefix_key4 key4 = {.port = htons(port), .protocol = protocol};
	struct prefix_key6 key6 = {.port = htons(port), .protocol = protocol};
	char address[INET6_ADDRSTRLEN];
	unsigned int length;

	if (sscanf(prefix, "%45[0-9a-f.:]/%u", address, &length) != 2)
		fail_msg("%s is no prefix", prefix);
	key4.prefixlen = key6.prefixlen = PREFIX_KEY_FIXED_BITS + length;
	if (inet_pton(AF_INET, address, &key4.address) == 1)
		put(fixture->skeleton->maps.prefixes4, &key4, service);
	else if (inet_pton(AF_INET6, address, key6.address) == 1)
		put(fixture->skeleton->maps.prefixes6, &key6, service);
	else
		fail_msg("%s is no prefix", prefix);
}

void fixture_slots(struct fixture *fixture, __u32 first, __u32 count, __u16 owner)
{
	fixture_slots_as(fixture, first, count, &(struct slot){.owner = owner});
}

void fixture_slots_as(struct fixture *fixture, __u32 first, __u32 count, const struct slot *slot)
{
	for (__u32 i = first; i < first + count; i++)
		put(fixture->skeleton->maps.slots, &i, slot);
}

void fixture_move(struct fixture *fixture, __u16 service, const struct service_move *move)
{
	__u32 key = service;

	put(fixture->skeleton->maps.moves, &key, move);
}

int fixture_flows(const struct fixture *fixture)
{
	return bpf_map__fd(fixture->skeleton->maps.flows);
}

static struct address address_of(const char *text)
{
	struct address address = {0};

	if (inet_pton(AF_INET, text, address.word) == 1)
		address.family = AF_INET;
	else if (inet_pton(AF_INET6, text, address.word) == 1)
		address.family = AF_INET6;
	else
		fail_msg("%s is no address", text);
	return address;
}

void fixture_backend_raw(struct fixture *fixture, __u16 index, const struct backend *entry)
{
	__u32 key = index;

	put(fixture->skeleton->maps.backends, &key, entry);
}

void fixture_backend(struct fixture *fixture, __u16 index, const struct target *target)
{
	struct address destination = address_of(target->address);
	struct backend entry = {0};
	struct next_hop hop = {
		.resolved = !target->unresolved,
		.ifindex = target->ifindex,
		.address = destination,
		.source = address_of(target->source),
		.mtu = target->mtu,
		.on_link = true,
	};

	memcpy(hop.mac, next_hop_mac, sizeof(hop.mac));
	memcpy(hop.source_mac, own_mac, sizeof(hop.source_mac));
	header_build(&entry, target->forward, target->gue_port, &destination, &hop);
	entry.flags |= BACKEND_SERVES | (target->second_hop ? BACKEND_SECOND_HOP : 0);
	fixture_backend_raw(fixture, index, &entry);
}

void fixture_backend_dies(struct fixture *fixture, __u16 index)
{
	int map = bpf_map__fd(fixture->skeleton->maps.backends);
	struct backend entry;
	__u32 key = index;

	must(bpf_map_lookup_elem(map, &key, &entry) ? -errno : 0, "backends");
	entry.flags &= ~BACKEND_SERVES;
	fixture_backend_raw(fixture, index, &entry);
}

struct outer target_outer(const struct target *target)
{
	struct outer outer = {0};

	memcpy(outer.to_mac, next_hop_mac, sizeof(outer.to_mac));
	memcpy(outer.from_mac, own_mac, sizeof(outer.from_mac));
	if (target->forward == FORWARD_L2)
		return outer;
	outer.from = target->source;
	outer.to = target->address;
	if (target->forward == FORWARD_GUE)
		outer.udp_to = target->gue_port;
	return outer;
}

int fixture_run(struct fixture *fixture, const struct frame *in, const struct arrival *arrival, struct frame *out)
{
	__u8 before[256 + FRAME_MAX] = {0}, after[256 + FRAME_MAX];
	__u32 metadata = arrival ? arrival->metadata : 0;
	struct xdp_md ctx_in = {
		.data = metadata,
		.data_end = metadata + in->length,
		.ingress_ifindex = arrival && arrival->ifindex ? arrival->ifindex : FIXTURE_INTERFACE,
	};
	struct xdp_md ctx_out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = before, .data_size_in = metadata + in->length,
		    .data_out = after, .data_size_out = sizeof(after), .ctx_in = &ctx_in, .ctx_size_in = sizeof(ctx_in),
		    .ctx_out = &ctx_out, .ctx_size_out = sizeof(ctx_out), .repeat = 1);

	assert_true(metadata <= 256);
	memcpy(before + metadata, in->data, in->length);
	if (bpf_prog_test_run_opts(fixture_program(fixture), &options)) {
		if (errno == EINVAL && metadata)
			return -EINVAL;
		fail_msg("test run with %zu bytes on interface %u: %s", in->length, ctx_in.ingress_ifindex,
			 strerror(errno));
	}
	assert_in_range(ctx_out.data, 0, options.data_size_out);
	out->length = options.data_size_out - ctx_out.data;
	assert_in_range(out->length, 1, FRAME_MAX);
	memcpy(out->data, after + ctx_out.data, out->length);
	return options.retval;
}

/* All entries of a per-CPU array with one system call. */
static void sum(struct counters *to, const struct counters *from, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		to[i].packets += from[i].packets;
		to[i].bytes += from[i].bytes;
	}
}

void fixture_counts(struct fixture *fixture, struct counts *out)
{
	struct bpf_map *map = fixture->skeleton->maps.counts;
	__u32 cpus = bpf_map__max_entries(map);
	const struct count_page *pages = mmap(NULL, cpus * sizeof(*pages), PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);

	assert_ptr_not_equal(pages, MAP_FAILED);
	memset(out, 0, sizeof(*out));
	for (__u32 cpu = 0; cpu < cpus; cpu++) {
		sum(out->reasons, pages[cpu].reason, REASON_COUNT);
		sum(out->services, pages[cpu].service, SLUICE_MAX_SERVICES);
		sum(out->backends, pages[cpu].backend, SLUICE_MAX_BACKENDS + 1);
		for (int i = 0; i < SLUICE_MAX_SERVICES; i++)
			out->tracked[i] += pages[cpu].tracked[i];
	}
	munmap((void *)pages, cpus * sizeof(*pages));
}

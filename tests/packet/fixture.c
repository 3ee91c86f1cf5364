/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/fixture.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "model/flow_key.h"
#include "model/header.h"
#include "model/vip_table.h"
#include "out/program.h"
#include "out/slot_store.h"
#include "packet/fixture_reset.h"

#define VIPS_MAX     1024 /* entries of a test */
#define METADATA_MAX 256
#define KEPT	     3 /* loaded programs: each has some 35 MB of maps */

struct fixture {
	struct fixture_options options;
	struct program program;
	struct maps maps;
	int slow; /* the slow path's program */
	struct vip_entry filled[VIPS_MAX];
	size_t filled_count;
};

/* Closed ones, the latest first: whoever wants the same program gets it with empty maps. */
static struct fixture *kept[KEPT];

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

static int set_slow_path(const struct fixture *fixture)
{
	const __u32 place = 0;

	return bpf_map_update_elem(fixture->maps.fd[MAP_programs], &place, &fixture->slow, BPF_ANY) ? -errno : 0;
}

static int load(struct fixture *fixture)
{
	const struct fixture_options *options = &fixture->options;
	struct settings settings = {
		.features = options->features,
		.slot_capacity = FIXTURE_SLOTS,
		.flow_capacity = FIXTURE_FLOWS,
		.fragment_capacity = FIXTURE_FLOWS,
		.source_capacity = FIXTURE_SOURCES,
		.replies = options->replies,
	};
	__u32 id;
	int err;

	flow_key_expand(&settings.key, options->key ? options->key : fixture_key);
	maps_init(&fixture->maps);
	program_init(&fixture->program);
	fixture->slow = -1;
	err = program_load(&fixture->program, &fixture->maps, &settings);
	if (!err)
		err = maps_mmap(&fixture->maps);
	if (!err && bpf_map_lookup_elem(fixture->maps.fd[MAP_programs], &settings.slow, &id))
		err = -errno;
	if (!err)
		fixture->slow = bpf_prog_get_fd_by_id(id);
	return err ? err : fixture->slow < 0 ? -errno : 0;
}

static void fixture_free(struct fixture *fixture)
{
	program_close(&fixture->program);
	maps_close(&fixture->maps);
	if (fixture->slow >= 0)
		close(fixture->slow);
	free(fixture);
}

static bool is_same(const struct fixture *fixture, const struct fixture_options *options)
{
	const struct limit *replies = &fixture->options.replies;
	struct flow_key key;

	flow_key_expand(&key, options->key ? options->key : fixture_key);
	return fixture->options.features == options->features &&
	       !memcmp(&fixture->program.settings.key, &key, sizeof(key)) && replies->interval == options->replies.interval && replies->tolerance == options->replies.tolerance;
}

static void empty(struct fixture *fixture)
{
	for (; fixture->filled_count; fixture->filled_count--) {
		struct vip_entry *entry =
			vip_table_find(fixture->maps.vips, &fixture->filled[fixture->filled_count - 1]);

		if (entry) /* it was not set twice */
			vip_table_remove(entry);
	}
	fixture_reset(&fixture->maps);
	must(set_slow_path(fixture), "programs");
}

/* One that was kept, as if it had just been loaded; NULL: there is none. */
static struct fixture *take_kept(const struct fixture_options *options)
{
	for (size_t i = 0; i < KEPT; i++) {
		struct fixture *found = kept[i];

		if (!found || options->alone || !is_same(found, options))
			continue;
		kept[i] = NULL;
		empty(found);
		return found;
	}
	return NULL;
}

struct fixture *fixture_try(const struct fixture_options *options)
{
	struct fixture *fixture = take_kept(options);
	int error;

	if (fixture)
		return fixture;
	fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	fixture->options = *options;
	error = load(fixture);
	if (!error)
		return fixture;
	fprintf(stderr, "features 0x%x: %s\n", options->features, strerror(-error));
	fixture_free(fixture);
	return NULL;
}

struct fixture *fixture_open(__u32 features)
{
	struct fixture *fixture = fixture_try(&(struct fixture_options){.features = features});

	assert_non_null(fixture);
	return fixture;
}

void fixture_close(struct fixture *fixture)
{
	if (fixture->options.alone) {
		fixture_free(fixture);
		return;
	}
	if (kept[KEPT - 1])
		fixture_free(kept[KEPT - 1]);
	memmove(kept + 1, kept, (KEPT - 1) * sizeof(*kept));
	kept[0] = fixture;
}

int fixture_program(const struct fixture *fixture)
{
	return fixture->program.fd;
}

int fixture_slow_program(const struct fixture *fixture)
{
	return fixture->slow;
}

const struct flow_key *fixture_flow_key(const struct fixture *fixture)
{
	return &fixture->program.settings.key;
}

static void put(const struct fixture *fixture, enum map map, const void *key, const void *value)
{
	must(bpf_map_update_elem(fixture->maps.fd[map], key, value, BPF_ANY) ? -errno : 0, map_name(map));
}

void fixture_vip(struct fixture *fixture, const char *address, __u16 port, __u8 protocol, const struct service *service)
{
	struct address parsed;
	struct vip_entry entry;

	if (address_parse(address, &parsed))
		fail_msg("%s is no address", address);
	entry = vip_key(&parsed, port, protocol);
	entry.service = *service;
	assert_int_equal(vip_table_set(fixture->maps.vips, &entry), 0);
	assert_in_range(fixture->filled_count, 0, VIPS_MAX - 1);
	fixture->filled[fixture->filled_count++] = entry;
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
		put(fixture, MAP_prefixes4, &key4, service);
	else if (inet_pton(AF_INET6, address, key6.address) == 1)
		put(fixture, MAP_prefixes6, &key6, service);
	else
		fail_msg("%s is no prefix", prefix);
}

void fixture_slots(struct fixture *fixture, __u32 first, __u32 count, __u16 owner)
{
	fixture_slots_as(fixture, first, count, &(struct slot){.owner = owner});
}

void fixture_slots_as(struct fixture *fixture, __u32 first, __u32 count, const struct slot *slot)
{
	assert_in_range(first + count, 0, FIXTURE_SLOTS);
	for (__u32 i = first; i < first + count; i++)
		slot_store(&fixture->maps, i, *slot);
}

void fixture_move(struct fixture *fixture, __u16 service, const struct service_move *move)
{
	__u32 key = service;

	put(fixture, MAP_moves, &key, move);
}

int fixture_flows(const struct fixture *fixture)
{
	return fixture->maps.fd[MAP_flows];
}

int fixture_map(const struct fixture *fixture, const char *name)
{
	for (int i = 0; i < MAP_COUNT; i++)
		if (!strcmp(map_name((enum map)i), name))
			return fixture->maps.fd[i];
	fail_msg("there is no map %s", name);
	return -1;
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
	assert_in_range(index, 0, SLUICE_MAX_BACKENDS);
	fixture->maps.backends[index] = *entry;
}

/* The pool that it would be in. */
static struct config_pool pool_of(const struct target *target)
{
	struct config_pool pool = {
		.forward = target->forward,
		.gue_port = target->gue_port,
		.outer = {.df = !target->no_df, .ttl = target->ttl ? target->ttl : CONFIG_DEFAULT_TTL},
	};
	struct prefix prefix = {.length = target->source_length};

	if (prefix.length) {
		prefix.address = address_of(target->source);
		*(prefix.address.family == AF_INET ? &pool.outer.source4 : &pool.outer.source6) = prefix;
	}
	return pool;
}

void fixture_backend(struct fixture *fixture, __u16 index, const struct target *target)
{
	struct address destination = address_of(target->address);
	const struct config_pool pool = pool_of(target);
	struct backend entry = {0};
	struct next_hop hop = {
		.resolved = !target->unresolved,
		.out_ifindex = target->ifindex,
		.address = destination,
		.source = address_of(target->source),
		.mtu = target->mtu,
		.on_link = true,
	};

	for (; hop.tags < 2 && target->tag[hop.tags]; hop.tags++)
		hop.tag[hop.tags] = htonl(target->tag[hop.tags]);
	memcpy(hop.mac, next_hop_mac, sizeof(hop.mac));
	memcpy(hop.source_mac, own_mac, sizeof(hop.source_mac));
	header_build(&entry, &pool, &destination, &hop);
	entry.flags |= BACKEND_SERVES | (target->second_hop ? BACKEND_SECOND_HOP : 0);
	fixture_backend_raw(fixture, index, &entry);
}

void fixture_backend_local(struct fixture *fixture, __u16 index)
{
	struct backend entry;

	header_local(&entry);
	entry.flags |= BACKEND_SERVES;
	fixture_backend_raw(fixture, index, &entry);
}

void fixture_backend_dies(struct fixture *fixture, __u16 index)
{
	fixture->maps.backends[index].flags &= (__u8)~BACKEND_SERVES;
}

struct outer target_outer(const struct target *target)
{
	struct outer outer = {0};

	memcpy(outer.to_mac, next_hop_mac, sizeof(outer.to_mac));
	memcpy(outer.from_mac, own_mac, sizeof(outer.from_mac));
	memcpy(outer.tag, target->tag, sizeof(outer.tag));
	if (target->forward == FORWARD_L2)
		return outer;
	outer.from = target->source;
	outer.to = target->address;
	outer.ttl = target->ttl;
	outer.no_df = target->no_df;
	if (target->source_length)
		outer.entropy_bits = (strchr(target->source, ':') ? 128 : 32) - target->source_length;
	if (target->forward == FORWARD_GUE)
		outer.udp_to = target->gue_port;
	return outer;
}

int fixture_run(struct fixture *fixture, const struct frame *in, const struct arrival *arrival, struct frame *out)
{
	__u8 before[METADATA_MAX + FRAME_MAX] = {0}, after[METADATA_MAX + FRAME_MAX];
	__u32 metadata = arrival ? arrival->metadata : 0;
	__u32 first = arrival && arrival->first_buffer ? arrival->first_buffer : in->length;
	struct xdp_md ctx_in = {
		.data = metadata,
		.data_end = metadata + first,
		.ingress_ifindex = arrival && arrival->ifindex ? arrival->ifindex : FIXTURE_INTERFACE,
	};
	struct xdp_md ctx_out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = before, .data_size_in = metadata + in->length,
		    .data_out = after, .data_size_out = sizeof(after), .ctx_in = &ctx_in, .ctx_size_in = sizeof(ctx_in),
		    .ctx_out = &ctx_out, .ctx_size_out = sizeof(ctx_out), .repeat = 1);

	assert_in_range(metadata, 0, METADATA_MAX);
	memcpy(before + metadata, in->data, in->length);
	if (bpf_prog_test_run_opts(fixture_program(fixture), &options)) {
		if (errno == EINVAL && (metadata || first < in->length))
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
	const struct count_page *pages = fixture->maps.counts;

	memset(out, 0, sizeof(*out));
	for (__u32 cpu = 0; cpu < fixture->maps.cpus; cpu++) {
		sum(out->reasons, pages[cpu].reason, REASON_COUNT);
		sum(out->services, pages[cpu].service, SLUICE_MAX_SERVICES);
		sum(out->backends, pages[cpu].backend, SLUICE_MAX_BACKENDS + 1);
		for (int i = 0; i < SLUICE_MAX_SERVICES; i++)
			out->tracked[i] += pages[cpu].tracked[i];
	}
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "out/attach.h"
#include "out/flows.h"
#include "out/maps.h"
#include "out/pins.h"
#include "out/program.h"
#include "out/sync.h"
#include "out/sync_deny.h"

/* The slots array grows in powers of two from here: 1 Mi slots, 8 MiB */
#define SLOT_CAPACITY_MIN (1U << 20)

/* Calls of dataplane_repair() that pass before one that failed is tried again. */
#define REPAIR_PAUSE 60

#define VERIFIER_LINES 30

struct dataplane {
	char folder[PIN_PATH_MAX];
	int lock;
	__u64 object;	       /* of this build */
	__u32 kernel_features; /* FEATURE_* */
	struct maps maps;
	struct program program;
	struct attachments attachments;
	struct synced synced;
	bool denied;	       /* the maps are those of which the plan's deny list knows */
	__u32 vip_shift;       /* that the table has to have at most, as keys found no room in a smaller one; 0: any */
	unsigned int unpinned; /* calls of dataplane_repair() since it failed and said so, 0: it did not */
};

/* Of what the verifier says of a program, often tens of thousands of lines, the last ones tell why it refuses it. */
static const char *shorten(const char *text)
{
	const char *from = text + strlen(text);
	int lines = 0;

	if (!strstr(text, "-- BEGIN PROG LOAD LOG --"))
		return text;
	while (from > text && (from[-1] != '\n' || lines++ < VERIFIER_LINES))
		from--;
	return from;
}

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *text;

	if (level != LIBBPF_WARN || vasprintf(&text, format, arguments) < 0)
		return 0;
	fputs(shorten(text), stderr);
	free(text);
	return 0;
}

static int print_none(enum libxdp_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

int dataplane_open(struct dataplane **out, const char *folder)
{
	struct dataplane *dataplane = memory_new(1, sizeof(*dataplane));
	char path[PIN_PATH_MAX];
	int err;

	libbpf_set_print(print_warnings);
	libxdp_set_print(print_none); /* attachment->why says it */
	snprintf(dataplane->folder, sizeof(dataplane->folder), "%s", folder);
	maps_init(&dataplane->maps);
	program_init(&dataplane->program);
	dataplane->object = program_object();
	dataplane->kernel_features = program_features();
	dataplane->lock = pins_open(folder);
	if (dataplane->lock < 0) {
		err = dataplane->lock;
		free(dataplane);
		return err;
	}
	attachments_adopt(&dataplane->attachments, dataplane->folder);
	err = maps_open_pinned(&dataplane->maps, folder);
	if (err && err != -ENOENT && err != -EINVAL) {
		dataplane_close(dataplane);
		return err;
	}
	if (!err && !pins_path(path, folder, NULL, "prog") &&
	    !program_open_pinned(&dataplane->program, path, &dataplane->maps))
		log_info("adopted the running program %u", dataplane->program.id);
	*out = dataplane;
	return 0;
}

void dataplane_close(struct dataplane *dataplane)
{
	if (!dataplane)
		return;
	attachments_close(&dataplane->attachments);
	program_close(&dataplane->program);
	maps_close(&dataplane->maps);
	synced_free(&dataplane->synced);
	close(dataplane->lock);
	free(dataplane);
}

__u32 dataplane_maps_id(const struct dataplane *dataplane)
{
	return map_id(&dataplane->maps, MAP_backends);
}

void dataplane_disown_maps(struct dataplane *dataplane)
{
	program_close(&dataplane->program);
	maps_close(&dataplane->maps);
	synced_free(&dataplane->synced);
	dataplane->denied = false;
}

static __u32 wanted_capacity(const struct dataplane *dataplane, const struct plan *plan)
{
	__u32 capacity = dataplane->maps.slot_capacity ?: SLOT_CAPACITY_MIN;

	while (capacity < plan->slots_used)
		capacity *= 2;
	return capacity < SLUICE_MAX_SLOTS ? capacity : SLUICE_MAX_SLOTS;
}

/* The table grows, but does not shrink. */
static __u32 wanted_vip_shift(const struct dataplane *dataplane, const struct plan *plan)
{
	__u32 shift = vip_table_shift(plan->vip_count), present = dataplane->maps.vips.shift;

	if (present && present < shift)
		shift = present;
	return dataplane->vip_shift && dataplane->vip_shift < shift ? dataplane->vip_shift : shift;
}

/* The settings that the program must have for this plan. */
static struct settings wanted_settings(const struct dataplane *dataplane, const struct plan *plan)
{
	struct settings settings = plan->settings;

	settings.object = dataplane->object;
	settings.slot_capacity = wanted_capacity(dataplane, plan);
	settings.cpus = dataplane->maps.cpus;
	settings.vip_shift = wanted_vip_shift(dataplane, plan);
	/* libxdp loads programs as such that take no packets of several buffers */
	settings.features |= plan->shared ? 0 : dataplane->kernel_features;
	settings.slow = dataplane->program.settings.slow;
	return settings;
}

/* Whether the present map will not do: slots that must grow, records that get more or less room, another kind of
 * program. */
static bool is_another(enum map map, const struct maps *maps, const struct settings *former,
		       const struct settings *settings)
{
	switch (map) {
	case MAP_vips:
		return settings->vip_shift != maps->vips.shift;
	case MAP_slots:
	case MAP_owners:
		return settings->slot_capacity != maps->slot_capacity;
	case MAP_flows:
		return settings->flow_capacity != maps->flow_capacity;
	case MAP_sources:
		return settings->source_capacity != maps->source_capacity;
	case MAP_fragments:
		return settings->fragment_capacity != maps->fragment_capacity;
	case MAP_programs: /* the kernel lets no programs of both kinds call one another */
		return former && (settings->features ^ former->features) & FEATURE_MULTI;
	default:
		return false;
	}
}

/* The same maps under new descriptors, but for those that will not do. */
static int share_maps(struct maps *shared, const struct maps *maps, const struct settings *former,
		      const struct settings *settings)
{
	maps_init(shared);
	for (int i = 0; i < MAP_COUNT; i++) {
		if (maps->fd[i] < 0 || is_another((enum map)i, maps, former, settings))
			continue;
		shared->fd[i] = fcntl(maps->fd[i], F_DUPFD_CLOEXEC, 0);
		if (shared->fd[i] < 0) {
			int err = -errno;

			maps_close(shared);
			return err;
		}
	}
	return 0;
}

/*
 * Loads the program with new settings over the present maps. Slots that had to
 * grow start as a copy: the VIPs lead to the same ranges until they are synced.
 */
static int load_anew(struct dataplane *dataplane, const struct settings *settings, struct program *program,
		     struct maps *maps)
{
	const struct maps *present = &dataplane->maps;
	int err;

	program_init(program);
	err = share_maps(maps, present, dataplane->program.fd >= 0 ? &dataplane->program.settings : NULL, settings);
	if (err)
		return err;
	err = program_load(program, maps, settings);
	if (!err) {
		maps->flow_capacity = settings->flow_capacity;
		maps->source_capacity = settings->source_capacity;
		maps->fragment_capacity = settings->fragment_capacity;
		err = maps_mmap(maps);
	}
	if (err) {
		program_close(program);
		maps_close(maps);
		return err;
	}
	if (present->vips.buckets && settings->vip_shift != present->vips.shift)
		vip_table_copy(maps->vips, present->vips);
	if (present->slots && settings->slot_capacity != present->slot_capacity) {
		memcpy(maps->slots, present->slots, (size_t)present->slot_capacity * sizeof(struct slot));
		memcpy(maps->owners, present->owners, (size_t)present->slot_capacity * sizeof(*maps->owners));
	}
	return 0;
}

static int pin_all(struct dataplane *dataplane)
{
	char path[PIN_PATH_MAX];
	int err = maps_pin(&dataplane->maps, dataplane->folder);

	if (!err)
		err = pins_path(path, dataplane->folder, NULL, "prog");
	return err ?: pins_replace(dataplane->program.fd, path);
}

static struct attach_source attach_source(const struct dataplane *dataplane)
{
	return (struct attach_source){.program = &dataplane->program, .maps = &dataplane->maps};
}

/* Tables are filled already; a running interface goes over to the new program before the VIPs change. */
static int take_program(struct dataplane *dataplane, struct program *program, struct maps *maps)
{
	struct attach_source source = attach_source(dataplane);

	program_close(&dataplane->program);
	maps_close(&dataplane->maps);
	dataplane->program = *program;
	dataplane->maps = *maps;
	log_info("loaded the program %u", program->id);
	return pin_all(dataplane) ?: attachments_update(&dataplane->attachments, &source);
}

static int sync_all_vips(struct dataplane *dataplane, const struct plan *plan)
{
	const bool options = dataplane->synced.options != plan->options_generation;
	int err = options ? sync_options_begin(&dataplane->maps, plan) : 0;

	if (err)
		return err;
	sync_moves_begin(&dataplane->maps, plan);
	if (dataplane->synced.vips != plan->vip_generation) {
		err = sync_vips(&dataplane->maps, plan, VIPS_ALL);
		err = sync_prefixes(&dataplane->maps, plan, VIPS_ALL) ?: err;
		dataplane->synced.vips = err ? 0 : plan->vip_generation;
	}
	if (err)
		return err;
	sync_moves_end(&dataplane->maps, plan);
	err = options ? sync_options_end(&dataplane->maps, plan) : 0;
	dataplane->synced.options = err ? 0 : plan->options_generation;
	return err;
}

/* All of the deny list, into maps that are new to it; later what changes, piece by piece (dataplane_deny()). */
static int sync_denied(struct dataplane *dataplane, const struct maps *maps, const struct plan *plan)
{
	int err = plan->deny && !dataplane->denied ? sync_deny_whole(maps, plan->deny) : 0;

	dataplane->denied |= plan->deny && !err;
	return err;
}

/* By another key every flow has another slot. */
static bool is_rehashed(const struct dataplane *dataplane, const struct settings *settings)
{
	return dataplane->program.fd >= 0 &&
	       memcmp(&dataplane->program.settings.key, &settings->key, sizeof(settings->key)) != 0;
}

/*
 * Records go over to the new map, where it is another one; then those that came meanwhile, so that few are missing when
 * the new program begins. Returns a descriptor of the old map, from which those since `since` are left.
 */
static int keep_flows(const struct dataplane *dataplane, const struct maps *maps, __u32 *since)
{
	int old = dataplane->maps.fd[MAP_flows];

	if (old < 0 || dataplane->maps.flow_capacity == maps->flow_capacity)
		return -1;
	*since = flows_carry_over(old, maps->fd[MAP_flows], 0, false);
	*since = flows_carry_over(old, maps->fd[MAP_flows], *since, false);
	return fcntl(old, F_DUPFD_CLOEXEC, 0);
}

/* A program that does not look at phases would send every flow of an open slot to its new owner. */
static bool is_blind(const struct dataplane *dataplane, const struct settings *settings)
{
	return dataplane->program.fd >= 0 &&
	       settings->features & ~dataplane->program.settings.features & FEATURE_TRANSITION;
}

static bool has_same(const struct maps *one, const struct maps *other, enum map map)
{
	return map_id(one, map) == map_id(other, map);
}

/* All that a new program needs to take over. */
static int sync_before(struct dataplane *dataplane, const struct maps *maps, const struct plan *plan, bool rehash,
		       bool *moved)
{
	__u32 capacity = dataplane->maps.slot_capacity;
	int err;

	*moved = sync_tables(maps, plan, &dataplane->synced, rehash);
	if (capacity && capacity != maps->slot_capacity)
		return 0;
	err = sync_options_begin(maps, plan);
	if (err)
		return err;
	sync_moves_begin(maps, plan);
	return sync_vips(maps, plan, VIPS_ADD) ?: sync_prefixes(maps, plan, VIPS_ADD);
}

/*
 * Loads the program anew and lets it take over. The VIPs are there before: it may
 * not look any more for those that they replace. Unless the slots grew: VIPs may
 * lead beyond those that the former program has. Nothing is where that one is blind.
 */
static int sync_anew(struct dataplane *dataplane, const struct plan *plan, struct settings *settings, bool *moved)
{
	const bool rehash = is_rehashed(dataplane, settings), blind = is_blind(dataplane, settings) && !rehash;
	struct program program;
	struct maps maps;
	int err;

	settings->slow ^= 1; /* what runs goes on calling its own */
	err = load_anew(dataplane, settings, &program, &maps);
	if (err)
		return err;
	synced_free(&dataplane->synced);
	err = sync_denied(dataplane, &maps, plan);
	if (!err && !blind)
		err = sync_before(dataplane, &maps, plan, rehash, moved);
	if (!err) {
		__u32 since = 0;
		int old = keep_flows(dataplane, &maps, &since);

		err = take_program(dataplane, &program, &maps);
		flows_carry_over(old, dataplane->maps.fd[MAP_flows], since, true);
		if (old >= 0)
			close(old);
		if (blind && !err)
			*moved = sync_tables(&dataplane->maps, plan, &dataplane->synced, false);
		return err;
	}
	if (!has_same(&dataplane->maps, &maps, MAP_denied4))
		dataplane->denied = false; /* it was the new maps' list that was written */
	program_close(&program);
	maps_close(&maps);
	return err;
}

static int sync_once(struct dataplane *dataplane, const struct plan *plan)
{
	struct settings settings = wanted_settings(dataplane, plan);
	bool moved = false;
	int err = 0;

	if (dataplane->program.fd >= 0 && memcmp(&dataplane->program.settings, &settings, sizeof(settings)) == 0) {
		struct attach_source source = attach_source(dataplane);

		/* where a crash or a refusal came between, the former program still runs */
		attachments_update(&dataplane->attachments, &source);
		err = sync_denied(dataplane, &dataplane->maps, plan);
		moved = sync_tables(&dataplane->maps, plan, &dataplane->synced, false);
	} else {
		err = sync_anew(dataplane, plan, &settings, &moved);
	}
	err = err ?: sync_all_vips(dataplane, plan);
	if (err)
		synced_free(&dataplane->synced); /* the next sync has to clear what VIPs that are still there lead to */
	else
		sync_clear(&dataplane->maps, plan, &dataplane->synced, moved);
	return err;
}

int dataplane_sync(struct dataplane *dataplane, const struct plan *plan)
{
	int err = sync_once(dataplane, plan);

	while (err == -EXFULL && dataplane->maps.vips.shift > VIP_SHIFT_LEAST) {
		dataplane->vip_shift = dataplane->maps.vips.shift - 1;
		err = sync_once(dataplane, plan);
	}
	return err == -EXFULL ? -ENOSPC : err;
}

int dataplane_attach(struct dataplane *dataplane, const struct config *config, const struct network *network)
{
	struct attach_source source = attach_source(dataplane);

	return attachments_apply(&dataplane->attachments, &source, config, network);
}

/* Of maps and program; the attachments' are theirs. */
static int repair_pins(const struct dataplane *dataplane)
{
	char path[PIN_PATH_MAX];
	int repaired = 0, result;

	for (int i = 0; i < MAP_COUNT; i++) {
		result = pins_path(path, dataplane->folder, PINS_MAPS, map_name((enum map)i))
				 ?: pins_repair(dataplane->maps.fd[i], path);
		if (result < 0)
			return result;
		repaired += result;
	}
	result = pins_path(path, dataplane->folder, NULL, "prog") ?: pins_repair(dataplane->program.fd, path);
	return result < 0 ? result : repaired + result;
}

int dataplane_repair(struct dataplane *dataplane)
{
	int pins = 0, links = 0, err;

	if (dataplane->program.fd < 0)
		return 0;
	if (dataplane->unpinned && ++dataplane->unpinned % REPAIR_PAUSE)
		return -ENOENT;
	err = pins_repair_folder(dataplane->folder, &dataplane->lock);
	if (err >= 0) {
		pins = repair_pins(dataplane);
		links = attachments_repair(&dataplane->attachments);
		err = pins < 0 ? pins : links < 0 ? links : 0;
	}
	if (err < 0 && !dataplane->unpinned)
		log_error("%s: pins are missing and cannot be made again (%s): if sluiced ends now, so does the "
			  "dataplane",
			  dataplane->folder, strerror(-err));
	dataplane->unpinned = err < 0 ? 1 + dataplane->unpinned : 0;
	return err < 0 ? err : pins + links;
}

int dataplane_deny(struct dataplane *dataplane, struct deny *deny)
{
	return dataplane->denied ? sync_deny(&dataplane->maps, deny) : -ENOENT;
}

int dataplane_backends_fd(const struct dataplane *dataplane)
{
	return dataplane->maps.fd[MAP_backends];
}

const struct maps *dataplane_maps(const struct dataplane *dataplane)
{
	return &dataplane->maps;
}

__u32 dataplane_deadline(const struct dataplane *dataplane, const struct plan *plan)
{
	return sync_deadline(plan, &dataplane->synced);
}

void dataplane_forget_flows(struct dataplane *dataplane, const bool *backends)
{
	flows_forget(dataplane->maps.fd[MAP_flows], backends);
}

void dataplane_move_clear(struct dataplane *dataplane, __u32 service)
{
	if (dataplane->maps.moves)
		dataplane->maps.moves[service] = (struct service_move){0};
}

void dataplane_rest_slots(struct dataplane *dataplane, const struct plan *plan, size_t table, __u32 first, __u32 count,
			  const struct sweep *sweep, __u32 second)
{
	sync_rest_slots(&dataplane->maps, plan, &dataplane->synced, table, first, count, sweep, second);
}

bool dataplane_rest_move(struct dataplane *dataplane, const struct plan *plan, __u16 service,
			 const struct windows *windows, const struct sweep *sweep, __u32 second)
{
	return sync_rest_move(&dataplane->maps, plan, service, windows, sweep, second);
}

int dataplane_tracked(const struct dataplane *dataplane, __u64 *out)
{
	const struct maps *maps = &dataplane->maps;

	if (!maps->counts)
		return -ENOENT;
	memset(out, 0, SLUICE_MAX_SERVICES * sizeof(*out));
	for (__u32 cpu = 0; cpu < maps->cpus; cpu++)
		for (__u32 i = 0; i < SLUICE_MAX_SERVICES; i++)
			out[i] += __atomic_load_n(&maps->counts[cpu].tracked[i], __ATOMIC_RELAXED);
	return 0;
}

void dataplane_phases(const struct dataplane *dataplane, const char *pool, __u32 phases[static PHASE_SETTLED + 1])
{
	const struct synced_table *one;

	HASH_FIND_STR(dataplane->synced.tables, pool, one);
	for (int i = 0; i <= PHASE_SETTLED; i++)
		phases[i] = one ? one->phases[i] : 0;
}

const struct backend *dataplane_backend(const struct dataplane *dataplane, __u32 index)
{
	return dataplane->maps.backends ? &dataplane->maps.backends[index] : NULL;
}

static struct counters *page_counters(struct count_page *page, enum counted what)
{
	switch (what) {
	case COUNTED_SERVICES:
		return page->service;
	case COUNTED_BACKENDS:
		return page->backend;
	case COUNTED_REASONS:
		break;
	}
	return page->reason;
}

int dataplane_counters(struct dataplane *dataplane, enum counted what, __u32 first, __u32 count, struct counters *out)
{
	const struct maps *maps = &dataplane->maps;

	if (!maps->counts)
		return -ENOENT;
	memset(out, 0, count * sizeof(*out));
	for (__u32 cpu = 0; cpu < maps->cpus; cpu++) {
		const struct counters *one = page_counters(&maps->counts[cpu], what) + first;

		for (__u32 i = 0; i < count; i++) {
			out[i].packets += __atomic_load_n(&one[i].packets, __ATOMIC_RELAXED);
			out[i].bytes += __atomic_load_n(&one[i].bytes, __ATOMIC_RELAXED);
		}
	}
	return 0;
}

void dataplane_counters_clear(struct dataplane *dataplane, enum counted what, __u32 index)
{
	const struct maps *maps = &dataplane->maps;

	for (__u32 cpu = 0; maps->counts && cpu < maps->cpus; cpu++) {
		page_counters(&maps->counts[cpu], what)[index] = (struct counters){0};
		if (what == COUNTED_SERVICES)
			maps->counts[cpu].tracked[index] = 0;
	}
}

json_t *dataplane_interfaces_json(const struct dataplane *dataplane)
{
	json_t *all = json_array();
	const struct attachment *one;

	for (one = dataplane->attachments.by_interface; one; one = one->hh.next)
		json_array_append_new(all,
				      json_pack("{ss sI ss sb sI ss ss}", "name", one->interface, "ifindex",
						(json_int_t)one->ifindex, "attach", attach_names[one->kind], "attached",
						one->attached, "reattached", (json_int_t)one->reattached, "mode",
						one->attached ? one->mode : "none", "why", one->why));
	return all;
}

static json_t *map_json(const struct maps *maps, enum map map)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (maps->fd[map] < 0 || bpf_obj_get_info_by_fd(maps->fd[map], &info, &length))
		return NULL;
	return json_pack("{ss sI ss sI sI sI}", "name", map_name(map), "id", (json_int_t)info.id, "type",
			 libbpf_bpf_map_type_str((enum bpf_map_type)info.type), "key_size", (json_int_t)info.key_size,
			 "value_size", (json_int_t)info.value_size, "max_entries", (json_int_t)info.max_entries);
}

json_t *dataplane_bpf_json(const struct dataplane *dataplane)
{
	const struct program *program = &dataplane->program;
	json_t *maps = json_array(), *links = json_array();
	const struct attachment *one;
	char object[20];

	for (int i = 0; i < MAP_COUNT; i++) {
		json_t *map = map_json(&dataplane->maps, (enum map)i);

		if (map)
			json_array_append_new(maps, map);
	}
	for (one = dataplane->attachments.by_interface; one; one = one->hh.next) {
		struct bpf_link_info info = {};
		__u32 length = sizeof(info);

		if (one->link >= 0 && !bpf_obj_get_info_by_fd(one->link, &info, &length))
			json_array_append_new(links,
					      json_pack("{ss sI sI}", "interface", one->interface, "id",
							(json_int_t)info.id, "program", (json_int_t)info.prog_id));
	}
	snprintf(object, sizeof(object), "%016llx", (unsigned long long)program->settings.object);
	return json_pack("{ss s{sI ss sI sI} so so}", "folder", dataplane->folder, "program", "id",
			 (json_int_t)program->id, "object", object, "features", (json_int_t)program->settings.features,
			 "slot_capacity", (json_int_t)program->settings.slot_capacity, "maps", maps, "links", links);
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/sync_deny.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/memory.h"

/* Keys of one family. */
struct keys {
	__u32 family;
	union {
		struct deny_key4 v4[SYNC_DENY_BATCH];
		struct deny_key6 v6[SYNC_DENY_BATCH];
	};
};

static enum map map_of(__u32 family)
{
	return family == AF_INET ? MAP_denied4 : MAP_denied6;
}

static void keys_fill(struct keys *keys, const struct prefix *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (keys->family == AF_INET) {
			keys->v4[i].prefixlen = prefixes[i].length;
			keys->v4[i].address = prefixes[i].address.word[0];
		} else {
			keys->v6[i].prefixlen = prefixes[i].length;
			memcpy(keys->v6[i].address, prefixes[i].address.word, sizeof(keys->v6[i].address));
		}
	}
}

static struct prefix keys_prefix(const struct keys *keys, size_t i)
{
	struct prefix prefix = {.address.family = keys->family};

	if (keys->family == AF_INET) {
		prefix.length = keys->v4[i].prefixlen;
		prefix.address.word[0] = keys->v4[i].address;
	} else {
		prefix.length = keys->v6[i].prefixlen;
		memcpy(prefix.address.word, keys->v6[i].address, sizeof(keys->v6[i].address));
	}
	return prefix;
}

/* Returns how many were done, from the first on, or a negative errno if none was. */
static int change_keys(const struct maps *maps, const struct deny_change *change, const struct prefix *prefixes,
		       size_t count)
{
	static const __u32 values[SYNC_DENY_BATCH];
	struct keys keys = {.family = change->family};
	int fd = maps->fd[map_of(change->family)], err;
	__u32 done = (__u32)count;

	keys_fill(&keys, prefixes, count);
	err = change->add ? bpf_map_update_batch(fd, &keys.v4, values, &done, NULL)
			  : bpf_map_delete_batch(fd, &keys.v4, &done, NULL);
	if (!err)
		return (int)count;
	if (err == -EFAULT) /* then `done` says nothing */
		return err;
	if (err == -ENOENT && !change->add) /* somebody has removed it */
		done++;
	return done ? (int)done : err;
}

int sync_deny(const struct maps *maps, struct deny *deny)
{
	struct prefix prefixes[SYNC_DENY_BATCH];
	struct deny_change change;
	size_t count = deny_due(deny, &change, prefixes, SYNC_DENY_BATCH);
	int done = count ? change_keys(maps, &change, prefixes, count) : 0;

	if (done > 0)
		deny_done(deny, &change, (size_t)done);
	return done;
}

/* What is in a map and not on the list. */
struct strangers {
	struct prefix *prefixes;
	size_t count, room;
};

static void strangers_add(struct strangers *strangers, const struct prefix *prefix)
{
	if (strangers->count == strangers->room) {
		strangers->room = strangers->room ? 2 * strangers->room : SYNC_DENY_BATCH;
		strangers->prefixes = memory_resize(strangers->prefixes, strangers->room, sizeof(*strangers->prefixes));
	}
	strangers->prefixes[strangers->count++] = *prefix;
}

/* Tells `deny` what the map holds. */
static int read_map(const struct maps *maps, struct deny *deny, __u32 family, struct strangers *strangers)
{
	struct keys keys = {.family = family};
	__u32 values[SYNC_DENY_BATCH], count;
	struct deny_key6 last, next;
	void *from = NULL;
	int err;

	do {
		count = SYNC_DENY_BATCH;
		err = bpf_map_lookup_batch(maps->fd[map_of(family)], from, &next, &keys.v4, values, &count, NULL);
		if (err && err != -ENOENT)
			return err;
		for (__u32 i = 0; i < count; i++) {
			struct prefix prefix = keys_prefix(&keys, i);

			if (!deny_found(deny, &prefix))
				strangers_add(strangers, &prefix);
		}
		last = next;
		from = &last;
	} while (!err);
	return 0;
}

static int remove_strangers(const struct maps *maps, __u32 family, const struct strangers *strangers)
{
	const struct deny_change change = {.family = family};

	for (size_t i = 0; i < strangers->count;) {
		size_t left = strangers->count - i;
		int done = change_keys(maps, &change, strangers->prefixes + i,
				       left < SYNC_DENY_BATCH ? left : SYNC_DENY_BATCH);

		if (done < 0)
			return done;
		i += (size_t)done;
	}
	return 0;
}

static int adopt_map(const struct maps *maps, struct deny *deny, __u32 family)
{
	struct strangers strangers = {0};
	int err = read_map(maps, deny, family, &strangers) ?: remove_strangers(maps, family, &strangers);

	free(strangers.prefixes);
	if (err)
		log_error("map %s: %s", map_name(map_of(family)), strerror(-err));
	return err;
}

int sync_deny_whole(const struct maps *maps, struct deny *deny)
{
	int done;

	deny_forget_maps(deny);
	if (adopt_map(maps, deny, AF_INET) || adopt_map(maps, deny, AF_INET6))
		return -EIO;
	while ((done = sync_deny(maps, deny)) > 0)
		;
	if (done)
		log_error("writing the deny list: %s", strerror(-done));
	return done;
}

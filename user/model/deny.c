/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/deny.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

#include "abi.h"
#include "lib/memory.h"

/* Those on the list, and those that are not any more but still in the maps, which hold no more than a whole list. */
#define ENTRIES (2 * SLUICE_MAX_DENIED)

enum { FAMILY4, FAMILY6, FAMILIES };

struct entry {
	struct prefix prefix;
	__u64 until;
	__u32 heap;		 /* its place there plus one, 0: none */
	bool wanted;		 /* it is on the list */
	bool present;		 /* it is in the maps */
	bool draft;		 /* a place is kept for it */
	TAILQ_ENTRY(entry) link; /* in the queue of what is due while wanted and present differ; else if it is vacant */
	UT_hash_handle hh;	 /* by prefix */
};

TAILQ_HEAD(entries, entry);

struct deny {
	struct entry *entry; /* all places there can be; what nobody has written to takes no memory ... */
	__u32 used;	     /* ... as from this one on */
	struct entries vacant;
	struct entry *by_prefix;
	struct entry **heap; /* of those that end, by when */
	__u32 heap_count;
	struct entries due[2][FAMILIES]; /* to be removed from the maps, to be added */
	size_t count, drafts, family[FAMILIES];
	bool asked[FAMILIES]; /* there were some since deny_settle() */
};

struct deny *deny_new(void)
{
	struct deny *deny = memory_new(1, sizeof(*deny));

	deny->entry = memory_new(ENTRIES, sizeof(*deny->entry));
	deny->heap = memory_new(SLUICE_MAX_DENIED, sizeof(struct entry *));
	TAILQ_INIT(&deny->vacant);
	for (int add = 0; add < 2; add++)
		for (int family = 0; family < FAMILIES; family++)
			TAILQ_INIT(&deny->due[add][family]);
	return deny;
}

void deny_free(struct deny *deny)
{
	if (!deny)
		return;
	HASH_CLEAR(hh, deny->by_prefix);
	free(deny->entry);
	free(deny->heap);
	free(deny);
}

size_t deny_count(const struct deny *deny)
{
	return deny->count;
}

static int family_of(const struct prefix *prefix)
{
	return prefix->address.family == AF_INET ? FAMILY4 : FAMILY6;
}

/* The heap: nobody's time is before its parent's. */

static void heap_put(struct deny *deny, __u32 place, struct entry *entry)
{
	deny->heap[place] = entry;
	entry->heap = place + 1;
}

static void heap_rise(struct deny *deny, __u32 place, struct entry *entry)
{
	for (; place && deny->heap[(place - 1) / 2]->until > entry->until; place = (place - 1) / 2)
		heap_put(deny, place, deny->heap[(place - 1) / 2]);
	heap_put(deny, place, entry);
}

static void heap_sink(struct deny *deny, __u32 place, struct entry *entry)
{
	__u32 child;

	for (; (child = 2 * place + 1) < deny->heap_count; place = child) {
		if (child + 1 < deny->heap_count && deny->heap[child + 1]->until < deny->heap[child]->until)
			child++;
		if (deny->heap[child]->until >= entry->until)
			break;
		heap_put(deny, place, deny->heap[child]);
	}
	heap_put(deny, place, entry);
}

static void heap_remove(struct deny *deny, struct entry *entry)
{
	__u32 place = entry->heap - 1;
	struct entry *last;

	if (!entry->heap)
		return;
	entry->heap = 0;
	last = deny->heap[--deny->heap_count];
	if (last == entry)
		return;
	if (place && deny->heap[(place - 1) / 2]->until > last->until)
		heap_rise(deny, place, last);
	else
		heap_sink(deny, place, last);
}

static void set_until(struct deny *deny, struct entry *entry, __u64 until)
{
	heap_remove(deny, entry);
	entry->until = until;
	if (until != DENY_FOREVER)
		heap_rise(deny, deny->heap_count++, entry);
}

static struct entry *entry_find(const struct deny *deny, const struct prefix *prefix)
{
	struct entry *entry;

	HASH_FIND(hh, deny->by_prefix, prefix, sizeof(*prefix), entry);
	return entry;
}

static struct entry *entry_new(struct deny *deny, const struct prefix *prefix)
{
	struct entry *entry = TAILQ_FIRST(&deny->vacant);

	if (entry)
		TAILQ_REMOVE(&deny->vacant, entry, link);
	else if (deny->used < ENTRIES)
		entry = &deny->entry[deny->used++];
	else
		return NULL;
	*entry = (struct entry){.prefix = *prefix};
	HASH_ADD(hh, deny->by_prefix, prefix, sizeof(entry->prefix), entry);
	return entry;
}

/* Unless something needs it yet. */
static void entry_release(struct deny *deny, struct entry *entry)
{
	if (entry->wanted || entry->present || entry->draft)
		return;
	HASH_DEL(deny->by_prefix, entry);
	TAILQ_INSERT_HEAD(&deny->vacant, entry, link);
}

static struct entries *queue_of(struct deny *deny, const struct entry *entry)
{
	return &deny->due[entry->wanted][family_of(&entry->prefix)];
}

/* The one place where it comes and goes, on the list and in the maps. It may be released by that. */
static void entry_set(struct deny *deny, struct entry *entry, bool wanted, bool present)
{
	if (entry->wanted != entry->present)
		TAILQ_REMOVE(queue_of(deny, entry), entry, link);
	if (wanted && !entry->wanted) {
		deny->count++;
		deny->family[family_of(&entry->prefix)]++;
	} else if (!wanted && entry->wanted) {
		deny->count--;
		deny->family[family_of(&entry->prefix)]--;
	}
	entry->wanted = wanted;
	entry->present = present;
	if (wanted != present)
		TAILQ_INSERT_TAIL(queue_of(deny, entry), entry, link);
	entry_release(deny, entry);
}

static void draft_end(struct deny *deny, struct entry *entry)
{
	deny->drafts -= entry->draft;
	entry->draft = false;
}

/* The prefix's entry, a new one if there is none; NULL if there is no room for one more on the list. */
static struct entry *entry_make(struct deny *deny, const struct prefix *prefix)
{
	struct entry *entry = entry_find(deny, prefix);

	if (entry && (entry->wanted || entry->draft))
		return entry;
	if (deny->count + deny->drafts >= SLUICE_MAX_DENIED)
		return NULL;
	return entry ?: entry_new(deny, prefix);
}

int deny_draft(struct deny *deny, const struct prefix *prefix)
{
	struct entry *entry = entry_make(deny, prefix);

	if (!entry)
		return -ENOSPC;
	if (entry->wanted || entry->draft)
		return 0;
	entry->draft = true;
	deny->drafts++;
	return 0;
}

void deny_undraft(struct deny *deny, const struct prefix *prefix)
{
	struct entry *entry = entry_find(deny, prefix);

	if (!entry || !entry->draft)
		return;
	draft_end(deny, entry);
	entry_release(deny, entry);
}

int deny_add(struct deny *deny, const struct prefix *prefix, __u64 until)
{
	struct entry *entry = entry_make(deny, prefix);
	bool fresh;

	if (!entry)
		return -ENOSPC;
	fresh = !entry->wanted;
	draft_end(deny, entry);
	if (fresh)
		entry_set(deny, entry, true, entry->present);
	set_until(deny, entry, until);
	deny->asked[family_of(prefix)] = true;
	return fresh;
}

static void entry_end(struct deny *deny, struct entry *entry)
{
	heap_remove(deny, entry);
	entry_set(deny, entry, false, entry->present);
}

bool deny_remove(struct deny *deny, const struct prefix *prefix)
{
	struct entry *entry = entry_find(deny, prefix);

	if (!entry || !entry->wanted)
		return false;
	entry_end(deny, entry);
	return true;
}

size_t deny_expire(struct deny *deny, __u64 now, size_t most)
{
	size_t removed = 0;

	for (; deny->heap_count && deny->heap[0]->until <= now && removed < most; removed++)
		entry_end(deny, deny->heap[0]);
	return removed;
}

__u64 deny_next(const struct deny *deny)
{
	return deny->heap_count ? deny->heap[0]->until : 0;
}

bool deny_walk(const struct deny *deny, __u32 *at, struct denied *out)
{
	while (*at < deny->used) {
		const struct entry *entry = &deny->entry[(*at)++];

		if (!entry->wanted)
			continue;
		*out = (struct denied){.prefix = entry->prefix, .until = entry->until};
		return true;
	}
	return false;
}

__u32 deny_features(const struct deny *deny)
{
	return (deny->asked[FAMILY4] ? FEATURE_DENY4 : 0) | (deny->asked[FAMILY6] ? FEATURE_DENY6 : 0);
}

void deny_settle(struct deny *deny)
{
	for (int family = 0; family < FAMILIES; family++)
		deny->asked[family] = deny->family[family] != 0;
}

size_t deny_due(const struct deny *deny, struct deny_change *change, struct prefix *prefixes, size_t most)
{
	const struct entry *entry;
	size_t count = 0;

	for (int add = 0; add < 2 && !count; add++) {
		for (int family = 0; family < FAMILIES && !count; family++) {
			*change = (struct deny_change){.family = family == FAMILY4 ? AF_INET : AF_INET6, .add = add};
			entry = TAILQ_FIRST(&deny->due[add][family]);
			for (; entry && count < most; entry = TAILQ_NEXT(entry, link))
				prefixes[count++] = entry->prefix;
		}
	}
	return count;
}

void deny_done(struct deny *deny, const struct deny_change *change, size_t count)
{
	const struct entries *queue = &deny->due[change->add][change->family == AF_INET ? FAMILY4 : FAMILY6];

	for (; count && !TAILQ_EMPTY(queue); count--)
		entry_set(deny, TAILQ_FIRST(queue), change->add, change->add);
}

void deny_forget_maps(struct deny *deny)
{
	for (__u32 i = 0; i < deny->used; i++)
		if (deny->entry[i].present)
			entry_set(deny, &deny->entry[i], deny->entry[i].wanted, false);
}

bool deny_found(struct deny *deny, const struct prefix *prefix)
{
	struct entry *entry = entry_find(deny, prefix);

	if (!entry || !entry->wanted)
		return false;
	entry_set(deny, entry, true, true);
	return true;
}

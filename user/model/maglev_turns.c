/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Asking every member in every round would cost rounds x members, which weights
 * of 1 and 65535 make billions. So the rounds ahead are a ring of queues: who has
 * a turn joins the queue of the round of its next one.
 */
#include "model/maglev_turns.h"

#include <stdlib.h>

#include "lib/memory.h"

struct turns_member {
	struct turns_member *behind; /* who follows it in its queue, unless it is the last one */
	__u32 who;
	__u16 weight;
	__u16 gap;    /* heaviest weight / weight: its turns are so many rounds apart, or one more */
	__u16 rest;   /* heaviest weight % weight */
	__u16 credit; /* what its latest turn left over; less than weight */
};

struct turns_queue {
	struct turns_member *head;
	struct turns_member **tail; /* where who comes next is entered: &head, or the last one's `behind` */
};

void turns_init(struct turns *turns, size_t count, __u32 lightest, __u32 heaviest)
{
	*turns = (struct turns){.heaviest = heaviest, .equal = lightest == heaviest};
	turns->order = memory_new(count, sizeof(*turns->order));
	if (turns->equal)
		return;
	turns->members = memory_new(count, sizeof(*turns->members));
	/* the next turn is at most gap + 1 rounds ahead and must not wrap round to this one */
	turns->ring_size = heaviest / lightest + 2;
	turns->round = turns->ring_size - 1;
	turns->rounds = memory_new(turns->ring_size, sizeof(*turns->rounds));
	for (__u32 i = 0; i < turns->ring_size; i++)
		turns->rounds[i].tail = &turns->rounds[i].head;
}

void turns_free(struct turns *turns)
{
	free(turns->order);
	free(turns->members);
	free(turns->rounds);
}

static void enqueue(struct turns_queue *queue, struct turns_member *member)
{
	*queue->tail = member;
	queue->tail = &member->behind;
}

void turns_add(struct turns *turns, __u32 who, __u32 weight)
{
	__u32 credit = turns->heaviest / 2, first = (turns->heaviest - credit + weight - 1) / weight;
	struct turns_member *member;

	if (turns->equal) {
		turns->order[turns->count++] = who;
		return;
	}
	member = &turns->members[who];
	member->who = who;
	member->weight = (__u16)weight;
	member->gap = (__u16)(turns->heaviest / weight);
	member->rest = (__u16)(turns->heaviest % weight);
	member->credit = (__u16)(credit + first * weight - turns->heaviest);
	enqueue(&turns->rounds[first - 1], member);
}

/* Rounds from this turn to the next: ceil((heaviest - credit) / weight), without dividing or branching. */
static inline __u32 rounds_to_next(struct turns_member *member)
{
	__u32 more = member->credit < member->rest;

	member->credit = (__u16)(member->credit + (member->weight & -more) - member->rest);
	return member->gap + more;
}

/* Puts all who have a turn in the next round in order, and queues them: the next turn does not depend on the slot. */
static void next_round(struct turns *turns)
{
	struct turns_queue *rounds = turns->rounds;
	__u32 size = turns->ring_size, round = turns->round + 1 < size ? turns->round + 1 : 0;
	struct turns_member *member = rounds[round].head, **tail = rounds[round].tail;
	size_t count = 0;

	/* nobody joins this queue again meanwhile, and it is not empty: the heaviest is in every round */
	rounds[round].tail = &rounds[round].head;
	for (bool more = true; more;) {
		struct turns_member *behind = member->behind;
		__u32 ahead = round + rounds_to_next(member);

		more = tail != &member->behind;
		turns->order[count++] = member->who;
		enqueue(&rounds[ahead < size ? ahead : ahead - size], member);
		member = behind;
	}
	turns->round = round;
	turns->count = count;
}

size_t turns_next(struct turns *turns, size_t most, const __u32 **who)
{
	if (turns->next == turns->count) {
		turns->next = 0;
		if (!turns->equal)
			next_round(turns);
	}
	if (most > turns->count - turns->next)
		most = turns->count - turns->next;
	*who = &turns->order[turns->next];
	turns->next += most;
	return most;
}

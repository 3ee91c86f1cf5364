/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/bpf_sequence.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz/bpf_check.h"
#include "fuzz/bpf_program.h"
#include "fuzz/fuzz.h"

#define START	     1000000000000ULL /* nanoseconds of uptime */
#define PACKETS_MAX  16		      /* of an input */
#define FRAME_LEAST  14
#define HEADER	     5
#define WAY_OUTSIDE  0x1 /* comes from the other interface */
#define WAY_HEADROOM 0xe /* less than the usual headroom: the less, the higher */

struct arrival {
	__u8 time, way, linear;
	struct fuzz_frame frame;
};

struct sequence {
	__u8 world;
	__u32 count;
	struct arrival arrivals[PACKETS_MAX];
};

static unsigned long long packets[REASON_COUNT];

void sequence_tell(void)
{
	unsigned long long all = 0;

	for (int i = 0; i < REASON_COUNT; i++)
		all += packets[i];
	fprintf(stderr, "stat::packets:%llu\n", all);
#define TELL(name, action, help) fprintf(stderr, "stat::%s:%llu\n", #name, packets[REASON_##name]);
	REASONS(TELL)
#undef TELL
}

/* Nanoseconds that a packet comes after the one before. */
static __u64 pause_of(__u8 time)
{
	return time < 128 ? 0 : time < 192 ? (time - 128) * 1000000ULL : (time - 192) * 100000000ULL;
}

static bool read_arrival(struct fuzz_input *input, struct arrival *arrival)
{
	__u32 length;

	if (input->size < HEADER + FRAME_LEAST)
		return false;
	length = fuzz_byte(input);
	length |= (__u32)fuzz_byte(input) << 8;
	arrival->time = fuzz_byte(input);
	arrival->way = fuzz_byte(input);
	arrival->linear = fuzz_byte(input);
	if (length < FRAME_LEAST)
		length = FRAME_LEAST;
	if (length > FUZZ_FRAME_MAX)
		length = FUZZ_FRAME_MAX;
	if (length > input->size)
		length = (__u32)input->size;
	arrival->frame.length = length;
	memcpy(arrival->frame.data, input->data, length);
	input->data += length;
	input->size -= length;
	return true;
}

static void run(const struct fuzz_world *world, const struct arrival *arrival)
{
	const bool multi = world->settings.features & FEATURE_MULTI && arrival->linear;
	const __u32 linear = multi ? FRAME_LEAST + 4U * (arrival->linear - 1) : 0;
	const __u32 less = (arrival->way & WAY_HEADROOM) * 16;
	static struct fuzz_frame out;
	struct outcome outcome = {
		.world = world,
		.in = &arrival->frame,
		.out = &out,
		.linear = linear,
		.from = arrival->way & WAY_OUTSIDE ? FUZZ_OUTSIDE : FUZZ_INSIDE,
		.short_of_room = less || multi,
	};
	const struct kernel_frame frame = {
		.data = arrival->frame.data,
		.length = arrival->frame.length,
		.linear = linear,
		.headroom = KERNEL_HEADROOM - (less > 216 ? 216 : less),
		.ifindex = outcome.from,
	};
	const char *wrong;

	outcome.verdict = program_run(&frame, out.data, &out.length);
	outcome.to = kernel_redirected();
	wrong = check_counts(&outcome, program_counts());
	if (!wrong)
		wrong = check_outcome(&outcome);
	if (wrong) {
		check_print(&outcome, wrong);
		abort();
	}
	packets[outcome.reason]++;
}

void sequence_init(void)
{
	program_init();
}

void sequence_run(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	const struct fuzz_world *world = program_enter(fuzz_byte(&input) % FUZZ_WORLDS);
	static struct arrival arrival;
	__u64 now = START;

	for (int i = 0; i < PACKETS_MAX && read_arrival(&input, &arrival); i++) {
		now += pause_of(arrival.time);
		kernel_set_clock(now);
		run(world, &arrival);
	}
}

static void read_sequence(struct sequence *sequence, const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};

	sequence->world = fuzz_byte(&input);
	sequence->count = 0;
	while (sequence->count < PACKETS_MAX && read_arrival(&input, &sequence->arrivals[sequence->count]))
		sequence->count++;
}

/* As many of the packets as there is room for. */
static size_t write_sequence(const struct sequence *sequence, uint8_t *data, size_t most)
{
	size_t size = 1;

	data[0] = sequence->world;
	for (__u32 i = 0; i < sequence->count; i++) {
		const struct arrival *one = &sequence->arrivals[i];
		const uint8_t header[HEADER] = {(uint8_t)one->frame.length, one->frame.length >> 8, one->time, one->way,
						one->linear};

		if (size + HEADER + one->frame.length > most)
			break;
		memcpy(data + size, header, HEADER);
		memcpy(data + size + HEADER, one->frame.data, one->frame.length);
		size += HEADER + one->frame.length;
	}
	return size;
}

static void arrive(struct arrival *arrival, struct dice *dice)
{
	arrival->time = dice_below(dice, 4) ? 0 : (__u8)dice_next(dice);
	arrival->way = dice_below(dice, 8) ? dice_below(dice, 2) : (__u8)dice_next(dice);
	arrival->linear = dice_below(dice, 2) ? 0 : 1 + dice_below(dice, 40);
}

/* One more packet: a new one, or one that follows another. */
static void add(struct sequence *sequence, struct dice *dice)
{
	const __u32 at = sequence->count < PACKETS_MAX ? sequence->count++ : dice_below(dice, PACKETS_MAX);
	struct arrival *arrival = &sequence->arrivals[at];

	arrive(arrival, dice);
	if (at && dice_below(dice, 2))
		frame_follow(&arrival->frame, &sequence->arrivals[dice_below(dice, at)].frame, dice);
	else
		frame_make(&arrival->frame, dice);
}

static void mutate_bytes(struct fuzz_frame *frame, struct dice *dice, blind_mutator *blindly)
{
	size_t length = blindly(frame->data, frame->length, FUZZ_FRAME_MAX);

	while (length < FRAME_LEAST)
		frame->data[length++] = 0;
	frame->length = (__u32)length;
	if (dice_below(dice, 2))
		frame_mend(frame);
}

static void mutate(struct sequence *sequence, struct dice *dice, blind_mutator *blindly)
{
	struct arrival *one = &sequence->arrivals[sequence->count ? dice_below(dice, sequence->count) : 0];

	if (!sequence->count) {
		add(sequence, dice);
		return;
	}
	switch (dice_below(dice, 16)) {
	case 0:
		sequence->world = dice_below(dice, FUZZ_WORLDS);
		break;
	case 1:
		arrive(one, dice);
		break;
	case 2:
		*one = sequence->arrivals[--sequence->count];
		break;
	case 3:
	case 4:
		mutate_bytes(&one->frame, dice, blindly);
		break;
	case 5:
	case 6:
	case 7:
		add(sequence, dice);
		break;
	case 8:
	case 9:
		frame_make(&one->frame, dice);
		break;
	default:
		frame_damage(&one->frame, dice);
		break;
	}
}

size_t sequence_mutate(uint8_t *data, size_t size, size_t most, unsigned int seed, blind_mutator *blindly)
{
	static struct sequence sequence;
	struct dice dice = {seed};

	read_sequence(&sequence, data, size);
	for (__u32 times = 1 + dice_below(&dice, 3); times; times--)
		mutate(&sequence, &dice, blindly);
	return write_sequence(&sequence, data, most);
}

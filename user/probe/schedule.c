/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "probe/schedule.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/memory.h"

#define FIRST_WITHIN_MS 1000

static void timer_event(evutil_socket_t fd, short what, void *argument)
{
	struct schedule *schedule = argument;

	(void)fd;
	(void)what;
	pace_want(&schedule->world->pace, &schedule->entry);
}

static void sleep_until_planned(struct schedule *schedule, __u64 now)
{
	__u64 in = schedule->planned > now ? schedule->planned - now : 0;

	probe_timer_add(schedule->world->base, &schedule->timer, (__u32)in);
}

static bool pending(const struct schedule *schedule)
{
	return schedule->target->health && health_pending(schedule->target->health, schedule->index);
}

static void plan_next(struct schedule *schedule)
{
	const struct config_probe *probe = schedule->probe;
	__u64 now = clock_ms();
	__u32 gap = probe->interval_ms;

	if (probe->fast_interval_ms && pending(schedule)) {
		gap = probe->fast_interval_ms;
	} else if (schedule->first_gap) {
		gap = schedule->first_gap;
		schedule->first_gap = 0;
	}
	schedule->planned += gap;
	if (schedule->planned < now)
		schedule->planned = now;
	sleep_until_planned(schedule, now);
}

static void report(struct schedule *schedule, enum finding finding, const char *text)
{
	struct schedule_world *world = schedule->world;
	struct health_backend *backend = schedule->target->health;

	if (backend)
		world->ask.reported(world->ask.argument,
				    health_report(world->health, backend, schedule->index, finding, text, clock_ms()));
	plan_next(schedule);
}

/* Whether this host has lost its way to the backend meanwhile, or would not have taken a reply. */
static bool was_deaf(const struct schedule *schedule, char why[96])
{
	const struct prober_ask *ask = &schedule->world->ask;
	const struct target *target = schedule->target;

	if (!target->health)
		return false;
	if (schedule->aim.via == VIA_ADDRESS)
		return !ask->reachable(ask->argument, &schedule->aim.address, why);
	return !ask->mark(ask->argument, target->pool, target->backend, why) ||
	       (ask->heard && !ask->heard(ask->argument, target->pool, target->backend, schedule->probe, why));
}

static void done(void *argument, enum finding finding, const char *text)
{
	struct schedule *schedule = argument;
	char why[96], trouble[HEALTH_TEXT];

	schedule->run = NULL;
	pace_ended(&schedule->world->pace);
	if (finding == FINDING_FAILED && was_deaf(schedule, why)) {
		finding = FINDING_TROUBLE;
		snprintf(trouble, sizeof(trouble), "%.100s: %s", text, why);
		text = trouble;
	}
	report(schedule, finding, text);
}

static void count_start(struct schedule *schedule)
{
	struct schedule_world *world = schedule->world;
	__u64 now = clock_ms(), late = now > schedule->planned ? now - schedule->planned : 0;

	world->begun++;
	if (late * 10 > schedule->probe->interval_ms)
		world->late++;
	if (late > world->worst_late_ms)
		world->worst_late_ms = late;
	/* whole intervals that were missed are not made up for */
	schedule->planned += late - late % schedule->probe->interval_ms;
}

void schedule_begin(struct pace_entry *entry)
{
	struct schedule *schedule = (struct schedule *)((char *)entry - offsetof(struct schedule, entry));
	struct target *target = schedule->target;
	struct probe_job *job = &schedule->job;
	enum finding finding = FINDING_TROUBLE;
	char text[HEALTH_TEXT];

	count_start(schedule);
	if (!aim_take(&schedule->aim, &schedule->world->ask, target->pool, target->backend, &target->address,
		      schedule->probe, text)) {
		report(schedule, FINDING_TROUBLE, text);
		return;
	}
	job->address = schedule->aim.address;
	job->source = schedule->aim.source;
	job->port = schedule->aim.port;
	job->mark = schedule->aim.mark;
	job->weight = target->weight;
	/* libevent's clock may be behind: the types' timers count from now */
	event_base_update_cache_time(job->base);
	schedule->run = probe_start(job, &finding, text);
	if (schedule->run)
		pace_begun(&schedule->world->pace);
	else
		report(schedule, finding, text);
}

struct schedule *schedule_new(struct schedule_world *world, struct target *target, const struct config_probe *probe,
			      size_t index, double phase)
{
	struct schedule *schedule = memory_new(1, sizeof(*schedule));
	__u32 interval = probe->interval_ms, within = interval < FIRST_WITHIN_MS ? interval : FIRST_WITHIN_MS;
	__u64 now = clock_ms();

	schedule->world = world;
	schedule->target = target;
	schedule->probe = probe;
	schedule->index = index;
	schedule->planned = now + (__u64)(phase * within);
	/* from a place within the first second to the same place within the whole interval */
	schedule->first_gap = (__u32)(within + phase * (interval - within));
	schedule->job = (struct probe_job){
		.base = world->base,
		.probe = probe,
		.pool = target->pool_name,
		.backend = target->name,
		.backend_address = target->address,
		.shared = &world->shared,
		.done = done,
		.argument = schedule,
	};
	event_assign(&schedule->timer, world->base, -1, 0, timer_event, schedule);
	sleep_until_planned(schedule, now);
	world->configured++;
	return schedule;
}

void schedule_free(struct schedule *schedule)
{
	if (!schedule)
		return;
	schedule->world->configured--;
	event_del(&schedule->timer);
	pace_forget(&schedule->world->pace, &schedule->entry);
	if (schedule->run) {
		probe_types[schedule->probe->type]->cancel(schedule->run);
		pace_ended(&schedule->world->pace);
	}
	free(schedule);
}

void schedule_hurry(struct schedule *schedule)
{
	if (schedule->run || schedule->entry.waiting)
		return;
	event_del(&schedule->timer);
	schedule->planned = clock_ms();
	pace_want(&schedule->world->pace, &schedule->entry);
}

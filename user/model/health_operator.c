/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <string.h>

#include "lib/text.h"
#include "model/health_inner.h"

/* Who asked for it, when and why. */
static void note(struct health *health, struct health_override *override, uid_t uid, const char *reason)
{
	override->uid = uid;
	override->when = health->clock ? health->clock(NULL) : 0;
	text_clean(override->reason, sizeof(override->reason), reason ? reason : "", reason ? strlen(reason) : 0);
}

/* ": REASON", or nothing. */
#define BECAUSE(override) *(override)->reason ? ": " : "", (override)->reason

static bool done(struct health *health, struct health_backend *backend, __u64 now)
{
	health_backend_judge(health, backend, backend->verdict, NULL, now);
	return health->changed;
}

bool health_drain(struct health *health, struct health_backend *backend, uid_t uid, const char *reason, __u64 until,
		  __u64 now)
{
	struct health_override *override = &backend->override;
	char left[HEALTH_DURATION] = "until it is ended";

	health_begin(health, now);
	note(health, override, uid, reason);
	override->drained &= override->state == STATE_DRAIN; /* only its end is set anew */
	override->state = STATE_DRAIN;
	override->until = until;
	if (until)
		health_duration(until > now ? until - now : 0, left);
	health_tell(health, EVENT_backend_drain, backend->pool, backend, uid, "drain %s%s%s%s", until ? "for " : "",
		    left, BECAUSE(override));
	return done(health, backend, now);
}

bool health_maint(struct health *health, struct health_backend *backend, uid_t uid, const char *reason, __u64 now)
{
	struct health_override *override = &backend->override;

	health_begin(health, now);
	note(health, override, uid, reason);
	override->state = STATE_MAINT;
	override->until = 0;
	override->drained = false;
	health_tell(health, EVENT_backend_maint, backend->pool, backend, uid, "maint%s%s", BECAUSE(override));
	return done(health, backend, now);
}

bool health_set_weight(struct health *health, struct health_backend *backend, __u32 weight, uid_t uid,
		       const char *reason, __u64 now)
{
	struct health_override said = {0}, *override = &backend->override;
	struct health_override *noted = override->state == STATE_UP ? override : &said;
	__u32 before = override->weighted ? override->weight : backend->configured;

	health_begin(health, now);
	note(health, noted, uid, reason);
	override->weighted = true;
	override->weight = weight;
	health_tell(health, EVENT_backend_weight, backend->pool, backend, uid, "weight %u -> %u%s%s", before, weight,
		    BECAUSE(noted));
	return done(health, backend, now);
}

bool health_ready(struct health *health, struct health_backend *backend, uid_t uid, const char *reason, __u64 now)
{
	struct health_override said = {0}, *override = &backend->override;
	const char *outcome = "up";
	bool news;

	health_begin(health, now);
	news = override->state != STATE_UP || override->weighted || backend->held_until || backend->falls;
	note(health, &said, uid, reason);
	*override = (struct health_override){0};
	backend->held_until = 0;
	backend->held_told = false;
	backend->falls = 0;
	if (backend->verdict == VERDICT_DOWN)
		outcome = "down";
	else if (backend->verdict == VERDICT_NONE && !backend->assumed)
		outcome = "waiting for the first verdict";
	if (news)
		health_tell(health, EVENT_backend_ready, backend->pool, backend, uid, "ready, %s%s%s%s%s", outcome,
			    BECAUSE(&said), backend->verdict == VERDICT_DOWN && *backend->why ? ": " : "",
			    backend->verdict == VERDICT_DOWN ? backend->why : "");
	return done(health, backend, now);
}

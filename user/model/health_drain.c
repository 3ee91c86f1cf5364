/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/health_inner.h"

void health_drain_end(struct health *health, struct health_backend *backend, __u64 now)
{
	const struct health_override *override = &backend->override;
	char lasted[HEALTH_DURATION];

	health_duration(now - backend->since, lasted);
	backend->override.state = STATE_MAINT;
	backend->override.until = 0;
	health_tell(health, EVENT_backend_maint, backend->pool, backend, EVENT_NOBODY,
		    override->drained ? "drained for %s%s%s"
		    : backend->serves ? "the drain's time is over after %s, what was left is cut%s%s"
				      : "the drain is over after %s: its probes fail, so its connections were cut%s%s",
		    lasted, *override->reason ? ": " : "", override->reason);
	health_backend_judge(health, backend, backend->verdict, NULL, now);
}

bool health_drain_swept(struct health *health, struct health_backend *backend, bool certain, __u64 now)
{
	struct health_override *override = &backend->override;
	char lasted[HEALTH_DURATION];

	health_begin(health, now);
	if (override->state != STATE_DRAIN)
		return health->changed;
	if (!override->drained && backend->serves) { /* else they did not go, but were cut */
		override->drained = true;
		health->changes++;
		health_tell(health, EVENT_backend_drained, backend->pool, backend, EVENT_NOBODY,
			    "no connection left after %s%s", health_duration(now - backend->since, lasted),
			    certain ? "" : ": it may be stopped, and drains on for any that is silent");
	}
	if (certain)
		health_drain_end(health, backend, now);
	return health->changed;
}

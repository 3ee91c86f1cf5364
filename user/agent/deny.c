/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "agent/deny.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "in/prefix_list.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/memory.h"

#define HOLD_US	 5000 /* for which the loop is held in one go, and a step of some hundred us more */
#define PIECE	 256  /* prefixes in a step */
#define AGAIN_MS 1000 /* after the kernel refused something */

/* What becomes of a wish. */
enum stage { STAGE_READ, STAGE_KEEP_PLACES, STAGE_GIVE_BACK, STAGE_GRANT };

struct wish {
	struct wish *next;
	enum deny_action action;
	enum stage stage;
	__u64 for_ms, until;
	uid_t uid;
	char *body;
	struct prefix_list list;
	size_t done;	     /* of the list, in this stage */
	__u32 at;	     /* of deny_walk(), for all */
	size_t took;	     /* prefixes that came on the list, or that it has no more */
	size_t vain;	     /* that were there before, or were not */
	struct prefix first; /* of those that the wish was of any use for */
	struct control_later *reply;
};

struct denying {
	struct agent *agent;
	struct event *work; /* due at once while there is something to do, else when something on the list is over */
	struct wish *wishes, **wishes_end;
	struct wish *granted; /* but perhaps not in the kernel and on disk yet */
	bool changed;	      /* the list, since it was written */
	struct deny_file file;
	int error; /* of bringing it to the kernel, which is tried again */
};

static void work_in(struct denying *denying, __u64 ms)
{
	const struct timeval delay = clock_timeval(ms);

	evtimer_add(denying->work, &delay);
}

static void wish_end(struct wish *wish, int status, json_t *reply)
{
	control_answer(wish->reply, status, reply);
	prefix_list_free(&wish->list);
	free(wish->body);
	free(wish);
}

/* The first one leaves the queue. */
static struct wish *wish_take(struct denying *denying)
{
	struct wish *wish = denying->wishes;

	denying->wishes = wish->next;
	if (!wish->next)
		denying->wishes_end = &denying->wishes;
	return wish;
}

static void wish_refuse(struct denying *denying, int status, json_t *error)
{
	wish_end(wish_take(denying), status, json_pack("{so}", "error", error));
}

static void wish_tell(struct denying *denying, const struct wish *wish)
{
	const bool add = wish->action == DENY_ADD;
	const size_t count = wish->took + (add ? wish->vain : 0);
	char first[ADDRESS_TEXT], more[40] = "", lasts[40] = "";

	if (!count)
		return;
	if (count > 1)
		snprintf(more, sizeof(more), " and %zu more", count - 1);
	if (wish->for_ms)
		snprintf(lasts, sizeof(lasts), " for %llu s", (unsigned long long)(wish->for_ms + 999) / 1000);
	agent_event(denying->agent, EVENT_deny_changed, wish->uid, "%s%s: %s%s", prefix_format(&wish->first, first),
		    more, add ? "denied" : "denied no more", lasts);
}

static void wish_granted(struct denying *denying)
{
	struct wish *wish = wish_take(denying);

	wish_tell(denying, wish);
	if (wish->took || (wish->action == DENY_ADD && wish->vain)) {
		deny_file_forget(&denying->file);
		denying->changed = true;
	}
	wish->next = denying->granted;
	denying->granted = wish;
}

static void wish_next(struct wish *wish, enum stage stage)
{
	wish->stage = stage;
	wish->done = 0;
}

static void wish_read(struct denying *denying, struct wish *wish)
{
	if (prefix_list_read(&wish->list, PIECE))
		return;
	if (wish->list.error)
		wish_refuse(denying, 400, json_string(wish->list.error));
	else if (!wish->list.count)
		wish_refuse(denying, 400, json_string("the list is empty"));
	else
		wish_next(wish, wish->action == DENY_ADD ? STAGE_KEEP_PLACES : STAGE_GRANT);
}

static void wish_keep_place(struct wish *wish, struct deny *deny, const struct prefix *prefix)
{
	if (deny_draft(deny, prefix))
		wish_next(wish, STAGE_GIVE_BACK);
	else if (++wish->done == wish->list.count)
		wish_next(wish, STAGE_GRANT);
}

static bool wish_give_back(struct denying *denying, struct wish *wish, struct deny *deny, const struct prefix *prefix)
{
	deny_undraft(deny, prefix);
	if (++wish->done < wish->list.count)
		return true;
	wish_refuse(denying, 409,
		    json_sprintf("the deny list is full: it has %zu of at most %d prefixes, and there is no room for "
				 "what is new of these %zu: nothing is done",
				 deny_count(deny), SLUICE_MAX_DENIED, wish->list.count));
	return false;
}

/* Those that a removal does not find are not there any more, as is wanted. */
static void wish_grant_one(struct wish *wish, struct deny *deny, const struct prefix *prefix)
{
	bool took = wish->action == DENY_ADD ? deny_add(deny, prefix, wish->until) == 1 : deny_remove(deny, prefix);

	if ((took || wish->action == DENY_ADD) && !wish->first.address.family)
		wish->first = *prefix;
	wish->took += took;
	wish->vain += !took;
}

static bool wish_grant(struct denying *denying, struct wish *wish, struct deny *deny)
{
	struct denied denied;

	if (!wish->done && !wish->until && wish->for_ms)
		wish->until = clock_ms() + wish->for_ms;
	if (wish->action == DENY_REMOVE_ALL && deny_walk(deny, &wish->at, &denied)) {
		wish_grant_one(wish, deny, &denied.prefix);
		return true;
	}
	if (wish->action != DENY_REMOVE_ALL && wish->done < wish->list.count) {
		wish_grant_one(wish, deny, &wish->list.prefixes[wish->done++]);
		return true;
	}
	wish_granted(denying);
	return false;
}

/* A piece of the first wish. */
static void wish_work(struct denying *denying)
{
	struct deny *deny = denying->agent->state.deny;
	struct wish *wish = denying->wishes;
	bool there = true;

	if (wish->stage == STAGE_READ) {
		wish_read(denying, wish);
		return;
	}
	for (int i = 0; i < PIECE && there; i++) {
		if (wish->stage == STAGE_KEEP_PLACES)
			wish_keep_place(wish, deny, &wish->list.prefixes[wish->done]);
		else if (wish->stage == STAGE_GIVE_BACK)
			there = wish_give_back(denying, wish, deny, &wish->list.prefixes[wish->done]);
		else
			there = wish_grant(denying, wish, deny);
	}
}

/* The program looks at the list only where there is one, so with the first prefix of a family it is loaded anew. */
static bool lacks_features(const struct agent *agent)
{
	return (deny_features(agent->state.deny) & ~agent->plan->settings.features) != 0;
}

/* A piece of what the kernel has to be told. False: there is no more, or it cannot be done now. */
static bool tell_kernel(struct denying *denying)
{
	struct agent *agent = denying->agent;
	int done = dataplane_deny(agent->dataplane, agent->state.deny);

	if (done < 0 && !denying->error)
		log_error("the deny list cannot be written to the kernel: %s: trying again every second",
			  strerror(-done));
	else if (!done && denying->error)
		log_info("the deny list is in the kernel again");
	denying->error = done < 0 ? done : 0;
	if (done || !lacks_features(agent))
		return done > 0;
	agent_changed(agent, PLAN_ALL);
	agent_commit_now(agent);
	return true;
}

static const char *const took_names[] = {"added", "removed", "removed"};
static const char *const vain_names[] = {"renewed", "missing", "missing"};

static void answer_granted(struct denying *denying)
{
	struct agent *agent = denying->agent;
	struct wish *wish, *next;

	for (wish = denying->granted; wish; wish = next) {
		json_t *warnings;

		next = wish->next;
		if (denying->error || agent->behind) {
			wish_end(wish, 500,
				 json_pack("{ss}", "error",
					   "noted, but the kernel was not brought to it: trying again every second"));
			continue;
		}
		warnings = json_array();
		if (agent->deny_unsaved)
			json_array_append_new(warnings, json_sprintf("it could not be written to %s: it is tried "
								     "again, but lost if sluiced ends before",
								     agent->options.state));
		wish_end(wish, 200,
			 json_pack("{sI sI sI sI so}", took_names[wish->action], (json_int_t)wish->took,
				   vain_names[wish->action], (json_int_t)wish->vain, "count",
				   (json_int_t)deny_count(agent->state.deny), "capacity", (json_int_t)SLUICE_MAX_DENIED,
				   "warnings", warnings));
	}
	denying->granted = NULL;
}

/* Whatever is due most. False: nothing is. */
static bool step(struct denying *denying)
{
	struct agent *agent = denying->agent;

	if (deny_expire(agent->state.deny, clock_ms(), PIECE))
		return true;
	if (denying->wishes) {
		wish_work(denying);
		return true;
	}
	if (tell_kernel(denying))
		return true;
	if (denying->changed) {
		denying->changed = deny_file_write(&denying->file, agent, PIECE);
		return true;
	}
	if (denying->granted)
		answer_granted(denying);
	return false;
}

static void refuse_all(struct denying *denying)
{
	while (denying->wishes)
		wish_refuse(denying, 503, json_string("sluiced is ending"));
	if (denying->granted)
		answer_granted(denying);
}

static void work_event(evutil_socket_t fd, short what, void *argument)
{
	struct denying *denying = argument;
	__u64 end = clock_us() + HOLD_US, next, now;

	(void)fd;
	(void)what;
	if (!denying->agent->dataplane) {
		refuse_all(denying);
		return;
	}
	while (step(denying)) {
		if (clock_us() < end)
			continue;
		work_in(denying, 0);
		return;
	}
	next = deny_next(denying->agent->state.deny);
	now = clock_ms();
	if (denying->error)
		work_in(denying, AGAIN_MS);
	else if (next)
		work_in(denying, next > now ? next - now : 0);
}

void denying_open(struct agent *agent)
{
	struct denying *denying = memory_new(1, sizeof(*denying));

	denying->agent = agent;
	denying->wishes_end = &denying->wishes;
	denying->work = evtimer_new(agent->base, work_event, denying);
	if (!denying->work)
		memory_exhausted();
	agent->denying = denying;
	agent->state.deny = deny_new();
	deny_file_restore(agent);
	work_in(denying, 0);
}

void denying_close(struct agent *agent)
{
	struct denying *denying = agent->denying;

	if (!denying)
		return;
	if (denying->changed)
		deny_file_save(agent);
	refuse_all(denying);
	deny_file_forget(&denying->file);
	event_free(denying->work);
	free(denying);
	deny_free(agent->state.deny);
}

void agent_deny(struct agent *agent, const struct control_request *request, enum deny_action action, __u64 for_ms,
		struct control_later *reply)
{
	struct wish *wish = memory_new(1, sizeof(*wish));

	*wish = (struct wish){.action = action, .for_ms = for_ms, .uid = request->uid, .reply = reply};
	if (action == DENY_REMOVE_ALL) {
		wish->stage = STAGE_GRANT;
	} else {
		wish->body = memory_new(request->length + 1, 1);
		memcpy(wish->body, request->body, request->length);
		wish->list =
			(struct prefix_list){.text = wish->body, .length = request->length, .most = SLUICE_MAX_DENIED};
	}
	*agent->denying->wishes_end = wish;
	agent->denying->wishes_end = &wish->next;
	work_in(agent->denying, 0);
}

json_t *agent_denied(const struct agent *agent, __u32 from, size_t limit)
{
	const struct deny *deny = agent->state.deny;
	json_t *list = json_array();
	__u64 now = clock_ms();
	char text[ADDRESS_TEXT];
	struct denied denied;
	bool more = false;

	while (json_array_size(list) < limit && (more = deny_walk(deny, &from, &denied))) {
		json_t *left = denied.until == DENY_FOREVER
				       ? json_null()
				       : json_integer(denied.until > now ? (json_int_t)(denied.until - now) : 0);

		json_array_append_new(
			list, json_pack("{ss so}", "prefix", prefix_format(&denied.prefix, text), "left_ms", left));
	}
	return json_pack("{sI sI so so}", "count", (json_int_t)deny_count(deny), "capacity",
			 (json_int_t)SLUICE_MAX_DENIED, "next", more ? json_integer(from) : json_null(), "deny", list);
}

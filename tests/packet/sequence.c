/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "unit/sample.h"

#include "packet/sequence.h"

enum act {
	ACT_SYN,
	ACT_DATA,
	ACT_ACK,
	ACT_END,
	ACT_NOISE,
	ACT_ALL_TALK,
	ACT_EVICT,
	ACT_WAIT,
	ACT_SWEEP_SOME,
	ACT_SWEEP,
	ACT_BACKEND,
	ACT_WEIGHT,
	ACT_DRAIN,
	ACT_MAINT,
	ACT_KILL,
	ACT_REVIVE,
	ACT_RENAME,
	ACT_POOL,
	ACT_RESIZE,
	ACT_FALLBACK,
	ACT_SERVICE,
	ACT_MOVE,
	ACT_HASH,
	ACT_DIE,
	ACT_CUT,
	ACT_RESTART,
};

/* How often each is drawn. */
static const struct {
	const char *name;
	__u32 weight;
} acts[] = {
	[ACT_SYN] = {"SYN", 160},
	[ACT_DATA] = {"data", 160},
	[ACT_ACK] = {"ACK", 20},
	[ACT_END] = {"FIN or RST", 30},
	[ACT_NOISE] = {"forged RST", 15},
	[ACT_ALL_TALK] = {"all live connections talk", 40},
	[ACT_EVICT] = {"evict", 5},
	[ACT_WAIT] = {"wait", 110},
	[ACT_SWEEP_SOME] = {"sweep some flows", 60},
	[ACT_SWEEP] = {"sweep to a pass's end", 60},
	[ACT_BACKEND] = {"add, remove or replace backend", 20},
	[ACT_WEIGHT] = {"weight", 15},
	[ACT_DRAIN] = {"drain or ready", 25},
	[ACT_MAINT] = {"maint or ready", 8},
	[ACT_KILL] = {"backend dies", 20},
	[ACT_REVIVE] = {"backend recovers", 25},
	[ACT_RENAME] = {"rename backend", 3},
	[ACT_POOL] = {"add or remove pool", 4},
	[ACT_RESIZE] = {"table_size", 6},
	[ACT_FALLBACK] = {"fallback", 3},
	[ACT_SERVICE] = {"add or remove service", 4},
	[ACT_MOVE] = {"service to another pool", 12},
	[ACT_HASH] = {"service's hash", 4},
	[ACT_DIE] = {"the agent ends", 6},
	[ACT_CUT] = {"the agent is to end within its next commit", 6},
	[ACT_RESTART] = {"the agent starts", 12},
};

struct course {
	struct balancer *balancer;
	struct reference reference;
	struct scene scene; /* what the agent is to be told, if it is there */
	bool away;
	bool loud;
	const char *wrong;
	struct sequence_tally *tally;
};

/* SplitMix64 (Steele, Lea, Flood, 2014). */
static __u32 draw(__u64 *seed, __u32 below)
{
	__u64 z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (__u32)(((z ^ z >> 31) >> 32) * below >> 32);
}

#define PICK(number, ...)                                                                                              \
	(((const __u32[]){__VA_ARGS__})[(number) % (sizeof((const __u32[]){__VA_ARGS__}) / sizeof(__u32))])

static enum act draw_act(__u64 *seed)
{
	__u32 all = 0, at;
	size_t act = 0;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		all += acts[i].weight;
	at = draw(seed, all);
	while (at >= acts[act].weight)
		at -= acts[act++].weight;
	return (enum act)act;
}

void sequence_draw(struct sequence *sequence, __u64 seed)
{
	sequence->seed = seed;
	seed = seed * 2 + 1; /* not the numbers of draw_scene() */
	sequence->count = SEQUENCE_STEPS;
	for (size_t i = 0; i < SEQUENCE_STEPS; i++)
		sequence->steps[i] = (struct step){draw_act(&seed), draw(&seed, 1 << 30), draw(&seed, 1 << 30),
						   draw(&seed, 1 << 30)};
}

/* What a sequence begins with. Times before a slot's 24 bits of seconds overflow, and long before. */
static void draw_scene(struct scene *scene, __u64 seed)
{
	*scene = (struct scene){.now = PICK(draw(&seed, 3), 1000, (1U << 24) - 700, (5U << 24) - 20)};
	scene->window = PICK(draw(&seed, 3), 20, 60, 900);
	scene->udp_window = PICK(draw(&seed, 3), 5, 20, scene->window);
	scene->udp_window = scene->udp_window < scene->window ? scene->udp_window : scene->window;
	scene->idle = PICK(draw(&seed, 3), scene->window, 2 * scene->window, 7200);
	scene->second_hop = !draw(&seed, 4);
	for (size_t i = 0; i < SCENE_POOLS; i++) {
		struct scene_pool *pool = &scene->pools[i];

		pool->there = i < 2 || draw(&seed, 2);
		pool->table_size = PICK(draw(&seed, 3), 7, 13, 61);
		pool->falls_back = !draw(&seed, 4);
		for (size_t j = 0; j < SCENE_BACKENDS; j++)
			if (draw(&seed, 2))
				pool->backends[j] = (struct scene_backend){.host = ++scene->hosts, .weight = 100};
	}
	for (size_t i = 0; i < SCENE_SERVICES; i++)
		scene->services[i] = (struct scene_service){
			.there = draw(&seed, 8), .by_source = !draw(&seed, 4), .pool = draw(&seed, 2)};
}

__attribute__((format(printf, 2, 3))) static void say(const struct course *course, const char *format, ...)
{
	va_list arguments;

	if (!course->loud)
		return;
	va_start(arguments, format);
	vprint_error(format, arguments);
	va_end(arguments);
}

/* The agent, unless it is away, sees what is and acts on it. */
static void tell(struct course *course)
{
	if (course->away)
		return;
	balancer_take(course->balancer, &course->scene);
	course->away = balancer_was_cut(course->balancer);
	if (course->away)
		reference_cut(&course->reference, &course->scene);
	else
		reference_take(&course->reference, &course->scene);
}

static void send_packet(struct course *course, unsigned int flow, enum packet_kind kind)
{
	static const char *const kinds[] = {"SYN", "data", "ACK", "FIN or RST", "forged RST"};
	struct reference_flow before = course->reference.flows[flow];
	bool recorded, promised;
	__u32 host;

	if (course->wrong || !course->reference.scene.services[before.service].there)
		return;
	if (course->loud)
		say(course, "        %s\n", balancer_explain(course->balancer, flow));
	host = balancer_send(course->balancer, flow, kind, course->scene.now, &recorded);
	promised = reference_is_promised(&course->reference, flow, recorded, course->scene.now);
	course->tally->packets++;
	course->tally->promised += promised;
	course->tally->recorded += promised && recorded;
	course->wrong = reference_packet(&course->reference, flow, kind, host, recorded, course->scene.now);
	say(course, "        flow %u (%s, service %u): %s → %u (was with %u, %s, silent for %u s)%s%s\n", flow,
	    before.udp ? "UDP" : "TCP", before.service, kinds[kind], host, before.host,
	    recorded ? "recorded" : "no record", before.spoke ? course->scene.now - before.last : 0,
	    course->wrong ? ": " : "", course->wrong ? course->wrong : "");
}

/* Some flows are drawn more often, so that much happens to them. */
static unsigned int step_flow(const struct step *step)
{
	return step->a % 2 ? step->a / 2 % 8 * 5 % SCENE_FLOWS : step->a / 2 % SCENE_FLOWS;
}

static void act_packet(struct course *course, const struct step *step)
{
	static const enum packet_kind kinds[] = {PACKET_SYN, PACKET_DATA, PACKET_ACK, PACKET_END, PACKET_NOISE};
	unsigned int flow = step_flow(step);
	enum packet_kind kind = kinds[step->act];

	if (course->reference.flows[flow].udp)
		kind = PACKET_DATA;
	if (kind == PACKET_NOISE && !course->reference.flows[flow].spoke)
		return;
	send_packet(course, flow, kind);
}

static void act_all_talk(struct course *course)
{
	for (unsigned int i = 0; i < SCENE_FLOWS; i++)
		if (course->reference.flows[i].spoke && !course->reference.flows[i].ended)
			send_packet(course, i, PACKET_DATA);
}

static void act_evict(struct course *course, const struct step *step)
{
	unsigned int flow = step_flow(step);

	if (balancer_evict(course->balancer, flow))
		reference_record_gone(&course->reference, flow, true, course->scene.now);
}

/* Around each of the times at which something ends. The agent may wake up in between. */
static void act_wait(struct course *course, const struct step *step)
{
	const struct scene *scene = &course->scene;
	__u32 seconds = PICK(step->a, 1, 1, 3, 3, 10, 29, scene->udp_window, scene->udp_window / 2, scene->window,
			     scene->window / 2, scene->window / 2, scene->window / 4, 2 * scene->window, scene->idle);
	__u32 parts = 1 + step->c % 4;

	seconds += step->b % 3 - 1;
	for (__u32 i = 1; i <= parts; i++) {
		course->scene.now += seconds * i / parts - seconds * (i - 1) / parts;
		tell(course);
	}
	say(course, "        %u s\n", seconds);
}

static void removed(void *argument, unsigned int flow)
{
	struct course *course = argument;

	say(course, "        removes the record of flow %u\n", flow);
	reference_record_gone(&course->reference, flow, false, course->scene.now);
}

static void sweep(struct course *course, unsigned int flows)
{
	if (course->away)
		return;
	balancer_sweep(course->balancer, flows, course->scene.now, removed, course);
	course->away = balancer_was_cut(course->balancer);
}

static struct scene_pool *step_pool(struct course *course, const struct step *step)
{
	return &course->scene.pools[step->a % SCENE_POOLS];
}

static struct scene_backend *step_backend(struct course *course, const struct step *step)
{
	return &step_pool(course, step)->backends[step->b % SCENE_BACKENDS];
}

static void act_backend(struct course *course, const struct step *step)
{
	struct scene_backend *backend = step_backend(course, step);
	bool add = !backend->host || step->c % 3 == 0;

	if (course->scene.hosts + 1 >= SCENE_HOSTS)
		return;
	*backend = (struct scene_backend){.weight = 100};
	if (add)
		backend->host = ++course->scene.hosts;
}

static void act_on_backend(struct course *course, const struct step *step)
{
	struct scene_backend *backend = step_backend(course, step);

	if (!backend->host)
		return;
	switch (step->act) {
	case ACT_WEIGHT:
		backend->weight = PICK(step->c, 0, 1, 50, 100, 200);
		break;
	case ACT_DRAIN:
		backend->drained = !backend->drained;
		break;
	case ACT_MAINT:
		backend->maint = !backend->maint;
		break;
	case ACT_KILL:
		backend->dead = true;
		break;
	case ACT_REVIVE:
		for (size_t i = 0; i < SCENE_BACKENDS; i++)
			step_pool(course, step)->backends[i].dead = false;
		break;
	default:
		backend->renamed = !backend->renamed;
	}
}

/* A service's pool cannot go; whatever was in it does not come back with it. */
static void act_pool(struct course *course, const struct step *step)
{
	struct scene_pool *pool = step_pool(course, step);

	for (size_t i = 0; i < SCENE_SERVICES; i++)
		if (course->scene.services[i].pool == step->a % SCENE_POOLS)
			return;
	pool->there = !pool->there;
	if (!pool->there)
		memset(pool->backends, 0, sizeof(pool->backends));
}

static void act_on_service(struct course *course, const struct step *step)
{
	struct scene_service *service = &course->scene.services[step->a % SCENE_SERVICES];

	if (step->act == ACT_SERVICE)
		service->there = !service->there;
	else if (step->act == ACT_HASH)
		service->by_source = !service->by_source;
	else if (course->scene.pools[step->b % SCENE_POOLS].there)
		service->pool = step->b % SCENE_POOLS;
}

static void change(struct course *course, const struct step *step)
{
	switch (step->act) {
	case ACT_BACKEND:
		return act_backend(course, step);
	case ACT_POOL:
		return act_pool(course, step);
	case ACT_RESIZE:
		step_pool(course, step)->table_size = PICK(step->b, 7, 13, 61, 251);
		return;
	case ACT_FALLBACK:
		step_pool(course, step)->falls_back = step->b % 2;
		return;
	case ACT_SERVICE:
	case ACT_MOVE:
	case ACT_HASH:
		return act_on_service(course, step);
	default:
		return act_on_backend(course, step);
	}
}

static void act(struct course *course, const struct step *step)
{
	switch (step->act) {
	case ACT_SYN:
	case ACT_DATA:
	case ACT_ACK:
	case ACT_END:
	case ACT_NOISE:
		return act_packet(course, step);
	case ACT_ALL_TALK:
		return act_all_talk(course);
	case ACT_EVICT:
		return act_evict(course, step);
	case ACT_WAIT:
		return act_wait(course, step);
	case ACT_SWEEP_SOME:
		return sweep(course, 1 + step->a % SCENE_FLOWS);
	case ACT_SWEEP:
		return sweep(course, SCENE_FLOWS);
	case ACT_DIE:
		course->away = true;
		return;
	case ACT_CUT:
		balancer_cut(course->balancer, 1 + step->a % BALANCER_STEPS);
		return;
	case ACT_RESTART:
		balancer_restart(course->balancer, course->scene.now);
		course->away = false;
		return tell(course);
	default:
		change(course, step);
		return tell(course);
	}
}

/* Time goes by, and a whole pass of the sweep. */
static void settle_for(struct course *course, __u32 seconds)
{
	course->scene.now += seconds;
	tell(course);
	sweep(course, SCENE_FLOWS);
	act_all_talk(course);
}

/* A slot may be in one transition and wait for another. Once all have settled, everybody falls silent for good. */
static void settle(struct course *course)
{
	const __u32 hold = 2 * course->scene.window;

	balancer_cut(course->balancer, 0);
	if (course->away)
		balancer_restart(course->balancer, course->scene.now);
	course->away = false;
	tell(course);
	sweep(course, SCENE_FLOWS); /* ends the pass under way */
	act_all_talk(course);
	for (int i = 0; i < 3; i++)
		settle_for(course, hold + 1);
	for (unsigned int i = 0; i < SCENE_FLOWS; i++)
		course->reference.flows[i].spoke = false;
	settle_for(course, course->scene.idle + 1);
	settle_for(course, 1);
	course->wrong = course->wrong ?: balancer_unsettled(course->balancer, &course->scene);
}

const char *sequence_run(struct balancer *balancer, const struct sequence *sequence, struct sequence_tally *tally,
			 bool loud)
{
	struct sequence_tally unused = {0};
	struct course course = {.balancer = balancer, .tally = tally ?: &unused, .loud = loud};

	balancer_reset(balancer);
	draw_scene(&course.scene, sequence->seed);
	for (unsigned int i = 0; i < SCENE_FLOWS; i++)
		balancer_flow(i, &course.reference.flows[i].service, &course.reference.flows[i].udp);
	say(&course, "window %u s, udp_window %u s, idle %u s%s\n", course.scene.window, course.scene.udp_window,
	    course.scene.idle, course.scene.second_hop ? ", second hop" : "");
	tell(&course);
	for (size_t i = 0; i < sequence->count && !course.wrong; i++) {
		const struct step *step = &sequence->steps[i];

		say(&course, "%4zu  %s %u %u %u\n", i, acts[step->act].name, step->a % 1000, step->b % 1000,
		    step->c % 1000);
		act(&course, step);
	}
	settle(&course);
	return course.wrong;
}

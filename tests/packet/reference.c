/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/reference.h"

#define CLOSING_LIFE 10

bool scene_serves(const struct scene_backend *backend)
{
	return backend->host && !backend->dead && !backend->maint;
}

bool scene_is_good(const struct scene_backend *backend)
{
	return scene_serves(backend) && !backend->drained && backend->weight;
}

static bool has_good(const struct scene_pool *pool)
{
	for (size_t i = 0; pool->there && i < SCENE_BACKENDS; i++)
		if (scene_is_good(&pool->backends[i]))
			return true;
	return false;
}

bool scene_falls_back(const struct scene *scene, unsigned int pool)
{
	return scene->pools[pool].falls_back && pool + 1 < SCENE_POOLS && scene->pools[pool + 1].there;
}

unsigned int scene_effective(const struct scene *scene, unsigned int pool)
{
	for (unsigned int i = pool;; i++) {
		if (has_good(&scene->pools[i]))
			return i;
		if (!scene_falls_back(scene, i))
			return pool;
	}
}

/* No host is in two places. */
static const struct scene_backend *find_host(const struct scene *scene, __u32 host)
{
	for (size_t i = 0; host && i < SCENE_POOLS; i++)
		for (size_t j = 0; j < SCENE_BACKENDS; j++)
			if (scene->pools[i].there && scene->pools[i].backends[j].host == host)
				return &scene->pools[i].backends[j];
	return NULL;
}

static bool host_serves(const struct scene *scene, __u32 host)
{
	const struct scene_backend *backend = find_host(scene, host);

	return backend && scene_serves(backend);
}

static void note_breaks(struct reference *reference, const struct scene *scene)
{
	for (__u32 host = 1; host <= scene->hosts; host++)
		reference->host_breaks[host] += !host_serves(scene, host);
	for (size_t i = 0; i < SCENE_SERVICES; i++)
		reference->service_breaks[i] += !scene->services[i].there;
}

void reference_take(struct reference *reference, const struct scene *scene)
{
	note_breaks(reference, scene);
	reference->cut = false;
	reference->scene = *scene;
}

void reference_cut(struct reference *reference, const struct scene *scene)
{
	note_breaks(reference, scene);
	reference->cut = true;
}

static __u32 flow_breaks(const struct reference *reference, const struct reference_flow *flow)
{
	return reference->host_breaks[flow->host] + reference->service_breaks[flow->service];
}

/* Whether its server is still the one that it knows, whatever it has been silent. */
static bool is_unbroken(const struct reference *reference, const struct reference_flow *flow)
{
	return flow->spoke && flow->host && flow->breaks == flow_breaks(reference, flow);
}

bool reference_is_promised(const struct reference *reference, unsigned int number, bool recorded, __u32 now)
{
	const struct reference_flow *flow = &reference->flows[number];
	const struct scene *scene = &reference->scene;
	__u32 silent = now - flow->last;

	if (!is_unbroken(reference, flow))
		return false;
	if (flow->udp)
		return silent < scene->udp_window;
	if (flow->ended || flow->belief == BELIEF_ENDED)
		return silent < CLOSING_LIFE && silent < scene->window;
	if (silent < scene->window)
		return true;
	return silent < scene->idle && flow->belief == BELIEF_OPEN &&
	       (recorded || now - flow->record_until < scene->window);
}

/* Somebody whom new connections of the service go to; or, if there is nobody, who at least serves. */
static const char *check_new(const struct reference *reference, unsigned int service, __u32 host)
{
	const struct scene *scene = &reference->scene;
	unsigned int pool = scene_effective(scene, scene->services[service].pool);
	const struct scene_backend *backend = find_host(scene, host);

	if (!has_good(&scene->pools[pool]))
		return NULL;
	if (!backend || !scene_is_good(backend))
		return "a new connection went to a server that takes none";
	if (backend < scene->pools[pool].backends || backend >= scene->pools[pool].backends + SCENE_BACKENDS)
		return "a new connection went to another pool's server";
	return NULL;
}

static const char *check_any(const struct reference *reference, unsigned int service, __u32 host)
{
	const struct scene *scene = &reference->scene;
	unsigned int pool = scene_effective(scene, scene->services[service].pool);

	if (!host)
		return has_good(&scene->pools[pool]) ? "a packet was dropped" : NULL;
	return host_serves(scene, host) ? NULL : "a packet went to a server that does not serve";
}

static const char *check_syn(const struct reference *reference, const struct reference_flow *flow, __u32 host,
			     bool recorded)
{
	if (reference->cut)
		return NULL;
	if (!recorded || flow->belief == BELIEF_ENDED || !host_serves(&reference->scene, flow->record_host))
		return check_new(reference, flow->service, host);
	return host == flow->record_host ? NULL : "a SYN on a recorded connection moved it";
}

static const char *check(const struct reference *reference, unsigned int number, enum packet_kind kind, __u32 host,
			 bool recorded, __u32 now)
{
	const struct reference_flow *flow = &reference->flows[number];
	const char *wrong = reference->cut ? NULL : check_any(reference, flow->service, host);

	if (wrong)
		return wrong;
	if (kind == PACKET_SYN)
		return check_syn(reference, flow, host, recorded);
	return reference_is_promised(reference, number, recorded, now) && host != flow->host
		       ? "a connection changed its server"
		       : NULL;
}

static bool is_end(enum packet_kind kind)
{
	return kind == PACKET_END || kind == PACKET_NOISE;
}

/* A packet that its record led to its server. */
static void note_belief(struct reference_flow *flow, enum packet_kind kind)
{
	enum reference_teller teller = kind == PACKET_NOISE ? TOLD_BY_FORGER : TOLD_BY_CLIENT;

	if (flow->teller != teller) { /* it does not fit */
		if (flow->belief != BELIEF_DOUBTFUL || is_end(kind))
			return;
		flow->teller = teller;
		flow->belief = BELIEF_OPEN;
	} else if (is_end(kind) || (kind == PACKET_ACK && flow->belief == BELIEF_DOUBTFUL)) {
		flow->belief = BELIEF_ENDED;
	} else if (kind == PACKET_DATA) {
		flow->belief = BELIEF_OPEN;
	}
}

/* What the balancer knows of the flow after a packet. */
static void note_record(struct reference_flow *flow, enum packet_kind kind, __u32 host, bool recorded)
{
	bool again = kind == PACKET_SYN && flow->belief == BELIEF_ENDED;

	if (kind == PACKET_SYN) /* with a sequence of its own */
		flow->teller = TOLD_BY_FORMER;
	if (recorded && !host) /* neither followed nor made anew */
		return;
	if (recorded && host == flow->record_host && !again)
		return note_belief(flow, kind);
	flow->record_host = host;
	flow->teller = kind == PACKET_NOISE ? TOLD_BY_FORGER : TOLD_BY_CLIENT;
	flow->belief = is_end(kind) ? BELIEF_DOUBTFUL : BELIEF_OPEN;
}

const char *reference_packet(struct reference *reference, unsigned int number, enum packet_kind kind, __u32 host,
			     bool recorded, __u32 now)
{
	struct reference_flow *flow = &reference->flows[number];
	const char *wrong = check(reference, number, kind, host, recorded, now);

	note_record(flow, kind, host, recorded);
	if (recorded)
		flow->record_until = now;
	if (kind == PACKET_NOISE)
		return wrong;
	flow->host = host;
	flow->breaks = flow_breaks(reference, flow);
	flow->last = now;
	flow->spoke = true;
	if (kind != PACKET_ACK)
		flow->ended = kind == PACKET_END;
	return wrong;
}

void reference_record_gone(struct reference *reference, unsigned int number, bool lost, __u32 now)
{
	struct reference_flow *flow = &reference->flows[number];

	flow->record_until = now;
	if (lost)
		flow->breaks--;
}

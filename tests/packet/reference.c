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

void reference_take(struct reference *reference, const struct scene *scene)
{
	for (__u32 host = 1; host <= scene->hosts; host++)
		reference->host_breaks[host] += !host_serves(scene, host);
	for (size_t i = 0; i < SCENE_SERVICES; i++)
		reference->service_breaks[i] += !scene->services[i].there;
	reference->scene = *scene;
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
	if (flow->ended)
		return silent < CLOSING_LIFE && silent < scene->window;
	if (silent < scene->window)
		return true;
	return silent < scene->idle && !flow->doubtful && (recorded || now - flow->record_until < scene->window);
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

static const char *check(const struct reference *reference, unsigned int number, enum packet_kind kind, __u32 host,
			 bool recorded, __u32 now)
{
	const struct reference_flow *flow = &reference->flows[number];
	const char *wrong = check_any(reference, flow->service, host);
	bool promised = reference_is_promised(reference, number, recorded, now);

	if (wrong)
		return wrong;
	if (kind != PACKET_SYN)
		return promised && host != flow->host ? "a connection changed its server" : NULL;
	if (!flow->spoke || (flow->ended && flow->believed))
		return check_new(reference, flow->service, host);
	/* a SYN on a live tuple: with a record it is not believed, without one the balancer cannot know better */
	if (promised && recorded && !flow->ended && host != flow->host)
		return "a SYN on a recorded connection moved it";
	return recorded || host == flow->host ? NULL : check_new(reference, flow->service, host);
}

/* Whether the balancer can know the sequence number, and so believe a FIN or RST. */
static void note_sequence(struct reference_flow *flow, enum packet_kind kind, bool recorded)
{
	if (!recorded) {
		flow->forged = false;
		flow->doubtful = kind == PACKET_END || kind == PACKET_NOISE;
	} else if (kind == PACKET_SYN) {
		flow->forged =
			!flow->ended || !flow->believed; /* it is not believed, so its sequence number is not either */
	} else if (kind == PACKET_DATA) {
		flow->doubtful = false;
	}
}

static void note_end(struct reference_flow *flow, enum packet_kind kind, bool recorded, __u32 host)
{
	if (kind == PACKET_SYN && !host) {
		flow->forged |= recorded; /* by the connection before, which this one did not follow */
	} else if (kind == PACKET_SYN || (kind == PACKET_DATA && !flow->forged)) {
		flow->ended = false;
	} else if (kind == PACKET_END) {
		flow->ended = true;
		flow->believed = recorded && !flow->forged && !flow->doubtful;
	}
}

const char *reference_packet(struct reference *reference, unsigned int number, enum packet_kind kind, __u32 host,
			     bool recorded, __u32 now)
{
	struct reference_flow *flow = &reference->flows[number];
	const char *wrong = check(reference, number, kind, host, recorded, now);

	flow->host = host;
	flow->breaks = flow_breaks(reference, flow);
	flow->last = now;
	note_sequence(flow, kind, recorded);
	note_end(flow, kind, recorded, host);
	flow->spoke = true;
	if (recorded)
		flow->record_until = now;
	return wrong;
}

void reference_record_gone(struct reference *reference, unsigned int number, bool lost, __u32 now)
{
	struct reference_flow *flow = &reference->flows[number];

	flow->record_until = now;
	if (lost)
		flow->breaks--;
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Between the judgement, the prober and the rest of the agent: how a backend is
 * reached through its VIP, and when a change of health is committed.
 *
 * A probe through the VIP goes to the first VIP of a service that uses the pool: one that has
 * the port which the probe names or which is usual for its type, or else the
 * first by name. Its source is the address from which this host sends to the
 * backend, where that is of the VIP's family.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "probe_abi.h"

#define REFUSED		 "this host would drop replies from the VIP (rp_filter, accept_local)"
#define REPLY_ASK_MS	 100 /* an answer about replies is good for so long */
#define REPLY_INTERFACES 8   /* of a pool that are asked about, at most */
#define PATH_AGAIN_MS	 60000

/* How one probe of a pool goes through a VIP. */
struct vip {
	const struct config_service *service; /* NULL: none leads here */
	struct address address;
	__u16 port;	       /* host byte order; 0: none is fixed */
	struct address source; /* that the kernel would take to reach the VIP; family 0: it has no way there */
	bool refused;	       /* this host would not take replies from it */
	__u64 asked;	       /* when that was asked last */
};

struct pool_vips {
	struct vip *probes; /* as many as the pool's */
};

static bool falls_back_to(const struct config *config, size_t pool, size_t to)
{
	while (pool != CONFIG_NONE && pool != to)
		pool = config->pools[pool].fallback;
	return pool == to;
}

static __u8 probe_protocol(const struct config_probe *probe)
{
	return probe->type == PROBE_UDP || (probe->type == PROBE_DNS && !probe->tcp) ? IPPROTO_UDP : IPPROTO_TCP;
}

/* That such a probe is meant for, if the service has it. */
static __u16 usual_port(enum probe_type type)
{
	switch (type) {
	case PROBE_HTTP:
		return 80;
	case PROBE_HTTPS:
		return 443;
	case PROBE_DNS:
		return 53;
	default:
		return 0;
	}
}

/* How well a service's port suits a probe: 0 not at all. */
static int port_suits(const struct config_port *port, const struct config_probe *probe)
{
	__u16 wanted = probe->port ?: usual_port(probe->type);

	if (probe->type == PROBE_PING)
		return 1;
	if (port->protocol != probe_protocol(probe))
		return 0;
	if (wanted && port->port == wanted)
		return 4;
	if (probe->port)
		return port->port ? 0 : 3;
	return port->port ? 2 : 0;
}

/* The best port of the services that use the pool, or fall back to it, the first one by name if several are as good. */
static void find_service(const struct config *config, size_t pool, const struct config_probe *probe, struct vip *vip)
{
	int best = -1;

	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		if (!falls_back_to(config, service->pool, pool))
			continue;
		for (size_t j = 0; j < service->port_count; j++) {
			/* what uses the pool itself is better than what only falls back to it */
			int suits = 2 * port_suits(&service->ports[j], probe) + (service->pool == pool);

			if (suits <= best)
				continue;
			best = suits;
			vip->service = service;
			vip->port = service->ports[j].port;
			vip->address = service->addresses[0].address;
		}
	}
	if (best < 2) /* no port of the services is one for this probe */
		vip->port = 0;
}

/* Asks the kernel for the source address of its route to the VIP; a datagram socket's connect() sends nothing. */
static void ask_route(struct vip *vip)
{
	struct sockaddr_storage name = {.ss_family = (sa_family_t)vip->address.family};
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&name;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&name;
	socklen_t length = sizeof(name);
	int fd = socket((int)vip->address.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	vip->source = (struct address){0};
	if (name.ss_family == AF_INET6) {
		memcpy(&v6->sin6_addr, vip->address.word, sizeof(v6->sin6_addr));
		v6->sin6_port = htons(9);
	} else {
		memcpy(&v4->sin_addr, vip->address.word, sizeof(v4->sin_addr));
		v4->sin_port = htons(9);
	}
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&name, sizeof(name)) &&
	    !getsockname(fd, (struct sockaddr *)&name, &length)) {
		vip->source.family = vip->address.family;
		if (name.ss_family == AF_INET6)
			memcpy(vip->source.word, &v6->sin6_addr, sizeof(v6->sin6_addr));
		else
			memcpy(vip->source.word, &v4->sin_addr, sizeof(v4->sin_addr));
	}
	if (fd >= 0)
		close(fd);
	if (address_equal(&vip->source, &vip->address)) /* it is an address of this host */
		vip->source = (struct address){0};
}

static const struct address *probe_source(const struct vip *vip, const struct next_hop *hop)
{
	return hop->source.family == vip->address.family ? &hop->source : &vip->source;
}

/* Whether this host would drop replies on one of the interfaces by which the pool's backends are reached. */
static bool refuses(const struct agent *agent, size_t pool, const struct vip *vip)
{
	const struct config_pool *config = &agent->state.config->pools[pool];
	__u32 asked[REPLY_INTERFACES];
	size_t count = 0, j;
	struct next_hop hop;

	for (size_t i = 0; i < config->backend_count && count < REPLY_INTERFACES; i++) {
		network_next_hop(&agent->state.network, &config->backends[i].address, &hop);
		for (j = 0; j < count && asked[j] != hop.ifindex; j++)
			;
		if (j < count || !hop.ifindex || hop.local)
			continue;
		asked[count++] = hop.ifindex;
		if (probe_path_takes_reply(agent->path, &vip->address, probe_source(vip, &hop), hop.ifindex) == 0)
			return true;
	}
	return false;
}

static void ask_replies(struct agent *agent, size_t pool, struct vip *vip)
{
	ask_route(vip);
	vip->refused = agent->path && refuses(agent, pool, vip);
	vip->asked = clock_ms();
}

/* The prober has its own copies of probes. */
static struct vip *find_vip(const struct agent *agent, size_t pool, const struct config_probe *probe)
{
	const struct config_pool *config = &agent->state.config->pools[pool];
	size_t i = 0;

	while (i + 1 < config->probe_count && !config_probe_equal(&config->probes[i], probe))
		i++;
	return &agent->vips[pool].probes[i];
}

static void ask_vip(void *argument, size_t pool, size_t backend, const struct config_probe *probe,
		    struct prober_vip *out)
{
	struct agent *agent = argument;
	const struct config_backend *config = &agent->state.config->pools[pool].backends[backend];
	const struct vip *vip = find_vip(agent, pool, probe);
	struct next_hop hop;

	*out = (struct prober_vip){0};
	network_next_hop(&agent->state.network, &config->address, &hop);
	if (!vip->service) {
		snprintf(out->why, sizeof(out->why), "no service uses this pool");
		return;
	}
	out->port = vip->port;
	if (hop.local)
		snprintf(out->why, sizeof(out->why), "the backend is this host itself");
	else if (!agent->path && *agent->path_why)
		snprintf(out->why, sizeof(out->why), "%.95s", agent->path_why);
	else if (agent->path && !probe_path_carries(agent->path, (int)vip->address.family))
		snprintf(out->why, sizeof(out->why), "the way to VIPs through lo is not whole: the log says why");
	else if (vip->refused)
		snprintf(out->why, sizeof(out->why), REFUSED);
	else if (probe->via == VIA_AUTO && probe->port && !vip->port)
		snprintf(out->why, sizeof(out->why), "port %u is not one of the services'", probe->port);
	if (*out->why)
		return;
	out->address = vip->address;
	out->source = *probe_source(vip, &hop);
	if (!out->source.family) {
		*out = (struct prober_vip){0};
		snprintf(out->why, sizeof(out->why), "this host has no address to ask the VIP from");
	}
}

static __u32 ask_mark(void *argument, size_t pool, size_t backend, char why[96])
{
	struct agent *agent = argument;
	const struct config_pool *config = &agent->state.config->pools[pool];
	__u16 index = ids_backend(agent->state.ids, config->name, config->backends[backend].name);
	struct next_hop hop;

	if (!agent->path) {
		snprintf(why, 96, "%.95s", agent->path_why);
		return 0;
	}
	/*
	 * While its neighbour is silent packets go nowhere, and that is what the probe is to find. A header that the
	 * next commit makes is as good as there: the address might answer where the VIP does not.
	 */
	if (agent->plan->backends[index].encap == ENCAP_NONE &&
	    (network_next_hop(&agent->state.network, &config->backends[backend].address, &hop) ? !agent->dirty
											       : !hop.silent)) {
		snprintf(why, 96, "%.95s",
			 hop.resolved ? "it cannot be reached with this pool's forward mode" : hop.why);
		return 0;
	}
	return PROBE_MARK | index;
}

static bool ask_reachable(void *argument, const struct address *address, char why[96])
{
	struct agent *agent = argument;
	struct next_hop hop;

	if (network_next_hop(&agent->state.network, address, &hop) || hop.silent || hop.local)
		return true;
	snprintf(why, 96, "%s", hop.why);
	return false;
}

/* Addresses, routes and sysctls decide about replies; not all that changes them is told. */
static bool ask_heard(void *argument, size_t pool, const struct config_probe *probe, char why[96])
{
	struct agent *agent = argument;
	struct vip *vip = find_vip(agent, pool, probe);

	if (vip->service && clock_ms() - vip->asked >= REPLY_ASK_MS)
		ask_replies(agent, pool, vip);
	snprintf(why, 96, REFUSED);
	return !vip->refused;
}

static void set_tick(struct agent *agent)
{
	__u64 next = health_next(agent->state.health), now = clock_ms();
	struct timeval in = {0};

	if (!next) {
		evtimer_del(agent->tick);
		return;
	}
	if (next > now) {
		in.tv_sec = (time_t)((next - now) / 1000);
		in.tv_usec = (suseconds_t)((next - now) % 1000 * 1000);
	}
	evtimer_add(agent->tick, &in);
}

void probing_changed(struct agent *agent, bool tables)
{
	if (tables)
		agent_changed(agent, PLAN_HEALTH);
	agent_save_health_soon(agent);
	set_tick(agent);
}

static void ask_changed(void *argument)
{
	probing_changed(argument, true);
}

static void tick_event(evutil_socket_t fd, short what, void *argument)
{
	struct agent *agent = argument;

	(void)fd;
	(void)what;
	probing_changed(agent, health_tick(agent->state.health, clock_ms()));
}

static void save_event(evutil_socket_t fd, short what, void *argument)
{
	struct agent *agent = argument;

	(void)fd;
	(void)what;
	agent_save_due(agent);
}

static void health_event(void *argument, const struct event_fact *fact)
{
	struct agent *agent = argument;

	agent->override_changed |= fact->kind == EVENT_backend_maint && fact->uid == EVENT_NOBODY;
	events_add(agent->events, fact);
	/* a backend that min_healthy keeps has fallen without a change to the tables, and yet has to be saved */
	event_active(agent->tick, 0, 0);
}

static void free_vips(struct agent *agent)
{
	for (size_t i = 0; i < agent->vip_count; i++)
		free(agent->vips[i].probes);
	free(agent->vips);
}

int probing_open(struct agent *agent)
{
	const struct prober_ask ask = {
		.argument = agent,
		.vip = ask_vip,
		.mark = ask_mark,
		.reachable = ask_reachable,
		.changed = ask_changed,
		.heard = ask_heard,
	};

	agent->tick = evtimer_new(agent->base, tick_event, agent);
	agent->save = evtimer_new(agent->base, save_event, agent);
	agent->state.health = health_new(health_event, agent, time);
	agent->prober = prober_new(agent->base, agent->state.health, &ask);
	return agent->prober ? 0 : -ENOMEM;
}

void probing_close(struct agent *agent)
{
	if (agent->prober)
		prober_free(agent->prober);
	if (agent->save && evtimer_pending(agent->save, NULL))
		agent_save_health(agent);
	if (agent->tick)
		event_free(agent->tick);
	if (agent->save)
		event_free(agent->save);
	if (agent->path)
		probe_path_close(agent->path);
	free_vips(agent);
	if (agent->state.health)
		health_free(agent->state.health);
}

static void find_vips(struct agent *agent)
{
	const struct config *config = agent->state.config;

	free_vips(agent);
	agent->vip_count = config->pool_count;
	agent->vips = memory_new(config->pool_count, sizeof(*agent->vips));
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];

		agent->vips[i].probes = memory_new(pool->probe_count, sizeof(struct vip));
		for (size_t j = 0; j < pool->probe_count; j++)
			find_service(config, i, &pool->probes[j], &agent->vips[i].probes[j]);
	}
}

void probing_configure(struct agent *agent, bool running)
{
	find_vips(agent);
	prober_pause(agent->prober);
	health_configure(agent->state.health, agent->state.config, running, clock_ms());
	prober_configure(agent->prober, agent->state.config);
	set_tick(agent);
	agent_save_health_soon(agent);
}

static bool path_wanted(const struct agent *agent)
{
	const struct config *config = agent->state.config;

	for (size_t i = 0; i < config->pool_count; i++) {
		for (size_t j = 0; j < config->pools[i].probe_count; j++)
			if (agent->vips[i].probes[j].service && config->pools[i].probes[j].via != VIA_ADDRESS &&
			    config->pools[i].probes[j].type != PROBE_EXEC)
				return true;
	}
	return false;
}

/*
 * Another agent may end at any moment: its place is asked for every second, and that is told once. What
 * else fails, as loading the program, takes longer to try and hardly mends itself.
 */
static int open_path(struct agent *agent)
{
	int before = agent->path_error, err;

	if (clock_ms() < agent->path_again)
		return 0;
	err = probe_path_open(&agent->path, dataplane_backends_fd(agent->dataplane));
	agent->path_error = err;
	agent->path_again = err && err != -EBUSY ? clock_ms() + PATH_AGAIN_MS : 0;
	if (err == -EBUSY && before != -EBUSY)
		log_warning("probes to VIPs: another sluiced in this network namespace has the way to them: until it "
			    "ends, `via: vip` cannot probe here and `via: auto` goes to the backends' addresses");
	return err;
}

/* Without it, probes that may go to the address do, and the others are the agent's trouble: see ask_mark(). */
static void refresh_path(struct agent *agent)
{
	bool wanted = path_wanted(agent);
	__u32 maps = dataplane_maps_id(agent->dataplane);
	int err = 0;

	if (agent->path && wanted && maps != agent->path_maps)
		err = probe_path_update(agent->path, dataplane_backends_fd(agent->dataplane));
	if (agent->path && (!wanted || err)) {
		probe_path_close(agent->path);
		agent->path = NULL;
	}
	if (wanted && !agent->path && !err)
		err = open_path(agent);
	agent->path_maps = maps;
	if (err == -EBUSY)
		snprintf(agent->path_why, sizeof(agent->path_why),
			 "another sluiced in this network namespace has the way to VIPs");
	else if (err)
		snprintf(agent->path_why, sizeof(agent->path_why),
			 "the way for probes through VIPs cannot be made: %s (the log says more)", strerror(-err));
}

void probing_refresh(struct agent *agent)
{
	refresh_path(agent);
	for (size_t i = 0; i < agent->state.config->pool_count; i++) {
		for (size_t j = 0; j < agent->state.config->pools[i].probe_count; j++) {
			struct vip *vip = &agent->vips[i].probes[j];

			if (vip->service)
				ask_replies(agent, i, vip);
		}
	}
}

void probing_retry(struct agent *agent)
{
	for (size_t i = 0; i < agent->vip_count; i++)
		for (size_t j = 0; j < agent->state.config->pools[i].probe_count; j++)
			if (agent->vips[i].probes[j].refused)
				ask_replies(agent, i, &agent->vips[i].probes[j]);
}

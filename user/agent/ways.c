/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The ways that probes take to backends: through which VIP, from which address, and whether that can be done now.
 *
 * A probe through the VIP goes to the first VIP of a service that uses the pool: one that has
 * the port which the probe names or which is usual for its type, or else the
 * first by name. Its source is the address from which this host sends to the
 * backend, where that is of the VIP's family.
 */
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

#define REFUSED		 "this host drops replies from the VIP (rp_filter, accept_local), or an ip rule takes its probes"
#define NO_SOURCE	 "this host has no address to ask the VIP from"
#define REPLY_ASK_MS	 100 /* an answer about replies is good for so long */
#define REPLY_INTERFACES 64  /* by which a pool's backends are reached, that are asked about: the first ones */
#define PATH_AGAIN_MS	 60000

/* How one probe of a pool goes through a VIP. */
struct vip {
	const struct config_service *service; /* NULL: none leads here */
	struct address address;
	__u16 port;	       /* host byte order; 0: none is fixed */
	int suits;	       /* how well service and port suit the probe */
	struct address source; /* that the kernel would take to reach the VIP; family 0: it has no way there */
	struct {
		__u32 ifindex;
		const char *why; /* this host would not have its replies there; NULL: it would */
	} replies[REPLY_INTERFACES];
	size_t reply_count;
	__u64 asked; /* when that was asked last */
};

struct pool_vips {
	struct vip *probes; /* as many as the pool's */
};

static __u8 probe_protocol(const struct config_probe *probe)
{
	return probe->type == PROBE_UDP || (probe->type == PROBE_DNS && !probe->tcp) ? IPPROTO_UDP : IPPROTO_TCP;
}

/* How well a service's port suits a probe: 0 not at all. */
static int port_suits(const struct config_port *port, const struct config_probe *probe)
{
	__u16 wanted = probe->port ?: config_probe_usual_port(probe->type);

	if (probe->type == PROBE_PING)
		return 1;
	if (port->protocol != probe_protocol(probe))
		return 0;
	if (wanted && port->port == wanted)
		return 4;
	if (probe->port)
		return port->port ? 0 : 3;
	return port->port ? 2 : wanted != 0;
}

/* Takes the service for the probe's way if that suits better than what was found before. `own`: of the probe's pool. */
static void offer_service(struct vip *vip, const struct config_probe *probe, const struct config_service *service,
			  bool own)
{
	for (size_t i = 0; i < service->port_count; i++) {
		/* what uses the pool itself is better than what only falls back to it */
		int suits = 2 * port_suits(&service->ports[i], probe) + own;

		if (vip->service && suits <= vip->suits)
			continue;
		vip->suits = suits;
		vip->service = service;
		vip->port = suits < 2 ? 0 : service->ports[i].port; /* 0: none of them is one for this probe */
		vip->address = service->addresses[0].address;
	}
}

/* Of the kernel's route, family 0 if there is none; a datagram socket's connect() sends nothing. */
static struct address route_source(const struct address *to)
{
	struct sockaddr_storage name;
	socklen_t length = address_to_socket(to, 9, &name);
	int fd = socket((int)to->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct address source = {0};

	if (fd >= 0 && !connect(fd, (struct sockaddr *)&name, length) &&
	    !getsockname(fd, (struct sockaddr *)&name, &length))
		source = address_from_socket(&name);
	if (fd >= 0)
		close(fd);
	return source;
}

/* Whether some probe goes this way: others have need of its port alone. */
static bool is_taken(const struct vip *vip, const struct config_probe *probe)
{
	return vip->service && probe->via != VIA_ADDRESS && probe->type != PROBE_EXEC;
}

static const struct address *probe_source(const struct vip *vip, const struct next_hop *hop)
{
	return hop->source.family == vip->address.family ? &hop->source : &vip->source;
}

static const char *any_refusal(const struct vip *vip)
{
	for (size_t i = 0; i < vip->reply_count; i++)
		if (vip->replies[i].why)
			return vip->replies[i].why;
	return NULL;
}

static const char *ask_reply(const struct agent *agent, const struct vip *vip, const struct next_hop *hop)
{
	const struct address *source = probe_source(vip, hop);

	if (!source->family)
		return NO_SOURCE;
	return probe_path_takes_reply(agent->path, &vip->address, source, hop->ifindex) == 0 ? REFUSED : NULL;
}

/* Why this host would not have the backend's replies; NULL if it would. */
static const char *refusal(const struct agent *agent, const struct vip *vip, const struct next_hop *hop)
{
	for (size_t i = 0; i < vip->reply_count; i++)
		if (vip->replies[i].ifindex == hop->ifindex)
			return vip->replies[i].why;
	return vip->reply_count == REPLY_INTERFACES ? ask_reply(agent, vip, hop) : NULL;
}

/* Asks whether this host takes replies on the interfaces by which the pool's backends are reached. */
static void ask_replies(struct agent *agent, size_t pool, struct vip *vip)
{
	const struct config_pool *config = &agent->state.config->pools[pool];
	struct next_hop hop;
	size_t j;

	vip->source = route_source(&vip->address);
	if (address_equal(&vip->source, &vip->address)) /* it is an address of this host */
		vip->source = (struct address){0};
	vip->asked = clock_ms();
	vip->reply_count = 0;
	for (size_t i = 0; agent->path && i < config->backend_count && vip->reply_count < REPLY_INTERFACES; i++) {
		network_next_hop(&agent->state.network, &config->backends[i].address, &hop);
		for (j = 0; j < vip->reply_count && vip->replies[j].ifindex != hop.ifindex; j++)
			;
		if (j < vip->reply_count || !hop.ifindex || hop.local)
			continue;
		vip->replies[j].ifindex = hop.ifindex;
		vip->replies[j].why = ask_reply(agent, vip, &hop);
		vip->reply_count++;
	}
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

/* Why no probe can go to the VIP, whatever its backend; NULL if it can. */
static const char *path_barred(const struct agent *agent, const struct vip *vip)
{
	if (!agent->path)
		return agent->path_why;
	if (!probe_path_carries(agent->path, (int)vip->address.family))
		return "the way to VIPs through lo is not whole: the log says why";
	return NULL;
}

/* Why a probe of the backend cannot go through the VIP; NULL if it can. */
static const char *vip_barred(const struct agent *agent, const struct vip *vip, const struct config_probe *probe,
			      const struct next_hop *hop)
{
	const char *why;

	if (!vip->service)
		return "no service uses this pool";
	if (hop->local)
		return "the backend is this host itself";
	if (!hop->resolved && !hop->silent)
		return hop->why;
	why = path_barred(agent, vip) ?: refusal(agent, vip, hop);
	if (why)
		return why;
	if (probe->via == VIA_AUTO && vip->suits < 2)
		return "the services have no port that is one for this probe";
	return probe_source(vip, hop)->family ? NULL : NO_SOURCE;
}

static void ask_vip(void *argument, size_t pool, size_t backend, const struct config_probe *probe,
		    struct prober_vip *out)
{
	struct agent *agent = argument;
	const struct config_backend *config = &agent->state.config->pools[pool].backends[backend];
	const struct vip *vip = find_vip(agent, pool, probe);
	struct next_hop hop;
	const char *why;

	*out = (struct prober_vip){.port = vip->port};
	network_next_hop(&agent->state.network, &config->address, &hop);
	why = vip_barred(agent, vip, probe, &hop);
	if (why) {
		snprintf(out->why, sizeof(out->why), "%.95s", why);
		return;
	}
	out->address = vip->address;
	out->source = *probe_source(vip, &hop);
}

static __u32 ask_mark(void *argument, size_t pool, size_t backend, char why[96])
{
	struct agent *agent = argument;
	const struct config_pool *config = &agent->state.config->pools[pool];
	__u16 index = ids_backend(agent->state.ids, config->name, &config->backends[backend].address);
	struct next_hop hop;

	if (!agent->path) {
		snprintf(why, 96, "%.95s", agent->path_why);
		return 0;
	}
	/*
	 * While its neighbour is silent packets go nowhere, and that is what the probe is to find. A header that the
	 * next commit makes is as good as there.
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

/* Looks whether somebody has removed a part of the path, and makes that again. */
static void check_path(struct agent *agent)
{
	agent->path_checked = clock_ms();
	if (probe_path_check(agent->path) <= 0) /* which logs what it cannot mend */
		return;
	agent->path_mended = agent->path_checked;
	agent->path_was_broken = true;
}

/* Whether the probe, which may have begun as long ago as it lasts, found the path whole all the time. */
static bool was_whole(struct agent *agent, const struct vip *vip, const struct config_probe *probe, char why[96])
{
	if (agent->path && clock_ms() - agent->path_checked >= REPLY_ASK_MS)
		check_path(agent);
	if (path_barred(agent, vip)) {
		snprintf(why, 96, "%.95s", path_barred(agent, vip));
		return false;
	}
	snprintf(why, 96, "somebody had removed a part of the way to VIPs");
	return !agent->path_mended || clock_ms() - agent->path_mended > 2 * (__u64)probe->timeout_ms;
}

/* Addresses, routes and sysctls decide about replies; not all that changes them is told. */
static bool ask_heard(void *argument, size_t pool, size_t backend, const struct config_probe *probe, char why[96])
{
	struct agent *agent = argument;
	const struct config_backend *config = &agent->state.config->pools[pool].backends[backend];
	struct vip *vip = find_vip(agent, pool, probe);
	const char *refused;
	struct next_hop hop;

	if (!was_whole(agent, vip, probe, why))
		return false;
	if (vip->service && clock_ms() - vip->asked >= REPLY_ASK_MS)
		ask_replies(agent, pool, vip);
	network_next_hop(&agent->state.network, &config->address, &hop);
	refused = refusal(agent, vip, &hop);
	if (refused)
		snprintf(why, 96, "%s", refused);
	return !refused;
}

struct prober_ask ways_ask(struct agent *agent)
{
	return (struct prober_ask){
		.argument = agent,
		.vip = ask_vip,
		.mark = ask_mark,
		.reachable = ask_reachable,
		.heard = ask_heard,
	};
}

static void vips_free(struct agent *agent)
{
	for (size_t i = 0; i < agent->vip_count; i++)
		free(agent->vips[i].probes);
	free(agent->vips);
}

/* Offers the service to the probes of a pool that it uses and of those that this one falls back to. */
static void offer_to_pools(struct agent *agent, const struct config_service *service, size_t pool)
{
	const struct config *config = agent->state.config;

	for (size_t i = pool; i != CONFIG_NONE; i = config->pools[i].fallback)
		for (size_t j = 0; j < config->pools[i].probe_count; j++)
			offer_service(&agent->vips[i].probes[j], &config->pools[i].probes[j], service, i == pool);
}

/* Its own pool, and those that its source rules lead to. */
static void find_probes(struct agent *agent, const struct config_service *service)
{
	offer_to_pools(agent, service, service->pool);
	for (size_t i = 0; i < service->rule_count; i++)
		if (service->rules[i].action == RULE_POOL)
			offer_to_pools(agent, service, service->rules[i].pool);
}

void ways_configure(struct agent *agent)
{
	const struct config *config = agent->state.config;

	vips_free(agent);
	agent->vip_count = config->pool_count;
	agent->vips = memory_new(config->pool_count, sizeof(*agent->vips));
	for (size_t i = 0; i < config->pool_count; i++)
		agent->vips[i].probes = memory_new(config->pools[i].probe_count, sizeof(struct vip));
	for (size_t i = 0; i < config->service_count; i++)
		find_probes(agent, &config->services[i]);
}

static bool path_wanted(const struct agent *agent)
{
	const struct config *config = agent->state.config;

	for (size_t i = 0; i < config->pool_count; i++) {
		for (size_t j = 0; j < config->pools[i].probe_count; j++)
			if (is_taken(&agent->vips[i].probes[j], &config->pools[i].probes[j]))
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

/* Of the VIPs that probes go to: all, or those whose replies this host would have dropped when last asked. */
static void refresh_vips(struct agent *agent, bool refused)
{
	const struct config *config = agent->state.config;

	for (size_t i = 0; i < agent->vip_count; i++) {
		for (size_t j = 0; j < config->pools[i].probe_count; j++) {
			struct vip *vip = &agent->vips[i].probes[j];

			if (is_taken(vip, &config->pools[i].probes[j]) && (!refused || any_refusal(vip)))
				ask_replies(agent, i, vip);
		}
	}
}

/* Why probes of the pool that ask for the VIP where that can be go to addresses instead; NULL if none does. */
static const char *pool_aside(const struct agent *agent, size_t pool)
{
	const struct config_pool *config = &agent->state.config->pools[pool];

	for (size_t i = 0; i < config->probe_count; i++) {
		const struct vip *vip = &agent->vips[pool].probes[i];

		if (config->probes[i].via != VIA_AUTO || !is_taken(vip, &config->probes[i]))
			continue;
		if (path_barred(agent, vip))
			return path_barred(agent, vip);
		if (any_refusal(vip))
			return any_refusal(vip);
	}
	return NULL;
}

/* An operator who relies on the VIP being tested has to know when it is not. */
static void tell_aside(struct agent *agent)
{
	const struct config *config = agent->state.config;
	const char *first = NULL, *why = NULL;
	char text[sizeof(agent->aside)] = "";
	size_t count = 0;

	for (size_t i = 0; i < agent->vip_count; i++) {
		const char *one = pool_aside(agent, i);

		if (one && !count++) {
			first = config->pools[i].name;
			why = one;
		}
	}
	if (count)
		snprintf(text, sizeof(text), "%s%s: to the backends' addresses, not through the VIP: %s", first,
			 count > 1 ? " and other pools" : "", why);
	if (strcmp(text, agent->aside) == 0)
		return;
	if (count)
		agent_event(agent, EVENT_probe_aside, EVENT_NOBODY, "%s", text);
	else
		agent_event(agent, EVENT_probe_aside_over, EVENT_NOBODY, "probes go through the VIPs again");
	strcpy(agent->aside, text);
}

void ways_refresh(struct agent *agent)
{
	refresh_path(agent);
	refresh_vips(agent, false);
	tell_aside(agent);
}

bool ways_watch(struct agent *agent)
{
	bool had = agent->path, was_broken;

	if (had)
		check_path(agent);
	else
		refresh_path(agent);
	if (agent->path)
		refresh_vips(agent, had);
	tell_aside(agent);
	was_broken = agent->path_was_broken;
	agent->path_was_broken = false;
	return was_broken;
}

void ways_free(struct agent *agent)
{
	probe_path_close(agent->path);
	vips_free(agent);
}

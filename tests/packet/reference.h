/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the balancer promises, said without slots, phases or indices: a scene of pools, backends and services, flows
 * that know which server has them, and for each packet where it may go.
 *
 * The promise: a connection stays with its server as long as that server serves without a break, and its client is
 * not silent for longer than
 *   UDP                 udp_window
 *   TCP                 window; or idle, if it has a record that no FIN or RST began, or had one until less than a
 *                       window ago
 *   TCP after FIN, RST  FLOW_CLOSING_LIFE
 * Whoever begins with a SYN gets a server that takes new connections. No packet goes to a server that does not serve,
 * and none is dropped while somebody takes new connections.
 *
 * A forger who knows the tuple, but not the sequence, ends no connection that has a record. Of one that has none his
 * FIN or RST makes one, which is doubtful; a second one that fits the first is believed. From then on, until it is
 * without a record again, the connection has what is promised after a FIN or RST. A SYN follows a record that is not
 * believed to have ended: the balancer cannot know whether it is the client's.
 */
#ifndef SLUICE_TEST_REFERENCE_H
#define SLUICE_TEST_REFERENCE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define SCENE_POOLS    3
#define SCENE_BACKENDS 6 /* of a pool */
#define SCENE_SERVICES 4
#define SCENE_FLOWS    48
#define SCENE_HOSTS    4096

/* One server; a backend that comes back under another address is another one. */
struct scene_backend {
	__u32 host; /* 0: not configured */
	__u32 weight;
	bool renamed, dead, drained, maint;
};

struct scene_pool {
	bool there;
	__u32 table_size;
	bool falls_back; /* to the next pool */
	struct scene_backend backends[SCENE_BACKENDS];
};

struct scene_service {
	bool there, by_source;
	unsigned int pool;
};

/* What is configured and true; seconds. */
struct scene {
	struct scene_pool pools[SCENE_POOLS];
	struct scene_service services[SCENE_SERVICES];
	__u32 window, udp_window, idle;
	bool second_hop;
	__u32 hosts; /* given out so far */
	__u32 now;
};

/* By whose sequence number the balancer knows a flow: of a connection that had the tuple before, it fits nobody's. */
enum reference_teller { TOLD_BY_CLIENT, TOLD_BY_FORGER, TOLD_BY_FORMER };

/* What it takes the flow for. */
enum reference_belief { BELIEF_OPEN, BELIEF_DOUBTFUL, BELIEF_ENDED };

struct reference_flow {
	unsigned int service;
	bool udp;
	bool spoke;   /* there was a packet of the client's */
	bool ended;   /* its last word was FIN or RST */
	__u32 host;   /* that got its last packet; 0: nobody */
	__u32 breaks; /* of host and service, at that time */
	__u32 last;   /* its last packet */
	/* of its record, or of the last one, or of what its last packet would have made one of */
	__u32 record_host;
	enum reference_teller teller;
	enum reference_belief belief;
	__u32 record_until; /* when it was last known to be there */
};

struct reference {
	struct scene scene; /* as the balancer has been told it */
	struct reference_flow flows[SCENE_FLOWS];
	bool cut; /* the balancer is half way to another one */
	__u32 host_breaks[SCENE_HOSTS], service_breaks[SCENE_SERVICES];
};

/* ACK: no data. NOISE: a FIN or RST of somebody who does not know the sequence. */
enum packet_kind { PACKET_SYN, PACKET_DATA, PACKET_ACK, PACKET_END, PACKET_NOISE };

/* The configuration is in force from now on. */
void reference_take(struct reference *reference, const struct scene *scene);

/*
 * It may be, or not, or in part, until one is taken: for that long, connections keep their servers where both are for
 * it, and nothing else is promised.
 */
void reference_cut(struct reference *reference, const struct scene *scene);

/*
 * A packet of a flow went to `host` (0: it was dropped); `recorded`: the flow had a record before. NULL, or
 * what is wrong with that.
 */
const char *reference_packet(struct reference *reference, unsigned int flow, enum packet_kind kind, __u32 host,
			     bool recorded, __u32 now);

/* The flow's record was there until now: the sweep removes it. `lost`: it was evicted, and its promise with it. */
void reference_record_gone(struct reference *reference, unsigned int flow, bool lost, __u32 now);

/* Whether the flow's server would have to get a packet that it sent now. */
bool reference_is_promised(const struct reference *reference, unsigned int flow, bool recorded, __u32 now);

/* Whether a pool has a fallback. */
bool scene_falls_back(const struct scene *scene, unsigned int pool);

/* The pool that serves for another: itself, or the first one it falls back to that has somebody for new connections. */
unsigned int scene_effective(const struct scene *scene, unsigned int pool);

/* Whether a backend gets new connections, and whether it keeps those that it has. */
bool scene_is_good(const struct scene_backend *backend);
bool scene_serves(const struct scene_backend *backend);

#endif

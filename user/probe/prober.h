/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Probes every backend of every pool in its interval and reports to the judgement.
 * Starts are spread over the interval; a probe that is under way when the
 * next is due delays that one. Nothing here decides about a state.
 */
#ifndef SLUICE_PROBER_H
#define SLUICE_PROBER_H

#include <event2/event.h>
#include <jansson.h>

#include "model/health.h"
#include "model/network.h"
#include "probe/probe.h"

/* How a backend is probed through the VIP, as the agent works it out from services and network. */
struct prober_vip {
	struct address address; /* family 0: there is none that serves */
	__u16 port;		/* host byte order; 0: the service takes any port, so the probe has to name one */
	struct address source;	/* of this host, for probes to the VIP; family 0: the kernel's choice */
	char why[96];		/* if there is none: for the operator */
};

/*
 * What the prober asks the agent. Pool and backend are indices in the configuration last taken. Whether there is
 * a way is asked before a probe begins and, as it may have been lost meanwhile, before a failure counts.
 */
struct prober_ask {
	void *argument;
	void (*vip)(void *argument, size_t pool, size_t backend, const struct config_probe *probe,
		    struct prober_vip *out);

	/* The mark that leads to this backend through its tunnel; 0 with a reason in `why` if there is none now. */
	__u32 (*mark)(void *argument, size_t pool, size_t backend, char why[96]);

	/* False with the reason in `why` while this host has no way to the address: no route, link down. */
	bool (*reachable)(void *argument, const struct address *address, char why[96]);

	/* A finding went to the judgement; `tables`: they have to be planned anew. */
	void (*reported)(void *argument, bool tables);

	/*
	 * Asked before a failure through the VIP counts: false with the reason in `why` if this host would not
	 * have taken a reply, so that the failure says nothing of the backend. NULL: it always would.
	 */
	bool (*heard)(void *argument, size_t pool, size_t backend, const struct config_probe *probe, char why[96]);
};

struct prober;

/* `health` and what `ask` points to must outlive it. */
struct prober *prober_new(struct event_base *base, struct health *health, const struct prober_ask *ask);
void prober_free(struct prober *prober);

/*
 * After health_configure(): starts probes of what is new, stops those of what is gone, and leaves
 * alone those whose backend and probe are the same. To be called before the health of removed backends is gone:
 * see prober_pause().
 */
void prober_configure(struct prober *prober, const struct config *config);

/* Lets go of everything that points into the health, before health_configure(); prober_configure() follows at once. */
void prober_pause(struct prober *prober);

/* Starts the probes of one backend at once, for an operator or a changed network. */
void prober_hurry(struct prober *prober, const struct health_backend *backend);

/* Where a probe went last. */
struct prober_aim {
	char to[PROBE_TARGET]; /* "192.0.2.10:443 via 10.0.0.11" */
	const char *via;       /* "vip" or "address" */
	const char *why;       /* why not through the VIP; empty where it did, or is not to. Until the next start */
};

/* False before the first start of the probe of this index. */
bool prober_aim(const struct prober *prober, const struct health_backend *backend, size_t probe,
		struct prober_aim *aim);

/*
 * Figures for status, a new reference: "configured" probes, "under_way", "waiting" (due, but as many as "limit" are
 * under way), "begun" in all, "late" (begun later than planned by more than a tenth of the interval), "worst_late_ms",
 * "held_up_ms" (in all that the loop was kept from turning while probes were under way), "aside" (that might go
 * through a VIP, but went to the backend's own address last).
 */
json_t *prober_json(const struct prober *prober);

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/wanted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "backend/filter.h"
#include "backend/sysctl.h"
#include "lib/log.h"

/* An interface that was made again under its name has nothing of ours any more. */
static void forget_link(struct state *state, const char *name)
{
	struct state_link *link = state_find_link(state, name);
	size_t kept = 0;

	*link = state->links[--state->link_count];
	for (size_t i = 0; i < state->sysctl_count; i++)
		if (strcmp(state->sysctls[i].interface, name))
			state->sysctls[kept++] = state->sysctls[i];
	state->sysctl_count = kept;
}

/* Our place among the filters must be free or ours. */
static int check_place(struct rtnetlink *rtnl, const struct host_link *link)
{
	static const enum bpf_tc_attach_point sides[] = {BPF_TC_INGRESS, BPF_TC_EGRESS};

	for (size_t i = 0; i < 2; i++) {
		__u32 program_id;
		int err = filter_query(rtnl, link->ifindex, sides[i], &program_id);

		if (!err || err == -ENOENT)
			continue;
		if (err == -EEXIST)
			log_error("%s: a filter that is not ours has priority %d and handle %#x; see `tc filter show "
				  "dev %s %s`",
				  link->name, BACKEND_TC_PRIORITY, BACKEND_TC_HANDLE, link->name,
				  i ? "egress" : "ingress");
		else
			log_error("%s: cannot read its filters: %s", link->name, strerror(-err));
		return err;
	}
	return 0;
}

static int want_link(struct state *state, const struct host_link *link, struct rtnetlink *rtnl)
{
	struct state_link *entry = state_find_link(state, link->name);
	enum ingress_qdisc qdisc;
	int err;

	if (!link->ethernet) {
		log_error("%s: not an Ethernet interface; give another with --interface", link->name);
		return -EINVAL;
	}
	if (!link->up)
		log_warning("%s is down: nothing arrives until `ip link set %s up`", link->name, link->name);
	err = tc_ingress_qdisc(rtnl, link->ifindex, &qdisc);
	if (err) {
		log_error("%s: cannot read its qdiscs: %s", link->name, strerror(-err));
		return err;
	}
	if (qdisc == INGRESS_QDISC_INGRESS) {
		log_error(
			"%s: has an `ingress` qdisc, which has no egress side; replace it by `clsact`, which takes the "
			"same filters",
			link->name);
		return -EBUSY;
	}
	err = check_place(rtnl, link);
	if (err)
		return err;
	if (entry && entry->ifindex != link->ifindex) {
		forget_link(state, link->name);
		entry = NULL;
	}
	if (!entry)
		entry = state_add_link(state, link->name, link->ifindex);
	if (!entry) {
		log_error("%s: more than %d interfaces", link->name, BACKEND_MAX_LINKS);
		return -E2BIG;
	}
	entry->wanted = true;
	if (qdisc == INGRESS_QDISC_NONE)
		entry->clsact_added = true;
	return 0;
}

static int want_links(struct state *state, const struct options *options, const struct host *host,
		      struct rtnetlink *rtnl)
{
	size_t found = 0;
	int err = 0;

	for (size_t i = 0; i < options->interface_count; i++) {
		const struct host_link *link = host_link_by_name(host, options->interfaces[i]);

		if (!link) {
			log_error("--interface %s: this host has no such interface; see `ip link`",
				  options->interfaces[i]);
			return -ENODEV;
		}
		err = want_link(state, link, rtnl);
		if (err)
			return err;
	}
	if (options->interface_count)
		return 0;
	for (size_t i = 0; !err && i < host->link_count && found < BACKEND_MAX_LINKS; i++) {
		if (!host->links[i].has_default)
			continue;
		err = want_link(state, &host->links[i], rtnl);
		found++;
	}
	if (!found) {
		log_error("there is no default route: give the interface that the balancer's packets arrive on "
			  "with --interface NAME");
		return -ENODEV;
	}
	return err;
}

/* A VIP must not be an address by which the host itself is known to its neighbours. */
static int check_vip(const struct state *state, const struct host *host, const struct prefix *vip)
{
	char text[ADDRESS_TEXT], own[ADDRESS_TEXT];

	for (size_t i = 0; i < host->address_count; i++) {
		const struct host_address *address = &host->addresses[i];
		const struct host_link *link = host_link_by_index(host, address->ifindex);
		bool used = false;

		if (!link || link->loopback || !prefix_contains(vip, &address->address))
			continue;
		for (size_t j = 0; j < state->link_count; j++)
			used |= state->links[j].wanted && state->links[j].ifindex == link->ifindex;
		/* elsewhere, as on a dummy interface, a single address is a VIP that was there before */
		if (prefix_is_address(vip) && !used)
			continue;
		prefix_format(vip, text);
		address_format(&address->address, own);
		if (prefix_is_address(vip))
			log_error("VIP %s is on %s, where this host answers neighbours for it; remove it there "
				  "(ip addr del)",
				  text, link->name);
		else
			log_error("VIP %s contains %s, this host's own address on %s", text, own, link->name);
		return -EADDRINUSE;
	}
	return 0;
}

static int want_vips(struct state *state, const struct prefixes *vips, const struct host *host)
{
	for (size_t i = 0; i < vips->count; i++) {
		const struct prefix *prefix = &vips->items[i];
		struct state_vip *vip = state_find_vip(state, prefix);
		int err = check_vip(state, host, prefix);

		if (err)
			return err;
		if (!vip)
			vip = state_add_vip(state, prefix);
		vip->wanted = true;
		if (!host_has_vip(host, prefix))
			vip->added = true;
	}
	return 0;
}

static int want_sysctl(struct state *state, const char *interface, const char *setting, int value)
{
	struct state_sysctl *sysctl = state_find_sysctl(state, interface, setting);
	int before, err;

	if (!sysctl) {
		err = sysctl_read("ipv4", interface, setting, &before);
		if (err) {
			log_error("net.ipv4.conf.%s.%s: cannot read it: %s", interface, setting, strerror(-err));
			return err;
		}
		sysctl = state_add_sysctl(state, interface, setting);
		if (!sysctl)
			return -E2BIG;
		sysctl->before = before;
		sysctl->set = value;
	}
	sysctl->wanted = true;
	return 0;
}

static bool any_ipv4(const struct prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->count; i++)
		if (prefixes->items[i].address.family == AF_INET)
			return true;
	return false;
}

/* The kernel takes the larger of `all` and the interface's own setting. */
static int want_sysctls(struct state *state, const struct options *options)
{
	bool ipv4 = any_ipv4(&options->vips);
	int err = 0;

	for (size_t i = 0; !err && i < state->link_count; i++) {
		const char *name = state->links[i].name;

		if (!state->links[i].wanted || !ipv4)
			continue;
		if (state_find_sysctl(state, name, "arp_ignore") || sysctl_effective("ipv4", name, "arp_ignore") < 1)
			err = want_sysctl(state, name, "arp_ignore", 1);
		if (!err && (state_find_sysctl(state, name, "arp_announce") ||
			     sysctl_effective("ipv4", name, "arp_announce") < 2))
			err = want_sysctl(state, name, "arp_announce", 2);
		if (!err && options->rp_filter_loose &&
		    (state_find_sysctl(state, name, "rp_filter") || sysctl_effective("ipv4", name, "rp_filter") == 1))
			err = want_sysctl(state, name, "rp_filter", 2);
	}
	return err;
}

int wanted_mark(struct state *state, const struct options *options, const struct host *host, struct rtnetlink *rtnl)
{
	const struct host_link *loopback = host_loopback(host);
	int err;

	if (!loopback || !loopback->up) {
		log_error("the loopback interface, which is to hold the VIPs, is down: `ip link set lo up`");
		return -ENETDOWN;
	}
	err = want_links(state, options, host, rtnl);
	if (!err)
		err = want_vips(state, &options->vips, host);
	if (!err)
		err = want_sysctls(state, options);
	return err;
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * `up`: mark what is wanted, load, record, change. The BPF programs are loaded
 * afresh each time and take the place of their predecessors, so one path serves
 * the first start, new arguments and an upgrade. Order matters: ARP settings come
 * before the VIPs that they hide, maps are filled before a program is attached.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/advice.h"
#include "backend/commands.h"
#include "backend/filter.h"
#include "backend/sysctl.h"
#include "backend/tc_program.h"
#include "backend/undo.h"
#include "backend/wanted.h"
#include "lib/log.h"

/*
 * The largest outer header of a family of balancers: IPv6, UDP. GUE's variant 1 adds nothing, and what a second hop
 * adds is left out where it does not fit.
 */
#define OUTER_MAX (40 + 8)

struct up {
	const struct options *options;
	struct rtnetlink *rtnl;
	struct host host;
	struct state state;
	struct tc_program program;
	bool fresh; /* not up before */
	unsigned int changes;
};

static bool is_loopback_address(const struct address *address)
{
	if (address->family == AF_INET)
		return ntohl(address->word[0]) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)address->word);
}

/* A VIP is not the host's own address, whether it stays or is about to go. */
static bool is_vip(const struct state *state, const struct address *address)
{
	for (size_t i = 0; i < state->vip_count; i++)
		if (prefix_contains(&state->vips[i].prefix, address))
			return true;
	return false;
}

static __u16 mss_of(const struct options *options, const struct host_link *link, __u32 headers)
{
	__u32 mtu = options->mtu ? options->mtu : link->mtu;

	if (options->mss != MSS_AUTO)
		return (__u16)options->mss;
	if (mtu > 65535)
		mtu = 65535;
	/* below 1280 no IPv6 goes, and the arithmetic must not wrap */
	return (__u16)((mtu > 576 ? mtu : 576) - OUTER_MAX - headers);
}

static int fill_maps(struct up *up)
{
	int err = tc_program_set_vips(&up->program, &up->options->vips);

	if (!err)
		err = tc_program_set_from(&up->program, &up->options->from);
	for (size_t i = 0; !err && i < up->host.address_count; i++) {
		const struct address *address = &up->host.addresses[i].address;

		if (!is_loopback_address(address) && !is_vip(&up->state, address))
			err = tc_program_add_own(&up->program, address);
	}
	for (size_t i = 0; !err && i < up->state.link_count; i++) {
		const struct host_link *link = host_link_by_index(&up->host, up->state.links[i].ifindex);
		struct link_mss mss;

		if (!link || !up->state.links[i].wanted)
			continue;
		mss = (struct link_mss){.mss4 = mss_of(up->options, link, 20 + 20),
					.mss6 = mss_of(up->options, link, 40 + 20)};
		err = tc_program_set_mss(&up->program, link->ifindex, &mss);
	}
	return err;
}

/* The id of a program that is attached already, 0 if there is none. */
static __u32 find_predecessor(struct up *up)
{
	__u32 id = 0;

	for (size_t i = 0; !id && i < up->state.link_count; i++)
		if (filter_query(up->rtnl, up->state.links[i].ifindex, BPF_TC_INGRESS, &id))
			id = 0;
	return id;
}

static bool same_prefixes(const struct prefixes *a, const struct prefixes *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!prefixes_have(b, &a->items[i]))
			return false;
	return true;
}

/* Takes the options over into the state, saying what differs from the former ones. */
static void record_options(struct up *up)
{
	const struct options *options = up->options;
	struct state *state = &up->state;

	if (!up->fresh && !same_prefixes(&state->from, &options->from))
		change_say(&up->changes, "changed --from");
	if (!up->fresh && state->gue_port != options->gue_port)
		change_say(&up->changes, "changed the GUE port from %u to %u", state->gue_port, options->gue_port);
	if (!up->fresh && (state->mss != options->mss || state->mtu != options->mtu))
		change_say(&up->changes, "changed --mss or --mtu");
	state->gue_port = options->gue_port;
	state->mss = options->mss;
	state->mtu = options->mtu;
	prefixes_free(&state->from);
	for (size_t i = 0; i < options->from.count; i++)
		prefixes_add(&state->from, &options->from.items[i]);
}

static int set_sysctls(struct up *up)
{
	for (size_t i = 0; i < up->state.sysctl_count; i++) {
		const struct state_sysctl *sysctl = &up->state.sysctls[i];
		int value = 0;
		int err;

		/* an operator may have raised it further since */
		if (!sysctl->wanted ||
		    (!sysctl_read("ipv4", sysctl->interface, sysctl->setting, &value) && value >= sysctl->set))
			continue;
		err = sysctl_write("ipv4", sysctl->interface, sysctl->setting, sysctl->set);
		if (err) {
			log_error("net.ipv4.conf.%s.%s: cannot set %d: %s", sysctl->interface, sysctl->setting,
				  sysctl->set, strerror(-err));
			return err;
		}
		change_say(&up->changes, "set net.ipv4.conf.%s.%s = %d (was %d)", sysctl->interface, sysctl->setting,
			   sysctl->set, value);
	}
	return 0;
}

static int add_vips(struct up *up)
{
	const struct host_link *loopback = host_loopback(&up->host);
	char text[ADDRESS_TEXT];

	for (size_t i = 0; i < up->state.vip_count; i++) {
		const struct state_vip *vip = &up->state.vips[i];
		int err;

		if (!vip->wanted || host_has_vip(&up->host, &vip->prefix))
			continue;
		prefix_format(&vip->prefix, text);
		err = rtnl_vip_add(up->rtnl, loopback->ifindex, &vip->prefix);
		if (err && err != -EEXIST) {
			bool no_ipv6 = vip->prefix.address.family == AF_INET6 && err == -EACCES;

			log_error("VIP %s: cannot put it on %s: %s", text, loopback->name,
				  no_ipv6 ? "IPv6 is off there; set net.ipv6.conf.lo.disable_ipv6 = 0"
					  : strerror(-err));
			return err;
		}
		change_say(&up->changes, "added VIP %s to %s", text, loopback->name);
	}
	return 0;
}

static int attach_link(struct up *up, const struct state_link *link)
{
	enum ingress_qdisc qdisc;
	__u32 id;
	bool present = !filter_query(up->rtnl, link->ifindex, BPF_TC_INGRESS, &id);
	bool removed = false;
	int err = tc_ingress_qdisc(up->rtnl, link->ifindex, &qdisc);

	if (!err && qdisc == INGRESS_QDISC_NONE)
		err = tc_clsact_add(link->ifindex);
	if (!err)
		err = filter_attach(link->ifindex, BPF_TC_INGRESS, up->program.decap_fd);
	if (!err && up->options->mss != MSS_OFF)
		err = filter_attach(link->ifindex, BPF_TC_EGRESS, up->program.mss_fd);
	else if (!err)
		err = filter_detach(up->rtnl, link->ifindex, BPF_TC_EGRESS, &removed);
	if (err)
		log_error("%s: cannot attach the filters: %s", link->name, strerror(-err));
	else if (!present)
		change_say(&up->changes, "attached to %s", link->name);
	return err;
}

static int change_host(struct up *up)
{
	int err = set_sysctls(up);

	if (!err)
		err = add_vips(up);
	for (size_t i = 0; !err && i < up->state.link_count; i++)
		if (up->state.links[i].wanted)
			err = attach_link(up, &up->state.links[i]);
	if (!err)
		err = undo_unwanted(up->rtnl, &up->host, &up->state, &up->changes);
	return err;
}

/* A first `up` that fails leaves nothing; a later one leaves what ran before, as far as that is possible. */
static void abandon(struct up *up)
{
	if (!up->fresh) {
		log_error("some of the new arguments may be in force; mend the cause and run `up` again, or `down`");
		return;
	}
	for (size_t i = 0; i < up->state.vip_count; i++)
		up->state.vips[i].wanted = false;
	for (size_t i = 0; i < up->state.link_count; i++)
		up->state.links[i].wanted = false;
	for (size_t i = 0; i < up->state.sysctl_count; i++)
		up->state.sysctls[i].wanted = false;
	if (!undo_unwanted(up->rtnl, &up->host, &up->state, &up->changes))
		unlink(up->options->state_path);
}

static void report(struct up *up)
{
	json_t *advice = json_array();
	json_t *line;
	size_t i;

	if (!up->changes)
		puts("up: no change; the host's own addresses were read again");
	else
		printf("up: %zu VIP%s, %zu interface%s\n", up->state.vip_count, up->state.vip_count == 1 ? "" : "s",
		       up->state.link_count, up->state.link_count == 1 ? "" : "s");
	advice_collect(advice, &up->state, &up->host);
	json_array_foreach(advice, i, line)
		log_warning("%s", json_string_value(line));
	json_decref(advice);
}

static int run(struct up *up)
{
	int err = rtnetlink_open(&up->rtnl);

	if (err) {
		log_error("cannot open a netlink socket: %s", strerror(-err));
		return err;
	}
	err = state_load(&up->state, up->options->state_path);
	up->fresh = err == -ENOENT;
	if (err && !up->fresh)
		return err;
	err = host_read(&up->host, up->rtnl);
	if (!err)
		err = wanted_mark(&up->state, up->options, &up->host, up->rtnl);
	if (!err)
		err = tc_program_load(&up->program, up->options->gue_port, find_predecessor(up));
	if (!err)
		err = fill_maps(up);
	if (err)
		return err;
	record_options(up);
	err = state_save(&up->state, up->options->state_path);
	if (err)
		return err;
	err = change_host(up);
	if (err) {
		abandon(up);
		return err;
	}
	state_prune(&up->state);
	err = state_save(&up->state, up->options->state_path);
	if (!err)
		report(up);
	return err;
}

int command_up(const struct options *options)
{
	struct up up = {.options = options};
	int lock = state_lock(options->state_path, true);
	int err;

	if (lock < 0)
		return lock;
	err = run(&up);
	tc_program_free(&up.program);
	state_free(&up.state);
	host_free(&up.host);
	rtnetlink_close(up.rtnl);
	close(lock);
	return err;
}

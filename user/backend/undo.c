/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/undo.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/filter.h"
#include "backend/sysctl.h"
#include "lib/log.h"

void change_say(unsigned int *changes, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	(*changes)++;
}

int undo_filters(struct rtnetlink *rtnl, const struct host_link *link, unsigned int *changes)
{
	static const struct {
		enum bpf_tc_attach_point side;
		const char *name;
	} sides[] = {{BPF_TC_INGRESS, "ingress"}, {BPF_TC_EGRESS, "egress"}};
	int result = 0;

	for (size_t i = 0; i < 2; i++) {
		bool removed;
		int err = filter_detach(rtnl, link->ifindex, sides[i].side, &removed);

		if (err) {
			log_error("%s: cannot remove the %s filter: %s", link->name, sides[i].name, strerror(-err));
			result = result ? result : err;
		}
		if (removed)
			change_say(changes, "removed the %s filter from %s", sides[i].name, link->name);
	}
	return result;
}

static int undo_clsact(struct rtnetlink *rtnl, const struct host_link *link, unsigned int *changes)
{
	int err = tc_clsact_delete_unused(rtnl, link->ifindex);

	if (err == -ENOENT)
		return 0;
	if (err == -EBUSY) {
		log_info("%s: the clsact qdisc stays, because others' filters are on it", link->name);
		return 0;
	}
	if (err)
		log_error("%s: cannot remove the clsact qdisc: %s", link->name, strerror(-err));
	else
		change_say(changes, "removed the clsact qdisc from %s", link->name);
	return err;
}

static int undo_link(struct rtnetlink *rtnl, const struct host *host, const struct state_link *entry,
		     unsigned int *changes)
{
	const struct host_link *link = host_link_by_index(host, entry->ifindex);
	int err;

	/* an interface that is gone took everything with it */
	if (!link)
		return 0;
	err = undo_filters(rtnl, link, changes);
	if (!err && entry->clsact_added)
		err = undo_clsact(rtnl, link, changes);
	return err;
}

static int undo_vip(struct rtnetlink *rtnl, const struct host *host, const struct state_vip *vip, unsigned int *changes)
{
	const struct host_link *loopback = host_loopback(host);
	char text[ADDRESS_TEXT];
	int err;

	if (!vip->added || !loopback)
		return 0;
	prefix_format(&vip->prefix, text);
	err = rtnl_vip_delete(rtnl, loopback->ifindex, &vip->prefix);
	if (err == -ENOENT)
		return 0;
	if (err)
		log_error("VIP %s: cannot remove it from %s: %s", text, loopback->name, strerror(-err));
	else
		change_say(changes, "removed VIP %s from %s", text, loopback->name);
	return err;
}

static int undo_sysctl(const struct state_sysctl *sysctl, unsigned int *changes)
{
	int value;
	int err = sysctl_read("ipv4", sysctl->interface, sysctl->setting, &value);

	if (err == -ENOENT || (!err && value == sysctl->before))
		return 0;
	if (!err && value != sysctl->set) {
		log_warning(
			"net.ipv4.conf.%s.%s is %d, which sluice-backend did not set: left as it is (before `up`: %d)",
			sysctl->interface, sysctl->setting, value, sysctl->before);
		return 0;
	}
	if (!err)
		err = sysctl_write("ipv4", sysctl->interface, sysctl->setting, sysctl->before);
	if (err)
		log_error("net.ipv4.conf.%s.%s: cannot restore %d: %s", sysctl->interface, sysctl->setting,
			  sysctl->before, strerror(-err));
	else
		change_say(changes, "restored net.ipv4.conf.%s.%s = %d", sysctl->interface, sysctl->setting,
			   sysctl->before);
	return err;
}

/* The VIPs go before the ARP settings that hide them, so that no answer slips out in between. */
int undo_unwanted(struct rtnetlink *rtnl, const struct host *host, const struct state *state, unsigned int *changes)
{
	int result = 0, err;

	for (size_t i = 0; i < state->link_count; i++) {
		err = state->links[i].wanted ? 0 : undo_link(rtnl, host, &state->links[i], changes);
		result = result ? result : err;
	}
	for (size_t i = 0; i < state->vip_count; i++) {
		err = state->vips[i].wanted ? 0 : undo_vip(rtnl, host, &state->vips[i], changes);
		result = result ? result : err;
	}
	for (size_t i = 0; i < state->sysctl_count; i++) {
		err = state->sysctls[i].wanted ? 0 : undo_sysctl(&state->sysctls[i], changes);
		result = result ? result : err;
	}
	return result;
}

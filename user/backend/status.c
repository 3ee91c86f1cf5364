/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* `status`: one JSON document, made from the state file and from what is really there; text is made from it. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/advice.h"
#include "backend/commands.h"
#include "backend/filter.h"
#include "backend/tc_program.h"
#include "backend/sysctl.h"
#include "lib/log.h"

struct status {
	struct rtnetlink *rtnl;
	struct host host;
	struct state state;
	json_t *problems; /* what is not as `up` left it: `status` fails */
	json_t *advice;
	__u32 program_id; /* of an attached sluice_decap, 0 if there is none */
};

static json_t *pack_interface(struct status *status, const struct state_link *link)
{
	const struct host_link *present = host_link_by_index(&status->host, link->ifindex);
	struct link_mss mss = {0};
	__u32 ingress = 0, egress = 0;

	if (!present) {
		advice_add(status->problems, "interface %s is gone, or was made again: run `up` again", link->name);
	} else {
		if (filter_query(status->rtnl, link->ifindex, BPF_TC_INGRESS, &ingress))
			advice_add(status->problems, "%s: our ingress filter is gone: run `up` again", link->name);
		if (filter_query(status->rtnl, link->ifindex, BPF_TC_EGRESS, &egress) && status->state.mss != MSS_OFF)
			advice_add(status->problems, "%s: our egress filter is gone: run `up` again", link->name);
	}
	if (ingress)
		status->program_id = ingress;
	if (egress && tc_program_mss(egress, link->ifindex, &mss))
		mss = (struct link_mss){0};
	return json_pack("{s:s, s:b, s:b, s:i, s:i, s:i}", "name", link->name, "ingress", ingress != 0, "egress",
			 egress != 0, "mss4", mss.mss4, "mss6", mss.mss6, "rp_filter",
			 sysctl_effective("ipv4", link->name, "rp_filter"));
}

static json_t *pack_interfaces(struct status *status)
{
	json_t *array = json_array();

	for (size_t i = 0; i < status->state.link_count; i++)
		json_array_append_new(array, pack_interface(status, &status->state.links[i]));
	return array;
}

static json_t *pack_vips(struct status *status)
{
	json_t *array = json_array();
	char text[ADDRESS_TEXT];

	for (size_t i = 0; i < status->state.vip_count; i++) {
		const struct state_vip *vip = &status->state.vips[i];
		bool present = host_has_vip(&status->host, &vip->prefix);

		prefix_format(&vip->prefix, text);
		if (!present)
			advice_add(status->problems, "VIP %s is no longer on this host: run `up` again", text);
		json_array_append_new(
			array, json_pack("{s:s, s:b, s:b}", "address", text, "present", present, "added", vip->added));
	}
	return array;
}

static json_t *pack_from(struct status *status)
{
	json_t *array = json_array();
	char text[ADDRESS_TEXT];

	for (size_t i = 0; i < status->state.from.count; i++)
		json_array_append_new(array, json_string(prefix_format(&status->state.from.items[i], text)));
	return array;
}

static json_t *pack_counters(struct status *status)
{
	__u64 packets[OUTCOME_COUNT] = {0};
	json_t *counters = json_object();
	int err = status->program_id ? tc_program_counters(status->program_id, packets) : 0;

	if (err)
		advice_add(status->problems, "cannot read the counters: %s", strerror(-err));
#define OUTCOME_PACK(name, help)                                                                                       \
	if (OUTCOME_##name != OUTCOME_go_on)                                                                           \
		json_object_set_new(counters, #name, json_integer((json_int_t)packets[OUTCOME_##name]));
	OUTCOMES(OUTCOME_PACK)
#undef OUTCOME_PACK
	return counters;
}

/* Addresses that the interfaces have got since `up`: packets to them are not decapsulated. */
static void advise_addresses(struct status *status)
{
	char text[ADDRESS_TEXT];

	for (size_t i = 0; status->program_id && i < status->host.address_count; i++) {
		const struct host_address *address = &status->host.addresses[i];
		const struct host_link *link = host_link_by_index(&status->host, address->ifindex);

		for (size_t j = 0; link && j < status->state.link_count; j++)
			if (status->state.links[j].ifindex == link->ifindex &&
			    tc_program_has_own(status->program_id, &address->address) == 0)
				advice_add(status->advice,
					   "%s has got address %s since `up`; if balancers send to it, run `up` again",
					   link->name, address_format(&address->address, text));
	}
}

/* A balancer's address that was forgotten, or that its pool's `outer: source` makes. */
static void advise_stranger(struct status *status)
{
	struct address stranger;
	char text[ADDRESS_TEXT];

	if (!status->program_id || tc_program_stranger(status->program_id, &stranger) || !stranger.family)
		return;
	advice_add(status->advice,
		   "encapsulated packets come from addresses in no --from prefix, the last one from %s; if it is a "
		   "balancer's, or of the prefix that a pool's `outer: source` names, run `up` with a --from that has "
		   "it",
		   address_format(&stranger, text));
}

/* Our filters where the state file knows of none: another state file, or it was removed. */
static void find_strays(struct status *status)
{
	__u32 id;

	for (size_t i = 0; i < status->host.link_count; i++) {
		const struct host_link *link = &status->host.links[i];

		if (!state_find_link(&status->state, link->name) &&
		    !filter_query(status->rtnl, link->ifindex, BPF_TC_INGRESS, &id))
			advice_add(status->problems,
				   "%s has our filter, but the state file does not name it; `up` with "
				   "--interface %s takes it over, `down` without a state file removes it",
				   link->name, link->name);
	}
}

static json_t *pack_status(struct status *status, bool up)
{
	json_t *interfaces = pack_interfaces(status);
	json_t *vips = pack_vips(status);

	find_strays(status);
	advise_addresses(status);
	advise_stranger(status);
	advice_collect(status->advice, &status->state, &status->host);
	return json_pack("{s:b, s:o, s:o, s:o, s:i, s:o, s:O, s:O}", "up", up, "interfaces", interfaces, "vips", vips,
			 "from", pack_from(status), "gue_port", (int)status->state.gue_port, "counters",
			 pack_counters(status), "problems", status->problems, "advice", status->advice);
}

static void print_interface(const json_t *link)
{
	const char *name;
	int ingress, egress, mss4, mss6, rp_filter;

	if (json_unpack((json_t *)link, "{s:s, s:b, s:b, s:i, s:i, s:i}", "name", &name, "ingress", &ingress, "egress",
			&egress, "mss4", &mss4, "mss6", &mss6, "rp_filter", &rp_filter))
		return;
	printf("interface  %s: decapsulation %s, ", name, ingress ? "on" : "off");
	if (egress)
		printf("MSS at most %d (IPv4) and %d (IPv6)", mss4, mss6);
	else
		printf("MSS left as it is");
	printf(", rp_filter %d\n", rp_filter);
}

static void print_list(const char *name, const json_t *array)
{
	size_t i;
	json_t *item;

	json_array_foreach(array, i, item)
		printf("%-10s %s\n", name, json_string_value(item));
}

static void print_status(const json_t *json)
{
	size_t i;
	json_t *item;

	if (json_is_false(json_object_get(json, "up"))) {
		puts("not up");
		print_list("problem", json_object_get(json, "problems"));
		return;
	}
	json_array_foreach(json_object_get(json, "interfaces"), i, item)
		print_interface(item);
	json_array_foreach(json_object_get(json, "vips"), i, item)
		printf("VIP        %s%s\n", json_string_value(json_object_get(item, "address")),
		       json_is_true(json_object_get(item, "present")) ? "" : " (missing)");
	print_list("from", json_object_get(json, "from"));
	printf("GUE port   %lld\n\n", (long long)json_integer_value(json_object_get(json, "gue_port")));
	item = json_object_get(json, "counters");
#define OUTCOME_PRINT(name, help)                                                                                      \
	if (OUTCOME_##name != OUTCOME_go_on)                                                                           \
		printf("%12lld  %-16s %s\n", (long long)json_integer_value(json_object_get(item, #name)), #name, help);
	OUTCOMES(OUTCOME_PRINT)
#undef OUTCOME_PRINT
	if (json_array_size(json_object_get(json, "problems")) + json_array_size(json_object_get(json, "advice")))
		putchar('\n');
	print_list("problem", json_object_get(json, "problems"));
	print_list("advice", json_object_get(json, "advice"));
}

static int show(struct status *status, const struct options *options)
{
	int err = rtnetlink_open(&status->rtnl);
	bool up;
	json_t *json;

	if (err) {
		log_error("cannot open a netlink socket: %s", strerror(-err));
		return err;
	}
	err = host_read(&status->host, status->rtnl);
	if (err)
		return err;
	err = state_load(&status->state, options->state_path);
	up = !err;
	if (err && err != -ENOENT)
		return err;
	json = pack_status(status, up);
	if (!json)
		return -ENOMEM;
	if (options->json) {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_status(json);
	}
	json_decref(json);
	return up && !json_array_size(status->problems) ? 0 : -ENOENT;
}

int command_status(const struct options *options)
{
	struct status status = {.problems = json_array(), .advice = json_array()};
	int err = show(&status, options);

	json_decref(status.problems);
	json_decref(status.advice);
	state_free(&status.state);
	host_free(&status.host);
	rtnetlink_close(status.rtnl);
	return err;
}

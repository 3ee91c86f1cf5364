/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "wire.h"

enum {
	OPTION_VIP = 256,
	OPTION_FROM,
	OPTION_INTERFACE,
	OPTION_GUE_PORT,
	OPTION_MSS,
	OPTION_MTU,
	OPTION_RP_FILTER,
	OPTION_STATE,
	OPTION_JSON,
};

static const struct option up_options[] = {
	{"vip", required_argument, NULL, OPTION_VIP},
	{"from", required_argument, NULL, OPTION_FROM},
	{"interface", required_argument, NULL, OPTION_INTERFACE},
	{"gue-port", required_argument, NULL, OPTION_GUE_PORT},
	{"mss", required_argument, NULL, OPTION_MSS},
	{"mtu", required_argument, NULL, OPTION_MTU},
	{"rp-filter", required_argument, NULL, OPTION_RP_FILTER},
	{"state", required_argument, NULL, OPTION_STATE},
	{0},
};

static const struct option down_options[] = {
	{"state", required_argument, NULL, OPTION_STATE},
	{0},
};

static const struct option status_options[] = {
	{"state", required_argument, NULL, OPTION_STATE},
	{"json", no_argument, NULL, OPTION_JSON},
	{0},
};

static int parse_number(const char *name, const char *text, unsigned long lowest, unsigned long highest, __u32 *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || value < lowest || value > highest) {
		log_error("%s %s: give a number from %lu to %lu", name, text, lowest, highest);
		return -EINVAL;
	}
	*out = (__u32)value;
	return 0;
}

static int parse_prefix(const char *name, const char *text, struct prefix *out)
{
	int err = prefix_parse(text, out);

	if (err == -ERANGE)
		log_error("%s %s: bits beyond the prefix length are set; give the prefix's first address", name, text);
	else if (err)
		log_error("%s %s: give an address or prefix such as 192.0.2.10, 192.0.2.0/28 or 2001:db8::10", name,
			  text);
	return err ? -EINVAL : 0;
}

/* A VIP goes on the loopback interface as an address of the host: not everything may. */
static int check_vip(const char *text, const struct prefix *vip)
{
	__u32 first = ntohl(vip->address.word[0]);
	bool bad;

	if (vip->address.family == AF_INET)
		bad = first >> 24 == 0 || first >> 24 == 127 || first >> 28 >= 14;
	else
		bad = first >> 24 == 0xff || first >> 22 == 0xfe80 >> 6 ||
		      (!first && !vip->address.word[1] && !vip->address.word[2]);
	if (vip->length == 0 || bad) {
		log_error("--vip %s: not a unicast address that clients can use", text);
		return -EINVAL;
	}
	return 0;
}

static int parse_vip(struct options *options, const char *text)
{
	struct prefix vip;

	if (parse_prefix("--vip", text, &vip) || check_vip(text, &vip))
		return -EINVAL;
	prefixes_add(&options->vips, &vip);
	return 0;
}

static int parse_from(struct options *options, const char *text)
{
	struct prefix from;

	if (parse_prefix("--from", text, &from))
		return -EINVAL;
	if (!from.length)
		log_warning("--from %s: anyone who reaches this host can send it packets with any inner source", text);
	prefixes_add(&options->from, &from);
	return 0;
}

static int parse_interface(struct options *options, const char *name)
{
	if (!*name || strlen(name) >= IFNAMSIZ || strchr(name, '/')) {
		log_error("--interface %s: not an interface's name", name);
		return -EINVAL;
	}
	for (size_t i = 0; i < options->interface_count; i++)
		if (!strcmp(options->interfaces[i], name))
			return 0;
	if (options->interface_count == BACKEND_MAX_LINKS) {
		log_error("--interface %s: more than %d interfaces", name, BACKEND_MAX_LINKS);
		return -EINVAL;
	}
	strcpy(options->interfaces[options->interface_count++], name);
	return 0;
}

static int parse_mss(struct options *options, const char *text)
{
	__u32 bytes;

	if (!strcmp(text, "auto")) {
		options->mss = MSS_AUTO;
		return 0;
	}
	if (!strcmp(text, "off")) {
		options->mss = MSS_OFF;
		return 0;
	}
	if (parse_number("--mss (auto, off or bytes)", text, 88, 65495, &bytes))
		return -EINVAL;
	options->mss = (int)bytes;
	return 0;
}

static int parse_rp_filter(struct options *options, const char *text)
{
	if (strcmp(text, "loose") && strcmp(text, "keep")) {
		log_error("--rp-filter %s: give `loose`, or `keep` (the default)", text);
		return -EINVAL;
	}
	options->rp_filter_loose = !strcmp(text, "loose");
	return 0;
}

static int parse_option(struct options *options, int option, const char *value)
{
	__u32 number;
	int err;

	switch (option) {
	case OPTION_VIP:
		return parse_vip(options, value);
	case OPTION_FROM:
		return parse_from(options, value);
	case OPTION_INTERFACE:
		return parse_interface(options, value);
	case OPTION_GUE_PORT:
		err = parse_number("--gue-port", value, 1, 65535, &number);
		if (!err)
			options->gue_port = (__u16)number;
		return err;
	case OPTION_MSS:
		return parse_mss(options, value);
	case OPTION_MTU:
		return parse_number("--mtu", value, 1280, 65535, &options->mtu);
	case OPTION_RP_FILTER:
		return parse_rp_filter(options, value);
	case OPTION_STATE:
		options->state_path = value;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	}
	return -EINVAL; /* getopt has said why */
}

static int check_up(const struct options *options)
{
	if (!options->vips.count) {
		log_error("up: give the VIPs of this host with --vip ADDRESS[/LEN]");
		return -EINVAL;
	}
	if (!options->from.count) {
		log_error("up: give the balancers' addresses with --from PREFIX; packets from others are not "
			  "decapsulated");
		return -EINVAL;
	}
	if (options->vips.count > BACKEND_MAX_VIPS || options->from.count > BACKEND_MAX_FROM) {
		log_error("up: at most %d VIPs and %d --from prefixes", BACKEND_MAX_VIPS, BACKEND_MAX_FROM);
		return -EINVAL;
	}
	return 0;
}

int options_parse(struct options *options, const char *command, int argc, char **argv)
{
	const struct option *known = down_options;
	int option, err;

	*options = (struct options){.gue_port = GUE_PORT, .mss = MSS_AUTO, .state_path = STATE_PATH};
	if (!strcmp(command, "up"))
		known = up_options;
	else if (!strcmp(command, "status"))
		known = status_options;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		err = parse_option(options, option, optarg);
		if (err)
			return err;
	}
	if (optind < argc) {
		log_error("%s: unexpected argument `%s`", command, argv[optind]);
		return -EINVAL;
	}
	return strcmp(command, "up") ? 0 : check_up(options);
}

void options_free(struct options *options)
{
	prefixes_free(&options->vips);
	prefixes_free(&options->from);
}

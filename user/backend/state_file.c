/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The state's file: JSON, replaced as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/state.h"
#include "lib/file.h"
#include "lib/log.h"

#define STATE_VERSION 1

static void folder_of(const char *path, char folder[static PATH_MAX])
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(folder, PATH_MAX, "%s", dirname(copy));
}

/* The lock is on the folder, so that no lock file stays behind. */
int state_lock(const char *path, bool make_folder)
{
	char folder[PATH_MAX];
	int fd;

	folder_of(path, folder);
	if (make_folder && mkdir(folder, 0755) && errno != EEXIST)
		goto failed;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !make_folder)
		return -ENOENT;
	if (fd < 0)
		goto failed;
	if (!flock(fd, LOCK_EX))
		return fd;
	close(fd);
failed:
	fd = -errno;
	log_error("%s: cannot open the state file's folder: %s", folder, strerror(errno));
	return fd;
}

/* Identifies the network namespace: a file of another one must not be acted upon. */
static json_int_t own_namespace(void)
{
	struct stat status;

	return stat("/proc/self/ns/net", &status) ? 0 : (json_int_t)status.st_ino;
}

static json_t *pack_prefix(const struct prefix *prefix)
{
	char text[ADDRESS_TEXT];

	return json_string(prefix_format(prefix, text));
}

static json_t *pack_state(const struct state *state)
{
	json_t *vips = json_array(), *from = json_array(), *links = json_array(), *sysctls = json_array();

	for (size_t i = 0; i < state->vip_count; i++)
		json_array_append_new(vips, json_pack("{s:o, s:b}", "prefix", pack_prefix(&state->vips[i].prefix),
						      "added", state->vips[i].added));
	for (size_t i = 0; i < state->from.count; i++)
		json_array_append_new(from, pack_prefix(&state->from.items[i]));
	for (size_t i = 0; i < state->link_count; i++)
		json_array_append_new(links, json_pack("{s:s, s:I, s:b}", "name", state->links[i].name, "ifindex",
						       (json_int_t)state->links[i].ifindex, "clsact_added",
						       state->links[i].clsact_added));
	for (size_t i = 0; i < state->sysctl_count; i++) {
		const struct state_sysctl *sysctl = &state->sysctls[i];

		json_array_append_new(sysctls,
				      json_pack("{s:s, s:s, s:i, s:i}", "interface", sysctl->interface, "setting",
						sysctl->setting, "before", sysctl->before, "set", sysctl->set));
	}
	return json_pack("{s:i, s:I, s:o, s:o, s:o, s:o, s:i, s:i, s:I}", "version", STATE_VERSION, "netns",
			 own_namespace(), "vips", vips, "from", from, "interfaces", links, "sysctls", sysctls,
			 "gue_port", (int)state->gue_port, "mss", state->mss, "mtu", (json_int_t)state->mtu);
}

int state_save(const struct state *state, const char *path)
{
	json_t *json = pack_state(state);
	char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	int err = text ? file_replace(path, text, strlen(text), 0) : -ENOMEM;

	if (err)
		log_error("%s: cannot write the state file: %s", path, strerror(-err));
	free(text);
	json_decref(json);
	return err;
}

static int unpack_vips(struct state *state, json_t *vips)
{
	size_t i;
	json_t *item;

	json_array_foreach(vips, i, item) {
		const char *text;
		struct prefix prefix;
		int added;

		if (json_unpack(item, "{s:s, s:b}", "prefix", &text, "added", &added) || prefix_parse(text, &prefix))
			return -EINVAL;
		state_add_vip(state, &prefix)->added = added;
	}
	return 0;
}

static int unpack_links(struct state *state, json_t *links)
{
	size_t i;
	json_t *item;

	json_array_foreach(links, i, item) {
		const char *name;
		json_int_t ifindex;
		struct state_link *link;
		int added;

		if (json_unpack(item, "{s:s, s:I, s:b}", "name", &name, "ifindex", &ifindex, "clsact_added", &added) ||
		    strlen(name) >= sizeof(link->name) || ifindex < 0 || ifindex > INT_MAX)
			return -EINVAL;
		link = state_add_link(state, name, (__u32)ifindex);
		if (!link)
			return -EINVAL;
		link->clsact_added = added;
	}
	return 0;
}

static int unpack_sysctls(struct state *state, json_t *sysctls)
{
	size_t i;
	json_t *item;

	json_array_foreach(sysctls, i, item) {
		const char *interface, *setting;
		struct state_sysctl *sysctl;
		int before, set;

		if (json_unpack(item, "{s:s, s:s, s:i, s:i}", "interface", &interface, "setting", &setting, "before",
				&before, "set", &set) ||
		    strlen(interface) >= sizeof(sysctl->interface) || strlen(setting) >= sizeof(sysctl->setting))
			return -EINVAL;
		sysctl = state_add_sysctl(state, interface, setting);
		if (!sysctl)
			return -EINVAL;
		sysctl->before = before;
		sysctl->set = set;
	}
	return 0;
}

static int unpack_from(struct state *state, json_t *from)
{
	size_t i;
	json_t *item;

	json_array_foreach(from, i, item) {
		struct prefix prefix;

		if (!json_is_string(item) || prefix_parse(json_string_value(item), &prefix))
			return -EINVAL;
		prefixes_add(&state->from, &prefix);
	}
	return 0;
}

static int unpack_state(struct state *state, json_t *json, json_int_t *netns)
{
	json_t *vips, *from, *links, *sysctls;
	int version, gue_port;
	json_int_t mtu;
	int err;

	if (json_unpack(json, "{s:i, s:I, s:o, s:o, s:o, s:o, s:i, s:i, s:I}", "version", &version, "netns", netns,
			"vips", &vips, "from", &from, "interfaces", &links, "sysctls", &sysctls, "gue_port", &gue_port,
			"mss", &state->mss, "mtu", &mtu) ||
	    version != STATE_VERSION || gue_port < 0 || gue_port > UINT16_MAX || mtu < 0 || mtu > UINT32_MAX)
		return -EINVAL;
	state->gue_port = (__u16)gue_port;
	state->mtu = (__u32)mtu;
	err = unpack_vips(state, vips);
	if (!err)
		err = unpack_from(state, from);
	if (!err)
		err = unpack_links(state, links);
	if (!err)
		err = unpack_sysctls(state, sysctls);
	return err;
}

int state_load(struct state *state, const char *path)
{
	FILE *file = fopen(path, "re");
	json_error_t error;
	json_t *json;
	json_int_t netns = 0;
	int err;

	*state = (struct state){0};
	if (!file) {
		err = -errno;
		if (err != -ENOENT)
			log_error("%s: cannot read the state file: %s", path, strerror(-err));
		return err;
	}
	json = json_loadf(file, 0, &error);
	fclose(file);
	if (!json) {
		log_error("%s:%d: %s; if it cannot be mended, remove it: `down` then knows less", path, error.line,
			  error.text);
		return -EINVAL;
	}
	err = unpack_state(state, json, &netns);
	json_decref(json);
	if (err) {
		log_error("%s: not a state file of this version of sluice-backend; if it cannot be mended, remove it",
			  path);
		return err;
	}
	if (netns != own_namespace()) {
		log_error("%s: written in another network namespace; give each its own with --state FILE, "
			  "or remove the file if that namespace is gone",
			  path);
		return -EXDEV;
	}
	return 0;
}

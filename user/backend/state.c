/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

struct state_vip *state_find_vip(struct state *state, const struct prefix *prefix)
{
	for (size_t i = 0; i < state->vip_count; i++)
		if (prefix_equal(&state->vips[i].prefix, prefix))
			return &state->vips[i];
	return NULL;
}

struct state_link *state_find_link(struct state *state, const char *name)
{
	for (size_t i = 0; i < state->link_count; i++)
		if (!strcmp(state->links[i].name, name))
			return &state->links[i];
	return NULL;
}

struct state_sysctl *state_find_sysctl(struct state *state, const char *interface, const char *setting)
{
	for (size_t i = 0; i < state->sysctl_count; i++)
		if (!strcmp(state->sysctls[i].interface, interface) && !strcmp(state->sysctls[i].setting, setting))
			return &state->sysctls[i];
	return NULL;
}

struct state_vip *state_add_vip(struct state *state, const struct prefix *prefix)
{
	state->vips = memory_resize(state->vips, state->vip_count + 1, sizeof(*state->vips));
	state->vips[state->vip_count] = (struct state_vip){.prefix = *prefix};
	return &state->vips[state->vip_count++];
}

struct state_link *state_add_link(struct state *state, const char *name, __u32 ifindex)
{
	struct state_link *link = &state->links[state->link_count];

	if (state->link_count == sizeof(state->links) / sizeof(*link))
		return NULL;
	*link = (struct state_link){.ifindex = ifindex};
	snprintf(link->name, sizeof(link->name), "%s", name);
	state->link_count++;
	return link;
}

struct state_sysctl *state_add_sysctl(struct state *state, const char *interface, const char *setting)
{
	struct state_sysctl *sysctl = &state->sysctls[state->sysctl_count];

	if (state->sysctl_count == sizeof(state->sysctls) / sizeof(*sysctl))
		return NULL;
	*sysctl = (struct state_sysctl){0};
	snprintf(sysctl->interface, sizeof(sysctl->interface), "%s", interface);
	snprintf(sysctl->setting, sizeof(sysctl->setting), "%s", setting);
	state->sysctl_count++;
	return sysctl;
}

void state_prune(struct state *state)
{
	size_t kept = 0;

	for (size_t i = 0; i < state->vip_count; i++)
		if (state->vips[i].wanted)
			state->vips[kept++] = state->vips[i];
	state->vip_count = kept;
	kept = 0;
	for (size_t i = 0; i < state->link_count; i++)
		if (state->links[i].wanted)
			state->links[kept++] = state->links[i];
	state->link_count = kept;
	kept = 0;
	for (size_t i = 0; i < state->sysctl_count; i++)
		if (state->sysctls[i].wanted)
			state->sysctls[kept++] = state->sysctls[i];
	state->sysctl_count = kept;
}

void state_free(struct state *state)
{
	free(state->vips);
	prefixes_free(&state->from);
	*state = (struct state){0};
}

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What becomes of packets to a VIP's address that cannot tell which service of it they are for. It holds for the
 * address, so all its services must agree; those that say nothing follow the one that does.
 */
#include <stdlib.h>
#include <string.h>

#include "in/config_read.h"

static const struct {
	const char *name;
	const char *const *words;
	size_t count;
} policies[POLICY_KEYS] = {
	[POLICY_UNKNOWN_PORT] = {"unknown_port", port_policy_names, 3},
	[POLICY_ECHO] = {"echo", echo_policy_names, 3},
	[POLICY_FRAGMENTS] = {"fragments", fragment_policy_names, 2},
};

static unsigned int policy_get(const struct config_service *service, enum policy_key key)
{
	switch (key) {
	case POLICY_UNKNOWN_PORT:
		return service->unknown_port;
	case POLICY_ECHO:
		return service->echo;
	default:
		return service->fragments;
	}
}

static void policy_set(struct config_service *service, enum policy_key key, unsigned int value)
{
	switch (key) {
	case POLICY_UNKNOWN_PORT:
		service->unknown_port = (enum port_policy)value;
		break;
	case POLICY_ECHO:
		service->echo = (enum echo_policy)value;
		break;
	default:
		service->fragments = (enum fragment_policy)value;
	}
}

void policies_read(struct reading *reading, const struct node *const key[static POLICY_KEYS],
		   struct config_service *service, struct policy_given *given)
{
	int chosen;

	for (enum policy_key i = 0; i < POLICY_KEYS; i++) {
		if (!key[i] ||
		    !value_choice(reading->source, key[i]->value, policies[i].words, policies[i].count, &chosen))
			continue;
		policy_set(service, i, (unsigned int)chosen);
		given->value[i] = key[i]->value;
	}
}

/* One service of one address, both in the order of the file. */
struct holder {
	const struct prefix *address;
	size_t service;
};

struct sharing {
	struct reading *reading;
	const struct policy_given *given;
	struct holder *holders; /* sorted */
	size_t count;
	size_t *group; /* of a service: another one that has an address in common, or itself */
	bool (*told)[POLICY_KEYS];
};

static int compare_holder(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;
	int order = prefix_compare(x->address, y->address);

	return order ? order : x->service < y->service ? -1 : x->service > y->service;
}

static void list_holders(struct sharing *sharing)
{
	const struct config *config = sharing->reading->config;
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].address_count;
	sharing->holders = arena_array(sharing->reading->source->arena, count, sizeof(*sharing->holders));
	for (size_t i = 0; i < config->service_count; i++)
		for (size_t j = 0; j < config->services[i].address_count; j++)
			sharing->holders[sharing->count++] = (struct holder){&config->services[i].addresses[j], i};
	qsort(sharing->holders, sharing->count, sizeof(*sharing->holders), compare_holder);
}

/* The one that stands for all services which the addresses link to this one. */
static size_t group_of(size_t *group, size_t service)
{
	while (group[service] != service)
		service = group[service] = group[group[service]];
	return service;
}

static const struct node *given_at(const struct sharing *sharing, size_t service, enum policy_key key)
{
	return sharing->given[service].value[key];
}

/* `earlier` and `later` are services that contradict each other. `address` is what both have, NULL: nothing. */
static void note_conflict(struct sharing *sharing, enum policy_key key, size_t earlier, size_t later,
			  const struct prefix *address)
{
	struct source *source = sharing->reading->source;
	const struct node *one = given_at(sharing, earlier, key), *other = given_at(sharing, later, key);
	const char *name = sharing->reading->config->services[earlier].name;
	size_t line = source_line(source, one->offset);
	char text[ADDRESS_TEXT];

	if (sharing->told[later][key])
		return;
	sharing->told[later][key] = true;
	if (!address)
		source_error(source, other->offset,
			     "%s %s, but service '%s' on line %zu has %s, and services that say nothing have addresses "
			     "of both: all services of an address need the same",
			     policies[key].name, other->text, name, line, one->text);
	else if (key == POLICY_FRAGMENTS)
		source_error(
			source, other->offset,
			"fragments %s, but service '%s' on line %zu has %s: with source, all fragments to %s are for "
			"the one service that says so",
			other->text, name, line, one->text, prefix_format(address, text));
	else
		source_error(source, other->offset,
			     "%s %s, but service '%s' on line %zu has %s: all services of %s need the same",
			     policies[key].name, other->text, name, line, one->text, prefix_format(address, text));
}

static bool contradict(const struct sharing *sharing, enum policy_key key, size_t one, size_t other)
{
	const struct config_service *services = sharing->reading->config->services;
	unsigned int a = policy_get(&services[one], key), b = policy_get(&services[other], key);

	return key == POLICY_FRAGMENTS ? a == FRAGMENTS_SOURCE || b == FRAGMENTS_SOURCE : a != b;
}

/* Compares what the services of one address say, and links them. */
static void check_address(struct sharing *sharing, const struct holder *first, const struct holder *end)
{
	for (enum policy_key key = 0; key < POLICY_KEYS; key++) {
		const struct holder *says = NULL;

		for (const struct holder *holder = first; holder < end; holder++) {
			if (!given_at(sharing, holder->service, key) || (says && says->service == holder->service))
				continue;
			if (!says)
				says = holder;
			else if (contradict(sharing, key, says->service, holder->service))
				note_conflict(sharing, key, says->service, holder->service, first->address);
		}
	}
	for (const struct holder *holder = first + 1; holder < end; holder++) {
		size_t a = group_of(sharing->group, holder[-1].service), b = group_of(sharing->group, holder->service);

		sharing->group[a > b ? a : b] = a > b ? b : a;
	}
}

/* Gives each service that says nothing what those say that share addresses with it, directly or by way of others. */
static void follow(struct sharing *sharing, enum policy_key key)
{
	struct config *config = sharing->reading->config;
	size_t count = config->service_count;
	size_t *says = arena_array(sharing->reading->source->arena, count, sizeof(*says)); /* of a group; 0: none */

	for (size_t i = 0; i < count; i++) {
		size_t *of = &says[group_of(sharing->group, i)];

		if (!given_at(sharing, i, key))
			continue;
		if (!*of)
			*of = i + 1;
		else if (contradict(sharing, key, *of - 1, i))
			note_conflict(sharing, key, *of - 1, i, NULL);
	}
	for (size_t i = 0; i < count; i++) {
		size_t of = says[group_of(sharing->group, i)];

		if (of && !given_at(sharing, i, key))
			policy_set(&config->services[i], key, policy_get(&config->services[of - 1], key));
	}
}

void policies_share(struct reading *reading, const struct policy_given *given)
{
	struct sharing sharing = {.reading = reading, .given = given};
	size_t count = reading->config->service_count;

	sharing.group = arena_array(reading->source->arena, count, sizeof(*sharing.group));
	sharing.told = arena_array(reading->source->arena, count, sizeof(*sharing.told));
	for (size_t i = 0; i < count; i++)
		sharing.group[i] = i;
	list_holders(&sharing);
	for (size_t i = 0, first = 0; i < sharing.count; i++) {
		const struct holder *holders = sharing.holders;

		if (i + 1 < sharing.count && prefix_compare(holders[i].address, holders[i + 1].address) == 0)
			continue;
		check_address(&sharing, &holders[first], &holders[i + 1]);
		first = i + 1;
	}
	follow(&sharing, POLICY_UNKNOWN_PORT);
	follow(&sharing, POLICY_ECHO);
}

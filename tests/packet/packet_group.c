/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet_case.h"

struct told {
	const char *name;
	int action;
};

static const struct told reasons[] = {
#define REASON_TOLD(name, action, help) [REASON_##name] = {#name, action},
	REASONS(REASON_TOLD)
#undef REASON_TOLD
};

static const char *tell(enum reason reason)
{
	switch (reason) {
	case REASON_forwarded:
		return "to the backend";
	case REASON_redirected:
		return "to the backend, by another interface";
	case REASON_echo:
	case REASON_rejected:
	case REASON_too_big_told:
		return "answered";
	default:
		return reasons[reason].action == XDP_PASS ? "to the host, as it came" : "dropped";
	}
}

/* The characters that Markdown would take for its own. */
static void print_text(const char *text)
{
	for (; *text; text++) {
		if (strchr("|<>*_`\\[]", *text))
			putchar('\\');
		putchar(*text);
	}
}

static const void *case_at(const struct case_group *group, size_t index)
{
	return (const char *)group->cases + index * group->size;
}

static const char *case_name(const struct case_group *group, size_t index)
{
	return *(const char *const *)case_at(group, index);
}

static void list(const struct case_group *group)
{
	printf("\n### %s\n\n| case | outcome | reason |\n|---|---|---|\n", group->title);
	for (size_t i = 0; i < group->count; i++) {
		const enum reason reason = group->reason(case_at(group, i));

		printf("| ");
		print_text(case_name(group, i));
		printf(" | %s | `%s` |\n", tell(reason), reasons[reason].name);
	}
}

static int run(const struct case_group *group)
{
	struct CMUnitTest tests[group->count];

	for (size_t i = 0; i < group->count; i++)
		tests[i] = (struct CMUnitTest){
			.name = case_name(group, i),
			.test_func = group->run,
			.initial_state = (void *)case_at(group, i),
		};
	return cmocka_run_group_tests_name(group->title, tests, NULL, NULL);
}

bool groups_are_listed(int argc, char **argv)
{
	return argc > 1 && !strcmp(argv[1], "--list");
}

int groups_run(int argc, char **argv, const struct case_group *groups, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++) {
		if (!groups_are_listed(argc, argv))
			failed += run(&groups[i]);
		else if (groups[i].reason)
			list(&groups[i]);
	}
	return failed;
}

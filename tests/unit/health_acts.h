/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whole scripts for the judgement in health_lab.h: acts, reloads, restarts. */
#ifndef SLUICE_TEST_HEALTH_ACTS_H
#define SLUICE_TEST_HEALTH_ACTS_H

#include "unit/health_lab.h"

/* Steps, what there is to see after them, and what was told on the way; these two may be NULL: not looked at. */
static inline void lab_act(struct lab *lab, const char *play, const char *show, const char *told)
{
	lab_play(lab, play);
	if (show)
		lab_expect(lab, show);
	if (told)
		lab_told(lab, told);
	lab_forget(lab);
}

struct lab_act {
	const char *play, *show, *told;
};

/* One act after the other under one configuration. */
static inline void lab_acts(const char *spec, const struct lab_act *acts)
{
	struct lab *lab = lab_new(spec);

	for (; acts->play; acts++)
		lab_act(lab, acts->play, acts->show, acts->told);
	lab_free(lab);
}
#define LAB_ACTS(spec, ...) lab_acts(spec, (const struct lab_act[]){__VA_ARGS__, {0}})

struct lab_reload {
	const char *spec, *play, *show, *told;
};

/* Acts, each under a configuration that a reload brings. */
static inline void lab_reloads(const struct lab_reload *reloads)
{
	struct lab *lab = lab_new(NULL);

	for (; reloads->spec; reloads++) {
		lab_configure(lab, reloads->spec, false);
		lab_act(lab, reloads->play, reloads->show, reloads->told);
	}
	lab_free(lab);
}
#define LAB_RELOADS(...) lab_reloads((const struct lab_reload[]){__VA_ARGS__, {0}})

static inline void lab_free_docs(json_t *a, json_t *b)
{
	json_decref(a);
	json_decref(b);
}

/* As the agent begins after the host has, with what an earlier run has saved. */
static inline void lab_restart(struct lab *lab, const char *spec, bool running, const json_t *saved,
			       const json_t *overrides)
{
	lab_configure(lab, spec, running);
	assert_int_equal(health_restore_overrides(lab->health, overrides, false, lab->now), 0);
	assert_int_equal(health_restore(lab->health, saved, false, lab->now), 0);
	lab_check(lab);
}

static const char *const lab_spec =
	"m min=50% rise=2 fall=2 hold=1000/8000/60000: a b c d e; n rise=2 start=up: v w=5; o: z";

/* A judgement with something of everything, and what it saves. */
static inline struct lab *lab_eventful(json_t **saved, json_t **overrides)
{
	struct lab *lab = lab_new(lab_spec);

	lab_play(lab, "a+ b+ c+ d+ e-- v+ w- z+ +10 a-- +10 a++ b-- +10 b++ c-- +10 d-- a-- +500 a++ weight:v:70000");
	lab_play(lab, "weight:v:30 maint:z drain:e:10000");
	*saved = health_save(lab->health, lab->now);
	*overrides = health_save_overrides(lab->health, lab->now);
	return lab;
}

#endif

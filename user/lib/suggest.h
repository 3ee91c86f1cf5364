/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* "Did you mean ...?": finds the known word that a mistyped one is nearest to. */
#ifndef SLUICE_SUGGEST_H
#define SLUICE_SUGGEST_H

/* Start with {0}; `best` is NULL while nothing is near enough. */
struct suggestion {
	const char *best;
	unsigned int distance;
};

/*
 * Keeps `candidate` if it is nearer to `typed` than the best so far and within a
 * third of its length. Adding, leaving out, changing a letter and swapping two
 * neighbours each count as one. `best` points to the candidate's own memory.
 */
void suggest_consider(struct suggestion *suggestion, const char *typed, const char *candidate);

#endif

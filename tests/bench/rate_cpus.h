/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which CPUs the benchmark of packets a second uses: the last one, which has least of the system's own work, and the
 * next before it that is a core of its own.
 */
#ifndef SLUICE_BENCH_RATE_CPUS_H
#define SLUICE_BENCH_RATE_CPUS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RATE_CORES 2

struct rate_cpus {
	int all;	     /* of the machine */
	int cpu[RATE_CORES]; /* -1: there is none */
	bool siblings;	     /* they are threads of one core */
};

/* Names the CPU's core by the threads that it has; empty if nobody tells. */
static inline void rate_core(char text[64], int cpu)
{
	char path[96];
	FILE *file;

	text[0] = 0;
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(text, 64, file))
		text[0] = 0;
	fclose(file);
}

static inline struct rate_cpus rate_cpus_pick(void)
{
	struct rate_cpus cpus = {.all = (int)sysconf(_SC_NPROCESSORS_ONLN)};
	char first[64], other[64];

	cpus.cpu[0] = cpus.all - 1;
	rate_core(first, cpus.cpu[0]);
	for (cpus.cpu[1] = cpus.all - 2; cpus.cpu[1] >= 0; cpus.cpu[1]--) {
		rate_core(other, cpus.cpu[1]);
		if (!first[0] || strcmp(first, other) != 0)
			return cpus;
	}
	cpus.cpu[1] = cpus.all - 2; /* -1 on a machine with one CPU */
	cpus.siblings = cpus.all > 1;
	return cpus;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * exec: runs a program that says by its exit status how the backend is: 0 is the
 * pass, everything else the failure, and so is taking too long. That it could not
 * be run is this host's trouble. The first line that it prints goes into the text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/memory.h"
#include "lib/process.h"
#include "lib/text.h"
#include "probe/probe.h"

#define VARIABLES 6

/* Programs that a hung disk holds in the kernel keep their places though they were killed: that has to be told. */
#define PATIENCE_MS (5 * 60 * 1000)

/* What ended later than this after its timeout, or than this part of it, may not have been running meanwhile. */
#define LATE_LEAST_MS 50
#define LATE_PART     4

struct exec_probe {
	const struct probe_job *job;
	struct process *process;
};

/* The program's end in words: "exit status 1"; and what it means. */
static enum finding judge(const struct probe_job *job, const struct process_end *end, char *words, size_t room)
{
	double timeout = job->probe->timeout_ms, late = end->seconds * 1000 - timeout;

	if (end->timed_out && late > LATE_LEAST_MS && late > timeout / LATE_PART) {
		snprintf(words, room, "this process was held up for %.0f ms", late);
		return FINDING_TROUBLE;
	}
	if (end->timed_out)
		snprintf(words, room, "killed, not done within %u ms", job->probe->timeout_ms);
	else if (WIFSIGNALED(end->status))
		snprintf(words, room, "killed by signal %d (%s) after %.1f ms", WTERMSIG(end->status),
			 strsignal(WTERMSIG(end->status)), end->seconds * 1000);
	else
		snprintf(words, room, "exit status %d after %.1f ms", WEXITSTATUS(end->status), end->seconds * 1000);
	return !end->timed_out && end->status == 0 ? FINDING_PASSED : FINDING_FAILED;
}

static void ended(void *argument, const struct process_end *end)
{
	struct exec_probe *run = argument;
	const struct probe_job *job = run->job;
	char words[96], waited[64] = "", raw[PROCESS_WHY + PROCESS_OUTPUT + 256], text[HEALTH_TEXT];
	enum finding finding = FINDING_TROUBLE;

	free(run);
	if (end->error) {
		snprintf(raw, sizeof(raw), "exec: %s", end->why);
	} else {
		finding = judge(job, end, words, sizeof(words));
		if (end->waited * 1000 > job->probe->interval_ms)
			snprintf(waited, sizeof(waited), ", having waited %.0f ms for its turn", end->waited * 1000);
		snprintf(raw, sizeof(raw), "exec %.80s: %s%s%s%s", job->probe->command[0], words, waited,
			 end->output[0] ? ": " : "", end->output);
	}
	text_clean(text, sizeof(text), raw, strlen(raw));
	job->done(job->argument, finding, text);
}

static void describe(const struct probe_job *job, char *variables[VARIABLES + 1])
{
	char address[ADDRESS_TEXT];

	variables[0] = memory_format("SLUICE_POOL=%s", job->pool);
	variables[1] = memory_format("SLUICE_BACKEND=%s", job->backend);
	variables[2] = memory_format("SLUICE_ADDRESS=%s", address_format(&job->backend_address, address));
	variables[3] = memory_format("SLUICE_FAMILY=%d", job->backend_address.family == AF_INET6 ? 6 : 4);
	variables[4] = memory_format("SLUICE_PORT=%u", job->port);
	variables[5] = memory_format("SLUICE_WEIGHT=%u", job->weight);
	variables[VARIABLES] = NULL;
}

static void *start(const struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT])
{
	struct exec_probe *run = memory_new(1, sizeof(*run));
	char *variables[VARIABLES + 1];

	(void)finding;
	(void)text;
	run->job = job;
	describe(job, variables);
	run->process = process_start(job->shared->processes,
				     &(struct process_spec){.command = job->probe->command,
							    .environment = (const char *const *)variables,
							    .user = job->probe->user,
							    .timeout_ms = job->probe->timeout_ms,
							    .patience_ms = PATIENCE_MS,
							    .done = ended,
							    .argument = run});
	for (size_t i = 0; i < VARIABLES; i++)
		free(variables[i]);
	return run;
}

static void cancel(void *argument)
{
	struct exec_probe *run = argument;

	process_cancel(run->process);
	free(run);
}

const struct probe_type_functions probe_exec = {.start = start, .cancel = cancel};

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The state file of sluice-backend. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/state.h"
#include "fuzz/fuzz.h"
#include "lib/memory.h"

/* In place of libc's: the network namespace is number 1, here as anywhere. */
int __wrap_stat(const char *path, struct stat *status);
int __real_stat(const char *path, struct stat *status);

int __wrap_stat(const char *path, struct stat *status)
{
	int err = __real_stat(path, status);

	if (strcmp(path, "/proc/self/ns/net") == 0)
		status->st_ino = 1;
	return err;
}

static void check_name(const char *name, size_t room)
{
	fuzz_require(memchr(name, '\0', room));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = memory_format("%s/state.json", fuzz_file("state.json", data, size));
	struct state state, again;

	if (state_load(&state, path) == 0) {
		for (size_t i = 0; i < state.link_count; i++)
			check_name(state.links[i].name, sizeof(state.links[i].name));
		/* what was understood is written, and read again as it was */
		fuzz_require(state_save(&state, path) == 0);
		fuzz_require(state_load(&again, path) == 0);
		fuzz_require(again.vip_count == state.vip_count && again.from.count == state.from.count);
		fuzz_require(again.gue_port == state.gue_port && again.mss == state.mss && again.mtu == state.mtu);
		fuzz_require(again.link_count == state.link_count && again.sysctl_count == state.sysctl_count);
		fuzz_require(memcmp(again.sysctls, state.sysctls, sizeof(state.sysctls)) == 0);
		fuzz_require(memcmp(again.links, state.links, sizeof(state.links)) == 0);
		state_free(&again);
	}
	state_free(&state);
	free(path);
	return 0;
}

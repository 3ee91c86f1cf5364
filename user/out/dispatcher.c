/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/dispatcher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "dispatcher.skel.h"

/* The name is libxdp's. */
static void file_path(char *path, size_t size, const char *folder)
{
	snprintf(path, size, "%s/xdp-dispatcher.o", folder);
}

static int write_object(const char *path)
{
	FILE *file = fopen(path, "we");
	size_t size, written;
	const void *bytes = dispatcher_bpf__elf_bytes(&size);

	if (!file)
		return -errno;
	written = fwrite(bytes, 1, size, file);
	if (fclose(file) || written != size)
		return -EIO;
	return 0;
}

int dispatcher_offer(char folder[DISPATCHER_FOLDER_MAX])
{
	char path[DISPATCHER_FOLDER_MAX + 32];
	int err;

	if (getenv(XDP_OBJECT_ENVVAR))
		return -EEXIST;
	snprintf(folder, DISPATCHER_FOLDER_MAX, "/tmp/sluice-dispatcher-XXXXXX");
	if (!mkdtemp(folder))
		return -errno;
	file_path(path, sizeof(path), folder);
	err = write_object(path);
	if (!err && setenv(XDP_OBJECT_ENVVAR, folder, 1))
		err = -errno;
	if (err)
		dispatcher_withdraw(folder);
	return err;
}

void dispatcher_withdraw(const char *folder)
{
	char path[DISPATCHER_FOLDER_MAX + 32];

	unsetenv(XDP_OBJECT_ENVVAR);
	file_path(path, sizeof(path), folder);
	unlink(path);
	rmdir(folder);
}

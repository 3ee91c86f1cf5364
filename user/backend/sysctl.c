/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int open_setting(const char *family, const char *interface, const char *setting, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, setting);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *family, const char *interface, const char *setting, int *value)
{
	char text[32] = "";
	int fd = open_setting(family, interface, setting, O_RDONLY);
	int err = 0;

	if (fd < 0)
		return fd;
	if (read(fd, text, sizeof(text) - 1) < 0)
		err = -errno;
	*value = atoi(text);
	close(fd);
	return err;
}

int sysctl_write(const char *family, const char *interface, const char *setting, int value)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%d\n", value);
	int fd = open_setting(family, interface, setting, O_WRONLY);
	int err = 0;
	ssize_t written;

	if (fd < 0)
		return fd;
	written = write(fd, text, (size_t)length);
	if (written != length)
		err = written < 0 ? -errno : -EIO;
	close(fd);
	return err;
}

int sysctl_effective(const char *family, const char *interface, const char *setting)
{
	int all = 0, own = 0;

	if (sysctl_read(family, "all", setting, &all))
		all = 0;
	if (sysctl_read(family, interface, setting, &own))
		own = 0;
	return all > own ? all : own;
}

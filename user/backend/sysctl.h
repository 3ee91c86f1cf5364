/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The numeric network settings of an interface under /proc/sys/net. */
#ifndef SLUICE_BACKEND_SYSCTL_H
#define SLUICE_BACKEND_SYSCTL_H

#include <stdbool.h>

/*
 * `family` is "ipv4" or "ipv6", `interface` a name or "all". 0 or a negative
 * errno; -ENOENT if there is no such interface or setting.
 */
int sysctl_read(const char *family, const char *interface, const char *setting, int *value);
int sysctl_write(const char *family, const char *interface, const char *setting, int value);

/* The value in force of a setting where the kernel takes the larger of `all` and the interface's; 0 if unreadable. */
int sysctl_effective(const char *family, const char *interface, const char *setting);

#endif

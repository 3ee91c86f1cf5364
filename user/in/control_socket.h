/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A listening Unix socket with the rights that are wanted from its first moment on. */
#ifndef SLUICE_CONTROL_SOCKET_H
#define SLUICE_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Makes the socket at `path`: mode 0660, and `group` if that is not NULL. Returns
 * its descriptor (non-blocking, close-on-exec) with the file's identity in *made,
 * or a negative errno as control_open() tells; the reason is in the log.
 */
int control_socket_listen(const char *path, const char *group, struct stat *made);

/* Closes it and removes the file, unless that is another's by now. */
void control_socket_close(int fd, const char *path, const struct stat *made);

#endif

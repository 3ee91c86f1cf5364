/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The dispatcher of our own that libxdp shall use instead of its own. */
#ifndef SLUICE_DISPATCHER_H
#define SLUICE_DISPATCHER_H

#define DISPATCHER_FOLDER_MAX 64

/*
 * From here to dispatcher_withdraw() libxdp builds dispatchers from our object. It
 * takes it from a file only: `folder` is the temporary one that holds it. -EEXIST
 * if the environment names another already; another negative errno if the file
 * cannot be written.
 */
int dispatcher_offer(char folder[DISPATCHER_FOLDER_MAX]);
void dispatcher_withdraw(const char *folder);

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * An empty bpffs on /sys/fs/bpf that only this process sees, in a network namespace
 * of its own: nothing is left when the process ends, however it does.
 */
#ifndef SLUICE_TEST_PRIVATE_BPFFS_H
#define SLUICE_TEST_PRIVATE_BPFFS_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#define BPFFS "/sys/fs/bpf"

/* Makes the namespaces, once for the process. False, with the reason on standard error, if that cannot be. */
static inline bool private_namespaces(void)
{
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root may make namespaces and BPF objects\n");
		return false;
	}
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		perror("namespaces");
		return false;
	}
	return true;
}

static inline int private_bpffs_mount(void)
{
	return mount("bpf", BPFFS, "bpf", 0, "mode=0700");
}

static inline int private_bpffs_unmount(void)
{
	return umount2(BPFFS, MNT_DETACH);
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/clock.h"

#include <time.h>

__u64 clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000 + (__u64)now.tv_nsec / 1000;
}

__u64 clock_ms(void)
{
	return clock_us() / 1000;
}

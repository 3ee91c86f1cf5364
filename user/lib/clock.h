/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The monotonic clock: nobody can set it, and it counts from some moment before the process began. */
#ifndef SLUICE_CLOCK_H
#define SLUICE_CLOCK_H

#include <linux/types.h>
#include <sys/time.h>

__u64 clock_ms(void); /* milliseconds */
__u64 clock_us(void); /* microseconds, for telling how long something took */

/* So many milliseconds, for a timer. */
static inline struct timeval clock_timeval(__u64 ms)
{
	return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

#endif

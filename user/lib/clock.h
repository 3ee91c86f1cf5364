/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The monotonic clock: nobody can set it, and it counts from some moment before the process began. */
#ifndef SLUICE_CLOCK_H
#define SLUICE_CLOCK_H

#include <linux/types.h>

__u64 clock_ms(void); /* milliseconds */
__u64 clock_us(void); /* microseconds, for telling how long something took */

#endif

/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* RFC 9293, 3.1 and 3.2: the options that the balancer and sluice-backend read. */
#ifndef SLUICE_TCP_OPTIONS_H
#define SLUICE_TCP_OPTIONS_H

#define TCP_OPTION_END	      0
#define TCP_OPTION_NOP	      1
#define TCP_OPTION_MSS	      2
#define TCP_OPTION_MSS_LENGTH 4
#define TCP_OPTIONS_MAX	      40 /* bytes of them all */

#endif

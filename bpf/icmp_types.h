/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* RFC 792's errors, which have the packet that they are about: linux/icmp.h wants the C library. */
#ifndef SLUICE_ICMP_TYPES_H
#define SLUICE_ICMP_TYPES_H

#define ICMP_HEADER_LENGTH 8 /* ICMPv6's, too; the packet follows */

#define ICMP_ECHO_REPLY	   0
#define ICMP_DEST_UNREACH  3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_REDIRECT	   5
#define ICMP_ECHO	   8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

#endif

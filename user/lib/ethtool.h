/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a network card does to frames before anybody sees them, as ethtool -k tells. */
#ifndef SLUICE_ETHTOOL_H
#define SLUICE_ETHTOOL_H

#define ETHTOOL_STRIPS_CTAG 0x1 /* 802.1Q tags (rx-vlan-hw-parse, rxvlan in short) */
#define ETHTOOL_STRIPS_STAG 0x2 /* 802.1ad tags (rx-vlan-stag-hw-parse) */

/*
 * Which VLAN tags the interface's hardware takes off received frames: ETHTOOL_STRIPS_*. 0 also if the interface is
 * gone or does not tell.
 */
unsigned int ethtool_strips(const char *interface);

#endif

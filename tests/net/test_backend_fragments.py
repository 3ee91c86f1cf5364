# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Clients' fragments behind sluice-backend: each comes encapsulated by itself, and the host puts them together again.
Likewise clients' packets with IPv4 options and IPv6 extension headers, whole or in fragments."""
import itertools
import os
import random
import socket

import pytest

from backend_host import CLIENT, VIP, destination_options, header_with_more, hop_by_hop
from backend_host import down, hosts, up  # noqa: F401 (fixtures)
from scapy.all import IP, UDP, IPOption_NOP, IPv6, IPv6ExtHdrFragment, Raw, fragment, fragment6

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and BPF need root")

ENCAPSULATIONS = ["ipip", "gue1", "gue0"]
MIXES = list(itertools.product((4, 6), (4, 6)))  # (outer, inner)
ORDERS = {"in order": list, "backwards": lambda pieces: pieces[::-1],
          "shuffled": lambda pieces: random.Random(7).sample(pieces, len(pieces))}
DNS = 4096  # bytes, of EDNS
numbers = itertools.count(1)


def header(version, more, number):
    """Of the client's packet; `more`: with options or extension headers. IPv6 gets the one of fragments, too."""
    if version == 4:
        return IP(src=CLIENT[4], dst=VIP[4], id=number, options=[IPOption_NOP()] * 8 if more else [])
    head = IPv6(src=CLIENT[6], dst=VIP[6]) / hop_by_hop() if more else IPv6(src=CLIENT[6], dst=VIP[6])
    head /= IPv6ExtHdrFragment(id=number)
    return head / destination_options() if more else head


def pieces_of(version, more, payload, size=1200):
    number = next(numbers)
    packet = header(version, more, number) / UDP(sport=40000, dport=5000) / Raw(payload)
    if version == 4:
        return fragment(packet, size)
    return fragment6(IPv6(bytes(packet)), size)


def send_all(up, how, outer, pieces):
    wire = up.wire()
    for piece in pieces:
        wire.send(up.encapsulated(how, outer, piece))


@pytest.mark.parametrize("more", [False, True], ids=["plain", "with more headers"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("outer,version", MIXES)
@pytest.mark.parametrize("how", ENCAPSULATIONS)
def test_fragments_are_put_together(up, how, outer, version, order, more):
    payload = os.urandom(DNS)
    pieces = ORDERS[order](pieces_of(version, more, payload))
    assert len(pieces) > 3
    with up.server(version) as server:
        send_all(up, how, outer, pieces)
        received, client = server.recvfrom(65535)
    assert received == payload and client[0] == CLIENT[version]
    counters = up.counters()
    assert counters["decap_ipip" if how == "ipip" else "decap_gue"] == len(pieces)


@pytest.mark.parametrize("outer,version", MIXES)
def test_small_last_fragment(up, outer, version):
    """Of eight bytes: smaller than the smallest Ethernet frame, and than an outer IPv6 header."""
    payload = os.urandom(1200 - 8 + 1)
    pieces = pieces_of(version, False, payload, 1208 + (20 if version == 4 else 48))
    with up.server(version) as server:
        send_all(up, "gue1", outer, pieces)
        assert server.recv(65535) == payload


@pytest.mark.parametrize("outer,version", MIXES)
@pytest.mark.parametrize("how", ENCAPSULATIONS)
def test_more_headers(up, how, outer, version):
    """Options and extension headers of a whole packet."""
    packet = header_with_more(version) / UDP(sport=40000, dport=5000) / Raw(b"good")
    with up.server(version) as server:
        up.wire().send(up.encapsulated(how, outer, packet))
        assert server.recv(100) == b"good"


@pytest.mark.parametrize("outer,version", MIXES)
def test_congestion_of_one_fragment(up, outer, version):
    """A mark on the way of one fragment is a mark of the datagram (RFC 3168, section 5.3)."""
    ect0, ce = 2, 3
    pieces = pieces_of(version, False, os.urandom(3000))
    with up.server(version) as server:
        option = (socket.IPPROTO_IP, socket.IP_RECVTOS) if version == 4 else \
            (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS)
        server.setsockopt(*option, 1)
        wire = up.wire()
        for number, piece in enumerate(pieces):
            piece.setfieldval("tos" if version == 4 else "tc", ect0)
            if version == 4:
                del piece.chksum
            wire.send(up.encapsulated("gue1", outer, piece, traffic_class=ce if number == 1 else ect0))
        _, control, _, _ = server.recvmsg(65535, 100)
    assert control[0][2][0] == ce

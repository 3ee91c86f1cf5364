# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Pings of VIPs, and traceroutes to them: the balancer answers as if the VIP were its own, or leaves that to its host.

Pings are those of the clients' kernels (ping sockets), which look at the answers' checksums.
"""
import errno
import os
import select
import socket
import struct
import time

import pytest

from agent import ANY, MIX, PREFIXES, SOURCE, vip
from edge import (FAMILIES, LEVEL, RECVERR, TTL, apply, config, counting, errors, host_has, open_socket, pool, service,
                  wait_events)
from topology import CLIENTS, HTTP, address, wait_for

ANSWERED, DROPPED, PASSED = MIX, SOURCE, ANY
REQUEST, REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
FULL = {4: 1472, 6: 1452}
TIME_EXCEEDED, PORT_UNREACHABLE = {4: (11, 0), 6: (3, 0)}, {4: (3, 3), 6: (1, 4)}
TRACE_PORT = 33434
HOPS = 5
RATE = 50


def echo_config(**more):
    return config({"all": pool(("near1", "far1"))},
                  {"answered": service(ANSWERED, "all", f"{HTTP}/tcp", unknown_port="reject"),
                   "dropped": service(DROPPED, "all", f"{HTTP}/tcp", echo="drop"),
                   "passed": service(PASSED, "all", f"{HTTP}/tcp", echo="pass"),
                   "prefix": {"address": list(PREFIXES), "ports": f"{HTTP}/tcp", "pool": "all"}}, **more)


@pytest.fixture(scope="module", name="lab")
def make_lab(bare_lab):
    for name in ("client1", "client2", "router"):
        bare_lab.topology.namespaces[name].shell(
            "sysctl -qw net.ipv4.ping_group_range='0 0' net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
    apply(bare_lab, echo_config())
    return bare_lab


class Pings:
    """Echo requests of a host's kernel to one address. `answers` are the payloads that came back, by number."""

    def __init__(self, namespace, target):
        self.family = 6 if ":" in target else 4
        self.target = target
        self.socket = open_socket(namespace, self.family, protocol=PROTOCOL[self.family])
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.answers = {}

    def send(self, number, payload=b"is it there?", ttl=64):
        self.socket.setsockopt(LEVEL[self.family], TTL[self.family], ttl)
        self.socket.sendto(struct.pack("!BBHHH", REQUEST[self.family], 0, 0, 0, number) + payload, (self.target, 0))

    def take(self):
        """One answer; fails if there is none in time."""
        data, peer = self.socket.recvfrom(65535)
        assert peer[0] == self.target and (data[0], data[1]) == (REPLY[self.family], 0)
        self.answers[struct.unpack_from("!H", data, 6)[0]] = data[8:]

    def ask(self, number, payload):
        """Until it is answered: the first large one may only tell the host of the MTU on the way back."""
        def answered():
            self.send(number, payload)
            return select.select([self.socket], [], [], 1)[0]

        wait_for(answered, f"an answer of {len(payload)} bytes")
        self.take()

    def take_all(self):
        """What has come by now; how many those are."""
        self.socket.setblocking(False)
        try:
            while True:
                self.take()
        except BlockingIOError:
            return len(self.answers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_answered(lab, family):
    """Every size that a packet has, from two clients; the payload comes back as it was."""
    payloads = [os.urandom(size) for size in (0, 1, 2, 55, 56, 57, 255, 256, 257, 1000, FULL[family] - 1, FULL[family])]
    answered = counting(lab, "echo")
    for client in (lab.client1, lab.client2):
        with Pings(client, vip(ANSWERED, family)) as pings:
            for number, payload in enumerate(payloads):
                pings.send(number, payload)
                pings.take()
            assert pings.answers == dict(enumerate(payloads))
    assert answered() == 2 * len(payloads)


@pytest.mark.parametrize("target", ("198.51.100.77", "2001:db8:1::77"))
def test_prefix(lab, target):
    with Pings(lab.client1, target) as pings:
        pings.send(1)
        pings.take()


@pytest.mark.parametrize("family", FAMILIES)
def test_dropped(lab, family):
    dropped = counting(lab, "echo_dropped")
    with Pings(lab.client1, vip(DROPPED, family)) as pings:
        for number in range(20):
            pings.send(number)
        wait_for(lambda: dropped() == 20, "all are dropped")
        assert not pings.take_all()


@pytest.mark.parametrize("family", FAMILIES)
def test_passed(lab, family):
    """To the host, which answers if it has the address; in fragments, too."""
    passed, answered = counting(lab, "not_tcp_udp"), counting(lab, "echo")
    with Pings(lab.client1, vip(PASSED, family)) as pings:
        pings.send(1)
        wait_for(passed, "it goes to the host")
        assert not pings.take_all()
    with host_has(lab, vip(PASSED, family)), Pings(lab.client1, vip(PASSED, family)) as pings:
        for number, size in enumerate((0, 56, FULL[family], 3000, 8000)):
            pings.ask(number, bytes(size))
    assert not answered()


@pytest.mark.parametrize("family", FAMILIES)
def test_fragments_are_the_hosts(lab, family):
    """The balancer puts no pings together: if anybody can answer those, it is its host."""
    with host_has(lab, vip(ANSWERED, family)), Pings(lab.client1, vip(ANSWERED, family)) as pings:
        answered = counting(lab, "echo")
        pings.ask(1, bytes(3000))
        assert not answered()


def test_rate(lab):
    """Never more answers than reply_rate says and a burst; what is beyond it is counted."""
    apply(lab, echo_config(reply_rate=RATE))
    answered, limited = counting(lab, "echo"), counting(lab, "reply_limited")
    sent = 0
    with Pings(lab.client1, vip(ANSWERED, 4)) as pings4, Pings(lab.client1, vip(ANSWERED, 6)) as pings6:
        begun = time.monotonic()
        for number in range(1000):
            for pings in (pings4, pings6):
                pings.send(number)
                sent += 1
        wait_for(lambda: answered() + limited() == sent, "all are counted")
        seconds = time.monotonic() - begun
        count = answered()
        wait_for(lambda: pings4.take_all() + pings6.take_all() == count, "those that were answered have come")
    # a tenth of the rate at once; CPUs that ask at the same time get one more each, which is made up for later
    assert 1 <= count <= RATE / 10 + RATE * seconds + os.cpu_count()
    apply(lab, echo_config(reply_rate=0))
    unlimited = counting(lab, "reply_limited")
    with Pings(lab.client1, vip(ANSWERED, 4)) as pings:
        for number in range(300):
            pings.send(number)
        wait_for(lambda: pings.take_all() == 300, "without a bound, all are answered")
    assert not unlimited()
    apply(lab, echo_config())


@pytest.mark.parametrize("family", FAMILIES)
def test_last_hop(lab, family):
    """A ping that comes with a TTL of 1 has arrived, and one of 1 that the router would have to send on has not."""
    with Pings(lab.router, vip(ANSWERED, family)) as pings:
        pings.send(1, ttl=1)
        pings.take()
    with Pings(lab.client1, vip(ANSWERED, family)) as pings:
        pings.socket.setsockopt(LEVEL[family], RECVERR[family], 1)
        pings.send(1, ttl=1)
        wait_events(pings.socket, 0)
        assert errors(pings.socket, family) == [(address(CLIENTS["client1"], 1, family), *TIME_EXCEEDED[family])]
        pings.send(2, ttl=2)
        pings.take()


def udp_hop(sock, family, target, ttl):
    sock.connect((target, TRACE_PORT + ttl))
    sock.send(b"probe")
    wait_events(sock, 0)
    return errors(sock, family)[0]


def ping_hop(sock, family, target, ttl):
    sock.connect((target, 0))
    sock.send(struct.pack("!BBHHH", REQUEST[family], 0, 0, 0, ttl) + b"probe")
    if wait_events(sock) & select.POLLERR:
        return errors(sock, family)[0]
    _, peer = sock.recvfrom(2000)
    return peer[0], "answered"


def tcp_hop(sock, family, target, ttl, port=HTTP):
    sock.setblocking(False)
    assert sock.connect_ex((target, port)) == errno.EINPROGRESS
    wait_events(sock, select.POLLOUT)
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error == errno.EHOSTUNREACH:
        return errors(sock, family)[0]
    return target, {0: "connected", errno.ECONNREFUSED: "refused"}[error]


def tcp_closed_hop(*arguments):
    return tcp_hop(*arguments, port=HTTP + 1)


PROBES = {"udp": (udp_hop, socket.SOCK_DGRAM, 0), "icmp": (ping_hop, socket.SOCK_DGRAM, PROTOCOL),
          "tcp": (tcp_hop, socket.SOCK_STREAM, 0), "tcp_closed": (tcp_closed_hop, socket.SOCK_STREAM, 0)}


def traceroute(namespace, target, family, kind):
    """What came back of each hop, until the target is there."""
    probe, sock_type, protocol = PROBES[kind]
    found = []
    for ttl in range(1, HOPS):
        with open_socket(namespace, family, sock_type, protocol[family] if protocol else 0) as sock:
            sock.setsockopt(LEVEL[family], RECVERR[family], 1)
            sock.setsockopt(LEVEL[family], TTL[family], ttl)
            found.append(probe(sock, family, target, ttl))
        if found[-1][0] == target:
            break
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", PROBES)
def test_traceroute(lab, kind, family):
    """The router, then the VIP, whatever the probe: no balancer, no backend, no router on the way to that."""
    target = vip(ANSWERED, family)
    last = {"udp": PORT_UNREACHABLE[family], "icmp": ("answered",), "tcp": ("connected",), "tcp_closed": ("refused",)}
    assert traceroute(lab.client1, target, family, kind) == [
        (address(CLIENTS["client1"], 1, family), *TIME_EXCEEDED[family]), (target, *last[kind])]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_vip(lab, family):
    """An address that is no service's: not the balancer's to answer."""
    answered, passed = counting(lab, "echo"), counting(lab, "not_tcp_udp")
    with Pings(lab.client1, vip(200, family)) as pings:
        pings.send(1)
        wait_for(passed, "the host gets it")
        assert not pings.take_all() and not answered()

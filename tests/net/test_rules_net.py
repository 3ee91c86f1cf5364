# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a service says of who is served, how much, and what becomes of the rest: real clients meet sources, limits and
unknown_port. And a backend that is the balancer itself."""
import errno
import itertools
import os
import select
import socket
import time

import pytest

from agent import ANY, MIX, NEW, SOURCE, VIP_OF, vip
from edge import (FAMILIES, PATIENCE, apply, config, counting, echo_socket, forget_mtu, host_has,
                  open_socket, pool, service)
from topology import CLIENTS, ECHO, HERE, HTTP, PYTHON, Stream, address, curl, start_wrk, wait_for, wrk_result

CLOSED = 81
PORTS = (f"{HTTP}/tcp", f"{ECHO}/udp")
# no earlier test's service has had it: UDP would stay with the pool of that one for a while
TOGETHER = VIP_OF["l2-4-back"]
NEAR, FAR = {"near1", "near2"}, {"far1", "far2"}
CLIENT_FAMILIES = pytest.mark.parametrize("family", FAMILIES, ids=("from4", "from6"))
REFUSED, TIMED_OUT = 7, 28  # curl's exit codes


def own_config(**services):
    return config({"near": pool(sorted(NEAR)), "far": pool(sorted(FAR))}, services)


@pytest.fixture(scope="module")
def lab(bare_lab):
    """With servers on the balancer, too."""
    bare_lab.backends.start_nginx("lb")
    bare_lab.backends.start("lb", PYTHON, HERE / "udp.py", "serve", "lb", ECHO)
    wait_for(lambda: bare_lab.lb.run("ss", "-Hltn", f"sport = {HTTP}").stdout, "nginx on the balancer")
    wait_for(lambda: bare_lab.lb.run("ss", "-Hlun", f"sport = {ECHO}").stdout, "echo server on the balancer")
    return bare_lab


def source_of(client, number, family):
    return address(CLIENTS[client], number, family)


def echo(lab, client, target, number=2, *reasons):
    """The name of the server that answers a datagram from this address; None: it ended with one of these reasons."""
    family = 6 if ":" in target else 4
    ended = counting(lab, *reasons)
    with open_socket(lab.topology.namespaces[client], family, bound=(source_of(client, number, family), 0)) as sock:
        sock.sendto(bytes(12), (target, ECHO))
        wait_for(lambda: select.select([sock], [], [], 0.01)[0] or ended(), "an answer, or the reason why not")
        return sock.recv(100)[12:].decode() if select.select([sock], [], [], 0)[0] else None


# Sources

def rules():
    """Address .3 of client1's network, not the others; some of client2's have a pool of their own."""
    return [{"from": [source_of("client1", 3, family) for family in FAMILIES], "action": "allow"},
            {"from": ["10.11.0.0/24", "fd11::/64"], "action": "deny"},
            {"from": ["10.12.0.8/29", "fd12::8/125"], "pool": "far"}]


@CLIENT_FAMILIES
def test_sources(lab, family):
    apply(lab, own_config(ruled=service(MIX, "near", *PORTS, sources=rules()), free=service(SOURCE, "near", *PORTS)))
    ruled, free = vip(MIX, family), vip(SOURCE, family)

    def served(client, number, target=ruled):
        answers = {echo(lab, client, target, number, "denied_by_rule") for _ in range(4)}
        if answers != {None}:
            answers |= set(curl(lab.topology.namespaces[client], target, lab.tag(), 4,
                                source=source_of(client, number, family)))
        return answers

    assert served("client1", 2) == served("client1", 4) == {None}
    assert served("client1", 3) <= NEAR, "an earlier rule"
    assert served("client2", 2) | served("client2", 7) | served("client2", 16) <= NEAR, "no rule"
    assert served("client2", 8) | served("client2", 9) <= FAR
    assert served("client1", 2, free) <= NEAR, "another service"


@CLIENT_FAMILIES
def test_denied_connection(lab, family):
    """A SYN gets no answer; and what a rule lets in again is served."""
    target = vip(MIX, family)
    own = service(MIX, "near", *PORTS)
    apply(lab, own_config(ruled={**own, "sources": rules()}))
    denied = counting(lab, "denied_by_rule")
    with open_socket(lab.client1, family, socket.SOCK_STREAM, bound=(source_of("client1", 2, family), 0)) as sock:
        sock.setblocking(False)
        assert sock.connect_ex((target, HTTP)) == errno.EINPROGRESS
        wait_for(denied, "the SYN is dropped")
        assert not select.select([], [sock], [], 0)[1]
        apply(lab, own_config(ruled={**own, "sources": [{"from": "any", "action": "allow"}]}))
        assert select.select([], [sock], [], PATIENCE)[1], "the next one is not"
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


# Limits

def flood(namespace, target, count, source=None):
    """Datagrams as fast as the kernel takes them; how long it took, in seconds."""
    family = 6 if ":" in target else 4
    with open_socket(namespace, family, bound=(source, 0) if source else None) as sock:
        begun = time.monotonic()
        for _ in range(count):
            sock.sendto(bytes(12), (target, ECHO))
        return time.monotonic() - begun


def most(rate, burst, seconds):
    """That a limit lets through. CPUs that ask at the same moment get one more each, which is made up for later."""
    return burst + rate * seconds + os.cpu_count()


@CLIENT_FAMILIES
def test_source_packets(lab, family):
    """One client floods; it gets its rate, and the other one, which keeps to it, loses nothing."""
    rate, sent = 1000, 20_000
    limits = {"source": {"packets": rate, "packets_burst": rate}}
    apply(lab, own_config(limited=service(MIX, "near", *PORTS, limits=limits)))
    over = counting(lab, "over_source_limit")
    with Stream(lab.client2, vip(MIX, family), rate=100, flows=8) as stream:
        seconds = flood(lab.client1, vip(MIX, family), sent)
        result = stream.stop()
    assert result["lost"] == 0, result
    assert rate <= sent - over() <= most(rate, rate, seconds)


@CLIENT_FAMILIES
def test_source_prefixes(lab, family):
    """What one source is: an address in IPv4 and a /64 in IPv6, or what the service says."""
    own = {"packets": 1, "packets_burst": 20}
    for limits, together in ((own, {4: False, 6: True}), ({**own, "prefix4": 24, "prefix6": 128}, {4: True, 6: False})):
        index = MIX if limits is own else NEW  # with buckets of its own
        apply(lab, own_config(**{f"of-{index}": service(index, "near", *PORTS, limits={"source": limits})}))
        over = counting(lab, "over_source_limit")
        flood(lab.client1, vip(index, family), 200, source_of("client1", 2, family))
        wait_for(over, "its burst is over")
        other = counting(lab, "over_source_limit", "redirected", "forwarded")
        over = counting(lab, "over_source_limit")
        flood(lab.client1, vip(index, family), 15, source_of("client1", 3, family))
        wait_for(lambda: other() >= 15, "all are counted")
        assert bool(over()) == together[family], "another address has a burst of its own, or has not"
        assert echo(lab, "client2", vip(index, family)) in NEAR


@CLIENT_FAMILIES
def test_source_connections(lab, family):
    """One client opens too many; those that it has, and the other one's, are not affected."""
    rate, burst, tries = 5, 10, 100
    limits = {"source": {"connections": rate, "connections_burst": burst}}
    apply(lab, own_config(limited=service(MIX, "near", *PORTS, limits=limits)))
    target, over = (vip(MIX, family), HTTP), counting(lab, "over_source_limit")
    socks = [open_socket(lab.client1, family, socket.SOCK_STREAM) for _ in range(tries)]
    try:
        begun = time.monotonic()
        for sock in socks:
            sock.setblocking(False)
            assert sock.connect_ex(target) == errno.EINPROGRESS
        wait_for(lambda: over() > tries / 2, "most SYNs are over the limit")
        poll = select.poll()
        for sock in socks:
            poll.register(sock, select.POLLOUT)
        wait_for(lambda: poll.poll(0), "some are within it")
        connected = [fd for fd, events in poll.poll(0) if events == select.POLLOUT]
        assert len(connected) <= most(rate, burst, time.monotonic() - begun)
        first = next(sock for sock in socks if sock.fileno() == connected[0])
        first.settimeout(PATIENCE)
        for _ in range(50):
            first.sendall(b"GET /kept HTTP/1.1\r\nHost: test\r\n\r\n")
            assert b"200 OK" in first.recv(2000)
        assert set(curl(lab.client2, target[0], lab.tag(), 5)) <= NEAR
    finally:
        for sock in socks:
            sock.close()


def test_service_packets(lab):
    """All clients together, in both families; another service of the same pool is not affected."""
    rate, sent = 500, 5000
    limits = {"service": {"packets": rate, "packets_burst": rate}}
    apply(lab, own_config(together=service(TOGETHER, "far", *PORTS, limits=limits),
                          free=service(SOURCE, "near", *PORTS)))
    over, begun = counting(lab, "over_service_limit"), time.monotonic()
    with Stream(lab.client1, vip(SOURCE, 4), rate=100, flows=8) as stream:
        for client, family in itertools.product((lab.client1, lab.client2), FAMILIES):
            flood(client, vip(TOGETHER, family), sent)
        seconds = time.monotonic() - begun
        assert stream.stop()["lost"] == 0
    assert rate <= 4 * sent - over() <= most(rate, rate, seconds)


@CLIENT_FAMILIES
def test_excess_passes(lab, family):
    """To the host, whose own server answers the rest: nothing is lost."""
    limits = {"source": {"packets": 1, "packets_burst": 20}, "excess": "pass"}
    apply(lab, own_config(limited=service(ANY, "near", *PORTS, limits=limits)))
    passed = counting(lab, "over_limit_passed")
    with host_has(lab, vip(ANY, family)), echo_socket(lab.client1, vip(ANY, family)) as sock:
        answers = []
        for _ in range(60):
            sock.send(bytes(12))
            answers.append(sock.recv(100)[12:].decode())
    assert set(answers[:20]) <= NEAR and answers.count("lb") == passed() > 0


# Ports that no service has

def curl_code(lab, target, port=CLOSED):
    host = f"[{target}]" if ":" in target else target
    return lab.client1.run("curl", "-gsS", "--fail", "--connect-timeout", 1, f"http://{host}:{port}/",
                           check=False).returncode


def udp_error(lab, target, reason):
    """What a client hears of a datagram to a closed port."""
    ended = counting(lab, reason)
    with open_socket(lab.client1, 6 if ":" in target else 4) as sock:
        sock.connect((target, CLOSED))
        sock.send(b"anybody there?")
        wait_for(ended, f"it is counted as {reason}")
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


@CLIENT_FAMILIES
def test_unknown_port(lab, family):
    apply(lab, own_config(drops=service(MIX, "near", *PORTS, unknown_port="drop"),
                          rejects=service(SOURCE, "near", *PORTS, unknown_port="reject"),
                          passes=service(ANY, "near", *PORTS)))
    drops, rejects, passes = (vip(index, family) for index in (MIX, SOURCE, ANY))
    for target in (drops, rejects, passes):
        assert set(curl(lab.client1, target, lab.tag(), 2)) <= NEAR, "its own ports are served"
    rejected = counting(lab, "rejected")
    assert curl_code(lab, rejects) == REFUSED and rejected() == 1
    assert udp_error(lab, rejects, "rejected") == errno.ECONNREFUSED
    dropped = counting(lab, "unknown_port")
    assert curl_code(lab, drops) == TIMED_OUT and dropped() >= 1
    assert udp_error(lab, drops, "unknown_port") == 0
    assert udp_error(lab, passes, "no_service") == 0, "the host has not got that address"
    with host_has(lab, passes):
        assert curl_code(lab, passes) == REFUSED
        assert udp_error(lab, passes, "no_service") == errno.ECONNREFUSED
        assert curl(lab.client1, passes, lab.tag(), 2, port=8443) == ["lb", "lb"], "its own servers are there"
        assert set(curl(lab.client1, passes, lab.tag(), 2)) <= NEAR
    with host_has(lab, drops, rejects):
        assert curl_code(lab, rejects, 8443) == REFUSED and curl_code(lab, drops, 8443) == TIMED_OUT, \
            "nobody reaches the host's servers by those"


# A backend that is the balancer itself

def local_config(family):
    one = pool(sorted(NEAR), family=family)
    one["backends"].append({"name": "lb", "address": address(1, 2, family), "local": True})
    return config({"mixed": one}, {"local": service(MIX, "mixed", *PORTS)})


@CLIENT_FAMILIES
@pytest.mark.parametrize("pool_family", FAMILIES, ids=("pool4", "pool6"))
def test_local(lab, pool_family, family):
    """It has its share of connections and datagrams, in fragments, too."""
    target, everyone = vip(MIX, family), NEAR | {"lb"}
    apply(lab, local_config(pool_family))
    local = counting(lab, "local")
    with host_has(lab, target):
        seen = []
        wait_for(lambda: set(seen) == everyone or seen.extend(curl(lab.client1, target, lab.tag(), 10)),
                 "all of them serve")
        with Stream(lab.client1, target, rate=200, flows=48) as small, \
                Stream(lab.client2, target, rate=200, flows=48, size=4000) as large:
            wrk_result(start_wrk(lab.client2, target, lab.tag(), 1, 4))
            for result in (small.stop(), large.stop()):
                assert not result["lost"] and not result["moved"] and set(result["backends"]) == everyone, result
    assert local() > 0


@CLIENT_FAMILIES
def test_local_path_mtu(lab, family):
    """An ICMP error about what the balancer's own server sent is the balancer's own."""
    target = vip(MIX, family)
    apply(lab, local_config(4))
    lab.router.ip("link set client1 mtu 1400")
    try:
        with host_has(lab, target):
            forget_mtu(lab, "lb", *NEAR)
            served = set()

            def download():
                host = f"[{target}]" if ":" in target else target
                out = lab.client1.run("curl", "-gsS", "--fail", "--max-time", PATIENCE, f"http://{host}/who", "--next",
                                      "-gsS", "--fail", "--max-time", PATIENCE, "-o", os.devnull, f"http://{host}/big")
                served.add(out.stdout.strip())
                return "lb" in served

            wait_for(download, "the balancer serves one")
    finally:
        lab.router.ip("link set client1 mtu 1500")

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""sluice-backend's second hop: what is no connection of this host's goes on to the host that may have it."""
import itertools
import os
import pathlib
import socket
import tempfile
import threading
import time

import pytest

from backend_host import BUILD, CLIENT, PATIENCE, VIP, destination_options, header_with_more, hop_by_hop, run
from hop_lab import ADDRESS, PORT, Balancer, Lab, gue, outer_packet, second_hop
from scapy.all import (ICMP, IP, TCP, UDP, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPOption_NOP, IPv6,
                       IPv6ExtHdrFragment, Raw, fragment, fragment6)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and BPF need root")

MIXES = list(itertools.product((4, 6), (4, 6)))  # (outer, inner)
RESET_AT_END = (socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))  # nobody would answer a FIN
numbers = itertools.count(41000)  # a client port a test, so that none meets another's connection


@pytest.fixture(scope="module")
def hosts():
    with tempfile.TemporaryDirectory(prefix="sluice-net-") as folder:
        lab = Lab(f"{os.getpid()}", pathlib.Path(folder))
        try:
            yield lab
        finally:
            lab.remove()


@pytest.fixture
def lab(hosts):
    """Both hosts up, with each other in --from."""
    hosts.a.up(*ADDRESS["b"].values())
    hosts.b.up(*ADDRESS["a"].values())
    yield hosts
    hosts.a.backend("down")
    hosts.b.backend("down")


def hop(outer, host="b", **more):
    return second_hop(ADDRESS[host][outer], **more)


def segment(version, port, flags="A", payload=b"", **more):
    layer = IP if version == 4 else IPv6
    return layer(bytes(layer(src=CLIENT[version], dst=VIP[version]) /
                       TCP(sport=port, dport=PORT, flags=flags, **{"seq": 1000, "ack": 1, **more}) / Raw(payload)))


def await_reset(lab, wire, port):
    """The MAC of the host that answers the client's segment: it had it, and no connection for it."""
    frame = wire.until(lambda frame: TCP in frame and frame[TCP].dport == port and "R" in frame[TCP].flags)
    return {lab.a.mac: "a", lab.b.mac: "b"}[bytes.fromhex(frame.src.replace(":", ""))]


def received(connection, length):
    data = b""
    while len(data) < length:
        chunk = connection.recv(65536)
        assert chunk, "the connection ended early"
        data += chunk
    return data


def exchange(client, server, length=200_000):
    """Both ways at once; the bytes are what was sent."""
    def send(connection, data):
        thread = threading.Thread(target=connection.sendall, args=(data,))
        thread.start()
        return thread

    up, down = os.urandom(length), os.urandom(length)
    threads = [send(client, up), send(server, down)]
    assert received(server, length) == up
    assert received(client, length) == down
    for thread in threads:
        thread.join()


def accept(server):
    connection, _ = server.accept()
    connection.settimeout(PATIENCE)
    return connection


@pytest.mark.parametrize("outer,version", MIXES)
def test_connection_of_the_other_host_goes_on(lab, outer, version):
    before = lab.a.forwarded()
    with lab.a.listen(version), lab.b.listen(version) as listener, Balancer(lab, outer) as balancer:
        balancer.to("b")
        with lab.connect(version) as client, accept(listener) as server:
            balancer.to("a", hop(outer))
            exchange(client, server)
            assert lab.a.forwarded() > before + 100
            # its end, too
            client.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""
            server.close()
            assert client.recv(1) == b""


@pytest.mark.parametrize("outer,version", MIXES)
def test_connection_of_this_host_stays(lab, outer, version):
    """From its SYN on; a host that has it sends nothing on, up to TIME_WAIT."""
    before = lab.a.forwarded()
    with lab.a.listen(version) as listener, lab.b.listen(version), Balancer(lab, outer) as balancer:
        balancer.to("a", hop(outer))
        with lab.connect(version) as client, accept(listener) as server:
            exchange(client, server)
            server.close()
            assert client.recv(1) == b""
    assert lab.a.forwarded() == before


@pytest.mark.parametrize("outer,version", MIXES)
@pytest.mark.parametrize("address", [None, "::"], ids=["of the VIP", "of all addresses"])
def test_syn_cookies_are_this_hosts(lab, outer, version, address):
    """A listener that sent a cookie has no other trace of the connection. A wrong cookie is the other host's."""
    run("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", ns=lab.a.ns)
    try:
        before, wire, port = lab.a.forwarded(), lab.wire(), next(numbers)
        with lab.a.listen(version, address=address) as listener, Balancer(lab, outer) as balancer:
            balancer.to("a", hop(outer))
            with lab.connect(version) as client, accept(listener) as server:
                exchange(client, server, 1000)
            assert lab.a.forwarded() == before
            wire.send(lab.frame("a", outer, segment(version, port, ack=12345), hop(outer)))
            assert await_reset(lab, wire, port) == "b"
    finally:
        run("sysctl", "-qw", "net.ipv4.tcp_syncookies=1", ns=lab.a.ns)


@pytest.mark.parametrize("outer,version", MIXES)
@pytest.mark.parametrize("flags", ["A", "PA", "FA", "R", "SA"])
def test_only_the_outer_header_changes(lab, outer, version, flags):
    """To a port that nothing takes, so that the frame is seen as it arrives."""
    packet = bytes(segment(version, next(numbers), flags, os.urandom(100)))
    tap = lab.b.wire()
    lab.wire().send(lab.frame("a", outer, packet, hop(outer, left=7, port=7000), ttl=33, traffic_class=0x2b,
                              from_port=50123))
    seen = tap.until(lambda frame: UDP in frame and frame[UDP].dport == 7000)
    expected = lab.ethernet(lab.b.mac, lab.a.mac, outer) + \
        outer_packet(ADDRESS["a"][outer], ADDRESS["b"][outer], gue(packet, hop(outer, left=6, port=7000)), ttl=32,
                     traffic_class=0x2b, from_port=50123, to_port=7000)
    assert bytes(seen) == expected


@pytest.mark.parametrize("outer", [4, 6])
@pytest.mark.parametrize("private", ["last", "own", "version", "short", "long"])
def test_what_is_kept(lab, outer, private):
    """The last hop, a hop to oneself, and what is no second hop that this version knows."""
    own = ADDRESS["a"][outer]
    data = {"last": hop(outer, left=0), "own": second_hop(own, left=9), "version": hop(outer, version=2),
            "short": hop(outer)[:4], "long": hop(outer) + bytes(4)}[private]
    before, wire, port = lab.a.forwarded(), lab.wire(), next(numbers)
    wire.send(lab.frame("a", outer, segment(4, port), data))
    assert await_reset(lab, wire, port) == "a"
    assert lab.a.forwarded() == before


@pytest.mark.parametrize("outer", [4, 6])
def test_no_loop_between_two_hosts_without_the_connection(lab, outer):
    before, wire, port = lab.a.forwarded(), lab.wire(), next(numbers)
    wire.send(lab.frame("a", outer, segment(4, port), hop(outer, left=255)))
    assert await_reset(lab, wire, port) == "b"
    assert lab.a.forwarded() == before + 1
    assert lab.b.forwarded() == 0


@pytest.mark.parametrize("outer", [4, 6])
def test_outer_ttl_ends(lab, outer):
    """A packet that must not go on is dropped, not answered: what is answered first is what followed it."""
    before, wire, ports = lab.a.counters(), lab.wire(), (next(numbers), next(numbers))
    for ttl, port in zip((1, 2), ports):
        wire.send(lab.frame("a", outer, segment(4, port), hop(outer), ttl=ttl))
    answers = wire.until(lambda frame: TCP in frame and frame[TCP].dport in ports)
    assert answers[TCP].dport == ports[1]
    after = lab.a.counters()
    assert after["hop_expired"] == before["hop_expired"] + 1
    assert after["forwarded"] == before["forwarded"] + 1


@pytest.mark.parametrize("outer", [4, 6])
def test_strangers_and_other_families_are_no_second_hop(lab, outer):
    """Such packets are delivered, and counted, so that the operator learns of it."""
    before, wire = lab.a.counters(), lab.wire()
    stranger = {4: "10.0.0.9", 6: "fd00::9"}[outer]
    for private in (second_hop(stranger), hop(10 - outer)):
        port = next(numbers)
        wire.send(lab.frame("a", outer, segment(4, port), private))
        assert await_reset(lab, wire, port) == "a"
    after = lab.a.counters()
    assert after["hop_not_from"] == before["hop_not_from"] + 1
    assert after["hop_family"] == before["hop_family"] + 1
    assert after["forwarded"] == before["forwarded"]


@pytest.mark.parametrize("outer,version", MIXES)
def test_datagrams_stay(lab, outer, version):
    layer = IP if version == 4 else IPv6
    packet = layer(src=CLIENT[version], dst=VIP[version]) / UDP(sport=next(numbers), dport=PORT) / Raw(b"hello")
    with lab.a.listen(version, socket.SOCK_DGRAM) as server:
        lab.wire().send(lab.frame("a", outer, packet, hop(outer)))
        assert server.recv(100) == b"hello"


def open_by_hand(lab, host, version, port):
    """A connection whose client is no kernel; the host's sequence number."""
    wire = lab.wire()
    wire.send(lab.frame(host, version, segment(version, port, "S", seq=999, ack=0, options=[("MSS", 1400)])))
    reply = wire.until(lambda frame: TCP in frame and frame[TCP].dport == port and frame[TCP].flags == "SA")
    wire.send(lab.frame(host, version, segment(version, port, seq=1000, ack=reply[TCP].seq + 1)))
    return reply[TCP].seq + 1


def too_big(version, about, mtu):
    """Tells the VIP that a packet of its connection `about` (the client's direction) was too big."""
    packet = TCP(sport=about.dport, dport=about.sport, flags="A", seq=about.ack, ack=about.seq)
    if version == 4:
        packet = IP(src=VIP[4], dst=CLIENT[4]) / packet
        return IP(src="198.51.100.1", dst=VIP[4]) / ICMP(type=3, code=4, nexthopmtu=mtu) / bytes(packet)[:28]
    packet = IPv6(src=VIP[6], dst=CLIENT[6]) / packet
    return IPv6(src="2001:db8:c::1", dst=VIP[6]) / ICMPv6PacketTooBig(mtu=mtu) / packet


@pytest.mark.parametrize("outer,version", MIXES)
@pytest.mark.parametrize("owner", ["a", "b"])
def test_icmp_errors_follow_their_connection(lab, outer, version, owner):
    """Path MTU discovery works on, at the host that has the connection."""
    run("ip", f"-{version}", "route", "flush", "cache", ns=getattr(lab, owner).ns)
    option = (socket.IPPROTO_IP, 14) if version == 4 else (socket.IPPROTO_IPV6, 24)  # IP_MTU, IPV6_MTU
    host, port, before = getattr(lab, owner), next(numbers), lab.a.forwarded()
    with host.listen(version) as listener:
        sequence = open_by_hand(lab, owner, version, port)
        with accept(listener) as server:
            server.setsockopt(*RESET_AT_END)
            mtu = 1300
            assert server.getsockopt(*option) > mtu
            about = segment(version, port, seq=1000, ack=sequence)[TCP]
            lab.wire().send(lab.frame("a", outer, too_big(version, about, mtu), hop(outer)))
            deadline = time.monotonic() + PATIENCE
            while server.getsockopt(*option) != mtu:
                assert time.monotonic() < deadline, "the connection did not learn of the smaller MTU"
                time.sleep(0.01)
    assert lab.a.forwarded() == before + (owner == "b")


@pytest.mark.parametrize("version", [4, 6])
def test_ping_stays(lab, version):
    echo = IP(src=CLIENT[4], dst=VIP[4]) / ICMP(id=7) if version == 4 else \
        IPv6(src=CLIENT[6], dst=VIP[6]) / ICMPv6EchoRequest(id=7)
    before = lab.a.counters()
    lab.wire().send(lab.frame("a", version, echo, hop(version)))
    lab.a.await_counted(before, decap_gue=1, forwarded=0)


def fragments_of(version, transport, more=False):
    """`more`: with options, or with extension headers on both sides of the fragment's."""
    number = next(numbers)
    if version == 4:
        return fragment(IP(src=CLIENT[4], dst=VIP[4], id=number, options=[IPOption_NOP()] * 8 if more else []) /
                        transport, 400)
    head = IPv6(src=CLIENT[6], dst=VIP[6]) / hop_by_hop() if more else IPv6(src=CLIENT[6], dst=VIP[6])
    head /= IPv6ExtHdrFragment(id=number)
    return fragment6(IPv6(bytes((head / destination_options() if more else head) / transport)), 448)


@pytest.mark.parametrize("more", [False, True], ids=["plain", "with more headers"])
@pytest.mark.parametrize("outer,version", MIXES)
def test_fragments_follow_the_first_one(lab, outer, version, more):
    """A segment in fragments, for a connection of the other host; then one of this host, of the same id."""
    payload = os.urandom(1000)
    port, wire = next(numbers), lab.wire()
    before = lab.a.counters()
    with lab.b.listen(version) as listener:
        sequence = open_by_hand(lab, "b", version, port)
        with accept(listener) as server:
            server.setsockopt(*RESET_AT_END)
            pieces = fragments_of(version, segment(version, port, "PA", payload, ack=sequence)[TCP], more)
            assert len(pieces) > 2
            for piece in pieces:
                wire.send(lab.frame("a", outer, piece, hop(outer)))
            assert received(server, 1000) == payload
    after = lab.a.counters()
    assert after["forwarded"] == before["forwarded"] + len(pieces)
    assert after["decap_gue"] == before["decap_gue"]
    with lab.a.listen(version, socket.SOCK_DGRAM) as server:
        for piece in fragments_of(version, UDP(sport=port, dport=PORT) / Raw(payload), more):
            wire.send(lab.frame("a", outer, piece, hop(outer)))
        assert server.recv(2000) == payload
    assert lab.a.forwarded() == after["forwarded"]


@pytest.mark.parametrize("more", [False, True], ids=["plain", "with more headers"])
@pytest.mark.parametrize("owner", ["a", "b"])
@pytest.mark.parametrize("outer,version", MIXES)
def test_fragments_before_the_first_one(lab, outer, version, owner, more):
    """Nobody can tell whose they are, so both hosts get them, and one can make use of them."""
    payload = os.urandom(1000)
    port, wire = next(numbers), lab.wire()
    with getattr(lab, owner).listen(version) as listener:
        sequence = open_by_hand(lab, owner, version, port)
        with accept(listener) as server:
            server.setsockopt(*RESET_AT_END)
            pieces = fragments_of(version, segment(version, port, "PA", payload, ack=sequence)[TCP], more)
            before = lab.a.counters()
            for piece in pieces[-1:] + pieces[:-1]:
                wire.send(lab.frame("a", outer, piece, hop(outer)))
            assert received(server, 1000) == payload
    forwarded, kept = (1, len(pieces)) if owner == "a" else (len(pieces), 1)
    lab.a.await_counted(before, forwarded=forwarded, decap_gue=kept)


@pytest.mark.parametrize("owner", ["a", "b"])
@pytest.mark.parametrize("outer,version", MIXES)
def test_more_headers_before_tcp(lab, outer, version, owner):
    """The connection is found behind IPv4 options and IPv6 extension headers."""
    payload, port, wire = os.urandom(100), next(numbers), lab.wire()
    with getattr(lab, owner).listen(version) as listener:
        sequence = open_by_hand(lab, owner, version, port)
        with accept(listener) as server:
            server.setsockopt(*RESET_AT_END)
            before = lab.a.forwarded()
            packet = header_with_more(version) / segment(version, port, "PA", payload, ack=sequence)[TCP]
            del packet[TCP].chksum
            wire.send(lab.frame("a", outer, packet, hop(outer)))
            assert received(server, 100) == payload
    assert lab.a.forwarded() == before + (owner == "b")


@pytest.mark.parametrize("outer", [4, 6])
@pytest.mark.parametrize("extensions", [8, 9])
def test_too_many_headers_before_tcp(lab, outer, extensions):
    """As many as are looked behind, and one more: such a packet is kept."""
    port, wire = next(numbers), lab.wire()
    packet = IPv6(src=CLIENT[6], dst=VIP[6])
    for _ in range(extensions):
        packet /= destination_options()
    packet /= segment(6, port)[TCP]
    del packet[TCP].chksum
    wire.send(lab.frame("a", outer, packet, hop(outer)))
    assert await_reset(lab, wire, port) == ("b" if extensions == 8 else "a")


@pytest.fixture
def tunnel(lab):
    """The client's IPv4 packets go over a veth pair, at whose other end a program encapsulates them: tunnel.bpf.c."""
    run("ip", "link", "add", "c0", "type", "veth", "peer", "name", "c1", ns=lab.peer)
    for interface in ("c0", "c1"):
        run("ip", "link", "set", interface, "up", ns=lab.peer)
    run("ip", "route", "replace", VIP[4], "dev", "c0", "src", CLIENT[4], ns=lab.peer)
    run("ip", "neighbour", "add", VIP[4], "lladdr", "02:00:00:00:00:01", "dev", "c0", ns=lab.peer)
    run("tc", "qdisc", "add", "dev", "c1", "clsact", ns=lab.peer)
    # tc(8) mounts a bpffs to load an object, and leaves it: here it goes with tc
    run("unshare", "--mount", "tc", "filter", "add", "dev", "c1", "ingress", "bpf", "direct-action", "object-file",
        BUILD / "tests/tunnel.bpf.o", "section", "tc", ns=lab.peer)
    yield
    run("ip", "link", "delete", "c0", ns=lab.peer)
    run("ip", "route", "replace", VIP[4], "dev", "t0", "src", CLIENT[4], ns=lab.peer)


def test_joined_segments_go_on_whole(lab, tunnel):
    """Several segments in one packet larger than the MTU, which the host's kernel segments again."""
    before, tap = lab.a.forwarded(), lab.a.wire()
    with lab.a.listen(4), lab.b.listen(4) as listener, lab.connect(4) as client, accept(listener) as server:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
        exchange(client, server)
    assert lab.a.forwarded() > before
    assert max(tap.pending_sizes()) > 2000

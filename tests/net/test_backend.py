# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What sluice-backend does with packets: decapsulation, MSS, ECN, and questions for the VIPs."""
import itertools
import os
import socket

import pytest

from backend_host import BALANCER, CLIENT, HOST, NOT_VIP, PATIENCE, STRANGER, VIP, Wire, inner, run
from backend_host import down, hosts, up  # noqa: F401 (fixtures)
from scapy.all import ARP, IP, TCP, UDP, Ether, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6, Raw

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and BPF need root")

ENCAPSULATIONS = ["ipip", "gue1", "gue0"]
MIXES = list(itertools.product((4, 6), (4, 6)))  # (outer, inner)


def echo(server):
    payload, client = server.recvfrom(65535)
    server.sendto(payload, client)
    return payload, client[0]


@pytest.mark.parametrize("outer,version", MIXES)
@pytest.mark.parametrize("how", ENCAPSULATIONS)
@pytest.mark.parametrize("size", [1, 1400])
def test_datagram_reaches_vip_and_reply_leaves_directly(up, how, outer, version, size):
    run("ip", "link", "set", "p0", "mtu", "1600", ns=up.peer)
    run("ip", "link", "set", "h0", "mtu", "1600", ns=up.host)
    payload = os.urandom(size)
    wire = up.wire()
    with up.server(version) as server:
        wire.send(up.encapsulated(how, outer, inner(version, payload)))
        assert echo(server) == (payload, CLIENT[version])
    layer = IP if version == 4 else IPv6
    reply = wire.until(lambda frame: layer in frame and UDP in frame and frame[UDP].sport == 5000)
    assert (reply[layer].src, reply[layer].dst) == (VIP[version], CLIENT[version])
    assert bytes(reply[UDP].payload)[:size] == payload


@pytest.mark.parametrize("outer,version", MIXES)
@pytest.mark.parametrize("how", ENCAPSULATIONS)
@pytest.mark.parametrize("outcome", ["not_from", "not_own", "not_vip", "malformed"])
def test_what_is_not_ours_is_not_delivered(up, how, outer, version, outcome):
    """A frame that must not arrive, then one that does: whatever arrives first is what the server sees."""
    bad = inner(version, b"bad")
    frame = up.encapsulated(how, outer, bad)
    if outcome == "not_from":
        frame = up.encapsulated(how, outer, bad, source=STRANGER[outer])
    elif outcome == "not_own":
        # to this host's MAC, but to another address
        frame = up.encapsulated(how, outer, bad, destination=STRANGER[outer])
    elif outcome == "not_vip":
        frame = up.encapsulated(how, outer, inner(version, b"bad", destination=NOT_VIP[version]))
    elif outcome == "malformed":
        longer = IP(bytes(bad)) if version == 4 else IPv6(bytes(bad))
        if version == 4:
            longer.len += 1
            del longer.chksum
        else:
            longer.plen += 1
        frame = up.encapsulated(how, outer, longer)
    before = up.counters()[outcome]
    with up.server(version, address="0.0.0.0" if version == 4 else "::") as server:
        up.wire().send(frame)
        up.wire().send(up.encapsulated(how, outer, inner(version, b"good")))
        assert server.recv(100) == b"good"
    assert up.counters()[outcome] == before + 1


def test_outer_fragment_is_left_alone(up):
    frame = up.encapsulated("ipip", 4, inner(4, b"bad"))
    frame[IP].flags = "MF"
    with up.server(4) as server:
        up.wire().send(frame)
        up.wire().send(up.encapsulated("ipip", 4, inner(4, b"good")))
        assert server.recv(100) == b"good"
    assert up.counters()["fragment"] == 1


@pytest.mark.parametrize("first", [b"\x20\x04\0\0", b"\x00\x04\x80\0", b"\x00\x06\0\0", b"\x80\x04\0\0"],
                         ids=["control", "flags", "not IP", "variant 2"])
def test_gue_that_is_not_understood_is_left_alone(up, first):
    frame = up.encapsulated("gue0", 4, inner(4, b"bad"))
    frame[Raw].load = frame[Raw].load[:8] + first + frame[Raw].load[12:]
    with up.server(4) as server:
        up.wire().send(frame)
        up.wire().send(up.encapsulated("gue0", 4, inner(4, b"good")))
        assert server.recv(100) == b"good"
    assert up.counters()["gue_unsupported"] == 1


def test_gue_private_data_is_stepped_over(up):
    frame = up.encapsulated("gue0", 4, inner(4, b"good"))
    load = frame[Raw].load
    longer = up.ether() / IP(src=BALANCER[4], dst=HOST[4], proto=17) / \
        Raw(load[:4] + (len(load) + 8).to_bytes(2, "big") + b"\0\0" + b"\x02\x04\0\0" + bytes(8) + load[12:])
    with up.server(4) as server:
        up.wire().send(longer)
        assert server.recv(100) == b"good"


@pytest.mark.parametrize("outer,version", MIXES)
@pytest.mark.parametrize("how", ENCAPSULATIONS)
def test_ecn_follows_rfc6040(up, how, outer, version):
    """The outer header's DSCP, another one, stays outside."""
    not_ect, ect1, ect0, ce = 0, 1, 2, 3
    outgoing = {(o, i): i for o in range(4) for i in range(4)}  # (outer, inner) → arrives; None: dropped
    outgoing.update({(ce, ect0): ce, (ce, ect1): ce, (ce, not_ect): None, (ect1, ect0): ect1})
    dscp = 0x2e << 2
    wire = up.wire()
    with up.server(version) as server:
        if version == 4:
            server.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        else:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        for (o, i) in outgoing:
            packet = inner(version, bytes([o, i]), traffic_class=dscp | i)
            wire.send(up.encapsulated(how, outer, packet, traffic_class=0x0a << 2 | o))
        arrived = {}
        for _ in range(sum(expected is not None for expected in outgoing.values())):
            payload, control, _, _ = server.recvmsg(100, 100)
            arrived[tuple(payload)] = control[0][2][0]
    assert arrived == {key: dscp | expected for key, expected in outgoing.items() if expected is not None}
    assert up.counters()["ecn_drop"] == 1


def synack(up, wire, version, options):
    """Opens a connection through the tunnel and returns the server's SYN-ACK."""
    layer, source = (IP, CLIENT[4]) if version == 4 else (IPv6, CLIENT[6])
    segment = TCP(sport=40001, dport=8000, flags="S", seq=1000, options=options)
    wire.send(up.encapsulated("gue1", version, layer(src=source, dst=VIP[version]) / segment))
    return wire.until(lambda frame: TCP in frame and frame[TCP].sport == 8000 and frame[TCP].flags == "SA")


def assert_checksum(frame, layer):
    again = frame[layer].copy()
    del again[TCP].chksum
    assert layer(bytes(again))[TCP].chksum == frame[TCP].chksum


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("arguments,expected", [
    ((), {4: 1500 - 48 - 40, 6: 1500 - 48 - 60}),
    (("--mtu", "1400"), {4: 1400 - 48 - 40, 6: 1400 - 48 - 60}),
    (("--mss", "1000"), {4: 1000, 6: 1000}),
    (("--mss", "9000"), {4: 1460, 6: 1440}),
    (("--mss", "off"), {4: 1460, 6: 1440}),
])
def test_mss_of_synack_fits_the_tunnel(down, version, arguments, expected):
    run("ip", "link", "set", "h0", "mtu", "1500", ns=down.host)
    down.up(*arguments)
    wire = down.wire()
    with down.server(version, socket.SOCK_STREAM, 8000) as server:
        server.listen()
        reply = synack(down, wire, version, [("MSS", 8960), ("NOP", None), ("WScale", 7)])
    assert dict(reply[TCP].options)["MSS"] == expected[version]
    assert_checksum(reply, IP if version == 4 else IPv6)


def test_mss_option_at_an_odd_offset(up):
    """The host's own stack puts it first; a socket without a stack shows the other places."""
    options = [("NOP", None), ("MSS", 8000), ("NOP", None)]
    frame = Ether(src=up.host_mac, dst=up.peer_mac) / IP(src=VIP[4], dst=CLIENT[4]) / \
        TCP(sport=8001, dport=40001, flags="SA", options=options)
    wire = up.wire()
    Wire(up.host, "h0").send(Ether(bytes(frame)))
    reply = wire.until(lambda frame: TCP in frame and frame[TCP].sport == 8001)
    assert dict(reply[TCP].options)["MSS"] == 1500 - 48 - 40
    assert_checksum(reply, IP)


def test_mss_of_the_hosts_own_connections_stays(up):
    frame = Ether(src=up.host_mac, dst=up.peer_mac) / IP(src=HOST[4], dst=CLIENT[4]) / \
        TCP(sport=8002, dport=40001, flags="S", options=[("MSS", 1460)])
    wire = up.wire()
    Wire(up.host, "h0").send(Ether(bytes(frame)))
    reply = wire.until(lambda frame: TCP in frame and frame[TCP].sport == 8002)
    assert dict(reply[TCP].options)["MSS"] == 1460


@pytest.fixture
def gro(up):
    """The host joins segments, holding them back for a while so that it can."""
    def hold(nanoseconds):
        # `ip netns exec` shows the namespace's own /sys
        run("ip", "netns", "exec", up.host, "sh", "-c", f"echo {nanoseconds} >/sys/class/net/h0/gro_flush_timeout")

    run("ethtool", "-K", "h0", "gro", "on", ns=up.host)
    hold(20_000_000)
    yield up
    hold(0)
    run("ethtool", "-K", "h0", "gro", "off", ns=up.host)


def receive(connection, length):
    received = b""
    while len(received) < length:
        chunk = connection.recv(65536)
        assert chunk, "the connection ended early"
        received += chunk
    return received


@pytest.mark.parametrize("outer,version", MIXES)
def test_tcp_bytes_arrive_whole_with_gro(gro, outer, version):
    """Bursts of segments on one connection, until the host has joined some before decapsulation."""
    layer, source = (IP, CLIENT[4]) if version == 4 else (IPv6, CLIENT[6])
    wire, tap = gro.wire(), Wire(gro.host, "h0")
    with gro.server(version, socket.SOCK_STREAM, 8000) as server:
        server.listen()
        reply = synack(gro, wire, version, [("MSS", 1300)])
        sequence = 1001
        connection = None
        for _ in range(10):
            data = os.urandom(1300 * 8)
            frames = [bytes(gro.encapsulated("ipip", outer, layer(src=source, dst=VIP[version]) / TCP(
                sport=40001, dport=8000, flags="A", seq=sequence + at, ack=reply[TCP].seq + 1) /
                Raw(data[at:at + 1300]))) for at in range(0, len(data), 1300)]
            for frame in frames:
                wire.socket.send(frame)
            sequence += len(data)
            if not connection:
                connection, client = server.accept()
                connection.settimeout(PATIENCE)
                # a reset at the end instead of a FIN that nobody would answer
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
                assert client[0] == source
            assert receive(connection, len(data)) == data
            if any(size > 2000 for size in tap.pending_sizes()):
                break
        else:
            pytest.skip("the bytes arrived, but this machine is too slow to join segments")
        connection.close()


def asked_by_arp(hosts, target):
    return hosts.ether().copy() / ARP(op=1, hwsrc=hosts.peer_mac, psrc=BALANCER[4], pdst=target)


@pytest.mark.parametrize("vip", [VIP[4], "192.0.2.0/28"])
def test_arp_for_a_vip_is_not_answered(down, vip):
    def answers(target):
        found = []
        wire = down.wire()
        for address in (target, HOST[4]):
            frame = asked_by_arp(down, address)
            frame.dst = "ff:ff:ff:ff:ff:ff"
            wire.send(frame)
        wire.until(lambda frame: ARP in frame and frame[ARP].op == 2 and frame[ARP].psrc == HOST[4],
                   lambda frame: found.append(frame[ARP].psrc) if ARP in frame and frame[ARP].op == 2 else None)
        return target in found

    down.up(vips=[vip])
    assert not answers(VIP[4])
    # the same address without sluice-backend is answered for: the test can see answers
    down.backend("down")
    run("ip", "address", "add", f"{VIP[4]}/32", "dev", "lo", ns=down.host)
    try:
        assert answers(VIP[4])
    finally:
        run("ip", "address", "delete", f"{VIP[4]}/32", "dev", "lo", ns=down.host)


@pytest.mark.parametrize("vip", [VIP[6], "2001:db8::/64"])
def test_neighbour_solicitation_for_a_vip_is_not_answered(down, vip):
    down.up(vips=[vip])
    wire = down.wire()
    found = []
    for target in (VIP[6], HOST[6]):
        # to the host's own MAC, so that the multicast filter is no excuse
        wire.send(down.ether() / IPv6(src=BALANCER[6], dst=HOST[6], hlim=255) / ICMPv6ND_NS(tgt=target) /
                  ICMPv6NDOptSrcLLAddr(lladdr=down.peer_mac))
    wire.until(lambda frame: ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == HOST[6],
               lambda frame: found.append(frame[ICMPv6ND_NA].tgt) if ICMPv6ND_NA in frame else None)
    assert VIP[6] not in found


@pytest.mark.parametrize("version", [4, 6])
def test_l2_forwarding_needs_no_more(up, version):
    with up.server(version) as server:
        up.wire().send(up.ether() / inner(version, b"good"))
        assert server.recv(100) == b"good"


@pytest.mark.parametrize("prefix,inside,version", [("192.0.2.0/28", "192.0.2.5", 4),
                                                   ("2001:db8::/64", "2001:db8::5", 6)])
def test_prefix_vip(down, prefix, inside, version):
    down.up(vips=[prefix])
    with down.server(version, address="0.0.0.0" if version == 4 else "::") as server:
        down.wire().send(down.encapsulated("gue1", version, inner(version, b"good", destination=inside)))
        assert server.recv(100) == b"good"

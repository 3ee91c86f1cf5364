# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""sluice-backend on a host of its own:

    peer namespace                      host namespace
    balancer, gateway, clients  p0 ---- h0  sluice-backend; lo has the VIPs
    10.0.0.1, fd00::1                   10.0.0.2, fd00::2

The peer's side is made of raw frames; the clients' addresses are nobody's, so
that no kernel answers for them. Servers are real sockets on the VIP.
"""

import ctypes
import itertools
import json
import os
import pathlib
import socket
import subprocess
import threading
import time

import pytest

scapy = pytest.importorskip("scapy.all")
from scapy.all import ARP, IP, TCP, UDP, Ether, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6, Raw  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and BPF need root")

BUILD = pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
PROGRAM = BUILD.absolute() / "sluice-backend"
GUE_PORT = 6080
BALANCER = {4: "10.0.0.1", 6: "fd00::1"}
HOST = {4: "10.0.0.2", 6: "fd00::2"}
STRANGER = {4: "10.0.0.9", 6: "fd00::9"}
CLIENT = {4: "198.51.100.7", 6: "2001:db8:c::7"}
VIP = {4: "192.0.2.10", 6: "2001:db8::10"}
NOT_VIP = {4: "192.0.2.11", 6: "2001:db8::11"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
ENCAPSULATIONS = ["ipip", "gue1", "gue0"]
MIXES = list(itertools.product((4, 6), (4, 6)))  # (outer, inner)
OTHERS_FILTER = ("bpf", "bytecode", "1,6 0 0 0,")  # matches nothing
PATIENCE = 10  # seconds until an awaited thing counts as missing


def run(*command, ns=None, check=True):
    prefix = ["nsenter", f"--net=/run/netns/{ns}"] if ns else []
    done = subprocess.run([*prefix, *map(str, command)], capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(f"{command} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def within(ns, function):
    """Calls function in a thread of the namespace; sockets that it opens stay there."""
    result = []

    def enter():
        with open(f"/run/netns/{ns}") as handle:
            if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
        result.append(function())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return result[0]


class Wire:
    """Raw frames on the peer's interface."""

    def __init__(self, ns, interface):
        self.socket = within(ns, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        self.socket.bind((interface, 3))

    def send(self, frame):
        self.socket.send(bytes(frame))

    def pending_sizes(self):
        """Sizes of the frames that have been received but not read."""
        sizes = []
        self.socket.setblocking(False)
        try:
            while True:
                sizes.append(len(self.socket.recv(65535)))
        except BlockingIOError:
            return sizes

    def until(self, wanted, seen=lambda frame: None):
        """The first received frame that is wanted; `seen` is shown every one before it."""
        end = time.monotonic() + PATIENCE
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, source = self.socket.recvfrom(65535)
            except socket.timeout:
                break
            if source[2] == socket.PACKET_OUTGOING:
                continue
            frame = Ether(data)
            if wanted(frame):
                return frame
            seen(frame)
        raise AssertionError("the awaited frame did not come")


class Hosts:
    def __init__(self, tag, folder):
        self.peer, self.host = f"sbp{tag}", f"sbh{tag}"
        self.state = folder / "state.json"
        for ns in (self.peer, self.host):
            run("ip", "netns", "add", ns)
            run("ip", "link", "set", "lo", "up", ns=ns)
        run("ip", "link", "add", "p0", "type", "veth", "peer", "name", "h0", "netns", self.host, ns=self.peer)
        for ns, interface, own in ((self.peer, "p0", BALANCER), (self.host, "h0", HOST)):
            run("ethtool", "-K", interface, "tx", "off", ns=ns)
            run("ip", "address", "add", f"{own[4]}/24", "dev", interface, ns=ns)
            run("ip", "address", "add", f"{own[6]}/64", "dev", interface, "nodad", ns=ns)
            run("ip", "link", "set", interface, "up", ns=ns)
        for version, gateway in BALANCER.items():
            run("ip", f"-{version}", "route", "add", "default", "via", gateway, ns=self.host)
        self.peer_mac, self.host_mac = self.mac(self.peer, "p0"), self.mac(self.host, "h0")

    @staticmethod
    def mac(ns, interface):
        return json.loads(run("ip", "-json", "link", "show", interface, ns=ns).stdout)[0]["address"]

    def remove(self):
        for ns in (self.peer, self.host):
            run("ip", "netns", "delete", ns, check=False)

    def backend(self, command, *options, check=True):
        return run(PROGRAM, command, "--state", self.state, *options, ns=self.host, check=check)

    def up(self, *options, vips=VIP.values(), check=True):
        chosen = [word for vip in vips for word in ("--vip", vip)]
        chosen += ["--from", BALANCER[4], "--from", BALANCER[6]]
        return self.backend("up", *chosen, *options, check=check)

    def status(self):
        return json.loads(self.backend("status", "--json", check=False).stdout)

    def counters(self):
        return self.status()["counters"]

    def snapshot(self):
        """All that `up` may change."""
        settings = ("arp_ignore", "arp_announce", "rp_filter")
        return [run(*command, ns=self.host).stdout for command in (
            ("ip", "-oneline", "address", "show", "dev", "lo"), ("ip", "route", "show", "table", "local"),
            ("ip", "-6", "route", "show", "table", "local"), ("tc", "qdisc", "show", "dev", "h0"),
            ("tc", "filter", "show", "dev", "h0", "ingress"), ("tc", "filter", "show", "dev", "h0", "egress"),
            ("sysctl", "-a", "--pattern", rf"net.ipv4.conf.(all|h0|lo).({'|'.join(settings)})$"))]

    def wire(self):
        return Wire(self.peer, "p0")

    def server(self, version, kind=socket.SOCK_DGRAM, port=5000, address=None):
        def open_server():
            server = socket.socket(FAMILY[version], kind)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((address or VIP[version], port))
            server.settimeout(PATIENCE)
            return server
        return within(self.host, open_server)

    def ether(self):
        return Ether(src=self.peer_mac, dst=self.host_mac)

    def encapsulated(self, how, outer, packet, source=None, destination=None, traffic_class=0):
        source, destination = source or BALANCER[outer], destination or HOST[outer]
        header = IP(src=source, dst=destination, tos=traffic_class) if outer == 4 else \
            IPv6(src=source, dst=destination, tc=traffic_class)
        protocol = 4 if IP in packet else 41
        if how == "ipip":
            header.setfieldval("proto" if outer == 4 else "nh", protocol)
            return self.ether() / header / Raw(bytes(packet))
        gue = bytes([0, protocol, 0, 0]) if how == "gue0" else b""
        udp = UDP(sport=50000, dport=GUE_PORT, chksum=0) / Raw(gue + bytes(packet))
        # scapy leaves a zero checksum of UDP over IPv6 alone only in finished bytes
        datagram = bytearray(bytes(IP() / udp)[20:])
        datagram[6:8] = b"\0\0"
        header.setfieldval("proto" if outer == 4 else "nh", 17)
        return self.ether() / header / Raw(bytes(datagram))


def inner(version, payload, source=None, destination=None, traffic_class=0):
    source, destination = source or CLIENT[version], destination or VIP[version]
    header = IP(src=source, dst=destination, tos=traffic_class) if version == 4 else \
        IPv6(src=source, dst=destination, tc=traffic_class)
    return header / UDP(sport=40000, dport=5000) / Raw(payload)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    made = None
    try:
        made = Hosts(f"{os.getpid()}", tmp_path_factory.mktemp("backend"))
        yield made
    finally:
        if made:
            made.remove()
        else:
            for ns in (f"sbp{os.getpid()}", f"sbh{os.getpid()}"):
                run("ip", "netns", "delete", ns, check=False)


@pytest.fixture
def down(hosts):
    """The hosts, down before and after."""
    yield hosts
    hosts.backend("down")


@pytest.fixture
def up(down):
    down.up()
    return down


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
def test_ecn_follows_rfc6040(up, outer, version):
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
            wire.send(up.encapsulated("ipip", outer, packet, traffic_class=o))
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


def test_down_restores_what_was_there(down):
    before = down.snapshot()
    down.up("--rp-filter", "loose")
    assert down.snapshot() != before
    down.backend("down")
    assert down.snapshot() == before
    assert not down.state.exists()
    assert "nothing to do" in down.backend("down").stdout


def test_down_leaves_what_others_made(down):
    host = down.host
    run("ip", "address", "add", f"{VIP[4]}/32", "dev", "lo", ns=host)
    run("sysctl", "-w", "net.ipv4.conf.h0.arp_ignore=2", ns=host)
    run("tc", "qdisc", "add", "dev", "h0", "clsact", ns=host)
    run("tc", "filter", "add", "dev", "h0", "ingress", "prio", "7", *OTHERS_FILTER, ns=host)
    try:
        before = down.snapshot()
        down.up()
        down.backend("down")
        assert down.snapshot() == before
    finally:
        run("tc", "qdisc", "delete", "dev", "h0", "clsact", ns=host)
        run("sysctl", "-w", "net.ipv4.conf.h0.arp_ignore=0", ns=host)
        run("ip", "address", "delete", f"{VIP[4]}/32", "dev", "lo", ns=host)


def test_clsact_stays_for_a_filter_that_came_later(down):
    down.up()
    run("tc", "filter", "add", "dev", "h0", "egress", "prio", "7", *OTHERS_FILTER, ns=down.host)
    try:
        assert "others' filters" in down.backend("down").stderr
        left = run("tc", "filter", "show", "dev", "h0", "egress", ns=down.host).stdout
        assert "pref 7" in left and "sluice" not in left
    finally:
        run("tc", "qdisc", "delete", "dev", "h0", "clsact", ns=down.host)


def test_rp_filter_is_changed_only_when_asked(down):
    setting = "net.ipv4.conf.h0.rp_filter"
    run("sysctl", "-w", f"{setting}=1", ns=down.host)
    try:
        assert "rp_filter" in down.up().stderr
        assert down.status()["interfaces"][0]["rp_filter"] == 1
        assert "rp_filter" not in down.up("--rp-filter", "loose").stderr
        assert down.status()["interfaces"][0]["rp_filter"] == 2
        down.backend("down")
        assert run("sysctl", "-n", setting, ns=down.host).stdout.strip() == "1"
    finally:
        run("sysctl", "-w", f"{setting}=0", ns=down.host)


def test_up_again_applies_the_difference(down):
    before = down.snapshot()
    down.up(vips=[VIP[4], "192.0.2.64/28"])
    with down.server(4) as server:
        down.wire().send(down.encapsulated("ipip", 4, inner(4, b"one")))
        assert server.recv(100) == b"one"
    assert "no change" in down.up(vips=[VIP[4], "192.0.2.64/28"]).stdout

    changed = down.up("--gue-port", "7000", vips=[VIP[4], VIP[6]]).stdout
    assert f"added VIP {VIP[6]}" in changed and "removed VIP 192.0.2.64/28" in changed and "7000" in changed
    status = down.status()
    assert [vip["address"] for vip in status["vips"]] == [VIP[4], VIP[6]]
    assert status["gue_port"] == 7000
    assert status["counters"]["decap_ipip"] == 1, "counters go on"
    assert len(run("tc", "filter", "show", "dev", "h0", "ingress", ns=down.host).stdout.splitlines()) == 2

    down.backend("down")
    assert down.snapshot() == before


def test_interface_that_is_no_longer_wanted(down):
    run("ip", "link", "add", "h1", "type", "veth", "peer", "name", "h2", ns=down.host)
    try:
        down.up("--interface", "h0", "--interface", "h1")
        assert run("sysctl", "-n", "net.ipv4.conf.h1.arp_ignore", ns=down.host).stdout.strip() == "1"
        down.up("--interface", "h0")
        assert run("sysctl", "-n", "net.ipv4.conf.h1.arp_ignore", ns=down.host).stdout.strip() == "0"
        assert "clsact" not in run("tc", "qdisc", "show", "dev", "h1", ns=down.host).stdout
        assert "clsact" in run("tc", "qdisc", "show", "dev", "h0", ns=down.host).stdout
        down.up("--interface", "h0", "--interface", "h1")
    finally:
        run("ip", "link", "delete", "h1", ns=down.host)
    # an interface that has gone since is no obstacle
    assert down.backend("down").returncode == 0


def test_new_address_of_the_host_needs_up_again(down):
    down.up()
    run("ip", "address", "add", "10.0.0.3/24", "dev", "h0", ns=down.host)
    try:
        assert any("10.0.0.3" in line for line in down.status()["advice"])
        down.up()
        assert not down.status()["advice"]
        with down.server(4) as server:
            down.wire().send(down.encapsulated("ipip", 4, inner(4, b"good"), destination="10.0.0.3"))
            assert server.recv(100) == b"good"
    finally:
        run("ip", "address", "delete", "10.0.0.3/24", "dev", "h0", ns=down.host)


def test_status_tells_what_is_amiss(down):
    assert down.backend("status", check=False).returncode == 1
    down.up()
    done = down.backend("status")
    assert VIP[4] in done.stdout and "decap_ipip" in done.stdout
    run("ip", "address", "delete", f"{VIP[4]}/32", "dev", "lo", ns=down.host)
    run("tc", "filter", "delete", "dev", "h0", "ingress", ns=down.host)
    done = down.backend("status", check=False)
    assert done.returncode == 1
    assert f"VIP {VIP[4]} is no longer" in done.stdout and "ingress filter is gone" in done.stdout
    down.up()
    assert down.backend("status").returncode == 0


def test_down_without_state_removes_the_filters(down):
    down.up(vips=[VIP[4]])
    down.state.unlink()
    done = down.backend("down")
    assert "not known" in done.stderr
    assert run("tc", "filter", "show", "dev", "h0", "ingress", ns=down.host).stdout == ""
    run("tc", "qdisc", "delete", "dev", "h0", "clsact", ns=down.host)
    run("ip", "address", "delete", f"{VIP[4]}/32", "dev", "lo", ns=down.host)
    for setting in ("arp_ignore", "arp_announce"):
        run("sysctl", "-w", f"net.ipv4.conf.h0.{setting}=0", ns=down.host)


def test_state_of_another_namespace_is_refused(down):
    down.up()
    done = run(PROGRAM, "down", "--state", down.state, ns=down.peer, check=False)
    assert done.returncode == 1 and "another network namespace" in done.stderr
    assert down.backend("status").returncode == 0


@pytest.mark.parametrize("vip", [HOST[4], "10.0.0.0/24", HOST[6]])
def test_vip_that_is_the_hosts_own_address_is_refused(down, vip):
    before = down.snapshot()
    done = down.up(vips=[vip], check=False)
    assert done.returncode == 1 and "h0" in done.stderr
    assert down.snapshot() == before


def test_a_first_up_that_fails_midway_leaves_nothing(down):
    """The IPv4 VIP and the ARP settings come before the IPv6 VIP, which the loopback interface refuses."""
    setting = "net.ipv6.conf.lo.disable_ipv6"
    run("sysctl", "-w", f"{setting}=1", ns=down.host)
    try:
        before = down.snapshot()
        done = down.up(check=False)
        assert done.returncode == 1 and setting in done.stderr
        assert VIP[4] in done.stdout, "it did get that far"
        assert down.snapshot() == before
        assert not down.state.exists()
    finally:
        run("sysctl", "-w", f"{setting}=0", ns=down.host)


def test_a_place_that_another_filter_holds(down):
    """Someone else's filter holds our place on egress."""
    before = down.snapshot()
    run("tc", "qdisc", "add", "dev", "h0", "clsact", ns=down.host)
    try:
        run("tc", "filter", "add", "dev", "h0", "egress", "prio", "6080", "handle", "0x51", *OTHERS_FILTER,
            ns=down.host)
        done = down.up(check=False)
        assert done.returncode == 1 and "not ours" in done.stderr
        assert not down.state.exists()
    finally:
        run("tc", "qdisc", "delete", "dev", "h0", "clsact", ns=down.host)
    assert down.snapshot() == before


@pytest.mark.parametrize("arguments", [
    ("frobnicate",), ("up",), ("up", "--vip", "192.0.2.1"), ("up", "--vip", "192.0.2.1/24", "--from", "10.0.0.0/8"),
    ("up", "--vip", "127.0.0.1", "--from", "10.0.0.1"),
    ("up", "--vip", "192.0.2.1", "--from", "10.0.0.1", "--mss", "x"),
    ("up", "--vip", "192.0.2.1", "--from", "10.0.0.1", "stray"), ("status", "--frobnicate"), ("down", "--json"),
])
def test_wrong_usage(down, arguments):
    before = down.snapshot()
    done = run(PROGRAM, *arguments, ns=down.host, check=False)
    assert done.returncode == 2 and done.stderr
    assert down.snapshot() == before


def test_an_interface_must_be_given_without_a_default_route(down):
    for version in (4, 6):
        run("ip", f"-{version}", "route", "delete", "default", ns=down.host)
    try:
        done = down.up(check=False)
        assert done.returncode == 1 and "--interface" in done.stderr
        assert down.up("--interface", "h0").returncode == 0
    finally:
        for version, gateway in BALANCER.items():
            run("ip", f"-{version}", "route", "add", "default", "via", gateway, ns=down.host)

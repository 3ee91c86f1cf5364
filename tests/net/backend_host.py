# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""sluice-backend on a host of its own:

    peer namespace                      host namespace
    balancer, gateway, clients  p0 ---- h0  sluice-backend; lo has the VIPs
    10.0.0.1, fd00::1                   10.0.0.2, fd00::2

The peer's side is made of raw frames; the clients' addresses are nobody's, so
that no kernel answers for them. Servers are real sockets on the VIP.
"""

import ctypes
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

import pytest

scapy = pytest.importorskip("scapy.all")
from scapy.all import (IP, UDP, Ether, HBHOptUnknown, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt,  # noqa: E402
                       IPv6ExtHdrHopByHop, Raw)

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
EXPERIMENT = 0x1e  # an IPv6 option that is skipped where it is not known (RFC 4727)
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
            # addresses are there at once, or some would come in the midst of a test
            run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", ns=ns)
            run("ip", "link", "set", "lo", "up", ns=ns)
        run("ip", "link", "add", "p0", "type", "veth", "peer", "name", "h0", "netns", self.host, ns=self.peer)
        for ns, interface, own in ((self.peer, "p0", BALANCER), (self.host, "h0", HOST)):
            run("ethtool", "-K", interface, "tx", "off", ns=ns)
            run("ip", "address", "add", f"{own[4]}/24", "dev", interface, ns=ns)
            run("ip", "address", "add", f"{own[6]}/64", "dev", interface, "nodad", ns=ns)
            run("ip", "link", "set", interface, "up", ns=ns)
        for version, gateway in BALANCER.items():
            run("ip", f"-{version}", "route", "add", "default", "via", gateway, ns=self.host)
        self.await_link_local()
        self.peer_mac, self.host_mac = self.mac(self.peer, "p0"), self.mac(self.host, "h0")

    def await_link_local(self):
        """Addresses that the kernel makes once the link is up: or they would be no part of the first snapshot."""
        for ns, interface in ((self.peer, "p0"), (self.host, "h0")):
            local = ("ip", "-6", "route", "show", "table", "local", "root", "fe80::/10", "dev", interface)
            end = time.monotonic() + PATIENCE
            while not run(*local, ns=ns).stdout:
                assert time.monotonic() < end, f"{interface} has no link-local address"
                time.sleep(0.01)

    @staticmethod
    def mac(ns, interface):
        return json.loads(run("ip", "-json", "link", "show", interface, ns=ns).stdout)[0]["address"]

    def remove(self):
        for ns in (self.peer, self.host):
            run("ip", "netns", "delete", ns, check=False)

    def backend(self, command, *options, check=True):
        return run(PROGRAM, command, "--state", self.state, *options, ns=self.host, check=check)

    def up(self, *options, vips=VIP.values(), sources=BALANCER.values(), check=True):
        chosen = [word for vip in vips for word in ("--vip", vip)]
        chosen += [word for source in sources for word in ("--from", source)]
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


def hop_by_hop(length=4):
    return IPv6ExtHdrHopByHop(options=HBHOptUnknown(otype=EXPERIMENT, optdata=bytes(length)))


def destination_options(length=12):
    return IPv6ExtHdrDestOpt(options=HBHOptUnknown(otype=EXPERIMENT, optdata=bytes(length)))


def header_with_more(version):
    """The client's header to the VIP, with all the options that IPv4 has room for, or with extension headers."""
    if version == 4:
        return IP(src=CLIENT[4], dst=VIP[4], options=[IPOption_NOP()] * 40)
    return IPv6(src=CLIENT[6], dst=VIP[6]) / hop_by_hop() / destination_options(200)


@pytest.fixture(scope="module")
def hosts():
    made = None
    with tempfile.TemporaryDirectory(prefix="sluice-net-") as folder:
        try:
            made = Hosts(f"{os.getpid()}", pathlib.Path(folder))
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

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Two backend hosts, and a balancer that sends each packet to whom a test says, with whatever second hop:

    peer namespace                                 host namespaces, each with sluice-backend and the VIPs on lo
    client -- t0 (TUN) -- Balancer -- p0 (bridge) --+-- a: h0  10.0.0.2, fd00::2
              routes of the VIPs      10.0.0.1      '-- b: h0  10.0.0.3, fd00::3
                                      fd00::1

The client is the peer's kernel. Its packets to the VIPs leave through t0, where Balancer takes and encapsulates them;
the hosts' answers come straight back over p0. Tests send frames of their own through `wire`.
"""
import fcntl
import json
import os
import select
import socket
import struct
import threading
import time

from backend_host import BALANCER, CLIENT, FAMILY, GUE_PORT, PATIENCE, PROGRAM, VIP, Wire, run, within

ADDRESS = {"a": {4: "10.0.0.2", 6: "fd00::2"}, "b": {4: "10.0.0.3", 6: "fd00::3"}}
PORT = 8000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def second_hop(address, left=1, port=GUE_PORT, version=1):
    return struct.pack("!BBH", version, left, port) + packed(address)


def gue(packet, private=None):
    """What follows UDP. Without private data: variant 1, which is the packet alone."""
    packet = bytes(packet)
    if private is None:
        return packet
    return struct.pack("!BBH", len(private) // 4, 4 if packet[0] >> 4 == 4 else 41, 0) + private + packet


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def outer_packet(source, destination, payload, ttl=64, traffic_class=0, from_port=50000, to_port=GUE_PORT):
    """An outer header with UDP without a checksum before the payload."""
    udp = struct.pack("!HHHH", from_port, to_port, 8 + len(payload), 0) + payload
    ends = packed(source) + packed(destination)
    if ":" in source:
        return struct.pack("!IHBB", 0x60000000 | traffic_class << 20, len(udp), 17, ttl) + ends + udp
    head = struct.pack("!BBHHHBBH", 0x45, traffic_class, 20 + len(udp), 0, 0x4000, ttl, 17, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


class Balancer:
    """Takes the packets of connections that the client opens meanwhile from t0, and sends them where to() says."""

    def __init__(self, lab, outer):
        self.lab, self.outer = lab, outer
        self.way = None
        self.ports = set()
        self.wire = lab.wire()
        self.stopping, self.stop = os.pipe()
        self.thread = threading.Thread(target=self.run)

    def to(self, host, private=None):
        self.way = host, private

    def is_ours(self, packet):
        """Not what the kernel asks its routers, nor the end of an earlier test's connection."""
        version = packet[0] >> 4
        at = 20 if version == 4 else 40
        if packet[9 if version == 4 else 6] != socket.IPPROTO_TCP:
            return False
        if packet[at + 13] & 0x02:
            self.ports.add(packet[at:at + 2])
        return packet[at:at + 2] in self.ports

    def run(self):
        while True:
            ready, _, _ = select.select([self.lab.tun, self.stopping], [], [])
            if self.stopping in ready:
                return
            packet = os.read(self.lab.tun, 65535)
            if self.is_ours(packet):
                host, private = self.way
                self.wire.send(self.lab.frame(host, self.outer, packet, private))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        os.write(self.stop, b".")
        self.thread.join()
        os.close(self.stop)
        os.close(self.stopping)
        self.wire.socket.close()


class Host:
    def __init__(self, name, tag, folder):
        self.ns, self.state = f"sh{name}{tag}", folder / f"{name}.json"
        self.addresses = ADDRESS[name]

    def make(self, peer, port, index):
        run("ip", "link", "add", port, "index", index, "type", "veth", "peer", "name", "h0", "netns", self.ns, ns=peer)
        run("ip", "link", "set", port, "mtu", "1600", "master", "p0", "up", ns=peer)
        run("ip", "link", "set", "h0", "mtu", "1600", ns=self.ns)
        run("ip", "address", "add", f"{self.addresses[4]}/24", "dev", "h0", ns=self.ns)
        run("ip", "address", "add", f"{self.addresses[6]}/64", "dev", "h0", "nodad", ns=self.ns)
        run("ethtool", "-K", "h0", "tx", "off", ns=self.ns)
        run("ip", "link", "set", "h0", "up", ns=self.ns)
        for version, gateway in BALANCER.items():
            run("ip", f"-{version}", "route", "add", "default", "via", gateway, ns=self.ns)
        self.mac = packed_mac(self.ns, "h0")

    def backend(self, command, *options, check=True):
        return run(PROGRAM, command, "--state", self.state, *options, ns=self.ns, check=check)

    def up(self, *peers):
        vips = [word for vip in VIP.values() for word in ("--vip", vip)]
        sources = [word for source in (*BALANCER.values(), *peers) for word in ("--from", source)]
        self.backend("up", *vips, *sources, "--interface", "h0")

    def counters(self):
        return json.loads(self.backend("status", "--json", check=False).stdout)["counters"]

    def forwarded(self):
        return self.counters()["forwarded"]

    def await_counted(self, before, **more):
        """Until these counters are so many more than `before`."""
        def counted():
            now = self.counters()
            return {name: now[name] - before[name] for name in more}

        deadline = time.monotonic() + PATIENCE
        while (seen := counted()) != more:
            assert time.monotonic() < deadline, f"{seen} instead of {more}"
            time.sleep(0.02)

    def listen(self, version, kind=socket.SOCK_STREAM, address=None):
        """`address`: "::" for a socket that serves both versions."""
        def open_server():
            server = socket.socket(socket.AF_INET6 if address else FAMILY[version], kind)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((address or VIP[version], PORT))
            server.settimeout(PATIENCE)
            if kind == socket.SOCK_STREAM:
                server.listen()
            return server
        return within(self.ns, open_server)

    def wire(self):
        return Wire(self.ns, "h0")


def packed_mac(ns, interface):
    text = json.loads(run("ip", "-json", "link", "show", interface, ns=ns).stdout)[0]["address"]
    return bytes.fromhex(text.replace(":", ""))


class Lab:
    def __init__(self, tag, folder):
        self.peer = f"shp{tag}"
        self.a, self.b = Host("a", tag, folder), Host("b", tag, folder)
        self.tun = None
        try:
            self.make()
        except BaseException:
            self.remove()
            raise

    def make(self):
        for ns in (self.peer, self.a.ns, self.b.ns):
            run("ip", "netns", "add", ns)
            run("ip", "link", "set", "lo", "up", ns=ns)
            run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", ns=ns)
        run("ip", "link", "add", "p0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0", ns=self.peer)
        run("ip", "link", "set", "p0", "mtu", "1600", ns=self.peer)
        run("ip", "address", "add", f"{BALANCER[4]}/24", "dev", "p0", ns=self.peer)
        run("ip", "address", "add", f"{BALANCER[6]}/64", "dev", "p0", "nodad", ns=self.peer)
        run("ip", "link", "set", "p0", "up", ns=self.peer)
        self.a.make(self.peer, "a0", 101)
        self.b.make(self.peer, "b0", 102)
        self.mac = packed_mac(self.peer, "p0")
        self.tun = within(self.peer, self.open_tun)
        run("ip", "link", "set", "t0", "up", ns=self.peer)
        for version in (4, 6):
            # IPv6 makes an address in the background otherwise, and the route wants it now
            nodad = ("nodad",) if version == 6 else ()
            run("ip", "address", "add", CLIENT[version], "dev", "t0", *nodad, ns=self.peer)
            run("ip", f"-{version}", "route", "add", VIP[version], "dev", "t0", "src", CLIENT[version], ns=self.peer)

    @staticmethod
    def open_tun():
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"t0", IFF_TUN | IFF_NO_PI))
        return tun

    def remove(self):
        if self.tun is not None:
            os.close(self.tun)
        for ns in (self.peer, self.a.ns, self.b.ns):
            run("ip", "netns", "delete", ns, check=False)

    def wire(self):
        return Wire(self.peer, "p0")

    def ethernet(self, to, source, version):
        return to + source + struct.pack("!H", 0x0800 if version == 4 else 0x86dd)

    def frame(self, host, outer, packet, private=None, **more):
        """What the balancer would send to the host `a` or `b`."""
        host = getattr(self, host)
        return self.ethernet(host.mac, self.mac, outer) + \
            outer_packet(BALANCER[outer], host.addresses[outer], gue(packet, private), **more)

    def connect(self, version):
        def connect():
            client = socket.socket(FAMILY[version], socket.SOCK_STREAM)
            client.settimeout(PATIENCE)
            client.connect((VIP[version], PORT))
            return client
        return within(self.peer, connect)

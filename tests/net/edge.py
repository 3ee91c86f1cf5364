# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the tests of an edge's odd packets share: configurations, sockets in namespaces, servers, ICMP errors.

The sockets are this process's, opened in a client's or a backend's namespace, so that the kernels there are the real
stacks: nothing is made by hand but what no stack would send.
"""
import contextlib
import json
import select
import socket
import struct
import threading

from agent import KEY, backends, vip
from backend_host import within
from topology import ECHO

FAMILIES = (4, 6)
PATIENCE = 20  # seconds until an awaited answer counts as missing
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
LEVEL = {4: socket.IPPROTO_IP, 6: socket.IPPROTO_IPV6}
# Python has no names for these
RECVERR = {4: 11, 6: 25}
TTL = {4: socket.IP_TTL, 6: socket.IPV6_UNICAST_HOPS}
MTU_DISCOVER, MTU_DISCOVER_DONT, MTU_DISCOVER_DO = {4: 10, 6: 23}, 0, 2
MTU = {4: 14, 6: 24}
HEADER, UDP_HEADER = {4: 20, 6: 40}, 8
ICMP_ORIGIN = (2, 3)  # of sock_extended_err: SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6


def pool(names, forward="gue", family=4, **more):
    return {"forward": forward, "table_size": 1009, "backends": backends(names, family), **more}


def service(index, pool_name, *ports, **more):
    """Of this VIP in both families."""
    return {"address": [vip(index, 4), vip(index, 6)], "ports": list(ports), "pool": pool_name, **more}


def config(pools, services, **more):
    return {"interfaces": [{"name": "eth0", "mode": "native"}, {"name": "eth1", "mode": "native"}], "hash_key": KEY,
            "pools": pools, "services": services, **more}


def apply(lab, configuration):
    """Has the agent run on it, whether it ran before or not."""
    agent = lab.agent
    if agent.process is None:
        agent.start(configuration)
    else:
        agent.reload(configuration)
    agent.wait_resolved()


@contextlib.contextmanager
def host_has(lab, *addresses):
    """Meanwhile the balancer's own stack has these VIPs."""
    lab.lb.ip(*(f"addr add {one}/{128 if ':' in one else 32} dev lo" + (" nodad" if ":" in one else "")
                for one in addresses))
    try:
        yield
    finally:
        lab.lb.ip(*(f"addr del {one}/{128 if ':' in one else 32} dev lo" for one in addresses))


def open_socket(namespace, family, kind=socket.SOCK_DGRAM, protocol=0, bound=None, timeout=PATIENCE):
    """`bound`: (address, port)."""
    def make():
        sock = socket.socket(FAMILY[family], kind, protocol)
        if bound:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(bound)
        sock.settimeout(timeout)
        return sock
    return within(namespace.name, make)


def forget_mtu(lab, *names):
    """What these hosts' kernels have learned of paths."""
    for name in names:
        lab.topology.namespaces[name].shell("ip -4 route flush cache; ip -6 route flush cache")


def statistics(lab, name, *counters):
    """The sum of a host's SNMP counters."""
    out = lab.topology.namespaces[name].run("nstat", "-asjz", *counters).stdout
    return sum(json.loads(out)["kernel"].values())


def counting(lab, *reasons):
    """A function that tells by how many packets these reasons have grown together since now."""
    def now():
        return sum(item["packets"] for item in lab.agent.show("drops", "--all") if item["reason"] in reasons)

    before = now()
    return lambda: now() - before


def errors(sock, family):
    """ICMP errors that came for a socket with IP_RECVERR: (who sent it, type, code)."""
    found = []
    sock.setblocking(False)
    while True:
        try:
            _, ancillary, _, _ = sock.recvmsg(2000, 1000, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            sock.settimeout(PATIENCE)
            return found
        for level, kind, data in ancillary:
            _, origin, icmp_type, code, _, _, _ = struct.unpack_from("=IBBBBII", data)
            if (level, kind) == (LEVEL[family], RECVERR[family]) and origin in ICMP_ORIGIN:
                address = data[20:24] if family == 4 else data[24:40]
                found.append((socket.inet_ntop(FAMILY[family], address), icmp_type, code))


def wait_events(sock, events=select.POLLIN):
    """Events of a socket, errors among them."""
    poll = select.poll()
    poll.register(sock, events)
    ready = poll.poll(PATIENCE * 1000)
    assert ready, "nothing came"
    return ready[0][1]


class Answering(threading.Thread):
    """UDP servers at VIPs of some hosts, which answer with reply(host's name, datagram); None: not at all."""

    def __init__(self, lab, names, vips, port, reply):
        super().__init__(daemon=True)
        self.reply = reply
        self.failure = None
        self.names = {}
        self.poll = select.epoll()
        self.ending, self.end = socket.socketpair()
        self.poll.register(self.ending, select.EPOLLIN)
        for name in names:
            for address in vips:
                sock = open_socket(lab.topology.namespaces[name], 6 if ":" in address else 4, bound=(address, port),
                                   timeout=None)
                self.names[sock.fileno()] = name, sock
                self.poll.register(sock, select.EPOLLIN)

    def run(self):
        try:
            while True:
                for fd, _ in self.poll.poll():
                    if fd == self.ending.fileno():
                        return
                    name, sock = self.names[fd]
                    data, peer = sock.recvfrom(65535)
                    answer = self.reply(name, data)
                    if answer is not None:
                        sock.sendto(answer, peer)
        except OSError as error:
            self.failure = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.send(b".")
        self.join()
        for _, sock in self.names.values():
            sock.close()
        self.poll.close()
        self.ending.close()
        self.end.close()
        assert self.failure is None, self.failure


# Paths

OVERHEAD = {("ipip", 4): 20, ("ipip", 6): 40, ("gue", 4): 28, ("gue", 6): 48, ("l2", 4): 0, ("l2", 6): 0}


def fitting(mtu, forward, family):
    """The largest packet of a client that fits a link to the backend."""
    return mtu - OVERHEAD[forward, family]


def echo_socket(namespace, target):
    """Connected to udp.py's server: it answers 12 bytes of what it gets, and its name."""
    sock = open_socket(namespace, 6 if ":" in target else 4)
    sock.connect((target, ECHO))
    return sock


def told_mtu(namespace, target, link=1500):
    """What a client learns of the path from a packet that fills its link. Then a packet of that size arrives."""
    family = 6 if ":" in target else 4
    with echo_socket(namespace, target) as sock:
        sock.setsockopt(LEVEL[family], MTU_DISCOVER[family], MTU_DISCOVER_DO)
        sock.setsockopt(LEVEL[family], RECVERR[family], 1)
        sock.send(bytes(link - HEADER[family] - UDP_HEADER))
        wait_events(sock, 0)
        assert [error[0] for error in errors(sock, family)] == [target], "the VIP tells"
        mtu = sock.getsockopt(LEVEL[family], MTU[family])
        sock.send(bytes(mtu - HEADER[family] - UDP_HEADER))
        assert sock.recv(100)[12:]
    return mtu

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The network that bench_peers.py measures balancers in: each has a VIP of its own for the same servers.

    client 10.11.0.2 --- .1 router .1 --- 10.1.0.0/24, a bridge: sluice .2, nft .3, ingress .4, haproxy .5, bare .6,
                                                  ipvs .7, server0 .20 and .30, server1 .21 and .31, to server3 .23 .33

A balancer has one interface, named like its namespace and a 0. What the client sends to a VIP is addressed to its
balancer, and an XDP program in the router redirects it there (wire.bpf.c). A server's gateway is the router, so that
what it sends from a VIP does not pass the balancer (direct server return). What it sends to the client from .20 goes
through nft, from .30 through ingress: they have to put the VIP back.

The links behave like NICs with checksum offload and GRO but without TSO, for veth has its packets received in the
sender's name if it is to do TSO. Instead, whatever comes by a link is received by a kernel thread of its own (threaded
NAPI), so that CPU time can be told apart by namespace: see bench_peers.py. A link's ring has 256 places and nothing
waits for a free one, so receive windows are kept below that.
"""
import json
import pathlib
import subprocess

import figures  # noqa: F401: the way to the network tests' modules
import nginx
import topology
from topology import BUILD, HTTP, IPERF, Namespace, wait_for

SERVERS = [f"server{i}" for i in range(4)]
BALANCERS = {"sluice": 2, "nft": 3, "ingress": 4, "haproxy": 5, "bare": 6, "ipvs": 7}
PORTS = (HTTP, IPERF)
ROUTER_MAC = "02:00:00:00:01:01"
CLIENT = "10.11.0.2"
FIRST_PORT = 100  # wire.bpf.c knows: interface index of the port to balancer 0
MTU = 1500
WITH_OUTER = 1600


def server_address(i, own=20):
    return f"10.1.0.{own + i}"


# wire.bpf.c knows these
def server_mac(i):
    return f"02:00:00:00:02:{i:02x}"


def balancer_mac(name):
    return f"02:00:00:00:03:{BALANCERS[name]:02x}"


def napi_threads():
    """The kernel threads that take packets from a link: {pid: its name, napi/LINK-NUMBER}."""
    threads = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            name = path.read_text().strip()
        except OSError:  # it has ended
            continue
        if name.startswith("napi/"):
            threads[int(path.parent.name)] = name
    return threads


class Network(topology.Topology):
    """Without any service in it."""

    def build(self):
        for name in ("router", "client", *BALANCERS, *SERVERS):
            self.namespaces[name] = Namespace(self.prefix + name)
        self.router.shell("sysctl -qw net.ipv4.ip_forward=1")
        self.router.ip("link add front type bridge forward_delay 0 mcast_snooping 0",
                       f"link set front mtu {WITH_OUTER} address {ROUTER_MAC} up", "addr add 10.1.0.1/24 dev front",
                       f"link add client type veth peer name eth0 netns {self.prefix}client",
                       "link set client up", "addr add 10.11.0.1/24 dev client")
        self.client.ip("link set eth0 up", f"addr add {CLIENT}/24 dev eth0", "route add default via 10.11.0.1")
        for name, host in BALANCERS.items():
            self.add_port(name, f"{name}0", balancer_mac(name), WITH_OUTER if name == "sluice" else MTU,
                          f"10.1.0.{host}")
        wire, passing = BUILD / "tests/bench/wire.bpf.o", BUILD / "tests/pass.bpf.o"
        for namespace, interface, program in (
                ("router", "client", (wire, "program", "wire")), ("bare", "bare0", (wire, "program", "fixed")),
                # who is sent something by XDP_TX needs a program, too
                ("router", "sluice", (passing, "section", "xdp")), ("router", "bare", (passing, "section", "xdp"))):
            self.namespaces[namespace].run("ip", "link", "set", "dev", interface, "xdpdrv", "obj", *program)
        for i, name in enumerate(SERVERS):
            self.add_port(name, "eth0", server_mac(i), WITH_OUTER, server_address(i), server_address(i, 30))
            for own, balancer in ((20, "nft"), (30, "ingress")):
                self.namespaces[name].ip(
                    f"rule add from {server_address(i, own)} to {CLIENT} table {own}",
                    f"route add default via 10.1.0.{BALANCERS[balancer]} dev eth0 table {own}")
        for name in ("client", *BALANCERS, *SERVERS):
            self.namespaces[name].shell(
                "sysctl -qw net.ipv4.ip_local_port_range='1024 65535' net.core.somaxconn=65535 "
                "net.ipv4.tcp_max_syn_backlog=65535 net.ipv4.conf.all.send_redirects=0 "
                f"net.ipv4.conf.{'eth0' if name not in BALANCERS else name + '0'}.send_redirects=0")
        for name in ("client", "haproxy"):
            self.namespaces[name].shell("sysctl -qw net.ipv4.tcp_rmem='4096 131072 262144'")
        for name, namespace in self.namespaces.items():
            # an XDP program does not see that a checksum is still to be filled in
            checksum = "tx off" if name in ("client", "router") else ""
            namespace.shell(f"for d in {self.links(name)}; do ethtool -K $d gro on tso off {checksum}; done")

    def add_port(self, name, interface, mac, mtu, *addresses):
        index = f"index {FIRST_PORT + BALANCERS[name]}" if name in BALANCERS else ""
        self.router.ip(f"link add {name} {index} type veth peer name {interface} address {mac} "
                       f"netns {self.prefix}{name}",
                       f"link set {name} mtu {WITH_OUTER} master front up")
        self.namespaces[name].ip(f"link set {interface} mtu {mtu} up",
                                 *(f"addr add {address}/24 dev {interface}" for address in addresses),
                                 "route add default via 10.1.0.1")

    def bring(self, vip, name):
        """A VIP's packets leave the client with its balancer's address on them, and wire.bpf.c brings them there."""
        self.client.ip(f"route add {vip} dev eth0", f"neigh add {vip} lladdr {balancer_mac(name)} dev eth0")

    def thread(self):
        """Gives every link its thread; returns {namespace: pids}. XDP has to be attached before: that makes it anew."""
        pids = {}
        for name, namespace in self.namespaces.items():
            before, links = napi_threads(), self.links(name)
            subprocess.run(["ip", "netns", "exec", namespace.name, "sh", "-ec",
                            f"for d in {links}; do echo 1 >/sys/class/net/$d/threaded; done"], check=True)
            starts = tuple(f"napi/{link}-" for link in links.split())
            pids[name] = [pid for pid, thread in napi_threads().items() if pid not in before and
                          thread.startswith(starts)]
            assert len(pids[name]) >= len(starts), f"{name} has the links {links} and the threads {pids[name]}"
        return pids

    def links(self, name):
        """A namespace's, with spaces between them."""
        listed = self.namespaces[name].run("ip", "-j", "link", "show", "type", "veth").stdout
        return " ".join(link["ifname"] for link in json.loads(listed))


def serve(network, i, vips):
    """nginx and iperf3 on a server, which also takes packets for these VIPs."""
    name = SERVERS[i]
    server, folder = network.namespaces[name], network.folder / name
    folder.mkdir()
    nginx.configure(folder, f'access_log off; server {{ listen {HTTP} backlog=65535; return 200 "{name}\\n"; }}')
    server.run(BUILD / "sluice-backend", "up", "--state", folder / "state.json", "--from", "10.1.0.0/24",
               "--interface", "eth0", "--mss", "off",
               *(argument for vip in vips for argument in ("--vip", vip)))
    for command in (nginx.command(folder), ("iperf3", "-s", "-p", IPERF)):
        server.popen(*command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for port in PORTS:
        wait_for(lambda: server.run("ss", "-Hltn", f"sport = {port}").stdout, f"{name} listens at port {port}")

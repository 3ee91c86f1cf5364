# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A balancer with thousands of backends, which are a few servers with thousands of addresses each.

    lb 10.1.0.2 --- .1 router .1 --- 10.2.0.2 server0, and up to 3,500 of 10.64.0.0/16
                              .1 --- 10.3.0.2 server1, and as many of 10.65.0.0/16, ...

The router is where backends are cut off. Every probe's packets are seen as they leave the balancer.
"""
import struct
import subprocess
import time

import figures
import nginx
import topology
from agent import KEY, Agent
from topology import BUILD, Namespace, wait_for

VIPS = 10
SERVERS, EACH = 3, 3500  # sluice-backend takes 4,096 addresses of a host at most


def address(number):
    server, host = divmod(number, EACH)
    return f"10.{64 + server}.{1 + host // 250}.{1 + host % 250}"


def config(pools, backends, probe, **changed):
    """So many pools with so many backends each. `changed`: what is different in the first pool's first backend."""
    def pool(i):
        return {"forward": "gue", "probe": probe, "hold_down": "off",
                "backends": [{"name": f"b{j:04}", "address": address(i * backends + j), "weight": 100,
                              **(changed if i == j == 0 else {})} for j in range(backends)]}

    return {"interfaces": [{"name": "eth0", "mode": "native"}], "hash_key": KEY,
            "pools": {f"pool{i}": pool(i) for i in range(pools)},
            "services": {f"www{i}": {"address": f"192.0.2.{10 + i}", "ports": ["80/tcp"], "pool": f"pool{i}"}
                         for i in range(pools)}}


class Network(topology.Topology):
    def build(self):
        servers = [f"server{i}" for i in range(SERVERS)]
        for name in ("router", "lb", *servers):
            self.namespaces[name] = Namespace(self.prefix + name)
        self.router.shell("sysctl -qw net.ipv4.ip_forward=1")
        for number, name in enumerate(("lb", *servers), 1):
            self.router.ip(f"link add {name} type veth peer name eth0 netns {self.prefix}{name}",
                           f"link set {name} mtu 1600 up", f"addr add 10.{number}.0.1/24 dev {name}")
            namespace = self.namespaces[name]
            namespace.ip("link set eth0 mtu 1600 up", f"addr add 10.{number}.0.2/24 dev eth0",
                         f"route add default via 10.{number}.0.1")
            namespace.run("ethtool", "-K", "eth0", "tx", "off")
            self.router.run("ethtool", "-K", name, "tx", "off")
        self.router.run("ip", "link", "set", "dev", "lb", "xdpdrv", "obj", BUILD / "tests/pass.bpf.o", "sec", "xdp")
        for i, name in enumerate(servers):
            self.router.ip(f"route add 10.{64 + i}.0.0/16 via 10.{2 + i}.0.2")
            self.namespaces[name].ip(*(f"addr add {address(i * EACH + j)}/32 dev lo" for j in range(EACH)))
            self.namespaces[name].shell("sysctl -qw net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535")


class Capture:
    """The times (wall clock, in seconds) at which packets left the balancer, by destination."""

    def __init__(self, network, filter):
        self.file = network.folder / "capture.pcap"
        self.process = network.lb.popen("tcpdump", "-i", "eth0", "-s", "64", "-B", "16384", "-U", "-w", self.file,
                                        filter, stderr=subprocess.PIPE, text=True)
        self.process.stderr.readline()  # "listening on..."

    def stop(self):
        self.process.terminate()
        said = self.process.communicate(timeout=20)[1]
        assert " 0 packets dropped by kernel" in said.replace("\n", " "), said
        data, at, times = self.file.read_bytes(), 24, {}
        while at + 16 <= len(data):
            seconds, us, length, _ = struct.unpack_from("=4I", data, at)
            destination = ".".join(map(str, data[at + 16 + 14 + 16:at + 16 + 14 + 20]))
            times.setdefault(destination, []).append(seconds + us / 1e6)
            at += 16 + length
        return times


def starts(times, apart=0.1):
    """The first of each bunch of packets: where a probe began."""
    return [time for before, time in zip([0.0, *times], times) if time - before > apart]


class Lab:
    def __init__(self):
        self.network = Network()
        self.agent = Agent(self.network)
        self.servers = []
        try:
            for i in range(SERVERS):
                self.serve(f"server{i}")
        except BaseException:
            self.close()
            raise

    def serve(self, name):
        folder, server = self.network.folder / name, self.network.namespaces[name]
        folder.mkdir()
        nginx.configure(folder, "access_log off; server { listen 80 backlog=65535; return 200; }")
        self.servers.append(server.popen(*nginx.command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        server.run(BUILD / "sluice-backend", "up", "--state", folder / "state.json", "--from", "10.1.0.0/16",
                   "--interface", "eth0", "--mss", "off",
                   *(argument for i in range(VIPS) for argument in ("--vip", f"192.0.2.{10 + i}")))
        wait_for(lambda: server.run("ss", "-Hltn", "sport = 80").stdout, f"nginx on {name}")

    def start(self, config):
        """Starts the agent and waits until all are up; returns the seconds that took."""
        begin = time.monotonic()
        self.agent.start(config)
        wait_for(lambda: self.status()["backend_states"]["up"] == self.status()["backends"], "all are up", 60)
        return time.monotonic() - begin

    def status(self):
        return figures.json.loads(self.agent.request("GET", "/v1/status")[1])

    def wait_begun(self, rounds):
        """Until every probe has begun so many times more."""
        probing = self.status()["probing"]
        goal = probing["begun"] + rounds * probing["configured"]
        wait_for(lambda: self.status()["probing"]["begun"] >= goal, f"{rounds} more rounds of probes", 60)

    def close(self):
        self.agent.close()
        for server in self.servers:
            server.terminate()
            server.wait()
        self.network.close()

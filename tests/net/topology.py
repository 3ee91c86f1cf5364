# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The network that the tests run in: network namespaces on one host, nothing outside them is touched.

    client1 10.11.0.2 ---.                  front: 10.1.0.0/24                     back: 10.2.0.0/24
    client2 10.12.0.2 --. \\        .----------+-------------------.           .---------+--------.
                         \\ \\      |          |        |          |           |         |        |
                       .1 .1 router .1      lb eth0   near1      near2       lb eth1   back1   back2
                              |   |         .2         .11        .12         .2        .11     .12
                              |   '---------------------------------------- router .1
                              | far: 10.3.0.0/24
                   .----------+-------+---------.
                 far1 .11   far2 .12  router2 .254 (on front too, as .254: another way to far)

The same in IPv6: fd01::/64 front, fd02::/64 back, fd03::/64 far, fd11::/64 and fd12::/64 the clients.

The three segments are bridges inside the router's namespace. The router sends the VIPs, 192.0.2.0/24,
198.51.100.0/24, 2001:db8::/64 and 2001:db8:1::/64, to lb eth0. The balancer reaches near1 and near2 out of the
interface that the packets came in by (XDP_TX), back1 and back2 out of another (XDP_REDIRECT), far1 and far2 through
the router. Every backend answers the client directly, over the router. The clients' links have an MTU of 1500 and the
segments one of 1600, so that a full packet fits with its outer header.

veth needs three things that a real NIC does not: an XDP program at both ends of the balancer's links (or whatever XDP
sends is lost), no TX checksum offload, and `nsenter` instead of `ip netns exec`, which would hide the bpffs.
"""
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import nginx

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
PYTHON = "/usr/bin/python3"  # the distribution's: other interpreters may lack the packages

BACKENDS = {"near1": ("front", 11), "near2": ("front", 12), "back1": ("back", 11), "back2": ("back", 12),
            "far1": ("far", 11), "far2": ("far", 12)}
SEGMENTS = {"front": 1, "back": 2, "far": 3}
CLIENTS = {"client1": 11, "client2": 12}
CLIENT_ADDRESSES = 20  # .2 to .21
VIP_NETWORKS = ("192.0.2.0/24", "198.51.100.0/24", "2001:db8::/64", "2001:db8:1::/64")
LB_MAC = {"eth0": "02:00:00:00:01:02", "eth1": "02:00:00:00:02:02"}
HTTP, ECHO, IPERF = 80, 7777, 5201

serial = itertools.count(1)


def address(network, host, family):
    """Address of host number `host` in network number `network`; the same digits in both families."""
    return f"10.{network}.0.{host}" if family == 4 else f"fd{network}::{host}" if network > 9 else \
        f"fd0{network}::{host}"


def backend_address(name, family):
    segment, host = BACKENDS[name]
    return address(SEGMENTS[segment], host, family)


def wait_for(condition, what, seconds=30.0):
    """Polls until condition() is true and returns its value; a failure says what (or what()) did not come."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what() if callable(what) else what}"
        time.sleep(0.02)


class Namespace:
    """A network namespace. Its processes are ended and it is removed by close()."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.shell("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 "
                   "net.ipv6.conf.default.accept_ra=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
        self.ip("link set lo up")

    def command(self, command):
        return ["nsenter", f"--net={self.path}", "--", *map(str, command)]

    def run(self, *command, check=True, timeout=60, stdin=None):
        result = subprocess.run(self.command(command), capture_output=True, text=True, timeout=timeout, input=stdin)
        assert not check or result.returncode == 0, \
            f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def popen(self, *command, **options):
        return subprocess.Popen(self.command(command), **options)

    def shell(self, script):
        return self.run("sh", "-ec", script)

    def ip(self, *lines):
        """Runs lines of `ip`, all in one process."""
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def close(self):
        pids = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout.split()
        for pid in map(int, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Topology:
    """The namespaces above, without any service in them, and a temporary folder with a bpffs.

    `more`: further backends, as in BACKENDS."""

    def __init__(self, more=None):
        self.hosts = {**BACKENDS, **(more or {})}
        self.prefix = f"sluice{os.getpid()}-{next(serial)}-"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-net-"))
        self.namespaces = {}
        self.bpffs = self.folder / "bpf"
        try:
            self.bpffs.mkdir()
            subprocess.run(["mount", "-t", "bpf", "none", self.bpffs], check=True)
            self.build()
        except BaseException:
            self.close()
            raise

    def __getattr__(self, name):
        try:
            return self.__dict__["namespaces"][name]
        except KeyError:
            raise AttributeError(name) from None

    def build(self):
        for name in ("router", "router2", "lb", *self.hosts, *CLIENTS):
            self.namespaces[name] = Namespace(self.prefix + name)
        self.router.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        self.router2.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for segment, number in SEGMENTS.items():
            self.router.ip(f"link add {segment} type bridge forward_delay 0 mcast_snooping 0",
                           f"link set {segment} mtu 1600 address 02:00:00:00:0{number}:01 up",
                           *(f"addr add {self.on_link(number, 1, family)} dev {segment}" for family in (4, 6)))
        for name in ("eth0", "eth1"):
            self.add_lb_interface(name)
        for name, (segment, host) in self.hosts.items():
            self.add_host(name, segment, host)
        self.add_host("router2", "front", 254)
        self.add_host("router2", "far", 254, "eth1")
        for name, network in CLIENTS.items():
            self.router.ip(f"link add {name} type veth peer name eth0 netns {self.prefix}{name}",
                           f"link set {name} up",
                           *(f"addr add {self.on_link(network, 1, family)} dev {name}" for family in (4, 6)))
            self.namespaces[name].ip(*(f"addr add {self.on_link(network, 2 + i, family)} dev eth0"
                                       for i in range(CLIENT_ADDRESSES) for family in (4, 6)),
                                     "link set eth0 up")
        for name in (*CLIENTS, *self.hosts, "router2"):
            network = CLIENTS.get(name) or SEGMENTS[self.hosts.get(name, ("front",))[0]]
            self.namespaces[name].ip(*(f"route add default via {address(network, 1, family)}" for family in (4, 6)))
            self.namespaces[name].run("ethtool", "-K", "eth0", "tx", "off")
        for network in VIP_NETWORKS:
            self.router.ip(f"route add {network} via {address(1, 2, 6 if ':' in network else 4)}")
        self.router.shell("for d in $(ip -o link show type veth | sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/'); do "
                          "ethtool -K $d tx off; done")

    @staticmethod
    def on_link(network, host, family):
        return address(network, host, family) + ("/24" if family == 4 else "/64 nodad")

    def add_host(self, name, segment, host, interface="eth0"):
        port = name if interface == "eth0" else f"{name}-{interface}"
        self.router.ip(f"link add {port} type veth peer name {interface} netns {self.prefix}{name}",
                       f"link set {port} mtu 1600 master {segment} up")
        self.namespaces[name].ip(f"link set {interface} mtu 1600 up",
                                 *(f"addr add {self.on_link(SEGMENTS[segment], host, family)} dev {interface}"
                                   for family in (4, 6)))

    def add_lb_interface(self, name, lb="lb", host=2, mac=None):
        """eth0 on the front segment or eth1 on the back one; also to make one again that was removed."""
        segment = {"eth0": "front", "eth1": "back"}[name]
        port, namespace = f"{lb}-{name}", self.namespaces[lb]
        self.router.ip(f"link add {port} type veth peer name {name} address {mac or LB_MAC[name]} "
                       f"netns {self.prefix}{lb}",
                       f"link set {port} mtu 1600 master {segment}")
        self.router.run("ethtool", "-K", port, "tx", "off")
        self.router.run("ip", "link", "set", "dev", port, "xdpdrv", "obj", BUILD / "tests/pass.bpf.o", "sec", "xdp")
        namespace.run("ethtool", "-K", name, "tx", "off")
        namespace.ip(f"link set {name} mtu 1600 up",
                     *(f"addr add {self.on_link(SEGMENTS[segment], host, family)} dev {name}" for family in (4, 6)))
        self.router.ip(f"link set {port} up")
        if name == "eth0":
            namespace.ip(*(f"route add default via {address(1, 1, family)}" for family in (4, 6)))

    def add_balancer(self, name, host):
        """Another one beside lb, host number `host` of both its segments; nothing is routed to it."""
        self.namespaces[name] = Namespace(self.prefix + name)
        for interface, segment in (("eth0", 1), ("eth1", 2)):
            self.add_lb_interface(interface, name, host, f"02:00:00:00:0{segment}:{host:02x}")

    def close(self):
        for namespace in self.namespaces.values():
            namespace.close()
        subprocess.run(["umount", self.bpffs], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Backends:
    """nginx and the UDP echo server on every backend, and sluice-backend that lets them get the VIPs' packets."""

    def __init__(self, topology, vips, decapsulate=True):
        self.topology = topology
        self.vips = vips
        self.processes = []
        self.seen = {}
        for name in topology.hosts:
            self.start_nginx(name)
            self.start(name, PYTHON, HERE / "udp.py", "serve", name, ECHO)
            if decapsulate:
                self.up(name)
        for name in topology.hosts:
            namespace = topology.namespaces[name]
            wait_for(lambda: namespace.run("ss", "-Hltn", f"sport = {HTTP}").stdout, f"nginx on {name}")
            wait_for(lambda: namespace.run("ss", "-Hlun", f"sport = {ECHO}").stdout, f"echo server on {name}")

    def start(self, name, *command):
        log = open(self.topology.folder / f"{name}.log", "a")
        self.processes.append(self.topology.namespaces[name].popen(*command, stdin=subprocess.DEVNULL, stdout=log,
                                                                   stderr=log))
        log.close()

    def start_nginx(self, name):
        folder = self.topology.folder / f"{name}-nginx"
        folder.mkdir()
        (folder / "big").write_bytes(bytes(2 << 20))
        nginx.configure(folder, connections=4096, http=f"""
            log_format line '$request_uri $status $remote_addr $request_length';
            access_log {folder}/access.log line;
            default_type text/plain;
            client_max_body_size 0;
            server {{
                listen {HTTP} backlog=4096;
                listen [::]:{HTTP} backlog=4096;
                listen 8443;
                listen [::]:8443;
                listen 12345;
                listen [::]:12345;
                location = /big {{ root {folder}; }}
                location / {{ return 200 "{name}\\n"; }}
            }}""")
        (folder / "access.log").touch()
        self.run_nginx(name)

    def run_nginx(self, name):
        self.start(name, *nginx.command(self.topology.folder / f"{name}-nginx"))

    def restart_nginx(self, name):
        """After its processes were killed. They may take a while to end, and the new one cannot bind meanwhile."""
        namespace = self.topology.namespaces[name]
        wait_for(lambda: not namespace.run("ss", "-Hltn", f"sport = {HTTP}").stdout, f"nginx on {name} has ended")
        self.run_nginx(name)
        wait_for(lambda: namespace.run("ss", "-Hltn", f"sport = {HTTP}").stdout, f"nginx on {name}")

    def backend_command(self, name, *arguments, check=True):
        return self.topology.namespaces[name].run(
            BUILD / "sluice-backend", arguments[0], "--state", self.topology.folder / f"{name}-state.json",
            *arguments[1:], check=check)

    def up(self, name, *arguments):
        vips = itertools.chain.from_iterable(("--vip", vip) for vip in self.vips)
        return self.backend_command(name, "up", *vips, "--from", "10.0.0.0/8", "--from", "fd00::/8", "--interface",
                                    "eth0", *(arguments or ("--mss", "off")))

    def requests(self, tag):
        """How many requests for /TAG... each backend's log has."""
        counts = {}
        for name in self.topology.hosts:
            log = (self.topology.folder / f"{name}-nginx/access.log").read_text()
            counts[name] = sum(line.startswith(f"/{tag}") for line in log.splitlines())
        return {name: count for name, count in counts.items() if count}

    @contextlib.contextmanager
    def iperf(self, names, vip):
        """iperf3 servers at the VIP on these backends. Bound to it: iperf3 would answer UDP from another address."""
        servers = [self.topology.namespaces[name].popen("iperf3", "-s", "-B", vip, "-p", IPERF,
                                                        stdout=subprocess.DEVNULL) for name in names]
        try:
            for name in names:
                wait_for(lambda: self.topology.namespaces[name].run("ss", "-Hltn", f"sport = {IPERF}").stdout,
                         f"iperf3 on {name}")
            yield
        finally:
            for server in servers:
                server.kill()
                server.wait()

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=20)


def curl(namespace, vip, tag, requests=20, port=HTTP, source=None, check=True):
    """Requests over a connection each; returns the names of the backends that answered, in order."""
    host = f"[{vip}]" if ":" in vip else vip
    result = namespace.run("curl", "-sS", "--fail", "--noproxy", "*", "--max-time", "5", "-H", "Connection: close",
                           "-g", *(("--interface", source) if source else ()),
                           *(f"http://{host}:{port}/{tag}/{i}" for i in range(requests)), check=check)
    return result.stdout.split()


def wrk(namespace, vip, tag, seconds=1, connections=8, keepalive=False, port=HTTP):
    """Runs wrk to its end; the number of requests it made. Fails on any that failed."""
    return wrk_result(start_wrk(namespace, vip, tag, seconds, connections, keepalive, port))


def start_wrk(namespace, vip, tag, seconds, connections=8, keepalive=False, port=HTTP, script=None):
    host = f"[{vip}]" if ":" in vip else vip
    header = () if keepalive else ("-H", "Connection: close")
    return namespace.popen("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", *header,
                           *(("-s", script) if script else ()),
                           f"http://{host}:{port}/{tag}", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wrk_result(process):
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert "Socket errors" not in text and "Non-2xx" not in text, text
    requests = [int(line.split()[0]) for line in text.splitlines() if " requests in " in line]
    assert requests and requests[0] > 0, text
    return requests[0]


class Stream:
    """udp.py's counted stream, in the background. stop() ends it (or awaits `seconds`) and returns its result."""

    def __init__(self, namespace, vip, rate=2000, flows=16, size=64, flowing=True, seconds=0):
        self.process = namespace.popen(PYTHON, HERE / "udp.py", "stream", vip, ECHO, "--rate", rate, "--flows", flows,
                                       "--size", size, "--seconds", seconds, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.expect("sending")
        if flowing:
            self.expect("flowing")

    def expect(self, word):
        line = self.process.stdout.readline()
        assert line == f"{word}\n", f"the UDP stream should be {word}: {line}"

    def mark(self):
        """Outages are measured from now on."""
        self.process.stdin.write("mark\n")
        self.process.stdin.flush()

    def stop(self):
        try:
            text, _ = self.process.communicate(timeout=30)
        except BaseException:
            self.process.kill()
            raise
        return json.loads(text.splitlines()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""sluiced in the balancer's namespace, its configuration, and what `sluice` says of it."""
import copy
import http.client
import itertools
import json
import signal
import socket
import subprocess

from topology import BUILD, ECHO, HTTP, IPERF, backend_address, wait_for

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
PLACES = {"near": ("near1", "near2"), "back": ("back1", "back2"), "far": ("far1", "far2")}

# Every pool: forward mode, family of the backends' addresses, place. l2 reaches only what is on a segment of its own.
POOLS = [(forward, family, place) for forward, family, place in itertools.product(("ipip", "gue", "l2"), (4, 6), PLACES)
         if (forward, place) != ("l2", "far")]


def pool_name(forward, family, place):
    return f"{forward}-{family}-{place}"


def vip(index, family):
    return f"192.0.2.{index}" if family == 4 else f"2001:db8::{index}"


VIP_OF = {pool_name(*pool): 10 + number for number, pool in enumerate(POOLS)}
SOURCE, ANY, EMPTY, MIX, NEW = range(50, 55)  # VIPs of the services beside the matrix; NEW has none yet
PREFIXES = ("198.51.100.0/24", "2001:db8:1::/64")
VIPS = [vip(index, family) for index in (*VIP_OF.values(), SOURCE, ANY, MIX, NEW) for family in (4, 6)]


def backends(names, family=4, **weights):
    return [{"name": name, "address": backend_address(name, family), "weight": weights.get(name, 100)}
            for name in names]


def base_config():
    """The matrix's pools with a service each, and services of every other kind."""
    pools = {pool_name(*pool): {"forward": pool[0], "table_size": 1009, "backends": backends(PLACES[pool[2]], pool[1])}
             for pool in POOLS}
    pools["mix"] = {"forward": "gue", "table_size": 65537,
                    "backends": backends(("near1", "near2", "far1", "far2"), near1=300, far2=50)}
    pools["empty"] = {"table_size": 251, "backends": []}
    services = {}
    for name, index in VIP_OF.items():
        addresses = [vip(index, 4), vip(index, 6)]
        services[f"www-{name}"] = {"address": addresses, "ports": [f"{HTTP}/tcp", f"{ECHO}/udp"], "pool": name}
        # iperf3's connections belong together
        services[f"iperf-{name}"] = {"address": addresses, "ports": [f"{IPERF}/tcp", f"{IPERF}/udp"], "pool": name,
                                     "hash": "source"}

    def service(index, pool, *ports, **more):
        return {"address": [vip(index, 4), vip(index, 6)], "ports": list(ports), "pool": pool, **more}

    services["source"] = service(SOURCE, "mix", f"{HTTP}/tcp", f"{ECHO}/udp", hash="source")
    services["any"] = service(ANY, "mix", "any/tcp")
    services["empty"] = service(EMPTY, "empty", f"{HTTP}/tcp", f"{ECHO}/udp")
    services["mix"] = service(MIX, "mix", f"{HTTP}/tcp", f"{ECHO}/udp")
    services["prefix"] = {"address": list(PREFIXES), "ports": [f"{HTTP}/tcp", f"{ECHO}/udp"], "pool": "mix"}
    return {"interfaces": [{"name": "eth0", "mode": "native"}, {"name": "eth1", "mode": "native"}], "hash_key": KEY,
            "pools": pools, "services": services}


def yaml(value, indent=0):
    """The value as YAML, in the block style that people write."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{key}:" + (f"\n{yaml(item, indent + 1)}" if isinstance(item, (dict, list)) and item
                                         else f" {json.dumps(item)}\n") for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}- " + (yaml(item, indent + 1).lstrip() if isinstance(item, dict)
                                     else f"{json.dumps(item)}\n") for item in value)
    return f"{pad}{json.dumps(value)}\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Agent:
    """One sluiced, which may be started, ended and started again. Its log is kept in one file."""

    def __init__(self, topology, name="agent", host="lb"):
        folder = topology.folder
        self.host = topology.namespaces[host]
        self.config_file = folder / f"{name}.yaml"
        self.socket = folder / name / "control.sock"
        self.state = folder / f"{name}-state"
        self.bpffs = topology.bpffs / ("sluice" if host == "lb" else f"sluice-{host}")
        self.log_file = folder / f"{name}.log"
        self.program = BUILD / "sluiced"
        self.environment = None  # of sluiced; None: this process's
        self.config = None
        self.process = None

    def configure(self, config):
        """Writes the file, no more."""
        self.config = copy.deepcopy(config)
        self.config_file.write_text(yaml(config))

    def write(self, content):
        """Makes these bytes the file, which then is not the configuration that runs."""
        self.config = None
        self.config_file.write_bytes(content)

    def popen(self, *more):
        with open(self.log_file, "a") as log:
            return self.host.popen(self.program, "--config", self.config_file, "--socket", self.socket, "--state",
                                   self.state, "--bpffs", self.bpffs, *more, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, config=None, *more):
        if config is not None:
            self.configure(config)
        self.process = self.popen(*more)

        def ready():
            assert self.process.poll() is None, f"sluiced ended with {self.process.returncode}:\n{self.log()}"
            return self.answers()

        wait_for(ready, "sluiced answers")
        return self

    def answers(self):
        try:
            return self.request("GET", "/v1/status")[0] == 200
        except OSError:
            return False

    def end(self, sig=signal.SIGTERM):
        """Ends it with a signal and returns its exit code."""
        self.process.send_signal(sig)
        return self.process.wait(timeout=20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.end(signal.SIGKILL)

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def request(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def cli(self, *arguments, check=True, timeout=30):
        return self.host.run(BUILD / "sluice", "--socket", self.socket, *arguments, check=check, timeout=timeout)

    def show(self, *subject):
        return json.loads(self.cli("--json", "show", *subject).stdout)

    def status(self):
        return json.loads(self.cli("--json", "status").stdout)

    def backend(self, pool, name):
        return next(item for item in self.show("backends") if (item["pool"], item["name"]) == (pool, name))

    def states(self, pool):
        return {item["name"]: item["state"] for item in self.show("backends", pool)}

    def wait_state(self, pool, name, state, seconds=30.0):
        """Waits until the backend (or, with None, every one of the pool) is in this state."""
        def reached():
            states = self.states(pool)
            return all(value == state for key, value in states.items() if name in (None, key))

        wait_for(reached, lambda: f"{pool}/{name or 'all'} is {state}: {self.show('backends', pool)}", seconds)

    def events(self, kind=None, pool=None, backend=None, since=0):
        """The events after number `since`, oldest first."""
        events = json.loads(self.request("GET", f"/v1/events?since={since}")[1])
        return [event for event in events if kind in (None, event["event"]) and pool in (None, event["pool"]) and
                backend in (None, event["backend"])]

    def last_event(self):
        """The number of the last event: what comes after it is new."""
        events = self.events()
        return events[-1]["id"] if events else 0

    def wait_event(self, kind, pool=None, backend=None, since=0, seconds=30.0):
        return wait_for(lambda: self.events(kind, pool, backend, since), f"event {kind} {pool} {backend}",
                        seconds)[0]

    def packets(self, pool):
        return {item["name"]: item["packets"] for item in self.show("backends") if item["pool"] == pool}

    def counted(self, reason):
        """Packets that ended with this reason: of include/reasons.h, so drops are not the only ones."""
        return next(item["packets"] for item in self.show("drops", "--all") if item["reason"] == reason)

    def resolved(self, pool=None):
        return all(item["resolved"] for item in self.show("backends") if pool in (None, item["pool"]))

    def wait_resolved(self, pool=None):
        wait_for(lambda: self.resolved(pool), f"backends of {pool or 'all pools'} are resolved")

    def reload(self, config=None):
        if config is not None:
            self.configure(config)
        return self.cli("reload")

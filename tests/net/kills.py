# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Backends killed and restored in turn under load, and a reason for every connection that failed.

What could have become of a connection is reckoned without the agent: from the tables that the kernel had during its
life (slots.py), the flow hash, and the times of the kills.
"""
import collections
import itertools
import json
import os
import signal
import subprocess
import time

from agent import KEY, MIX, VIPS, Agent, vip
from slots import FlowHash, Slots, Watch
from topology import BACKENDS, CLIENTS, HERE, HTTP, PYTHON, SEGMENTS, Backends, Topology, address, start_wrk, wait_for

MORE = {"near3": ("front", 13), "far3": ("far", 13)}
HOSTS = {**BACKENDS, **MORE}
# an ample timeout: the machine is busy, and what is tested is not how fast a failure is found
PROBE = {"type": "http", "path": "/probe", "interval": "500ms", "timeout": "500ms", "rise": 2, "fall": 3}
CONFIG = {
    "interfaces": [{"name": "eth0", "mode": "native"}, {"name": "eth1", "mode": "native"}], "hash_key": KEY,
    "pools": {"all": {"forward": "gue", "probe": PROBE, "hold_down": "off", "backends": [
        {"name": name, "address": address(SEGMENTS[segment], host, 4)} for name, (segment, host) in HOSTS.items()]}},
    "services": {"all": {"address": vip(MIX, 4), "ports": [f"{HTTP}/tcp"], "pool": "all"}}}
SOURCE = address(CLIENTS["client1"], 2, 4)
# at most a request every 4 ms from each connection: the two cores are for the balancer too
PACED = "function delay() return math.random(0, 8) end\n"

Kill = collections.namedtuple("Kill", "name at restored")  # the time of the kill; before the server was started again


class Lab:
    def __init__(self):
        self.topology = Topology(MORE)
        try:
            self.agent = Agent(self.topology)
            self.backends = Backends(self.topology, VIPS)
            self.agent.start(CONFIG)
            self.agent.wait_resolved()
            self.agent.wait_state("all", None, "up")
        except BaseException:
            self.close()
            raise

    def close(self):
        try:
            self.agent.close()
            if hasattr(self, "backends"):
                self.backends.close()
        finally:
            self.topology.close()


def server_pids(namespace):
    pids = subprocess.run(["ip", "netns", "pids", namespace.name], capture_output=True, text=True, check=True).stdout
    return [int(pid) for pid in pids.split() if os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("nginx")]


def kill(lab, name):
    """Kills the server's processes; returns when that was."""
    pids = server_pids(lab.topology.namespaces[name])
    assert len(pids) >= 2, f"a master and a worker on {name}: {pids}"
    at = time.monotonic()
    for pid in sorted(pids):  # the master first, or it would make a new worker
        os.kill(pid, signal.SIGKILL)
    return at


def start_client(lab, kept, every, fresh):
    client = lab.topology.client1.popen(PYTHON, HERE / "connections.py", vip(MIX, 4), HTTP, "--kept", kept, "--every",
                                        every, "--fresh", fresh, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
    line = client.stdout.readline()
    assert line == "ready\n", f"the client should be ready: {line}"
    return client


def kill_in_turn(lab, slots, seconds):
    """Kills and restores backends one after the other, all of them at least once, for so long."""
    kills, end = [], time.monotonic() + seconds
    for name in itertools.cycle(HOSTS):
        if time.monotonic() > end and len(kills) >= len(HOSTS):
            return kills
        at = kill(lab, name)
        wait_for(lambda: slots.indices[name] not in slots.owners(slots.read()), f"{name} is out of the slots")
        restored = time.monotonic()
        lab.backends.restart_nginx(name)
        wait_for(lambda: slots.indices[name] in slots.owners(slots.read()), f"{name} is in the slots again", 20)
        kills.append(Kill(name, at, restored))


class Account:
    """What became of the connections that failed: `killed` (their server was), `new` (not yet answered, while the table
    led to a server that was down), `moved` (their slot went to another owner while both lived: there must be none) and
    `unexplained`."""

    def __init__(self, lab, slots, tables, connections, kills):
        self.slots, self.tables, self.kills, self.connections = slots, tables, kills, connections
        self.hash = FlowHash(KEY)
        self.wrong = []  # answered by one that neither the table nor a record has for them
        self.recorded = {}  # by source port: whom a flow record may name
        self.failed = {"killed": [], "new": [], "moved": [], "unexplained": []}
        for connection in connections:
            self.add(connection)
            self.recorded.setdefault(connection["port"], set()).update(
                self.owners(connection, connection["begun"], connection["ended"]))

    def owners(self, connection, begin, end):
        """Whom it may have been sent to: a record of an earlier connection from that port lives on if the server ended
        that one, for the balancer does not see what servers say."""
        slot = self.hash.slot(SOURCE, connection["port"], vip(MIX, 4), HTTP, self.slots.count)
        owners = {self.slots.owner(table, slot) for table in self.tables.during(begin, end)}
        return owners | self.recorded.get(connection["port"], set())

    def was_down(self, names, begin, end):
        return any(kill.name in names and kill.at <= end and kill.restored >= begin for kill in self.kills)

    def add(self, connection):
        begun, ended, server = connection["begun"], connection["ended"], connection["server"]
        if server and server not in self.owners(connection, begun, connection["answered"]):
            self.wrong.append(connection)
        if not connection["error"]:
            return
        owners = self.owners(connection, connection["answered"], ended)
        if server and any(kill.name == server and begun <= kill.at <= ended for kill in self.kills):
            reason = "killed"
        elif not server and self.was_down(owners, begun, ended):
            reason = "new"
        elif owners - {server} if server else len(owners) > 1:
            reason = "moved"
        else:
            reason = "unexplained"
        self.failed[reason].append(connection)

    def moves(self):
        """Of each change of one backend: (what part of the slots that it neither had nor got went to another owner)."""
        parts = []
        for kill, (before, after) in itertools.product(self.kills, self.settled()):
            gone = self.slots.indices[kill.name]
            old, new = self.slots.owners(before), self.slots.owners(after)
            if (gone in old) == (gone in new):
                continue
            others = [(a, b) for a, b in zip(old, new) if gone not in (a, b)]
            parts.append(sum(a != b for a, b in others) / len(others))
        return parts

    def settled(self):
        """Pairs of neighbouring tables that stayed: those between were seen while they were written."""
        all_tables = self.tables.tables
        following = [seen for _, seen, _ in all_tables[1:]] + [float("inf")]
        stayed = [table for (_, seen, table), until in zip(all_tables, following) if until - seen > 0.05]
        return list(zip(stayed, stayed[1:]))


def run(lab, seconds, kept=120, every=150, fresh=40):
    """The experiment; returns its account and what wrk said of its own connections."""
    slots = Slots(lab.agent, "all")
    script = lab.topology.folder / "paced.lua"
    script.write_text(PACED)
    since = lab.agent.last_event()
    tables = Watch(slots)
    tables.start()
    client = start_client(lab, kept, every, fresh)
    wrk = start_wrk(lab.topology.client2, vip(MIX, 4), "load", 3600, 32, keepalive=True, script=script)
    try:
        kills = kill_in_turn(lab, slots, seconds)
        text, _ = client.communicate(timeout=30)
        wrk.send_signal(signal.SIGINT)
        said, _ = wrk.communicate(timeout=30)
    finally:
        for process in (client, wrk):
            if process.poll() is None:
                process.kill()
                process.wait()
        tables.stop()
    assert client.returncode == 0, text
    account = Account(lab, slots, tables, json.loads(text.splitlines()[-1]), kills)
    account.wrk = said
    account.fallen = [event["backend"] for event in lab.agent.events("backend_down", "all", since=since)]
    slots.close()
    return account


def experiment(seconds):
    """All of it, in a lab of its own, and what is to be said of it."""
    lab = Lab()
    try:
        account = run(lab, seconds)
    finally:
        lab.close()
    print(summary(account))
    return account


def summary(account):
    kept = [connection for connection in account.connections if connection["kept"]]
    moves = sorted(account.moves())
    share = f"{moves[0]:.2%} to {moves[-1]:.2%}" if moves else "none"
    return "\n".join((
        f"{len(account.kills)} kills; {len(account.connections)} connections, {len(kept)} of them kept, "
        f"{sum(connection['replies'] for connection in account.connections)} requests",
        *(f"  {len(failed):5} failed: {reason}" for reason, failed in account.failed.items()),
        f"  slots of living backends that changed owner, a change: {share}"))

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the tests of transitions share: twelve backends with echo servers, and many long conversations with them."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import conftest
from agent import KEY, MIX, vip
from slots import Slots
from topology import (BACKENDS, BUILD, CLIENT_ADDRESSES, CLIENTS, ECHO, HTTP, SEGMENTS, address, wait_for)

MORE = {"near3": ("front", 13), "far3": ("far", 13), "near4": ("front", 14), "back3": ("back", 13),
        "back4": ("back", 14), "far4": ("far", 14)}
HOSTS = {**BACKENDS, **MORE}
TWELVE = list(HOSTS)
EIGHT, SIX = TWELVE[:8], TWELVE[6:]
VIP = vip(MIX, 4)
WINDOW, UDP_WINDOW, IDLE = 6, 3, 60
TRANSITION = {"window": f"{WINDOW}s", "udp_window": f"{UDP_WINDOW}s", "idle": f"{IDLE}s"}
EVERY = 900  # ms: every conversation speaks at least once a second
PATIENCE = 10
STEADY, OPEN, TCP, SETTLED = range(4)  # enum phase of include/flow.h


def pool(names, weights=None, **more):
    weights = weights or {}
    return {"forward": "gue", "transition": TRANSITION,
            "backends": [{"name": name, "weight": weights.get(name, 100),
                          "address": address(SEGMENTS[HOSTS[name][0]], HOSTS[name][1], 4)} for name in names], **more}


def service(name, **more):
    """Of the one VIP that everything here is about."""
    return {"address": VIP, "ports": [f"{ECHO}/tcp", f"{ECHO}/udp", f"{HTTP}/tcp"], "pool": name, **more}


def config(names, weights=None, more=None, **pool_keys):
    """One pool, `all`, with one service. `more`: other keys of the file."""
    return {"interfaces": [{"name": "eth0", "mode": "native"}, {"name": "eth1", "mode": "native"}], "hash_key": KEY,
            "pools": {"all": pool(names, weights, **pool_keys)}, "services": {"all": service("all")}, **(more or {})}


class Lab(conftest.Lab):
    def __init__(self):
        super().__init__(MORE)
        try:
            for name in HOSTS:
                self.backends.start(name, BUILD / "tests/net/echo", name, ECHO)
            for name in HOSTS:
                namespace = self.topology.namespaces[name]
                wait_for(lambda: namespace.run("ss", "-Hltn", f"sport = {ECHO}").stdout, f"TCP echo on {name}")
        except BaseException:
            self.close()
            raise


def require():
    conftest.require()
    for program in ("echo", "talk", "flood"):
        if not (BUILD / "tests/net" / program).exists():
            pytest.fail(f"{BUILD / 'tests/net' / program} is missing: run make tests")


def start(agent, configuration):
    """An agent that has nothing from before, neither in the kernel nor in its state folder; no slot is young."""
    if agent.process and agent.process.poll() is None:
        agent.cli("detach", "--yes")
        agent.process.wait(timeout=20)
    subprocess.run(["rm", "-rf", agent.state, agent.bpffs], check=True)
    agent.start(configuration)
    agent.wait_resolved()
    wait_grown(agent)


def crash(agent):
    agent.end(signal.SIGKILL)
    agent.start()


class Talk:
    """talk.c in a client's namespace. `command` returns when it is done, with how many talk, have ended or failed."""

    def __init__(self, lab, client="client1", patience=PATIENCE, sources=CLIENT_ADDRESSES):
        self.process = lab.topology.namespaces[client].popen(
            BUILD / "tests/net/talk", VIP, ECHO, patience * 1000, address(CLIENTS[client], 2, 4), sources,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def command(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"talk has ended: {self.process.wait()}"
        return json.loads(line)

    def tcp(self, count, every=EVERY):
        return self.command("tcp", count, every)

    def udp(self, count, every=EVERY):
        return self.command("udp", count, every)

    def leave(self, server):
        """Returns how many left, of TCP and UDP; they have ended politely, or failed."""
        left = [talk for talk in self.going() if talk["server"] == server]
        self.command("leave", server)
        return sum(talk["tcp"] for talk in left), sum(not talk["tcp"] for talk in left)

    def report(self):
        return self.command("report")

    def going(self):
        return [talk for talk in self.report() if not talk["ended"]]

    def failed(self):
        return [talk for talk in self.report() if talk["error"]]

    def servers(self, since=0.0):
        """Who serves those that go on and have begun since then."""
        return {talk["server"] for talk in self.going() if talk["begun"] >= since}

    def wait_heard(self):
        """Until each that has not ended has been answered what it asked after now."""
        since = time.monotonic()

        def unheard():
            return [talk for talk in self.going() if talk["heard"] < since]

        deadline = time.monotonic() + 2 * PATIENCE + max((talk["every"] for talk in self.going()), default=0)
        while left := unheard():
            assert time.monotonic() < deadline, f"{len(left)} not answered, such as {left[:3]}"
            time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


def phases(agent, name="all"):
    """How many slots of the pool are in each phase, as the kernel has them."""
    slots = Slots(agent, name)
    try:
        counts = [0] * 4
        for phase in slots.read()[4::8]:
            counts[phase] += 1
        return counts
    finally:
        slots.close()


def wait_grown(agent):
    """Slots that had no owner before are young for some seconds."""
    for name in agent.config["pools"]:
        wait_for(lambda: not any(phases(agent, name)[OPEN:SETTLED]), lambda: f"slots are young: {phases(agent, name)}",
                 20)


def wait_steady(agent):
    for name in agent.config["pools"]:
        wait_for(lambda: not any(phases(agent, name)[OPEN:]), lambda: f"slots are steady: {phases(agent, name)}", 20)


def bpftool(*words):
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    return json.loads(subprocess.run(["bpftool", "-j", *map(str, words)], check=True, capture_output=True, text=True,
                                     env={**os.environ, "PATH": path}).stdout)


def map_info(agent, name):
    """What the kernel says of a pinned map."""
    return bpftool("map", "show", "pinned", agent.bpffs / "maps" / name)


def move_phase(agent, name="all"):
    """Of the service's move from table to table: its struct service_move, as the kernel has it."""
    index = json.loads((agent.state / "snapshot.json").read_text())["ids"]["services"][name]
    found = bpftool("map", "lookup", "pinned", agent.bpffs / "maps/moves", "key", *index.to_bytes(4, sys.byteorder))
    return int(found["value"][20], 0)


def wait_windows(agent):
    """Until every window is over. Slots stay settled while a connection in them is not where newcomers go."""
    def windows():
        return [sum(phases(agent, pool)[OPEN:SETTLED]) for pool in agent.config["pools"]] + [
            move_phase(agent, service) in (OPEN, TCP) for service in agent.config["services"]]

    wait_for(lambda: not any(windows()), lambda: f"windows are over: {windows()}", 2 * WINDOW + 10)

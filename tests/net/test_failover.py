# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Backends that fail leave the table and come back, as probes find it, by every way that packets take to them."""
import contextlib
import json
import signal
import subprocess
import time

import pytest

from agent import PLACES, POOLS, VIP_OF, backends, base_config, pool_name, vip
from topology import BACKENDS, HTTP, curl, wait_for

FAST = {"interval": "200ms", "timeout": "200ms", "rise": 2, "fall": 2}
WEB = {"type": "http", "path": "/probe", **FAST}
ALL = 70  # the VIP of the pool of all backends


def config(probe=None, **pool):
    """The matrix's pools, probed through their VIPs, and a pool of all backends."""
    config = base_config()
    for each in config["pools"].values():
        each["probe"] = WEB
        each["hold_down"] = "off"
    config["pools"]["all"] = {"forward": "gue", "probe": probe or WEB, "hold_down": "off",
                              "backends": backends(BACKENDS), **pool}
    config["services"]["all"] = {"address": [vip(ALL, 4), vip(ALL, 6)], "ports": [f"{HTTP}/tcp"], "pool": "all"}
    return config


@pytest.fixture(scope="module")
def probed(bare_lab):
    for name in BACKENDS:
        bare_lab.topology.namespaces[name].run("ip", "addr", "add", f"{vip(ALL, 4)}/32", "dev", "lo")
    bare_lab.backends.vips += [vip(ALL, 4), vip(ALL, 6)]
    for name in BACKENDS:
        bare_lab.backends.up(name)
    bare_lab.agent.start(config())
    return bare_lab


@pytest.fixture
def lab(probed):
    if probed.agent.config != config():
        probed.agent.reload(config())
    for pool in ("all", *VIP_OF):
        probed.agent.wait_state(pool, None, "up")
    return probed


def nginx(lab, name):
    """The processes of the server on a backend."""
    folder = str(lab.topology.folder / f"{name}-nginx")
    pids = subprocess.run(["pgrep", "-f", f"nginx.*{folder}"], capture_output=True, text=True).stdout.split()
    children = [child for pid in pids for child in
                subprocess.run(["pgrep", "-P", pid], capture_output=True, text=True).stdout.split()]
    return sorted({int(pid) for pid in pids + children})


@contextlib.contextmanager
def killed(lab, name):
    pids = nginx(lab, name)
    assert len(pids) >= 2, "a master and a worker"
    subprocess.run(["kill", "-KILL", *map(str, pids)], check=True)
    try:
        yield
    finally:
        lab.backends.restart_nginx(name)


@contextlib.contextmanager
def stopped(lab, name):
    pids = nginx(lab, name)
    for pid in pids:
        subprocess.run(["kill", "-STOP", str(pid)], check=True)
    try:
        yield
    finally:
        for pid in pids:
            subprocess.run(["kill", "-CONT", str(pid)], check=True)


@contextlib.contextmanager
def cut_off(lab, name):
    """Packets to and from it vanish."""
    lab.router.ip(f"link set {name} down")
    try:
        yield
    finally:
        lab.router.ip(f"link set {name} up")


def slots(lab, pool, name):
    return lab.agent.backend(pool, name)["slots"]


@pytest.mark.parametrize("failure, says", ((killed, "refused"), (stopped, "no reply"), (cut_off, "no answer")),
                         ids=("killed", "hung", "cut-off"))
def test_failed_backend(lab, failure, says):
    """It leaves the table with an event that tells what the probe met; nobody else does; and it comes back."""
    before = lab.agent.last_event()
    with failure(lab, "far1"):
        event = lab.agent.wait_event("backend_down", "all", "far1", before)
        assert says in event["text"] and vip(ALL, 4) in event["text"], event
        lab.agent.wait_state("all", "far1", "down")
        assert slots(lab, "all", "far1") == 0
        assert {name for name, state in lab.agent.states("all").items() if state != "up"} == {"far1"}
        for family in (4, 6):
            answers = curl(lab.client1, vip(ALL, family), lab.tag(), 60)
            assert len(answers) == 60 and "far1" not in answers
    lab.agent.wait_event("backend_up", "all", "far1", before, 20)
    lab.agent.wait_state("all", "far1", "up")
    assert slots(lab, "all", "far1") > 0
    assert not [event for event in lab.agent.events("backend_down", "all", since=before) if event["backend"] != "far1"]


def test_probes_take_the_tunnel(lab):
    """Without decapsulation a server answers at its own address, but not at the VIP: only `via: vip` finds it out."""
    changed = config()
    for name in changed["pools"]:
        if "far" in name or name == "all":
            changed["pools"][name]["probe"] = {**WEB, "via": "address" if name == "all" else "vip"}
    lab.agent.reload(changed)
    far = [pool_name(*pool) for pool in POOLS if pool[2] == "far"]
    lab.backends.backend_command("far2", "down")
    try:
        for pool in far:
            lab.agent.wait_state(pool, "far2", "down")
            assert lab.agent.states(pool)["far1"] == "up"
        assert lab.agent.states("all")["far2"] == "up"
    finally:
        lab.backends.up("far2")
    for pool in far:
        lab.agent.wait_state(pool, "far2", "up")


def test_probes_leave_counters_alone(lab):
    """Probes go out past the XDP program: they are no packets of a service."""
    before = lab.agent.packets("gue-6-back")
    runs = lab.agent.status()["probing"]["begun"]
    wait_for(lambda: lab.agent.status()["probing"]["begun"] > runs + 200, "200 probes have begun")
    assert lab.agent.packets("gue-6-back") == before


def test_all_places(lab):
    """Every encapsulation, family and place is probed through its VIP; `show` says so."""
    for pool in POOLS:
        for backend in lab.agent.show("backends", pool_name(*pool)):
            assert backend["state"] == "up" and backend["name"] in PLACES[pool[2]]
            assert vip(VIP_OF[pool_name(*pool)], 4) in backend["probe"], backend


def test_reload_revives_nobody(lab):
    """A failed backend stays out over a reload and over a restart, and so do the healthy ones stay in."""
    with cut_off(lab, "far1"):
        lab.agent.wait_state("all", "far1", "down")
        before = lab.agent.last_event()
        changed = config()
        changed["pools"]["all"]["backends"][0]["weight"] = 50
        lab.agent.reload(changed)
        assert lab.agent.states("all") == {name: "down" if name == "far1" else "up" for name in BACKENDS}
        wait_for(lambda: (lab.topology.folder / "agent-state/health.json").read_text().count("far1") > 0, "it is saved")
        assert lab.agent.end(signal.SIGTERM) == 0
        lab.agent.start(config())
        assert lab.agent.states("all") == {name: "down" if name == "far1" else "up" for name in BACKENDS}
        assert not lab.agent.events("backend_up", "all", since=before)
        assert not lab.agent.events("backend_down", "all", since=before)
    lab.agent.wait_state("all", "far1", "up", 20)


def test_several_pools_one_probe_each(lab):
    """Many services of a pool cost no further probe."""
    probes = lab.agent.status()["probing"]["configured"]
    changed = config()
    for i in range(20):
        changed["services"][f"more-{i}"] = {"address": vip(100 + i, 4), "ports": ["80/tcp"], "pool": "all"}
    lab.agent.reload(changed)
    assert lab.agent.status()["probing"]["configured"] == probes


def test_min_healthy(lab):
    """When half has failed, the others stay, failed or not, and the pool is degraded."""
    changed = config(min_healthy="50%")
    lab.agent.reload(changed)
    before = lab.agent.last_event()
    with contextlib.ExitStack() as stack:
        for name in ("near1", "near2", "far1", "far2"):
            stack.enter_context(stopped(lab, name))
            lab.agent.wait_state("all", name, "down")
        lab.agent.wait_event("pool_degraded", "all", since=before)
        kept = [item["name"] for item in lab.agent.show("backends", "all") if item["kept"]]
        assert kept == ["far2"], "the last one that fell"
        assert slots(lab, "all", "far2") > 0 and slots(lab, "all", "far1") == 0
        pool, = lab.agent.show("pools", "all")
        assert pool["degraded"] and pool["up"] == 2 and pool["kept"] == 1
    lab.agent.wait_state("all", None, "up", 20)
    lab.agent.wait_event("pool_recovered", "all", since=before)


@pytest.mark.parametrize("kept", (0, 2), ids=("empty", "kept"))
def test_fallback(lab, kept):
    """While no backend is up, failed ones kept or not, the services use the fallback pool, if that has any; and go
    back."""
    near, far = "gue-4-near", "gue-4-far"
    changed = config()
    changed["pools"][near].update(fallback=far, min_healthy=kept)
    lab.agent.reload(changed)
    lab.agent.wait_state(near, None, "up")
    lab.agent.wait_state(far, None, "up")

    def await_server(pool):
        wait_for(lambda: lab.agent.show("pools", near)[0]["effective"] == pool, f"{pool} serves")

    def answered():
        return set(curl(lab.client1, vip(VIP_OF[near], 4), lab.tag(), 20))

    before = lab.agent.last_event()
    with cut_off(lab, "near1"), cut_off(lab, "near2"):
        event = lab.agent.wait_event("pool_fallback", near, since=before)
        assert event["text"].endswith(f"use pool {far}"), event
        await_server(far)
        assert lab.agent.show("pools", near)[0]["kept"] == kept
        assert answered() == {"far1", "far2"}
        before = lab.agent.last_event()
        with cut_off(lab, "far1"), cut_off(lab, "far2"):
            lab.agent.wait_event("pool_degraded" if kept else "pool_empty", near, since=before)
            await_server(near)
        lab.agent.wait_event("pool_fallback", near, since=before, seconds=20)
        await_server(far)
        lab.agent.wait_state(far, None, "up", 20)
        assert answered() == {"far1", "far2"}
    lab.agent.wait_event("pool_recovered", near, since=before, seconds=20)
    lab.agent.wait_state(near, None, "up", 20)
    assert answered() == {"near1", "near2"}


def test_times_go_on_over_crashes(lab):
    """A drain ends when it was to end, a slow start goes on, nobody's state is of today; whatever the agent does."""
    lab.agent.reload(config(ramp="60m"))
    lab.agent.cli("backend", "maint", "all", "near1")
    lab.agent.cli("backend", "ready", "all", "near1")
    lab.agent.cli("backend", "drain", "all", "far1", "--for", "1h")
    drained = time.monotonic()
    before = {item["name"]: item["state_since"] for item in lab.agent.show("backends", "all")}
    file = lab.agent.state / "health.json"
    wait_for(lambda: "near1" in json.loads(file.read_text())["pools"]["all"]["ramp_ms"], "the slow start is saved")
    for way in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        lab.agent.end(way)
        lab.agent.start()
        gone = (time.monotonic() - drained) * 1000
        assert lab.agent.backend("all", "far1")["override"]["left_ms"] <= 3_600_000 - gone, "since the last crash"
        assert lab.agent.backend("all", "near1")["weight_now"] == 10
        assert {item["name"]: item["state_since"] for item in lab.agent.show("backends", "all")} == before
    lab.agent.cli("backend", "ready", "all", "far1")

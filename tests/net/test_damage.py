# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A full disk, cut files, removed pins, foreign programs, lost interfaces: traffic and verdicts go on."""
import contextlib
import json
import re
import shutil
import signal
import subprocess

import pytest

from agent import yaml
from test_agent import kernel_ids, xdp_of
from topology import BUILD, Stream, address, backend_address, wait_for
from trouble import SERVERS, config, misbehaving, not_up, vip, wait_all_up

FILES = ("snapshot.json", "health.json", "overrides.json", "events.jsonl", "applied.yaml")


@pytest.fixture
def lab(served):
    if served.agent.process.poll() is not None:
        served.agent.start(config())
    if served.agent.config != config() or served.agent.status()["config"]["source"] != "file":
        served.agent.reload(config())
    for backend in served.agent.show("backends"):
        if backend["override"]:
            served.agent.cli("backend", "ready", backend["pool"], backend["name"])
    wait_all_up(served)
    return served


@contextlib.contextmanager
def streaming(lab, family=4):
    """Counted datagrams meanwhile, of which none may be lost or moved."""
    with Stream(lab.client1, vip(100, family), rate=1000) as stream:
        yield
        result = stream.stop()
    assert result["lost"] == 0 and result["moved"] == 0 and result["sent"] > 0, result


@pytest.fixture
def small_disk(served):
    """The agent's state folder on a disk of its own, which can be filled."""
    agent, folder = served.agent, served.folder / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], check=True)
    former = agent.state
    agent.end()
    agent.state = folder / "state"
    try:
        yield folder
    finally:
        if agent.process.poll() is None:
            agent.end()
        agent.state = former
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        agent.start(config())


@contextlib.contextmanager
def full(folder):
    """Not a byte of room, until the end."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


def saved(agent, name):
    """The content of a state file, as far as it is JSON."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads((agent.state / name).read_text())
    return {}


def tells_saved(agent):
    """What status and metrics tell of it."""
    metrics = agent.request("GET", "/metrics")[1]
    return agent.status()["state_saved"], int(re.search(r"^sluice_state_saved (\d)$", metrics, re.M)[1])


def is_drained(agent, name):
    return any(one["backend"] == name and one["state"] == "drain"
               for one in saved(agent, "overrides.json").get("overrides", ()))


def test_disk_full(served, small_disk):
    """Start, failover, reload and override work and say what is not kept; with room again, all of it is kept."""
    agent = served.agent
    with full(small_disk):
        (small_disk / "state").mkdir(exist_ok=True)
        agent.log_file.write_text("")
        agent.start(config())
        assert "No space left" in agent.wait_event("state_unsaved")["text"]
        assert tells_saved(agent) == (False, 0)
        wait_all_up(served)
        with streaming(served), misbehaving(served, "far1"):
            agent.wait_state("vip", "far1", "down")
            done = agent.cli("backend", "drain", "vip", "back1", "--for", "10m")
            assert agent.states("vip")["back1"] == "drain"
            assert "No space left" in done.stderr and str(agent.state) in done.stderr, done.stderr
            changed = config()
            changed["pools"]["auto"]["backends"].pop()
            agent.reload(changed)
            assert "far1" not in agent.states("auto")
            changed["pools"]["auto"]["backends"].pop()
            agent.configure(changed)
            assert "state folder" in agent.cli("apply", agent.config_file).stderr
            assert agent.states("auto").keys() == {"near1"}
            agent.reload(config())
            assert not is_drained(agent, "back1")
        for name in ("overrides.json", "health.json", "snapshot.json", "events.jsonl"):
            assert any(name in line and "No space left" in line for line in agent.log().splitlines()), name
    wait_for(lambda: is_drained(agent, "back1"), "the override is kept", 40)
    wait_for(lambda: saved(agent, "snapshot.json").get("ids"), "the indices are kept", 40)
    wait_for(lambda: saved(agent, "health.json").get("pools"), "the states are kept", 40)
    wait_for(lambda: (agent.state / "events.jsonl").exists(), "the events are kept", 40)
    agent.wait_event("state_saved", seconds=40)
    assert tells_saved(agent) == (True, 1)
    assert len(agent.events("state_unsaved")) == 1


def test_applied_on_a_read_only_disk(served, small_disk):
    """It runs, and is kept as soon as that is possible; the same when it is dropped."""
    agent, other = served.agent, config()
    other["pools"]["vip"]["backends"][0]["weight"] = 7
    agent.start(config())
    kept = agent.state / "applied.yaml"
    for path, present, doing in ((agent.config_file, True, "apply"), (None, False, "reload")):
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        try:
            agent.configure(other if present else config())
            said = agent.cli(doing, *([path] if path else []))
            assert "state folder" in said.stderr and "tried again" in said.stderr
            assert kept.exists() != present
        finally:
            subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        wait_for(lambda: kept.exists() == present, "it is as it should be", 40)
        agent.end(signal.SIGKILL)
        agent.start()
        assert (agent.backend("vip", SERVERS[0])["weight"] == 7) == present


def test_state_removed(lab):
    """While the agent runs: all of it is written anew, and a crash later forgets nothing."""
    agent, before = lab.agent, lab.agent.last_event()
    agent.configure(config())
    agent.cli("apply", agent.config_file)
    agent.cli("backend", "maint", "auto", "near1", "--reason", "test")
    indices = {(item["pool"], item["name"]): item["index"] for item in agent.show("backends")}
    shutil.rmtree(agent.state)
    assert str(agent.state) in agent.wait_event("state_unsaved", since=before)["text"]
    agent.wait_event("state_saved", since=before)
    assert {path.name for path in agent.state.iterdir()} >= set(FILES)
    agent.end(signal.SIGKILL)
    agent.start()
    assert agent.states("auto")["near1"] == "maint" and agent.status()["config"]["source"] == "socket"
    assert {(item["pool"], item["name"]): item["index"] for item in agent.show("backends")} == indices
    assert agent.events("state_saved", since=before) and not agent.events("snapshot_lost", since=before)


def test_rollback_on_a_read_only_disk(served, small_disk):
    """The former configuration comes back whole, whatever cannot be written; with a disk again, that is."""
    agent, fewer, file = served.agent, config(), served.folder / "fewer.yaml"
    fewer["pools"]["vip"]["backends"].pop()
    fewer["pools"] = {name: fewer["pools"][name] for name in ("vip", "echo")}
    fewer["services"] = {name: service for name, service in fewer["services"].items()
                         if service["pool"] in fewer["pools"]}
    agent.start(config())
    wait_all_up(served)
    before = {(item["pool"], item["name"]): item["index"] for item in agent.show("backends")}
    file.write_text(yaml(fewer))
    agent.cli("apply", file, "--confirm", "1h")
    assert "far1" not in agent.states("vip")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    try:
        agent.cli("rollback")
        agent.wait_resolved()
        wait_all_up(served)
        assert {(item["pool"], item["name"]): item["index"] for item in agent.show("backends")} == before
        assert "snapshot.json" in agent.log() and "Read-only" in agent.log()
        with streaming(served):
            wait_all_up(served)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    wait_for(lambda: f"vip/{backend_address('far1', 4)}" in saved(agent, "snapshot.json")["ids"]["backends"],
             "the indices are kept", 40)


def restart_with(lab, files, name, content):
    """Kills the agent and starts it on these files, one of them with another content. Returns its log since."""
    lab.agent.end(signal.SIGKILL)
    for other, whole in files.items():
        if other != "snapshot.json":  # it is of the maps that run
            (lab.agent.state / other).write_bytes(whole)
    (lab.agent.state / name).write_bytes(content)
    logged = len(lab.agent.log())
    lab.agent.start()
    return lab.agent.log()[logged:]


def cuts(content, count=12):
    """Points to cut at: evenly, before the last byte, and at ends of lines, where what is left may look whole."""
    ends = [i + 1 for i, byte in enumerate(content[:-1]) if byte == 10]
    evenly = {len(content) * i // count for i in range(count)}
    return sorted(evenly | {len(content) - 1} | set(ends[::len(ends) // 6 + 1]))


@pytest.mark.parametrize("name", FILES)
def test_truncated(lab, name):
    """Cut anywhere: the agent starts, says what it lost, keeps the rest; who had failed is out at its first probe."""
    agent, applied = lab.agent, config()
    applied["pools"]["applied"] = {"table_size": 251, "backends": [{"name": "one", "address": address(1, 11, 4)}]}
    agent.configure(applied)
    agent.cli("apply", agent.config_file)
    agent.configure(config())
    agent.cli("backend", "maint", "auto", "near1", "--reason", "test")
    with misbehaving(lab, "far1"):
        for pool in ("vip", "auto6", "address"):
            agent.wait_state(pool, "far1", "down")
        wait_for(lambda: all(b"far1" not in json.dumps(saved(agent, "health.json")["pools"][pool]["up"]).encode()
                             for pool in ("vip", "auto6", "address")), "it is saved")
        wait_for((agent.state / "events.jsonl").exists, "events are saved")
        files = {each: (agent.state / each).read_bytes() for each in FILES}
        with streaming(lab):
            for cut in cuts(files[name]):
                whole = (agent.state / name).read_bytes() if name == "snapshot.json" else files[name]
                log = restart_with(lab, files, name, whole[:cut])
                if name == "applied.yaml":
                    assert "config_refused" in log and name in log, f"cut at {cut}: {log}"
                elif name != "events.jsonl" or cut and b"\n" not in whole[cut - 1:cut + 1]:
                    assert "snapshot_lost" in log and name in log, f"cut at {cut}: {log}"
                assert ("applied" in {pool["name"] for pool in agent.show("pools")}) == (name != "applied.yaml")
                if name != "overrides.json":
                    assert agent.states("auto")["near1"] == "maint"
                if name == "health.json":
                    agent.wait_state("vip", "far1", "down")
                    assert "in a row" not in agent.events("backend_down", "vip", "far1")[-1]["text"]
                assert agent.states("vip")["far1"] == "down"
                assert "far1" not in {name for pool, name in not_up(lab) ^ {("vip", "far1")} if pool == "vip"}
    agent.reload()


@pytest.mark.parametrize("lost", ("some", "all"))
def test_pins_removed(lab, lost):
    """While the agent runs: it pins what it has again, and after a SIGKILL the next one adopts that."""
    before, ids = lab.agent.last_event(), kernel_ids(lab)
    with streaming(lab), streaming(lab, 6):
        if lost == "all":
            shutil.rmtree(lab.agent.bpffs)
        else:
            for pin in ("prog", "maps/slots", "maps/backends", "links/eth0"):
                (lab.agent.bpffs / pin).unlink()
        event = lab.agent.wait_event("dataplane_repaired", since=before)
        assert str(lab.agent.bpffs) in event["text"], event
        wait_for(lambda: (lab.agent.bpffs / "links/eth0").exists(), "the pins are back")
        assert kernel_ids(lab) == ids
        assert len(lab.agent.events("dataplane_repaired", since=before)) == 1
        lab.agent.end(signal.SIGKILL)
        lab.agent.start()
        assert kernel_ids(lab) == ids, "adopted, not made anew"
        wait_all_up(lab)
    assert not lab.agent.events("backend_down", since=before)


def way_of_probes(lab):
    """What of it is in the balancer's namespace."""
    return (lab.lb.run("ip", "rule").stdout + lab.lb.run("ip", "-6", "rule").stdout).count("6080") + \
        lab.lb.run("tc", "filter", "show", "dev", "lo", "egress").stdout.count("sluice")


@pytest.mark.parametrize("running", (True, False), ids=("agent", "no-agent"))
@pytest.mark.parametrize("lost", (".", "maps", "links"))
def test_detach_after_pins_were_removed(lab, lost, running):
    """Whatever is left of Sluice in the kernel goes, the way of probes too."""
    assert way_of_probes(lab) and xdp_of(lab, "eth0")
    if not running:
        lab.agent.end(signal.SIGKILL)
    shutil.rmtree(lab.agent.bpffs / lost)
    lab.agent.cli("detach", "--yes", *(() if running else ("--bpffs", lab.agent.bpffs)))
    if running:
        assert lab.agent.process.wait(timeout=20) == 0
    assert not way_of_probes(lab) and not lab.agent.bpffs.exists()
    assert xdp_of(lab, "eth0") is None and xdp_of(lab, "eth1") is None
    lab.agent.start()
    wait_all_up(lab)


@pytest.mark.parametrize("harm", (
    "ip rule del pref 5150", "ip -6 rule del pref 5151", "ip route flush table 6080", "tc qdisc del dev lo clsact"))
def test_way_of_probes_repaired(lab, harm):
    """It is made again, which an event tells once, and nobody is judged by it."""
    before, way = lab.agent.last_event(), way_of_probes(lab)
    lab.lb.run(*harm.split())
    assert "6080" in lab.agent.wait_event("dataplane_repaired", since=before)["text"]
    assert way_of_probes(lab) == way
    wait_all_up(lab)
    assert len(lab.agent.events("dataplane_repaired", since=before)) == 1
    assert not lab.agent.events("backend_down", since=before)


def test_program_taken_off(lab):
    """Packets were not forwarded for a moment, so an event tells of it."""
    before = lab.agent.last_event()
    lab.lb.run("bpftool", "link", "detach", "pinned", lab.agent.bpffs / "links/eth0")
    event = lab.agent.wait_event("dataplane_repaired", since=before)
    assert event["text"].startswith("eth0: ") and interface(lab, "eth0")["reattached"] == 1
    assert xdp_of(lab, "eth0")
    with streaming(lab):
        wait_all_up(lab)
    kinds = [event["event"] for event in lab.agent.events(since=before)]
    assert kinds == ["dataplane_repaired"], kinds


def interface(lab, name):
    return next(item for item in lab.agent.status()["interfaces"] if item["name"] == name)


def test_foreign_program(lab):
    """It is left alone, an event names it, and when it has gone the interface is ours without a reload."""
    lab.agent.cli("detach", "--yes")
    lab.agent.process.wait(timeout=20)
    before = lab.agent.log_file.stat().st_size
    lab.lb.run("ip", "link", "set", "dev", "eth1", "xdpdrv", "obj", BUILD / "tests/pass.bpf.o", "sec", "xdp")
    lab.agent.start()
    start = lab.agent.events("agent_started")[-1]["id"]
    lost = [event for event in lab.agent.events("interface_lost") if event["text"].startswith("eth1: ")][-1]
    assert "another XDP program is attached" in lost["text"] and "pass" in lost["text"], lost
    wait_all_up(lab)
    assert not interface(lab, "eth1")["attached"] and interface(lab, "eth0")["attached"]
    lab.lb.run("ip", "link", "set", "dev", "eth1", "xdpdrv", "off")
    event = lab.agent.wait_event("interface_attached", since=start)
    assert event["text"].startswith("eth1: ") and interface(lab, "eth1")["attached"]
    assert lab.agent.log()[before:].count("another XDP program is attached") <= 2, "said once, and as an event"
    with streaming(lab):
        wait_all_up(lab)


@pytest.mark.parametrize("name", ("eth0", "eth1"))
def test_interface_made_again(lab, name):
    """With probes under way: nobody is judged by it, events tell of both, and all is well afterwards."""
    before = lab.agent.last_event()
    lab.lb.ip(f"link del {name}")
    event = lab.agent.wait_event("interface_lost", since=before)
    assert event["text"].startswith(f"{name}: "), event
    lab.agent.wait_event("probe_trouble", since=before)
    lab.topology.add_lb_interface(name)
    if name == "eth0":
        for network in ("192.0.2.0/24", "198.51.100.0/24"):
            lab.router.ip(f"route replace {network} via {address(1, 2, 4)}")
    event = lab.agent.wait_event("interface_attached", since=before)
    assert event["text"].startswith(f"{name}: "), event
    lab.agent.wait_event("probe_trouble_over", since=before, seconds=20)
    lab.agent.wait_resolved()
    wait_all_up(lab)
    assert not lab.agent.events("backend_down", since=before)
    with streaming(lab), streaming(lab, 6), misbehaving(lab, "far1"):
        lab.agent.wait_event("backend_down", "vip", "far1", before)

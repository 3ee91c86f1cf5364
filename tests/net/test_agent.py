# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The dataplane outlives the agent: killed, ended, restarted, its state lost, detached. And it keeps to its own."""
import itertools
import json
import os
import random
import signal
import subprocess
import time

import pytest

from agent import NEW, VIP_OF, Agent, backends, base_config, vip
from topology import BUILD, ECHO, HERE, PYTHON, Stream, address, curl, start_wrk, wait_for, wrk_result

NEAR, BACK, FAR = (VIP_OF[f"gue-4-{place}"] for place in ("near", "back", "far"))


def bpftool(lab, *arguments):
    return json.loads(lab.lb.run("bpftool", "-j", *arguments).stdout or "null")


def kernel_ids(lab):
    """The kernel's ids of everything pinned, asked of the kernel itself."""
    pins = lab.agent.bpffs
    ids = {"prog": bpftool(lab, "prog", "show", "pinned", pins / "prog")["id"]}
    for pin in sorted((pins / "links").iterdir()):
        ids[f"link {pin.name}"] = bpftool(lab, "link", "show", "pinned", pin)["id"]
    for pin in sorted((pins / "maps").iterdir()):
        ids[f"map {pin.name}"] = bpftool(lab, "map", "show", "pinned", pin)["id"]
    return ids


def xdp_of(lab, interface):
    """The id of the XDP program on an interface of the balancer, None if there is none."""
    link, = json.loads(lab.lb.run("ip", "-j", "-d", "link", "show", "dev", interface).stdout)
    return link.get("xdp", {}).get("prog", {}).get("id")


class Streams:
    """Counted datagrams in both families, sent on at once and by redirect; none may get lost, no flow may move."""

    def __init__(self, lab, rate=1000):
        self.streams = []
        for index, family in ((NEAR, 4), (BACK, 6)):
            self.streams.append(Stream(lab.client1, vip(index, family), rate=rate))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            results = [stream.stop() for stream in self.streams]
        for stream in self.streams:
            stream.__exit__()
        if kind is None:
            for result in results:
                assert result["lost"] == 0 and result["moved"] == 0 and result["sent"] > 0, result


@pytest.mark.parametrize("keepalive", (False, True), ids=("new-connections", "keepalive"))
def test_killed_agent(lab, keepalive):
    """SIGKILL under load, and a new agent that adopts what runs: no request fails, no datagram is lost."""
    before = kernel_ids(lab)
    assert {"link eth0", "link eth1", "map slots", "map backends"} <= before.keys()
    load = start_wrk(lab.client2, vip(FAR, 4), lab.tag(), 4, keepalive=keepalive)
    with Streams(lab):
        lab.agent.end(signal.SIGKILL)
        assert not lab.agent.answers()
        assert len(curl(lab.client1, vip(NEAR, 6), "orphan", 20)) == 20
        assert lab.agent.cli("status", check=False).returncode == 4
        lab.agent.start()
        wrk_result(load)
    assert kernel_ids(lab) == before, "adopted, not made anew"


def test_sigterm_leaves_forwarding(lab):
    before, counted = kernel_ids(lab), lab.agent.packets("gue-4-near")
    with Streams(lab):
        assert lab.agent.end(signal.SIGTERM) == 0
        assert not lab.agent.socket.exists()
        assert len(curl(lab.client1, vip(NEAR, 4), "after", 20)) == 20
        lab.agent.start()
    assert kernel_ids(lab) == before
    after = lab.agent.packets("gue-4-near")
    assert all(after[name] > counted[name] for name in counted), "counters go on where they were"


def test_changes_while_no_agent_runs(lab):
    """A configuration edited while the agent was down is taken at its start; other pools lose nothing."""
    config = base_config()
    config["pools"]["mix"]["backends"].pop()
    del config["services"]["any"]
    with Streams(lab):
        lab.agent.end(signal.SIGKILL)
        lab.agent.start(config)
        assert len(lab.agent.show("backends", "mix")) == 3
        assert "any" not in [service["name"] for service in lab.agent.show("services")]


def test_killed_while_reloading(lab):
    """SIGKILL at any moment of a reload: the next start completes it, and no packet is lost or misled meanwhile."""
    rounds, choice = 12, random.Random(20)
    configs = [base_config(), base_config()]
    del configs[1]["services"]["prefix"]  # another program, too
    for name in ("mix", "ipip-6-far"):
        configs[1]["pools"][name]["backends"].pop()
    configs[1]["pools"]["aaa"] = {"table_size": 65537, "backends": backends(("near1", "far1"))}
    configs[1]["services"]["aaa"] = {"address": vip(NEW, 4), "ports": ["80/tcp"], "pool": "aaa"}
    with Streams(lab, rate=500):
        for i in range(rounds):
            lab.agent.configure(configs[i % 2])
            lab.agent.process.send_signal(signal.SIGHUP)
            time.sleep(choice.uniform(0, 0.02))  # not a wait: the moment is what is tried
            lab.agent.end(signal.SIGKILL)
            lab.agent.start()
            names = {pool["name"] for pool in lab.agent.show("pools")}
            assert names == configs[i % 2]["pools"].keys()
            assert lab.agent.cli("diff").returncode == 0
            lab.agent.wait_resolved()
            assert len(curl(lab.client2, vip(FAR, 6), "killed", 3)) == 3
            assert len(curl(lab.client2, vip(VIP_OF["ipip-6-far"], 4), "killed", 3)) == 3


def test_killed_while_starting(lab):
    """SIGKILL at any moment of a first start, with half of the pins made: the next start makes it whole."""
    choice = random.Random(21)
    for _ in range(10):
        lab.agent.cli("detach", "--yes")
        lab.agent.process.wait(timeout=20)
        lab.agent.process = lab.agent.popen()
        time.sleep(choice.uniform(0, 0.1))  # not a wait: the moment is what is tried
        lab.agent.end(signal.SIGKILL)
        lab.agent.start()
        lab.agent.wait_resolved()
        assert len(curl(lab.client2, vip(BACK, 6), "started", 3)) == 3
        assert {"link eth0", "link eth1", "map slots"} <= kernel_ids(lab).keys()


@pytest.mark.parametrize("pin", ("prog", "links/eth0", "maps/slots", "maps/vips*", "maps/backends", "maps/*"))
def test_lost_pins(lab, pin):
    """Somebody removed pins while no agent ran: the next start makes what is missing, and all is as before."""
    before = kernel_ids(lab).keys()
    lab.agent.end(signal.SIGKILL)
    files = list(lab.agent.bpffs.glob(pin))
    assert files
    for file in files:
        file.unlink()
    lab.agent.start()
    lab.agent.wait_resolved()
    for index, family in itertools.product((NEAR, BACK, FAR), (4, 6)):
        assert len(curl(lab.client2, vip(index, family), "pins", 5)) == 5
    assert kernel_ids(lab).keys() == before
    config = base_config()
    config["pools"]["gue-4-near"]["backends"].pop()
    lab.agent.reload(config)
    assert set(curl(lab.client2, vip(NEAR, 4), "pins", 20)) == {"near1"}, "what runs is what the agent changes"


def test_nothing_leaks(lab):
    """Reloads that replace programs, maps' contents and services leave no file descriptor behind."""
    def descriptors():
        return len(os.listdir(f"/proc/{lab.agent.process.pid}/fd"))

    smaller = base_config()
    del smaller["services"]["prefix"], smaller["services"]["any"], smaller["pools"]["ipip-4-near"]["backends"][1]
    for config in (smaller, base_config()):
        lab.agent.reload(config)
    before = descriptors()
    for _ in range(10):
        for config in (smaller, base_config()):
            lab.agent.reload(config)
    wait_for(lambda: descriptors() <= before, "no more descriptors than before; a closing connection may add one")


def test_second_agent_is_refused(lab):
    """On the same bpffs folder, and on the same socket; the first is not disturbed."""
    other = Agent(lab.topology, "other")
    other.configure(base_config())
    with Streams(lab):
        process = other.popen()
        assert process.wait(timeout=20) != 0
        assert str(lab.agent.bpffs) in other.log(), other.log()
        other.bpffs, other.socket = lab.topology.bpffs / "other", lab.agent.socket
        process = other.popen()
        assert process.wait(timeout=20) != 0
        assert str(lab.agent.socket) in other.log(), other.log()
        assert lab.agent.answers()
    assert not other.bpffs.exists() or not list(other.bpffs.glob("**/prog"))


@pytest.mark.parametrize("damage", ("deleted", "garbage", "truncated", "empty"))
def test_lost_snapshot(lab, damage):
    """The agent starts, says what it lost, and no packet notices: tables without transitions depend on names alone."""
    lab.agent.cli("detach", "--yes")  # and with it the transitions of what was changed before
    lab.agent.process.wait(timeout=20)
    lab.agent.start()
    lab.agent.wait_resolved()
    assert list(lab.agent.state.iterdir())
    with Streams(lab):
        lab.agent.end(signal.SIGKILL)
        for file in lab.agent.state.iterdir():
            content = file.read_bytes()
            if damage == "deleted":
                file.unlink()
            else:
                file.write_bytes({"garbage": b"\xff{[" * 100, "truncated": content[:len(content) // 2],
                                  "empty": b""}[damage])
        logged = len(lab.agent.log())
        lab.agent.start()
        lab.agent.wait_resolved()
        assert len(curl(lab.client1, vip(FAR, 6), "lost", 20)) == 20
    log = lab.agent.log()[logged:]
    assert "snapshot" in log or str(lab.agent.state) in log, log


def test_detach(lab):
    """Everything of ours goes; a program and a pin of somebody else stay. A new start brings it back."""
    foreign = lab.topology.bpffs / "foreign"
    lab.lb.run("bpftool", "prog", "load", BUILD / "tests/pass.bpf.o", foreign, "type", "xdp")
    lab.lb.run("ip", "link", "set", "dev", "lo", "xdpgeneric", "pinned", foreign)
    theirs = xdp_of(lab, "lo")
    assert theirs and xdp_of(lab, "eth0") and xdp_of(lab, "eth1")
    lab.agent.cli("detach", "--yes")
    lab.agent.process.wait(timeout=20)
    assert xdp_of(lab, "eth0") is None and xdp_of(lab, "eth1") is None
    assert not lab.agent.bpffs.exists() or not any(path.is_file() for path in lab.agent.bpffs.glob("**/*"))
    assert foreign.exists() and xdp_of(lab, "lo") == theirs
    lab.agent.start()
    lab.agent.wait_resolved()
    assert len(curl(lab.client1, vip(NEAR, 4), "again", 10)) == 10
    lab.lb.run("ip", "link", "set", "dev", "lo", "xdpgeneric", "off")
    foreign.unlink()


def test_detach_without_agent(lab):
    lab.agent.end(signal.SIGKILL)
    lab.agent.cli("detach", "--yes", "--bpffs", lab.agent.bpffs)
    assert xdp_of(lab, "eth0") is None and xdp_of(lab, "eth1") is None
    again = lab.agent.cli("detach", "--yes", "--bpffs", lab.agent.bpffs, check=False)
    assert again.returncode in (0, 1) and (again.stdout + again.stderr).strip(), "says that there is nothing"
    lab.agent.start()
    lab.agent.wait_resolved()
    assert len(curl(lab.client1, vip(BACK, 4), "again", 10)) == 10


def interface(lab, name):
    return next(item for item in lab.agent.status()["interfaces"] if item["name"] == name)


def test_foreign_program_is_not_replaced(lab):
    """An interface with another XDP program is left alone and shown, the other one works."""
    lab.agent.cli("detach", "--yes")
    lab.agent.process.wait(timeout=20)
    lab.lb.run("ip", "link", "set", "dev", "eth1", "xdpdrv", "obj", BUILD / "tests/pass.bpf.o", "sec", "xdp")
    theirs = xdp_of(lab, "eth1")
    logged = len(lab.agent.log())
    lab.agent.start()
    lab.agent.wait_resolved()
    assert xdp_of(lab, "eth1") == theirs
    assert "eth1" in lab.agent.log()[logged:], lab.agent.log()[logged:]
    assert not interface(lab, "eth1")["attached"] and interface(lab, "eth0")["attached"]
    assert len(curl(lab.client1, vip(NEAR, 4), "beside", 10)) == 10
    assert "eth1" in lab.agent.cli("status").stdout
    lab.lb.run("ip", "link", "set", "dev", "eth1", "xdpdrv", "off")
    lab.agent.reload()
    wait_for(lambda: interface(lab, "eth1")["attached"], "eth1 is attached once it is free")


def test_missing_interface(lab):
    """An agent that starts before its interface exists waits for it, and serves what it can until then."""
    lab.agent.cli("detach", "--yes")
    lab.agent.process.wait(timeout=20)
    lab.lb.ip("link del eth1")
    try:
        lab.agent.start()
        assert not interface(lab, "eth1")["attached"]
        assert len(curl(lab.client1, vip(NEAR, 4), "without", 10)) == 10
        unreachable = lab.agent.backend("l2-4-back", "back1")  # the other modes reach it through the router
        assert not unreachable["resolved"] and "l2" in unreachable["why"], unreachable
    finally:
        lab.topology.add_lb_interface("eth1")
    wait_for(lambda: interface(lab, "eth1")["attached"], "eth1 is attached when it appears")
    lab.agent.wait_resolved()
    assert len(curl(lab.client1, vip(VIP_OF["l2-4-back"], 4), "with", 10)) == 10


def test_start_errors_are_clear(lab):
    """A wrong file or option at start: a message with the file's name, an exit code, no dataplane touched."""
    before = kernel_ids(lab)
    other = Agent(lab.topology, "broken")
    other.bpffs = lab.topology.bpffs / "broken"
    other.config_file.write_text("pools: {web: {forwards: gue}}\n")
    assert other.popen().wait(timeout=20) == 1
    assert f"{other.config_file}:1:" in other.log(), other.log()
    other.config_file.unlink()
    assert other.popen().wait(timeout=20) == 1
    assert f"{other.config_file}: error: " in other.log(), other.log()
    usage = lab.lb.run(BUILD / "sluiced", "--no-such-option", check=False)
    assert usage.returncode == 2 and "no-such-option" in usage.stderr
    assert kernel_ids(lab) == before


def test_folder_that_is_no_bpffs(lab):
    """Pins need a bpffs: the message says how to mount one."""
    other = Agent(lab.topology, "nowhere")
    other.bpffs = lab.folder / "elsewhere/sluice"
    other.bpffs.parent.mkdir()
    other.configure(base_config())
    assert other.popen().wait(timeout=20) == 1
    assert f"mount -t bpf bpf {other.bpffs.parent}" in other.log(), other.log()


@pytest.mark.parametrize("mode", ("generic", "auto"))
def test_modes(lab, mode):
    """Generic mode forwards as well, sent back, redirected and through the router; auto means native where it can."""
    lab.agent.cli("detach", "--yes")
    lab.agent.process.wait(timeout=20)
    config = base_config()
    config["interfaces"] = [{"name": "eth0", "mode": mode}, {"name": "eth1", "mode": mode}]
    lab.agent.start(config)
    lab.agent.wait_resolved()
    expected = {"generic": "generic", "auto": "native"}[mode]
    assert [item["mode"] for item in lab.agent.status()["interfaces"]] == [expected] * 2
    for name, family in itertools.product(("ipip-4-near", "gue-6-far", "l2-4-back", "gue-4-back"), (4, 6)):
        assert len(curl(lab.client1, vip(VIP_OF[name], family), "mode", 10)) == 10
    with Stream(lab.client1, vip(NEAR, 4), size=1400) as stream:
        assert stream.stop()["lost"] == 0
    lab.agent.cli("detach", "--yes")
    lab.agent.process.wait(timeout=20)


def test_shared_attach(lab):
    """attach: shared works, or where the kernel has no dispatcher says so once and lets the interface be."""
    lab.agent.cli("detach", "--yes")
    lab.agent.process.wait(timeout=20)
    config = base_config()
    config["interfaces"][0]["attach"] = "shared"
    lab.agent.start(config)
    if interface(lab, "eth0")["attached"]:
        lab.agent.wait_resolved()
        assert len(curl(lab.client1, vip(FAR, 4), "shared", 10)) == 10
    else:
        assert "dispatcher" in lab.agent.cli("status").stdout
        with lab.lb.popen("ip", "monitor", "link", "dev", "eth0", stdout=subprocess.PIPE, text=True) as monitor, \
                lab.lb.popen(PYTHON, HERE / "udp.py", "serve", "lb", ECHO) as echo:
            wait_for(lambda: lab.lb.run("ss", "-Hlun", f"sport = {ECHO}").stdout, "echo server on the balancer")
            with Stream(lab.client1, address(1, 2, 4), seconds=3) as stream:
                assert stream.stop()["lost"] == 0, "the host's own traffic is not disturbed"
            for process in (monitor, echo):
                process.kill()
            assert "xdp" not in monitor.stdout.read()
    lab.agent.cli("detach", "--yes")
    lab.agent.process.wait(timeout=20)

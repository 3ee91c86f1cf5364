# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A new sluiced with another BPF program takes over; with one that the verifier refuses, the old one goes on."""
import json
import shutil
import signal
import subprocess

import pytest

from badserver import PLAIN
from test_agent import kernel_ids
from topology import BUILD, ROOT, Stream, curl, wait_for
from trouble import config, misbehaving, start_servers, vip, wait_all_up

SOURCES = ("Makefile", "VERSION", "bpf", "include", "user")
CHANGED = ("\t__be16 type;\n", "\t__be16 type;\n\tvolatile __u32 changed = 1;\n\n\t(void)changed;\n")
# after so many instructions that the verifier has told a lot before it comes there
REFUSED = ("\treturn slot_pick(p, v6) ?: encap(p, v6);\n",
           "\treturn slot_pick(p, v6) ?: ((const __u8 *)p->ip)[1000] == 1 ? REASON_malformed : encap(p, v6);\n")


def build(folder, change):
    """sluiced from a copy of the sources with another XDP program. What does not need it is not compiled anew."""
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)  # with their times
        else:
            shutil.copy2(ROOT / name, folder / name)
    source = folder / "bpf/sluice.bpf.c"
    before, after = change
    assert before in source.read_text()
    source.write_text(source.read_text().replace(before, after))
    for dependencies in BUILD.glob("user/*/*.d"):
        compiled = dependencies.with_suffix(".o")
        text = dependencies.read_text()
        if compiled.exists():
            copy = folder / "build" / compiled.relative_to(BUILD)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(compiled, copy)
            former = text[:text.index("/user/")]  # the build folder as it was named to make
            copy.with_suffix(".d").write_text(text.replace(f"{former}/", "build/"))
    made = subprocess.run(["make", "-C", folder, "-j2", "BUILD=build", "build/sluiced"], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "build/sluiced"


@pytest.fixture(scope="module")
def changed(bare_lab):
    return build(bare_lab.folder / "changed", CHANGED)


@pytest.fixture(scope="module")
def refused(bare_lab):
    return build(bare_lab.folder / "refused", REFUSED)


@pytest.fixture(scope="module")
def served(bare_lab):
    start_servers(bare_lab)
    return bare_lab


@pytest.fixture
def lab(served):
    """The present build runs on fresh maps, and all backends are up."""
    served.agent.program = BUILD / "sluiced"
    if served.agent.process and served.agent.process.poll() is None:
        served.agent.cli("detach", "--yes")
        served.agent.process.wait(timeout=20)
    served.agent.start(config())
    wait_all_up(served)
    return served


def start(agent, program):
    agent.program = program
    agent.start()


def wait_saved(agent, name):
    """Until the agent has noted, a moment after the event, that the backend is down in these pools."""
    def noted():
        pools = json.loads((agent.state / "health.json").read_text())["pools"]
        return all(name not in pools[pool]["up"] for pool in ("vip", "auto6", "address"))

    wait_for(noted, "it is saved")


def maps_of(ids):
    return {name: number for name, number in ids.items() if name.startswith(("map ", "link "))}


class Streams:
    """Counted datagrams in both families, of which none may be lost or moved."""

    def __init__(self, lab):
        self.streams = [Stream(lab.client1, vip(100, family), rate=1000) for family in (4, 6)]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        results = [stream.stop() for stream in self.streams if kind is None]
        for stream in self.streams:
            stream.__exit__()
        assert all(result["lost"] == 0 and result["moved"] == 0 and result["sent"] > 0 for result in results), results


@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGKILL))
def test_upgrade(lab, changed, sig):
    """And back again: no packet is lost, maps and links stay, who had failed stays out, and nobody else is judged."""
    agent = lab.agent
    old, before = kernel_ids(lab), agent.last_event()
    with misbehaving(lab, "far1"):
        for pool in ("vip", "auto6", "address"):
            agent.wait_event("backend_down", pool, "far1", before)
        wait_saved(agent, "far1")
        with Streams(lab):
            agent.end(sig)
            start(agent, changed)
            assert agent.states("vip")["far1"] == "down"
            new = kernel_ids(lab)
            assert new["prog"] != old["prog"] and maps_of(new) == maps_of(old)
            assert {link["program"] for link in agent.show("bpf")["links"]} == {new["prog"]}
            curl(lab.client2, agent.config["services"]["vip"]["address"], lab.tag(), 20, port=PLAIN)
            agent.end(sig)
            start(agent, BUILD / "sluiced")
            assert agent.states("vip")["far1"] == "down"
            last = kernel_ids(lab)
            assert last["prog"] not in (old["prog"], new["prog"]) and maps_of(last) == maps_of(old)
    wait_all_up(lab)
    assert {event["backend"] for event in agent.events("backend_down", since=before)} == {"far1"}


def test_refused_program(lab, refused):
    """The new sluiced ends with the verifier's words; the old program and the old sluiced go on."""
    agent = lab.agent
    old, before = kernel_ids(lab), agent.last_event()
    with misbehaving(lab, "far1"):
        for pool in ("vip", "auto6", "address"):
            agent.wait_event("backend_down", pool, "far1", before)
        with Streams(lab):
            agent.end()
            logged = len(agent.log())
            agent.program = refused
            assert agent.popen().wait(timeout=60) == 1
            log = agent.log()[logged:]
            assert "invalid access to packet" in log, log
            assert len(log.splitlines()) < 50, "the last lines of its words"
            assert "loading the XDP program" in log.splitlines()[-1] and "goes on" in log.splitlines()[-1], log
            assert kernel_ids(lab) == old
            curl(lab.client2, agent.config["services"]["vip"]["address"], lab.tag(), 20, port=PLAIN)
            start(agent, BUILD / "sluiced")
            assert kernel_ids(lab) == old
            assert agent.states("vip")["far1"] == "down"
    wait_all_up(lab)
    assert {event["backend"] for event in agent.events("backend_down", since=before)} == {"far1"}

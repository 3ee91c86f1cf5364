# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Starts that fail leave everything as it was, and a second agent in the namespace makes do with what is left."""
import json
import signal
import time

from agent import Agent
from operators import config, fresh_lab, overrides, server_gone  # noqa: F401
from topology import wait_for


def test_failed_start_forgets_nothing(lab):
    """Whoever took a backend out does not get it back because of a typing error in a unit file."""
    lab.agent.cli("backend", "maint", "six", "far1", "--reason", "disk swap")
    lab.agent.cli("backend", "weight", "six", "back1", "7")
    before = overrides(lab)
    assert before.keys() == {"far1", "back1"}
    lab.agent.end()
    files = {path.name: path.read_bytes() for path in lab.agent.state.iterdir()}
    for wrong in (("--group", "no-such-group"), ("--socket", "/proc/no/socket")):
        failed = lab.agent.popen(*wrong)
        assert failed.wait(timeout=20) == 1
        assert {path.name: path.read_bytes() for path in lab.agent.state.iterdir()} == files
    lab.agent.start()
    assert overrides(lab) == before
    assert lab.agent.backend("six", "far1")["state"] == "maint"


def test_state_of_another_agent(lab):
    """Two with one state folder would forget for each other who is out: the second one does not start."""
    lab.agent.cli("backend", "maint", "six", "far1", "--reason", "disk swap")
    other = Agent(lab.topology, "other")
    other.bpffs, other.state = lab.topology.bpffs / "other", lab.agent.state
    other.configure({**config(), "interfaces": [{"name": "lo", "mode": "generic"}]})
    assert other.popen().wait(timeout=20) == 1
    assert f"another sluiced keeps its state in {other.state}: stop it, or give --state another" in other.log()
    before = overrides(lab)
    lab.agent.end(signal.SIGKILL)
    lab.agent.start()
    assert overrides(lab) == before and before.keys() == {"far1"}


def test_hook_hears_of_what_was_lost(lab):
    """What a start finds damaged is told like everything else, the indices' loss too."""
    told = lab.topology.folder / "told"
    program = lab.topology.folder / "hook"
    program.write_text(f"#!/bin/sh\necho $SLUICE_EVENT $SLUICE_TEXT >>{told}\n")
    program.chmod(0o755)
    lab.agent.end()
    (lab.agent.state / "snapshot.json").write_text("{")
    lab.agent.start({**config(), "notify": {"command": [str(program)], "user": "root"}})
    wait_for(lambda: told.exists() and "snapshot_lost" in told.read_text(), "the hook has run")
    assert "snapshot.json:1" in told.read_text()


def test_second_agent(lab):
    """One agent in a network namespace has the way to VIPs; others probe addresses, and say so once."""
    other = Agent(lab.topology, "other")
    other.bpffs = lab.topology.bpffs / "other"
    try:
        other.start({**config(), "interfaces": [{"name": "lo", "mode": "generic"}]})
        other.wait_state("six", None, "up")
        probe = other.backend("six", "near1")["probes"][0]
        assert probe["via"] == "address" and "another sluiced" in probe["why"]
        assert lab.agent.backend("six", "near1")["probes"][0]["via"] == "vip"
        wait_for(lambda: other.status()["uptime_s"] >= 3, "it has asked for the way again")
        assert other.log().count("probes to VIPs: another sluiced") == 1, other.log()
        lab.agent.end()
        wait_for(lambda: other.backend("six", "near1")["probes"][0]["via"] == "vip", "the other one takes the way")
        other.wait_state("six", None, "up")
    finally:
        other.close()


def test_verdict_is_remembered(lab):
    """The first one after a quiet time is saved at once: a crash right after it revives nobody."""
    file = lab.agent.state / "health.json"
    wait_for(lambda: time.time() - file.stat().st_mtime > 1, "nothing has been saved for a second")
    before = lab.agent.last_event()
    with server_gone(lab, "back1"):
        event = lab.agent.wait_event("backend_down", "six", "back1", before)
        lab.agent.end(signal.SIGKILL)
        assert [backend["name"] for backend in json.loads(file.read_text())["pools"]["six"]["down"]] == ["back1"]
        lab.agent.start()
        backend = lab.agent.backend("six", "back1")
        assert backend["state"] == "down" and backend["slots"] == 0 and "refused" in backend["probe"], backend
        assert not lab.agent.events("backend_down", since=event["id"]), "it is no news"


def test_kept_backend_is_remembered(lab):
    """A fall that min_healthy keeps out of the tables is known after a crash, too."""
    file = lab.agent.state / "health.json"
    written = file.stat().st_mtime_ns
    lab.agent.reload(config(min_healthy="100%"))
    wait_for(lambda: file.stat().st_mtime_ns != written, "what the reload has changed is saved")
    before = lab.agent.last_event()

    def saved():
        return [backend["name"] for backend in json.loads(file.read_text())["pools"]["six"]["down"]]

    with server_gone(lab, "back1"):
        lab.agent.wait_event("backend_kept", "six", "back1", before)
        wait_for(lambda: saved() == ["back1"], f"the fall is saved: {saved()}")
        lab.agent.end(signal.SIGKILL)
        lab.agent.start()
        backend = lab.agent.backend("six", "back1")
        assert backend["state"] == "down" and backend["kept"] and backend["slots"] > 0
    lab.agent.wait_state("six", "back1", "up")

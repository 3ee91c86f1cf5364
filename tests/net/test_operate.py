# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Overrides of backends: packets follow at once, wrong wishes change nothing, and they outlive whatever comes."""
import json
import re
import signal
import subprocess

import pytest

from agent import UnixConnection
from operators import (SIX, answered, config, fresh_lab, overrides, post, reboot, restart,  # noqa: F401
                       saved, server_gone, slots, wish)
from slots import Slots
from topology import BACKENDS, Stream, wait_for

NOBODY = 65534


@pytest.mark.parametrize("action", ("drain", "maint"))
def test_backend_out_and_in(lab, action):
    before = lab.agent.last_event()
    said = lab.agent.cli("backend", action, "six", "far1", "--reason", "disk swap").stdout
    assert action in said and "disk swap" in said
    assert slots(lab, "far1") == 0 and answered(lab) == BACKENDS.keys() - {"far1"}
    backend = lab.agent.backend("six", "far1")
    assert backend["state"] == action and backend["weight"] == 100 and backend["weight_now"] == 0
    override = backend["override"]
    assert {**override, "when": None, "left_ms": None} == {
        "state": action, "weight": None, "uid": 0, "user": "root", "when": None, "left_ms": None, "reason": "disk swap"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", override["when"])
    assert (override["left_ms"] is not None) == (action == "drain")
    shown = lab.agent.cli("show", "backends", "six").stdout
    assert f"{action}*" in shown and "root" in shown and "disk swap" in shown
    event = lab.agent.wait_event(f"backend_{action}", "six", "far1", before)
    assert event["uid"] == 0 and "disk swap" in event["text"]
    assert lab.agent.states("steady")["far1"] == "up", "another pool's backend of that name is another"

    lab.agent.cli("backend", "ready", "six", "far1")
    assert lab.agent.backend("six", "far1")["override"] is None
    assert lab.agent.backend("six", "far1")["state"] == "up" and answered(lab) == set(BACKENDS)
    assert lab.agent.wait_event("backend_ready", "six", "far1", before)["uid"] == 0
    assert not lab.agent.events("backend_down", since=before) and not lab.agent.events("backend_up", since=before)


def owned(lab, name):
    """How many slots it has in the kernel."""
    table = Slots(lab.agent, "six")
    try:
        return table.owners(table.read()).count(table.indices[name])
    finally:
        table.close()


def test_weight(lab):
    before = lab.agent.last_event()
    lab.agent.cli("backend", "weight", "six", "back1", "500")
    backend = lab.agent.backend("six", "back1")
    assert (backend["weight"], backend["weight_now"]) == (100, 500) and backend["share"] == pytest.approx(0.5)
    assert backend["slots"] == owned(lab, "back1") == pytest.approx(1009 / 2, abs=3)
    assert "100 -> 500" in lab.agent.wait_event("backend_weight", "six", "back1", before)["text"]
    lab.agent.cli("backend", "weight", "six", "back1", "back2", "0")
    assert slots(lab, "back1") == slots(lab, "back2") == owned(lab, "back1") == owned(lab, "back2") == 0
    assert answered(lab) == BACKENDS.keys() - {"back1", "back2"}
    changed = config()
    changed["pools"]["six"]["backends"][2]["weight"] = 200
    lab.agent.reload(changed)
    assert slots(lab, "back1") == owned(lab, "back1") == 0, "the override goes before the configuration"
    lab.agent.cli("backend", "ready", "six", "back1", "back2")
    assert lab.agent.backend("six", "back1")["share"] == pytest.approx(200 / 700)
    assert owned(lab, "back1") == pytest.approx(1009 * 200 / 700, abs=3)
    assert answered(lab) == set(BACKENDS)


def test_another_user(lab):
    """Whoever the socket lets in is noted as who asked, not as who runs the agent."""
    body = json.dumps({"action": "maint", "pool": "six", "backend": "near1"})
    subprocess.run(["setpriv", "--reuid", str(NOBODY), "--regid", "0", "--clear-groups", "curl", "-sS", "--fail",
                    "--unix-socket", lab.agent.socket.name, "-d", body, "http://sluice/v1/backend"],
                   cwd=lab.agent.socket.parent, check=True, capture_output=True)
    assert overrides(lab)["near1"]["uid"] == NOBODY and overrides(lab)["near1"]["user"] == "nobody"
    assert lab.agent.events("backend_maint", "six", "near1")[-1]["uid"] == NOBODY


GOOD = {"action": "maint", "pool": "six", "backend": "near1"}
BAD_WISHES = {
    "empty": "", "garbage": "maint six near1", "null": "null", "list": "[]", "text": '"maint"', "number": "7",
    "cut": json.dumps(GOOD)[:-1], "more": json.dumps(GOOD) + "x", "twice": '{"action": "maint", "action": "ready"}',
    "binary": bytes(range(256)), "deep": "[" * 500_000, "large": '{"action": "' + "x" * (4 << 20) + '"}',
    "not UTF-8": b'{"action": "maint", "pool": "six", "backend": "near1", "reason": "\xff\xfe"}',
    **{f"cut in a character {length}": ('{"' + "x" * length + "\\é€😀").encode() for length in range(20)},
    "NUL": '{"action": "maint", "pool": "six", "backend": "near1\\u0000"}',
    "no action": '{"pool": "six", "backend": "near1"}', "no pool": '{"action": "maint", "backend": "near1"}',
    "no backend": '{"action": "maint", "pool": "six"}',
    "unknown action": {**GOOD, "action": "maintain"}, "empty action": {**GOOD, "action": ""},
    "types": {"action": 1, "pool": ["six"], "backend": {}}, "null name": {**GOOD, "backend": None},
    "unknown key": {**GOOD, "action": "drain", "for": "10m"}, "reason type": {**GOOD, "reason": 7},
    "long reason": {**GOOD, "reason": "x" * 120}, "weight missing": {**GOOD, "action": "weight"},
    **{f"weight {weight}": {**GOOD, "action": "weight", "weight": weight}
       for weight in (-1, 65536, 1 << 62, -(1 << 62), 1.5, "5", None, True, [])},
    **{f"for {time}": {**GOOD, "action": "drain", "for_ms": time} for time in (-1, 8 * 24 * 3600 * 1000, 0.5, "10m")},
    "for of maint": {**GOOD, "for_ms": 1000}, "weight of maint": {**GOOD, "weight": 7},
}


def test_bad_wishes(lab):
    """Each is refused with words, and nothing changes."""
    before, last = lab.agent.states("six"), lab.agent.last_event()
    for name, body in BAD_WISHES.items():
        status, reply = post(lab.agent, "/v1/backend", json.dumps(body) if isinstance(body, dict) else body)
        assert status == 400 and reply["error"], f"{name}: {status} {reply}"
    connection = UnixConnection(lab.agent.socket)
    connection.request("POST", "/v1/backend", None, {"Content-Length": str((64 << 20) + 1)})
    assert connection.getresponse().status == 413
    connection.close()
    assert lab.agent.states("six") == before and not overrides(lab)
    assert lab.agent.last_event() == last and lab.agent.log().count("near1\\u") == 0


def test_wrong_names(lab):
    """404 with what may have been meant."""
    last = lab.agent.last_event()
    for pool, backend, says in (("sixx", "near1", "no pool 'sixx': did you mean 'six'?"),
                                ("six", "nera1", "no backend 'nera1': did you mean 'near1'?"),
                                ("steady", "back1", "no backend 'back1'"), ("", "", "no pool ''"),
                                ("x" * 5000, "near1", "no pool 'xxx"), ("six", "\u202e\u0007é" * 99, "no backend"),
                                *(("six", "x" * length + "é€😀" * 30, "no backend 'xxx") for length in range(3, 12))):
        status, reply = post(lab.agent, "/v1/backend", json.dumps({**GOOD, "pool": pool, "backend": backend}))
        assert status == 404 and says in reply["error"], reply
    result = lab.agent.cli("backend", "maint", "six", "near2", "nera1", check=False)
    assert result.returncode == 1 and "did you mean 'near1'" in result.stderr
    assert overrides(lab).keys() == {"near2"}, "the first of them was done, as the reply says"
    for arguments in (("weight", "six", "near1", "65536"), ("weight", "six", "near1", "-1"), ("weight", "six", "near1"),
                      ("drain", "six", "near1", "--for", "8d"), ("maint", "six", "near1", "--for", "10s"),
                      ("drain", "six")):
        assert lab.agent.cli("backend", *arguments, check=False).returncode == 2, arguments
    assert len(lab.agent.events(since=last)) == 1


def test_overrides_stay(lab):
    """Over reload, restart, crash and reboot; who is out gets no new connection in between."""
    lab.agent.cli("backend", "drain", "six", "near1", "--for", "1h", "--reason", 'a "reason" – with ünïcode')
    lab.agent.cli("backend", "maint", "six", "far1", "--reason", "disk")
    lab.agent.cli("backend", "weight", "six", "back1", "7")
    before, last = overrides(lab), lab.agent.last_event()
    assert before.keys() == {"near1", "far1", "back1"}

    def same(what):
        assert overrides(lab) == before, what
        assert 3_000_000 < lab.agent.backend("six", "near1")["override"]["left_ms"] <= 3_600_000, what
        assert slots(lab, "near1") == slots(lab, "far1") == 0 < slots(lab, "back1") < 30, what
        assert not answered(lab) & {"near1", "far1"}, what

    with Stream(lab.client1, SIX, rate=1000, flows=100) as stream:
        lab.agent.reload(config(ramp="30s"))
        same("after a reload")
        restart(lab.agent, signal.SIGTERM)
        same("after a restart")
        restart(lab.agent, signal.SIGKILL)
        same("after a crash")
        result = stream.stop()
    # a datagram does not tell whether near1, which drains, has had the conversation before
    assert result["lost"] == 0 and "far1" not in result["backends"], result
    reboot(lab.agent)
    same("after a reboot")
    lab.agent.wait_state("six", "near2", "up")
    assert not answered(lab, 20) & {"near1", "far1"}
    assert not [event for event in lab.agent.events(since=last) if event["backend"] in before], "nothing new"


def test_drain_without_a_window_warns(lab):
    assert lab.agent.cli("backend", "drain", "six", "near1").stderr == ""
    lab.agent.reload(config(transition={"window": "0s"}))
    assert "pool six has no window" in lab.agent.cli("backend", "drain", "six", "near2").stderr
    assert lab.agent.cli("backend", "maint", "six", "near2").stderr == ""


def test_drain_ends(lab):
    """By itself, as maint, which then stays."""
    for way in ("running", signal.SIGTERM, signal.SIGKILL):
        before = lab.agent.last_event()
        lab.agent.cli("backend", "drain", "six", "near1", "--for", "1s", "--reason", "night")
        if way != "running":
            restart(lab.agent, way)
        event = lab.agent.wait_event("backend_maint", "six", "near1", before)
        assert event["uid"] is None and "time is over" in event["text"] and "night" in event["text"], event
        assert lab.agent.backend("six", "near1")["state"] == "maint" and slots(lab, "near1") == 0
        override = lab.agent.backend("six", "near1")["override"]
        assert override["state"] == "maint" and override["left_ms"] is None and override["uid"] == 0
    wait_for(lambda: saved(lab.agent, "overrides")["overrides"][0]["state"] == "maint", "the end is saved")
    restart(lab.agent, signal.SIGKILL)
    assert lab.agent.backend("six", "near1")["override"] == override
    assert len(lab.agent.events("backend_maint", "six", "near1", before)) == 1


@pytest.mark.parametrize("crash", (False, True), ids=("at-once", "after-a-crash"))
def test_override_goes_with_its_backend(lab, crash):
    """When a reload removes a backend its override does not wait for the next one of that name."""
    lab.agent.cli("backend", "maint", "six", "far2", "--reason", "old")
    lab.agent.cli("backend", "maint", "six", "far1")
    before = lab.agent.last_event()
    lab.agent.reload(config("near1", "near2", "far1"))
    assert "override" in lab.agent.wait_event("backend_ready", "six", "far2", before)["text"]
    if crash:
        restart(lab.agent, signal.SIGKILL)
        assert not lab.agent.events("snapshot_lost", since=before)
    lab.agent.configure(config())
    if crash:
        restart(lab.agent, signal.SIGKILL)
    else:
        lab.agent.reload()
    assert overrides(lab).keys() == {"far1"}
    lab.agent.wait_state("six", "far2", "up")


def test_ready_is_what_the_probe_says(lab):
    """Not blindly up; and what an operator has taken out, no probe brings back."""
    with server_gone(lab, "near1"):
        lab.agent.wait_state("six", "near1", "down")
        wish(lab, "maint", "near1")
        assert lab.agent.backend("six", "near1")["state"] == "maint"
        before = lab.agent.last_event()
        backend = wish(lab, "ready", "near1")
        assert backend["state"] == "down" and backend["slots"] == 0 and backend["override"] is None
        event = lab.agent.wait_event("backend_ready", "six", "near1", before)
        assert "down" in event["text"] and "refused" in event["text"], event
        wish(lab, "maint", "near1")
    wait_for(lambda: "200" in lab.agent.backend("six", "near1")["probe"], "its probe passes again")
    wait_for(lambda: lab.agent.backend("six", "near1")["probes"][0]["verdict"] == "up", "its verdict is up")
    assert lab.agent.backend("six", "near1")["state"] == "maint" and slots(lab, "near1") == 0
    with server_gone(lab, "near1"):  # a verdict that changes meanwhile counts afterwards
        wait_for(lambda: lab.agent.backend("six", "near1")["probes"][0]["verdict"] == "down", "its verdict is down")
        assert wish(lab, "ready", "near1")["state"] == "down"
    lab.agent.wait_state("six", "near1", "up")
    assert slots(lab, "near1") > 0

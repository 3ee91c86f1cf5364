# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Whole configurations over the socket: applied, confirmed, rolled back, kept; and what a damaged file does then."""
import json
import re
import signal

import pytest

from agent import yaml
from operators import (SIX, STEADY, answered, config, fresh_lab, overrides, post, restart, server_gone,  # noqa: F401
                       wish)
from topology import BACKENDS, BUILD, ROOT, Stream, wait_for

FEW = {"near1", "near2"}


def apply(lab, content, *arguments, check=True):
    file = lab.topology.folder / "to-apply.yaml"
    file.write_text(yaml(content))
    return lab.agent.cli("apply", file, *arguments, check=check)


def names(lab, pool="six"):
    return set(lab.agent.states(pool))


def source(lab):
    return lab.agent.status()["config"]["source"]


def waiting(lab):
    return lab.agent.status()["config"]["confirm_left_ms"] is not None


def undisturbed(lab, since):
    """No backend that was there all the time has changed its state since that event."""
    return not [event for event in lab.agent.events(since=since) if event["event"] in ("backend_down", "backend_up") and
                (event["pool"] == "steady" or event["backend"] in FEW)]


def wait_rollback(lab):
    """The states of the pool of six in the first answer after it."""
    def back():
        states = lab.agent.states("six")
        return states if len(states) == len(BACKENDS) else None

    return wait_for(back, "the former configuration is back")


def test_apply(lab):
    """At once, without a loss for others; for good, until a reload goes back to the file."""
    before = lab.agent.last_event()
    with Stream(lab.client1, STEADY, rate=1500) as stream:
        assert "far1" in apply(lab, config(*FEW)).stdout
        assert lab.agent.wait_event("config_applied", since=before)["uid"] == 0
        assert names(lab) == FEW and answered(lab, 30) == FEW and source(lab) == "socket"
        assert undisturbed(lab, before)
        restart(lab.agent, signal.SIGKILL)
        assert names(lab) == FEW and source(lab) == "socket"
        applied = lab.agent.status()["config"]["applied"]
        assert "to-apply.yaml" in applied and "by root (uid 0)" in applied
        before = lab.agent.last_event()
        lab.agent.reload()
        assert names(lab) == set(BACKENDS) and source(lab) == "file"
        lab.agent.wait_state("six", None, "up")
        restart(lab.agent, signal.SIGKILL)
        assert names(lab) == set(BACKENDS) and source(lab) == "file"
        result = stream.stop()
    assert result["lost"] == 0 and result["moved"] == 0, result
    assert undisturbed(lab, before)


def test_name_of_the_file(lab):
    """Whatever a client calls it, it is one line, also in the file that keeps it."""
    for name in ("%C3%A9" * 300, "x" * 199 + "%C3%A9%C3%A9", "a%0Ab%1B%5B2J", "%20"):
        status, reply = post(lab.agent, f"/v1/apply?name={name}", yaml(config(*FEW)))
        assert status == 200, reply
        applied = lab.agent.status()["config"]["applied"]
        assert applied and applied.isprintable()
        restart(lab.agent, signal.SIGKILL)
        assert lab.agent.status()["config"]["applied"] == applied and names(lab) == FEW


def test_standard_input(lab):
    def apply_input(text):
        return lab.lb.run(BUILD / "sluice", "--socket", lab.agent.socket, "apply", "-", stdin=text, check=False)

    assert apply_input(yaml(config(*FEW))).returncode == 0 and names(lab) == FEW
    result = apply_input("pools: [\n")
    assert result.returncode == 1 and "<stdin>:" in result.stderr and names(lab) == FEW


WRONG = ("backend_bad_weights", "backend_duplicate_address", "fallback_cycle", "hash_key_short", "many_errors",
         "notify_command_relative", "pool_duplicate", "probe_regex_unclosed", "service_missing_pool_near",
         "syntax_tab_indent", "vip_duplicate", "yaml_alias_bomb")


def test_wrong_files(lab):
    """Refused with each error's place in the file as it was named; nothing changes."""
    before, last = lab.agent.show("pools"), lab.agent.last_event()
    for name in WRONG:
        file = ROOT / "tests/unit/config" / f"{name}.yaml"
        expected = re.findall(r"^# expect: (\d+):(\d+): (.*)$", file.read_text(), re.M)
        result = lab.agent.cli("apply", file, check=False)
        assert expected and result.returncode == 1, f"{name}: {result}"
        for line, column, message in expected:
            assert f"{file}:{line}:{column}: error: {message}" in result.stderr, f"{name}: {result.stderr}"
    refused = lab.agent.events("config_refused", since=last)
    assert len(refused) == len(WRONG)
    many = refused[WRONG.index("many_errors")]["text"]
    assert re.search(r"many_errors\.yaml:\d+:\d+: error: .*, and \d+ more errors$", many) and "^" not in many, many
    assert [pool["name"] for pool in lab.agent.show("pools")] == [pool["name"] for pool in before]
    assert names(lab) == set(BACKENDS) and source(lab) == "file" and undisturbed(lab, last)
    assert not (lab.agent.state / "applied.yaml").exists()


@pytest.mark.parametrize("body, query, status", (
    (b"", "", 422), (b"\0", "", 422), (b"\xff" * 1000, "", 422), (b"- " * 100_000, "", 422),
    (b"x" * (8 << 20), "", 422),
    (b"{}", "?confirm_ms=999", 400), (b"{}", "?confirm_ms=86400001", 400), (b"{}", "?confirm_ms=-5", 400),
    (b"{}", "?confirm_ms=5s", 400), (b"{}", "?confirm_ms=", 400), (b"{}", "?name=%ff", 400),
    (yaml(config(*FEW)).encode(), "?confirm=60s", 400)),
    ids=lambda value: str(value[:8]) if isinstance(value, bytes) else str(value))
def test_bad_requests(lab, body, query, status):
    got, reply = post(lab.agent, f"/v1/apply{query}", body)
    assert got == status and reply["error"], reply
    assert names(lab) == set(BACKENDS) and source(lab) == "file"


def test_rolls_back_by_itself(lab):
    """The former configuration comes back with all that was known of its backends, and others notice nothing."""
    with server_gone(lab, "back1"):
        lab.agent.wait_state("six", "back1", "down")
        wish(lab, "maint", "far2", reason="disk")
        wish(lab, "weight", "near1", weight=50)
        states, overridden, before = lab.agent.states("six"), overrides(lab), lab.agent.last_event()
        indices = {item["name"]: item["index"] for item in lab.agent.show("backends", "six")}
        with Stream(lab.client1, STEADY, rate=1500) as stream:
            said = apply(lab, config(*FEW), "--confirm", "2s").stdout
            assert "sluice" in said and "confirm" in said
            assert waiting(lab) and names(lab) == FEW
            assert wait_rollback(lab) == states, "as they were, before any probe"
            assert not waiting(lab) and source(lab) == "file"
            assert overrides(lab) == overridden
            assert {item["name"]: item["index"] for item in lab.agent.show("backends", "six")} == indices
            result = stream.stop()
        assert result["lost"] == 0 and result["moved"] == 0, result
        assert answered(lab) == BACKENDS.keys() - {"back1", "far2"}
        assert undisturbed(lab, before)
        assert not lab.agent.events("backend_up", since=before) and not lab.agent.events("backend_down", since=before)
        kinds = [event["event"] for event in lab.agent.events(since=before) if event["event"].startswith("config")]
        assert kinds == ["config_applied", "config_confirm", "config_rolled_back"]
        text = lab.agent.events("config_confirm")[-1]["text"]
        assert text.startswith("rolled back in 2 s unless `sluice confirm` follows") and "to-apply.yaml" in text
        assert lab.agent.events("config_rolled_back")[-1]["uid"] is None
        restart(lab.agent, signal.SIGKILL)
        assert overrides(lab) == overridden and lab.agent.states("six") == states


def test_confirmed(lab):
    apply(lab, config(*FEW), "--confirm", "1h")
    assert 3_590_000 < lab.agent.status()["config"]["confirm_left_ms"] <= 3_600_000
    lab.agent.cli("confirm")
    assert not waiting(lab) and names(lab) == FEW
    restart(lab.agent, signal.SIGKILL)
    assert names(lab) == FEW and source(lab) == "socket" and not waiting(lab)
    for verb in ("confirm", "rollback"):
        result = lab.agent.cli(verb, check=False)
        assert result.returncode == 1 and "nothing waits" in result.stderr


def test_rollback(lab):
    """On request; to what was applied before, where that was so."""
    apply(lab, config("near1", "near2", "far1"))
    apply(lab, config(*FEW), "--confirm", "1h")
    before = lab.agent.last_event()
    assert "far1" in lab.agent.cli("rollback").stdout
    assert names(lab) == {"near1", "near2", "far1"} and source(lab) == "socket" and not waiting(lab)
    assert lab.agent.wait_event("config_rolled_back", since=before)["uid"] == 0
    restart(lab.agent, signal.SIGKILL)
    assert names(lab) == {"near1", "near2", "far1"} and source(lab) == "socket"


@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGKILL), ids=("end", "crash"))
def test_restart_while_waiting(lab, sig):
    """Comes back with the former one, and with the overrides of what the other did not have."""
    wish(lab, "maint", "far1", reason="disk")
    overridden = overrides(lab)
    apply(lab, config(*FEW), "--confirm", "1h")
    wish(lab, "weight", "near1", weight=7)
    overridden |= overrides(lab)
    before = lab.agent.last_event()
    restart(lab.agent, sig)
    assert names(lab) == set(BACKENDS) and source(lab) == "file" and not waiting(lab)
    assert overrides(lab) == overridden
    text = lab.agent.wait_event("config_rolled_back", since=before)["text"]
    assert text.startswith(f"{lab.agent.config_file} runs again: ") and "to-apply.yaml" in text
    wait_for(lambda: "waiting" not in json.loads((lab.agent.state / "health.json").read_text()), "it is done with")
    restart(lab.agent, sig)
    assert len(lab.agent.events("config_rolled_back", since=before)) == 1


def test_renamed_while_waiting(lab):
    """An override that was ended under the new name is not there under the old one after a crash."""
    wish(lab, "maint", "far1")
    wish(lab, "maint", "far2")
    renamed = config()
    next(item for item in renamed["pools"]["six"]["backends"] if item["name"] == "far1")["name"] = "new1"
    apply(lab, renamed, "--confirm", "1h")
    wish(lab, "ready", "new1")
    restart(lab.agent, signal.SIGKILL)
    assert overrides(lab).keys() == {"far2"}


def test_health_while_waiting(lab):
    """A crash then comes back with what was known of backends that only the former configuration has."""
    file = lab.agent.state / "health.json"

    def known():
        return set(json.loads(file.read_text())["pools"]["six"]["up"])

    with server_gone(lab, "back1"):
        lab.agent.wait_state("six", "back1", "down")
        before = lab.agent.last_event()
        with Stream(lab.client1, SIX, rate=1000, flows=200) as stream:
            apply(lab, config(*FEW), "--confirm", "1h")
            wait_for(lambda: known() == FEW, "the health of the new configuration is saved")
            restart(lab.agent, signal.SIGKILL)
            backends = {backend["name"]: backend for backend in lab.agent.show("backends", "six")}
            assert {name for name, backend in backends.items() if backend["slots"] == 0} == {"back1"}
            assert "refused" in backends["back1"]["probe"]
            result = stream.stop()
        assert result["lost"] == 0 and "back1" not in result["backends"], result
        assert not [event for event in lab.agent.events(since=before) if event["pool"] == "six"]
    apply(lab, config(*FEW), "--confirm", "1h")
    wait_for(lambda: "former" in json.loads(file.read_text()), "it is saved as long as it may come back")
    lab.agent.cli("confirm")
    assert "former" not in json.loads(file.read_text())


def test_refused_while_waiting(lab):
    apply(lab, config(*FEW), "--confirm", "1h")
    before = lab.agent.last_event()
    file = lab.agent.config_file
    for arguments in (("reload",), ("apply", file), ("apply", file, "--confirm", "5s")):
        result = lab.agent.cli(*arguments, check=False)
        assert result.returncode == 1 and "waits to be confirmed" in result.stderr, result
    lab.agent.process.send_signal(signal.SIGHUP)
    event = wait_for(lambda: [event for event in lab.agent.events("config_refused", since=before)
                              if event["uid"] is None], "the refusal of SIGHUP is told")[0]
    assert "waits to be confirmed" in event["text"]
    assert names(lab) == FEW and waiting(lab)
    lab.agent.cli("confirm")
    lab.agent.reload()
    assert names(lab) == set(BACKENDS)


def test_override_of_a_waiting_configuration(lab):
    """Overrides of backends that a confirmed configuration has not are gone."""
    wish(lab, "maint", "far1")
    apply(lab, config(*FEW), "--confirm", "1h")
    lab.agent.cli("confirm")
    restart(lab.agent, signal.SIGKILL)
    lab.agent.reload()
    assert names(lab) == set(BACKENDS) and not overrides(lab)


DAMAGE = {"empty": lambda text: b"", "cut between services": lambda text: text[:text.index(b'  steady:\n    address')],
          "cut after a comment": lambda text: text[:text.index(b'  steady:\n    address')] + b"# the rest\n",
          "cut in a line": lambda text: text[:len(text) // 2], "without its last byte": lambda text: text[:-1],
          "garbage": lambda text: bytes(range(256)) * 20, "zeros": lambda text: bytes(len(text)),
          "another's": lambda text: b"hello: world\n"}


def test_damaged(lab):
    """However much of an applied configuration is left, the agent starts, with the file, and says so."""
    apply(lab, config(*FEW))
    kept = lab.agent.state / "applied.yaml"
    text = kept.read_bytes()
    for name, damage in DAMAGE.items():
        lab.agent.end(signal.SIGKILL)
        before = lab.agent.log()
        kept.write_bytes(damage(text))
        lab.agent.start()
        assert names(lab) == set(BACKENDS) and names(lab, "steady") and source(lab) == "file", name
        event = lab.agent.events("config_refused")[-1]
        assert re.search(r"applied\.yaml(:\d+)*: ", event["text"]), f"{name}: {event}"
        assert event["text"].startswith(f"{lab.agent.config_file} runs, "), f"{name}: {event}"
        assert "applied.yaml" in lab.agent.log()[len(before):], name
    lab.agent.reload()
    assert not kept.exists()

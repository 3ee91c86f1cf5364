# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What operators do by the CLI: backends' overrides, and configurations over the socket."""

import json
import os
import threading

import pytest

from replies import CHANGES, LINES, backend, down, override
from stand_in import ask, on_terminal, run

DRAINED = backend("web", "web1", 1, state="drain", weight_now=0, share=0.0,
                  override=override(state="drain", left_ms=600000, reason="disk swap"))


@pytest.fixture
def pool(agent):
    """An agent whose pool web has web1 to web3."""

    def operate():
        wish = json.loads(agent.bodies["/v1/backend"])
        if wish["pool"] != "web":
            return 404, {"error": f"no pool '{wish['pool']}': did you mean 'web'?"}
        if wish["backend"] not in ("web1", "web2", "web3"):
            return 404, {"error": f"no backend '{wish['backend']}'"}
        wishes.append(wish)
        return 200, {**DRAINED, "name": wish["backend"]}

    wishes = []
    agent.answers["POST", "/v1/backend"] = lambda: (lambda status, reply: (
        status, reply if "error" in reply else {"backend": reply}))(*operate())
    agent.wishes = wishes
    return agent


@pytest.mark.parametrize(("arguments", "wish"), [
    (["drain"], {"action": "drain"}),
    (["drain", "--for", "10m"], {"action": "drain", "for_ms": 600000}),
    (["drain", "--for=90s", "--reason", "disk swap"], {"action": "drain", "for_ms": 90000, "reason": "disk swap"}),
    (["drain", "-f2h", "-r", "\u00fcbung"], {"action": "drain", "for_ms": 7200000, "reason": "\u00fcbung"}),
    (["drain", "--for", "7d"], {"action": "drain", "for_ms": 604800000}),
    (["maint", "--reason", "x"], {"action": "maint", "reason": "x"}),
    (["m"], {"action": "maint"}),
    (["re"], {"action": "ready"}),
])
def test_wishes(pool, arguments, wish):
    assert ask(pool, "backend", arguments[0], "web", "web1", *arguments[1:]).returncode == 0
    assert pool.wishes == [{"pool": "web", "backend": "web1", **wish}]


def test_weight(pool):
    assert ask(pool, "ba", "weight", "web", "web1", "web2", "0").returncode == 0
    assert pool.wishes == [{"action": "weight", "pool": "web", "backend": name, "weight": 0}
                           for name in ("web1", "web2")]


def test_it_says_what_is_so_now(agent):
    agent.answers["POST", "/v1/backend"] = (200, {"backend": DRAINED})
    assert ask(agent, "backend", "drain", "web", "web1").stdout == (
        "web/web1: drain*, weight 0/100, 0.0% of the pool; "
        "drain by root since Mar  1 12:00:00, 10 min left: disk swap\n")
    agent.answers["POST", "/v1/backend"] = (200, {"backend": backend("web", "web1", 1)})
    assert ask(agent, "backend", "ready", "web", "web1").stdout == "web/web1: up, weight 100, 50.0% of the pool\n"
    agent.answers["POST", "/v1/backend"] = (200, {"backend": backend("web", "web1", 1, **down())})
    assert ask(agent, "backend", "ready", "web", "web1").stdout == (
        "web/web1: down, weight 0/100, 0.0% of the pool\n"
        "  down for 12 min: connect 10.0.0.11:8080: connection refused after 0.3 ms\n")


def test_several_backends_as_json(pool):
    result = ask(pool, "backend", "drain", "web", "web1", "web2", "--json")
    assert result.returncode == 0
    assert [one["name"] for one in json.loads(result.stdout)] == ["web1", "web2"]


def test_a_refusal_ends_it(pool):
    result = ask(pool, "backend", "drain", "web", "web1", "wbe2", "web3")
    assert (result.returncode, result.stderr) == (1, "sluice: no backend 'wbe2'\n")
    assert result.stdout.startswith("web/web1: drain*")
    assert [wish["backend"] for wish in pool.wishes] == ["web1"]
    result = ask(pool, "backend", "drain", "web", "web1", "wbe2", "web3", "--json")
    reply = json.loads(result.stdout)
    assert (result.returncode, reply["error"]) == (1, "no backend 'wbe2'")
    assert [one["name"] for one in reply["done"]] == ["web1"]
    result = ask(pool, "backend", "maint", "wbe", "web1")
    assert (result.returncode, result.stderr) == (1, "sluice: no pool 'wbe': did you mean 'web'?\n")


def test_a_reply_that_says_nothing(agent):
    agent.answers["POST", "/v1/backend"] = (200, {})
    result = ask(agent, "backend", "drain", "web", "web1")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "sluice: the agent's answer does not tell how web/web1 is now\n"


def test_backend_without_agent(folder):
    result = run("--socket", folder / "none", "backend", "maint", "web", "web1", "web2")
    assert (result.returncode, result.stderr.count("no agent answers")) == (4, 1)


# Configurations over the socket


@pytest.fixture
def config(folder):
    path = folder / "a & b?.yaml"
    path.write_bytes(b"pools: {}\n")
    return path


def test_apply(agent, config):
    agent.answers["POST", "/v1/apply"] = (200, {**CHANGES, "confirm_ms": None})
    result = ask(agent, "apply", config)
    assert (result.returncode, result.stdout, result.stderr) == (0, LINES, "")
    assert agent.bodies["/v1/apply"] == b"pools: {}\n"
    assert agent.queries["/v1/apply"] == {"name": str(config)}
    assert json.loads(ask(agent, "apply", config, "--json").stdout) == {**CHANGES, "confirm_ms": None}


def test_apply_names_the_file_as_it_was_typed(agent, config):
    agent.answers["POST", "/v1/apply"] = (422, {"error": "x:1:2: error: wrong\nx: y\n ^\n1 error\n"})
    result = ask(agent, "apply", config.name, cwd=config.parent)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "x:1:2: error: wrong\nx: y\n ^\n1 error\n"
    assert agent.queries["/v1/apply"] == {"name": config.name}


def test_apply_from_standard_input(agent):
    agent.answers["POST", "/v1/apply"] = (200, {"changes": [], "warnings": ["eth1: gone"], "confirm_ms": None})
    result = ask(agent, "apply", "-", input="services: {}\n")
    assert (result.returncode, result.stdout) == (0, "applied: nothing changed\n")
    assert result.stderr == "sluice: warning: eth1: gone\n"
    assert agent.bodies["/v1/apply"] == b"services: {}\n"
    assert agent.queries["/v1/apply"] == {"name": "<stdin>"}


def test_apply_until_confirmed(agent, config):
    agent.answers["POST", "/v1/apply"] = (200, {**CHANGES, "confirm_ms": 60000})
    result = ask(agent, "apply", "--confirm", "60s", config)
    assert agent.queries["/v1/apply"] == {"name": str(config), "confirm_ms": "60000"}
    assert result.stdout == LINES + (f"confirm within 60 s with: sluice --socket {agent.path} confirm; "
                                     "otherwise the former configuration comes back\n")


def test_apply_of_large_and_empty_files(agent, config):
    agent.answers["POST", "/v1/apply"] = (200, {**CHANGES, "confirm_ms": None})
    agent.answers["POST", "/v1/diff"] = (422, {"error": "wrong"})
    config.write_bytes(b"# x\n" * (5 << 20))
    assert ask(agent, "apply", config).returncode == 0
    assert agent.bodies["/v1/apply"] == config.read_bytes()
    os.truncate(config, (64 << 20) + 1)
    agent.asked.clear()
    result = ask(agent, "apply", config)
    assert (result.returncode, result.stderr) == (
        1, f"sluice: {config}: larger than the 64 MiB that a configuration may have\n")
    assert agent.asked == []
    os.truncate(config, 0)
    assert ask(agent, "diff", config).returncode == 1
    assert agent.bodies["/v1/diff"]  # without a body, an agent compares with its own file


def test_apply_of_files_that_cannot_be_read(agent, folder):
    result = ask(agent, "apply", folder / "none")
    assert (result.returncode, result.stderr) == (
        1, f"sluice: {folder}/none: cannot be read: No such file or directory\n")
    assert "Is a directory" in ask(agent, "apply", folder).stderr
    assert json.loads(ask(agent, "apply", folder, "--json").stdout) == {
        "error": f"{folder}: cannot be read: Is a directory"}
    assert agent.asked == []


def test_apply_of_a_pipe_that_is_slow(agent, folder):
    fifo = folder / "fifo"
    os.mkfifo(fifo)

    def feed():
        with open(fifo, "wb", buffering=0) as pipe:
            for byte in b"pools: {}\n":
                pipe.write(bytes([byte]))

    thread = threading.Thread(target=feed)
    thread.start()
    agent.answers["POST", "/v1/apply"] = (200, {**CHANGES, "confirm_ms": None})
    assert ask(agent, "apply", fifo).returncode == 0
    thread.join()
    assert agent.bodies["/v1/apply"] == b"pools: {}\n"


def test_apply_while_another_waits(agent, config):
    agent.answers["POST", "/v1/apply"] = (409, {"error": "another one waits to be confirmed"})
    result = ask(agent, "apply", config)
    assert (result.returncode, result.stderr) == (1, "sluice: another one waits to be confirmed\n")


def test_confirm_and_rollback(agent):
    agent.answers["POST", "/v1/confirm"] = (200, {})
    result = ask(agent, "confirm")
    assert (result.returncode, result.stdout) == (0, "confirmed: the applied configuration stays\n")
    assert json.loads(ask(agent, "confirm", "--json").stdout) == {}
    agent.answers["POST", "/v1/rollback"] = (200, CHANGES)
    result = ask(agent, "rollback")
    assert (result.returncode, result.stdout) == (0, LINES)
    for verb in ("confirm", "rollback"):
        agent.answers["POST", f"/v1/{verb}"] = (409, {"error": "nothing waits to be confirmed"})
        result = ask(agent, verb)
        assert (result.returncode, result.stderr) == (1, "sluice: nothing waits to be confirmed\n")


def test_diff_of_a_file(agent, config):
    agent.answers["POST", "/v1/diff"] = (200, {"changes": CHANGES["changes"]})
    result = ask(agent, "diff", config)
    assert (result.returncode, result.stdout) == (3, LINES)
    assert agent.bodies["/v1/diff"] == b"pools: {}\n"
    assert agent.queries["/v1/diff"] == {"name": str(config)}
    agent.answers["POST", "/v1/diff"] = (200, {"changes": []})
    assert ask(agent, "diff", "-", input="x").returncode == 0


def test_changes_have_colours_on_a_terminal(agent, config):
    agent.answers["POST", "/v1/apply"] = (200, {**CHANGES, "confirm_ms": None})
    code, text = on_terminal("--socket", agent.path, "apply", config)
    assert code == 0
    assert "\033[32m+ backend web/web3: weight 1\033[0m" in text

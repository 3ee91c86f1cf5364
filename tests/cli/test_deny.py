# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The deny list by the CLI: what is asked of the agent, what is refused before, and what is shown."""

import json

import pytest

from stand_in import ask, on_terminal, run

ADDED = {"added": 1, "renewed": 1, "count": 7, "capacity": 100000, "warnings": []}
REMOVED = {"removed": 2, "missing": 0, "count": 1, "capacity": 100000, "warnings": []}
HOUR = 3_600_000
DENIED = [{"prefix": "203.0.113.0/24", "left_ms": None}, {"prefix": "2001:db8::/32", "left_ms": 2 * HOUR},
          {"prefix": "9.9.9.9", "left_ms": 1}, {"prefix": "203.0.0.0/16", "left_ms": 599_001}]


@pytest.fixture
def denying(agent):
    """An agent that takes every list, and has one, in pieces of two."""

    def listed():
        first = int(agent.queries["/v1/deny"].get("from", 0))
        return 200, {"count": len(DENIED), "capacity": 100000, "deny": DENIED[first:first + 2],
                     "next": first + 2 if first + 2 < len(DENIED) else None}

    agent.answers["POST", "/v1/deny/add"] = (200, ADDED)
    agent.answers["POST", "/v1/deny/remove"] = (200, REMOVED)
    agent.answers["GET", "/v1/deny"] = listed
    return agent


@pytest.mark.parametrize(("arguments", "query", "body"), [
    (["add", "203.0.113.0/24"], {}, ["203.0.113.0/24"]),
    (["a", "9.9.9.9/32", "2001:DB8:0::/32", "--for", "10m"], {"for_ms": "600000"}, ["9.9.9.9", "2001:db8::/32"]),
    (["add", "--for=365d", "::1"], {"for_ms": str(365 * 24 * HOUR)}, ["::1"]),
    (["remove", "203.0.113.0/24", "9.9.9.9"], {}, ["203.0.113.0/24", "9.9.9.9"]),
    (["remove", "--all"], {"all": "1"}, None),
])
def test_wishes(denying, arguments, query, body):
    result = ask(denying, "deny", *arguments)
    path = "/v1/deny/" + ("add" if arguments[0].startswith("a") else "remove")
    assert (result.returncode, result.stderr) == (0, "")
    assert denying.queries[path] == query
    assert (json.loads(denying.bodies[path]) if denying.bodies[path] else None) == body


def test_it_says_what_was_done(denying):
    assert ask(denying, "deny", "add", "::1", "::2").stdout == "1 added, 1 renewed; 7 prefixes are denied\n"
    assert ask(denying, "deny", "add", "::1", "--for", "90m").stdout == (
        "1 added, 1 renewed, for 1 h 30 min; 7 prefixes are denied\n")
    assert ask(denying, "deny", "remove", "::1").stdout == "2 removed; 1 prefix is denied\n"
    assert json.loads(ask(denying, "deny", "add", "::1", "--json").stdout) == ADDED
    denying.answers["POST", "/v1/deny/remove"] = (200, {**REMOVED, "missing": 1, "warnings": ["not saved"]})
    result = ask(denying, "deny", "remove", "::1")
    assert result.returncode == 0 and "1 of them was not on the list" in result.stderr
    assert "not saved" in result.stderr
    denying.answers["POST", "/v1/deny/add"] = (409, {"error": "the deny list is full"})
    result = ask(denying, "deny", "add", "::1")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "sluice: the deny list is full\n")
    assert json.loads(ask(denying, "deny", "add", "::1", "--json").stdout) == {"error": "the deny list is full"}


def test_files(denying, folder):
    path = folder / "a list"
    path.write_bytes(b"# all of them\n 203.0.113.0/24 # one\r\n\n2001:db8::/32 ; SBL1\n9.9.9.9")
    assert ask(denying, "deny", "add", "1.2.3.4", "--file", path).returncode == 0
    assert json.loads(denying.bodies["/v1/deny/add"]) == ["1.2.3.4", "203.0.113.0/24", "2001:db8::/32", "9.9.9.9"]
    assert ask(denying, "deny", "remove", "-F", "-", input="::1\n::2\n").returncode == 0
    assert json.loads(denying.bodies["/v1/deny/remove"]) == ["::1", "::2"]


def test_a_wrong_line_is_told_and_nothing_asked(denying, folder):
    path = folder / "list"
    path.write_bytes(b"::1\n1.2.3\n\n10.0.0.1/8\n1.2.3.4 5.6.7.8\n\x1b[31m\n" + b"x" * 5000 + b"\n::1\0\n")
    result = ask(denying, "deny", "add", "--file", path)
    assert (result.returncode, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines[:-1]] == [f"{path}:{line}" for line in (2, 4, 5, 6, 7, 8)]
    assert "has bits set beyond its length" in lines[1] and "\x1b" not in result.stderr
    assert lines[-1] == f"sluice: {path}: 6 lines are wrong, nothing is done"
    path.write_text("x\n" * 1000)
    result = ask(denying, "deny", "remove", "--file", path)
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 11 and "1000 lines" in result.stderr
    for content in ("", "# nothing\n"):
        path.write_text(content)
        result = ask(denying, "deny", "add", "--file", path)
        assert result.returncode == 1 and "no prefix in it" in result.stderr
    for missing in (folder / "none", folder):
        assert "cannot be read" in ask(denying, "deny", "add", "--file", missing).stderr
    assert not denying.asked


@pytest.mark.parametrize("arguments", [
    [], ["add"], ["remove"], ["add", "--all"], ["remove", "--all", "::1"], ["remove", "::1", "--for", "1m"],
    ["drop", "::1"],
    ["add", "1.2.3"], ["add", "1.2.3.4/33"], ["add", "::1", "--for", "366d"], ["add", "::1", "--for", "0s"],
    ["add", "::1", "--reason", "x"], ["add", "10.0.0.1/8"], ["add", "--file", ""],
])
def test_wrong_usage(denying, arguments):
    result = ask(denying, "deny", *arguments)
    assert (result.returncode, result.stdout) == (2, "") and result.stderr
    assert not denying.asked


def test_everything_is_confirmed(denying):
    for prefix in ("0.0.0.0/0", "::/0"):
        result = ask(denying, "deny", "add", "1.2.3.4", prefix)
        assert result.returncode == 2 and prefix in result.stderr and "--yes" in result.stderr
    assert on_terminal("--socket", denying.path, "deny", "add", "::/0", typed=b"n\n")[0] == 1
    assert not denying.asked
    assert ask(denying, "deny", "remove", "::/0").returncode == 0
    assert ask(denying, "deny", "add", "::/0", "--yes").returncode == 0
    code, written = on_terminal("--socket", denying.path, "deny", "add", "::/0", typed=b"y\n")
    assert code == 0 and "every source there is" in written
    assert denying.asked.count(("POST", "/v1/deny/add")) == 2


def test_show(denying):
    result = ask(denying, "show", "deny")
    assert [line.split(None, 1) for line in result.stdout.splitlines()[1:5]] == [
        ["9.9.9.9", "1 s"], ["203.0.0.0/16", "10 min"], ["203.0.113.0/24", "-"], ["2001:db8::/32", "2 h 0 min"]]
    assert result.stdout.splitlines()[5:] == ["", "4 prefixes are denied; there is room for 100.0k"]
    shown = json.loads(ask(denying, "show", "deny", "--json").stdout)
    assert shown["count"] == 4 and shown["capacity"] == 100000
    assert [item["prefix"] for item in shown["deny"]] == ["9.9.9.9", "203.0.0.0/16", "203.0.113.0/24", "2001:db8::/32"]


def test_show_what_denies_an_address(denying):
    def found(name):
        return [item["prefix"] for item in json.loads(ask(denying, "show", "deny", name, "--json").stdout)["deny"]]

    assert found("203.0.113.9") == ["203.0.0.0/16", "203.0.113.0/24"]
    assert found("203.0.113.0/24") == ["203.0.0.0/16", "203.0.113.0/24"]
    assert found("203.0.0.0/8") == found("::1") == []
    assert found("2001:db8::1") == ["2001:db8::/32"]
    assert ask(denying, "show", "deny", "::1").stdout.startswith("::1 is not denied; 4 prefixes are denied; ")
    for arguments in (["x"], ["::1", "::2"], ["--watch"], ["--all"], ["--count", "3"]):
        assert ask(denying, "show", "deny", *arguments).returncode == 2


def test_empty_list(agent):
    agent.answers["GET", "/v1/deny"] = (200, {"count": 0, "capacity": 100000, "next": None, "deny": []})
    assert ask(agent, "show", "deny").stdout == "0 prefixes are denied; there is room for 100.0k\n"


def test_without_agent(folder):
    for arguments in (["deny", "add", "::1"], ["show", "deny"]):
        result = run("--socket", folder / "none", *arguments)
        assert (result.returncode, result.stderr.count("no agent answers")) == (4, 1)


def test_a_hundred_thousand(denying, folder):
    path = folder / "list"
    prefixes = [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(100_000)]
    path.write_text("\n".join(prefixes))
    assert ask(denying, "deny", "add", "--file", path).returncode == 0
    assert json.loads(denying.bodies["/v1/deny/add"]) == prefixes

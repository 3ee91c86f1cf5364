# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What users are told: the manual pages name all there is, and words are completed in bash."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import replies
from stand_in import SLUICE, ask, run

TREE = pathlib.Path(__file__).parents[2]
MANUAL = (TREE / "man" / "sluice.8").read_text(encoding="utf-8")
# the words set as literals, such as keys
LITERALS = {word for line in re.findall(r"^\.(?:It )?Li (.*)$", MANUAL.replace("\\\n", " "), re.M)
            for word in line.split()}


def kinds():
    header = (TREE / "user" / "model" / "event.h").read_text(encoding="utf-8")
    found = re.findall(r"^\s*EVENT\((\w+), (INFO|WARNING|ERROR), (true|false),", header, re.M)
    assert len(found) > 20
    return found


def test_manual_names_every_event():
    listed = re.findall(r"^\.It Li (\w+) Pq (\w+)$", MANUAL, re.M)
    assert listed == [(name, severity.lower()) for name, severity, _ in kinds()]


def test_manual_names_the_events_that_hooks_are_not_told():
    silent = re.search(r"^All but\n((?:\.Li \w+\n|and\n)+)are also told", MANUAL, re.M).group(1)
    assert re.findall(r"\.Li (\w+)", silent) == [name for name, _, hook in kinds() if hook == "false"]
    page = (TREE / "man" / "sluiced.8").read_text(encoding="utf-8")
    for name, _, hook in kinds():
        assert (f".Li {name}" in page) == (hook == "false")


def test_manual_names_every_subject():
    listed = run("help", "show").stdout.split("subjects, which may be abbreviated:\n")[1].split("\n\n")[0]
    for subject in re.findall(r"^  (\w+) ", listed, re.M):
        assert f".It Cm {subject}\n" in MANUAL
        assert f".It Cm show {subject}\n" in MANUAL


def test_manual_names_every_verb_and_option():
    verbs = run("help").stdout.split("abbreviated (sluice sh ba):\n")[1].split("\n\n")[0]
    for verb in re.findall(r"^  (\w+)", verbs, re.M):
        assert f".It Cm {verb}" in MANUAL
        for letter, name in re.findall(r"^  -(\w), --(\w+)", run("help", verb).stdout, re.M):
            assert f".It Fl {letter} , \\-{name}" in MANUAL


def keys(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


@pytest.mark.parametrize("arguments", [
    ["status"], ["show", "services"], ["show", "pools"], ["show", "backends"], ["show", "neighbours"],
    ["show", "flows"], ["show", "flows", "--records"], ["show", "drops"], ["show", "events"], ["show", "bpf"], ["watch", "--count", "1"], ["diff"], ["reload"],
    ["apply", os.devnull], ["rollback"], ["confirm"], ["check", os.devnull], ["version"],
    ["backend", "maint", "web", "gone", "none"],
    ["show", "deny"], ["deny", "add", "::1"], ["deny", "remove", "--all"],
], ids=" ".join)
def test_manual_names_every_key(agent, arguments):
    def operate():
        if json.loads(agent.bodies["/v1/backend"])["backend"] == "none":
            return 404, {"error": "no backend 'none'"}
        return 200, {"backend": replies.STANDINGS[6]}

    agent.answers.update({
        ("GET", "/v1/services"): (200, replies.ASKING_SERVICES),
        ("GET", "/v1/pools"): (200, replies.ASKING_POOLS),
        ("GET", "/v1/neighbours"): (200, replies.NEIGHBOURS),
        ("GET", "/v1/backends"): (200, replies.STANDINGS),
        ("GET", "/v1/diff"): (200, replies.CHANGES),
        ("POST", "/v1/reload"): (200, replies.CHANGES),
        ("POST", "/v1/apply"): (200, {**replies.CHANGES, "confirm_ms": 1000}),
        ("POST", "/v1/rollback"): (200, replies.CHANGES),
        ("POST", "/v1/confirm"): (200, {}),
        ("POST", "/v1/backend"): operate,
        ("GET", "/v1/deny"): (200, replies.DENIED),
        ("POST", "/v1/deny/add"): (200, replies.DENY_ADDED),
        ("POST", "/v1/deny/remove"): (200, replies.DENY_REMOVED),
    })
    if arguments[0] == "watch":
        agent.stream = lambda write, *_: write(json.dumps(replies.EVENTS[1]).encode() + b"\n")
    printed = json.loads(ask(agent, *arguments, "--json").stdout)
    assert set(keys(printed)) <= LITERALS
    assert set(keys(printed)) or arguments[0] == "confirm"


def keys_made():
    """Those that the agent's sources put into what they answer."""
    for name in ("out/report*.c", "out/dataplane.c", "out/events.c", "probe/prober.c", "model/config_diff*.c",
                 "agent/reload.c", "agent/operate.c", "agent/deny.c"):
        for path in sorted((TREE / "user").glob(name)):
            text = path.read_text(encoding="utf-8")
            yield from re.findall(r'\b(?:set|member_\w+|list_\w+|json_object_set_new\w*)\([^,;()]+, "([a-z]\w*)"', text)
            for call in re.findall(r"\bjson_pack\(([^;]*);", text):
                yield from re.findall(r'"([a-z]\w*)"', re.sub(r': "\w+"', "", call))


def test_manual_names_every_key_that_is_made():
    made = set(keys_made())
    assert {"uptime_s", "held_ms", "under_way", "attached", "severity", "effective", "detail", "warnings"} <= made
    assert made <= LITERALS
    # and the stand-in agent has all that tables and status are made from
    said = set(keys([replies.STATUS, replies.ASKING_SERVICES, replies.ASKING_POOLS, replies.STANDINGS, replies.NEIGHBOURS,
                     replies.FLOWS, replies.RECORDS, replies.DROPS, replies.DENIED, replies.DENY_ADDED, replies.DENY_REMOVED,
                     replies.EVENTS, replies.BPF, replies.CHANGES]))
    assert made - said <= {"complete", "confirm_ms", "error", "next"}  # of pieces of records, apply's, and a refusal's


def test_manual_names_every_metric():
    text = (TREE / "user" / "out" / "metrics.c").read_text(encoding="utf-8")
    made = set(re.findall(r'"(sluice_\w+[a-z])\b', text))
    for prefix in re.findall(r'COUNTER_METRICS\("(\w+)"', text):
        made |= {f"{prefix}packets_total", f"{prefix}bytes_total"}
    assert {"sluice_packets_total", "sluice_backend_bytes_total", "sluice_build_info", "sluice_pool_usable"} <= made
    assert {name for name in LITERALS if name.startswith("sluice_")} == made


@pytest.mark.skipif(not shutil.which("mandoc"), reason="takes mandoc")
@pytest.mark.parametrize("page", ["sluice.8", "sluiced.8"])
def test_manual_is_well_formed(page):
    # other pages need not be installed here
    found = subprocess.run(["mandoc", "-Tlint", TREE / "man" / page], capture_output=True, text=True, check=False)
    assert [line for line in found.stdout.splitlines() if "referenced manual not found" not in line] == []


# Completion


def complete(agent, *words):
    """What bash offers for the last word."""
    script = f"""
        sluice() {{ command "$PROGRAM" --socket {agent.path} "$@"; }}
        . {TREE}/packaging/sluice.bash-completion
        COMP_WORDS=(sluice "$@") COMP_CWORD=$#
        _sluice
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=60,
                            env={"PATH": os.environ["PATH"], "PROGRAM": SLUICE}, check=False)
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize(("words", "offered"), [
    (["ba"], ["backend"]),
    (["show", "e"], ["events"]),
    (["deny", "a"], ["add"]),
    (["deny", "add", "--f"], ["--for", "--file"]),
    (["deny", "remove", "2"], ["203.0.113.0/24", "2001:db8::/32"]),
    (["backend", ""], ["drain", "maint", "ready", "weight"]),
    (["backend", "drain", "w"], ["web"]),
    (["backend", "drain", "--for", "5m", "web", "web"], ["web1", "web2"]),
    (["backend", "drain", "web", "web1", "web"], ["web1", "web2"]),
    (["backend", "drain", "dns", ""], ["web1"]),
    (["backend", "drain", "--f"], ["--for"]),
    (["show", "backends", "d"], ["dns"]),
    (["show", "flows", "d"], ["dns"]),
    (["show", "flows", "--r"], ["--records"]),
    (["show", "events", "web", ""], ["web1", "web2"]),
    (["show", "drops", ""], []),
    (["watch", "a"], ["api"]),
    (["apply", "--c"], ["--confirm"]),
    (["apply", "x", "--confirm", ""], ["60s", "10m", "2h"]),
    (["help", "ro"], ["rollback"]),
])
def test_completion(agent, words, offered):
    assert complete(agent, *words) == offered


def test_completion_knows_every_verb(agent):
    verbs = run("help").stdout.split("abbreviated (sluice sh ba):\n")[1].split("\n\n")[0]
    assert complete(agent, "") == re.findall(r"^  (\w+)", verbs, re.M)


def test_completion_of_files(agent, folder):
    (folder / "new.yaml").touch()
    assert complete(agent, "apply", f"{folder}/n") == [f"{folder}/new.yaml"]

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""sluice show --watch: again and again, with rates."""

import json
import subprocess

import pytest

from replies import BACKENDS
from stand_in import SLUICE, ask, on_terminal, run


def growing(step_packets, step_bytes):
    """Backends whose first one's counters grow by a step with every question."""
    count = [0]

    def answer():
        count[0] += 1
        first = {**BACKENDS[0], "packets": count[0] * step_packets, "bytes": count[0] * step_bytes}
        return 200, [first, *BACKENDS[1:]]

    return answer


def test_watch_gives_rates(agent):
    agent.answers["GET", "/v1/backends"] = growing(1000, 125000)
    result = ask(agent, "show", "backends", "--watch", "0.1", "--count", "3", "--json")
    assert result.returncode == 0
    samples = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(samples) == 3
    for sample in samples:
        first, second = sample["backends"][:2]
        # whatever the pace, the rates are of the same interval
        assert first["packets_per_s"] * sample["interval_s"] == pytest.approx(1000)
        assert first["bits_per_s"] * sample["interval_s"] == pytest.approx(1000000)
        assert second["packets_per_s"] == 0
    assert [sample["backends"][0]["packets"] for sample in samples] == [2000, 3000, 4000]


def test_watch_as_tables(agent):
    agent.answers["GET", "/v1/backends"] = growing(1, 1)
    result = ask(agent, "show", "backends", "web", "--watch=0.1", "-n2")
    assert result.stdout.count("PACKETS/S") == 2
    assert "dns" not in result.stdout
    assert "\033" not in result.stdout
    code, text = on_terminal("--socket", agent.path, "show", "backends", "--watch", "0.1", "--count", "1")
    assert code == 0
    assert text.count("\033[H\033[2J") == 2  # the first is there before there are rates


def test_watch_survives_counters_made_anew(agent):
    agent.answers["GET", "/v1/backends"] = growing(-1000, -1000)
    result = ask(agent, "show", "backends", "--watch", "0.1", "--count", "1", "--json")
    first = json.loads(result.stdout)["backends"][0]
    assert (first["packets_per_s"], first["bits_per_s"]) == (None, None)


def test_watch_waits_for_a_restarting_agent(agent):
    agent.answers["GET", "/v1/backends"] = growing(1, 1)
    process = subprocess.Popen([SLUICE, "--socket", agent.path, "show", "backends", "--watch", "0.1", "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline()
        agent.stop()
        assert "trying on every 0.1 s" in process.stderr.readline()
        agent.start()
        assert process.stderr.readline() == "sluice: the agent answers again\n"
        assert json.loads(process.stdout.readline())["backends"]
    finally:
        process.kill()
        process.communicate()


def test_watch_needs_an_agent_at_first(folder):
    result = run("--socket", folder / "none", "show", "pools", "--watch", "--count", "1")
    assert result.returncode == 4

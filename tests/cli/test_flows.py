# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""show flows, and drains that are waited for."""

import json

import pytest

from replies import BACKENDS, FLOWS, RECORDS, backend, override
from stand_in import ask, start


def drain(name, index, records, **more):
    return backend("web", name, index, **{
        "state": "drain", "weight_now": 0, "share": 0.0, "records": records,
        "override": override(state="drain", left_ms=600000), **more})


# show flows


def test_sums(agent):
    lines = ask(agent, "show", "flows").stdout.splitlines()
    assert lines[0].split() == "POOL BACKEND PHASE RECORDS CLOSING OLDEST NEWEST".split()
    assert lines[1].split() == ["web", "web1", "tcp", "1200", "3", "14", "min", "2", "s"]
    assert lines[-1] == "1237 flow records, 1 s ago; there is room for 1.0M"
    assert json.loads(ask(agent, "show", "flows", "--json").stdout) == FLOWS


def test_sums_of_a_pool(agent):
    lines = ask(agent, "show", "flows", "dns").stdout.splitlines()
    assert [line.split()[0] for line in lines if line][1:2] == ["dns"]
    assert lines[-1] == "7 flow records of dns, 1 s ago; there is room for 1.0M"
    assert json.loads(ask(agent, "show", "flows", "web", "--json").stdout)["records"] == 1230
    assert ask(agent, "show", "flows", "api").stdout == "0 flow records of api, 1 s ago; there is room for 1.0M\n"
    result = ask(agent, "show", "flows", "wbe")
    assert (result.returncode, result.stdout) == (1, "")
    assert "there is no pool 'wbe': did you mean 'web'?" in result.stderr


def test_a_flow_map_without_room(agent):
    """Of all pools together, whichever is asked for. One place is what a map has that nobody needs."""
    agent.answers["GET", "/v1/flows"] = (200, {**FLOWS, "capacity": 1500})
    assert "Raise flow_records" in ask(agent, "show", "flows", "dns").stdout
    agent.answers["GET", "/v1/flows"] = (200, {**FLOWS, "capacity": 1600})
    assert "flow_records" not in ask(agent, "show", "flows").stdout
    agent.answers["GET", "/v1/flows"] = (200, {**FLOWS, "records": 1, "capacity": 1, "flows": []})
    assert ask(agent, "show", "flows").stdout == "1 flow record, 1 s ago; none is kept, for no pool has a window\n"


def test_before_the_first_count(agent):
    agent.answers["GET", "/v1/flows"] = (200, {**FLOWS, "records": None, "swept_s": None, "pass_ms": None, "flows": []})
    assert ask(agent, "show", "flows").stdout == "not counted yet: the agent has just started\n"


def test_records_come_in_pieces(agent):
    result = ask(agent, "show", "flows", "--records", "--json")
    assert json.loads(result.stdout) == RECORDS and result.stderr == ""
    assert agent.queries["/v1/flows"] == {"records": "1", "limit": "998", "from": "77"}
    lines = ask(agent, "show", "flows", "web", "--records").stdout.splitlines()
    assert len(lines) == 4
    assert lines[1].split()[:2] == ["198.51.100.7:40000", "192.0.2.10:443"]
    assert agent.queries["/v1/flows"]["pool"] == "web"


def test_records_that_were_left_out_are_said(agent):
    result = ask(agent, "show", "flows", "--records", "--count", "1")
    assert (result.returncode, len(result.stdout.splitlines())) == (0, 2)
    assert "there are more" in result.stderr
    assert agent.queries["/v1/flows"]["limit"] == "1"


# Drains


def test_a_drained_backend_says_so(agent):
    agent.answers["GET", "/v1/backends"] = (200, [drain("web1", 1, 0, drained=True), drain("web2", 2, 3)])
    lines = ask(agent, "show", "backends").stdout.splitlines()
    assert "  drained*  " in lines[1] and "  drain*  " in lines[2]


@pytest.fixture
def drains(agent):
    """Grants drains; what is asked for then is in `steps`, one after the other, the last one for ever."""
    agent.steps = []

    def operate():
        return 200, {"backend": drain(json.loads(agent.bodies["/v1/backend"])["backend"], 1, None)}

    agent.answers["POST", "/v1/backend"] = operate
    agent.answers["GET", "/v1/backends"] = lambda: agent.steps.pop(0) if agent.steps[1:] else agent.steps[0]
    return agent


def test_wait_until_all_are_drained(drains):
    drains.steps = [(200, [drain("web1", 1, 5), drain("web2", 2, 0, drained=True)]),
                    (200, [drain("web1", 1, 0, drained=True), drain("web2", 2, 0, drained=True)])]
    result = ask(drains, "backend", "drain", "web", "web1", "web2", "--wait")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[2:] == ["web/web2: drained", "web/web1: drained"]
    result = ask(drains, "backend", "drain", "web", "web1", "--wait", "--json")
    assert [one["name"] for one in json.loads(result.stdout)] == ["web1"]
    assert json.loads(result.stdout)[0]["drained"] is True


@pytest.mark.parametrize(("steps", "message"), [
    ([[drain("web1", 1, 42)], [drain("web1", 1, 0, state="maint")]],
     "web/web1: the drain has ended with 42 connections left: they were cut"),
    ([[drain("web1", 1, None)], [drain("web1", 1, None, state="maint")]],
     "web/web1: the drain has ended, and it is not known that no connection was left: "
     "'sluice show events web web1' says why"),
    ([[drain("web1", 1, 42)], [backend("web", "web1", 1)]], "web/web1: somebody ended the drain: it is up"),
    ([[drain("web1", 1, 42)], BACKENDS[1:]], "web/web1: the configuration has it no more"),
])
def test_a_drain_that_ends_otherwise(drains, steps, message):
    drains.steps = [(200, step) for step in steps]
    result = ask(drains, "backend", "drain", "web", "web1", "--wait")
    assert (result.returncode, result.stderr) == (1, f"sluice: {message}\n")


def test_a_drain_that_became_maint_for_want_of_connections(drains):
    drains.steps = [(200, [drain("web1", 1, 0, state="maint", drained=True)])]
    result = ask(drains, "backend", "drain", "web", "web1", "--wait")
    assert (result.returncode, result.stdout.splitlines()[1:]) == (0, ["web/web1: drained"])


def test_waiting_goes_on_over_a_restart(drains):
    drains.steps = [(200, [drain("web1", 1, 5)])]
    process = start(drains, "backend", "drain", "web", "web1", "--wait")
    drains.wait_for("GET", "/v1/backends")
    drains.stop()
    said = process.stderr.readline()
    assert "waiting for it" in said
    drains.steps = [(200, [drain("web1", 1, 0, drained=True)])]
    drains.start()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "web/web1: drained"

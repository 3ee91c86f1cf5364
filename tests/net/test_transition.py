# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Connections stay where they are while backends come, change and go: real sockets, and every byte of each compared."""
import time

import pytest

import transition
from agent import KEY
from topology import wait_for
from transition import EIGHT, OPEN, SIX, TCP, TWELVE, Talk, config, crash, move_phase, phases, pool, service, start

BLUE, GREEN = EIGHT[:4], EIGHT[4:]
LEAVING = [name for name in TWELVE if name not in SIX]


@pytest.fixture(scope="module", name="lab")
def make_lab():
    transition.require()
    lab = transition.Lab()
    yield lab
    lab.close()


@pytest.fixture(name="talk")
def make_talk(lab):
    with Talk(lab) as talk:
        yield talk


def drain_in_turn(lab, talk, crashing):
    """Who is on a drained backend goes on, until the client ends it; newcomers are elsewhere at once."""
    for number, name in enumerate(LEAVING):
        lab.agent.cli("backend", "drain", "all", name)
        if crashing:
            crash(lab.agent)
        since = time.monotonic()
        talk.tcp(30)
        assert not talk.servers(since) & set(LEAVING[:number + 1])
    talk.wait_heard()
    assert set(LEAVING) <= talk.servers(), "drained backends serve the connections that they have"
    # until then, a new conversation over UDP may be one of those that its slot's former owner has
    wait_for(lambda: phases(lab.agent)[OPEN] == 0, "udp_window is over")
    for name in LEAVING:
        tcp, udp = talk.leave(name)
        assert tcp
        talk.tcp(tcp)
        talk.udp(udp)
    assert talk.servers() == set(SIX)


@pytest.mark.parametrize("crashing", (False, True), ids=("", "crashing"))
def test_nothing_breaks(lab, talk, crashing):
    """Eight backends become twelve, get other weights, are drained in turn, become six: each connection lives."""
    def change(names, weights=None):
        lab.agent.reload(config(names, weights))
        if crashing:
            crash(lab.agent)

    start(lab.agent, config(EIGHT))
    begun = lab.agent.last_event()
    assert talk.tcp(2000)["failed"] == 0
    assert talk.udp(500)["failed"] == 0
    assert talk.servers() == set(EIGHT)

    change(TWELVE)
    assert phases(lab.agent)[OPEN] > 10000, "a third of the slots is in transition"
    talk.tcp(200)
    talk.udp(50)
    assert talk.servers() == set(TWELVE)

    weights = {name: 40 + 20 * number for number, name in enumerate(TWELVE)}
    change(TWELVE, weights)
    talk.tcp(200)

    drain_in_turn(lab, talk, crashing)
    for name in LEAVING:
        lab.agent.wait_event("backend_drained", "all", name, begun, 60)
    change(SIX, weights)
    assert {backend["name"] for backend in lab.agent.show("backends", "all")} == set(SIX)
    talk.wait_heard()

    transition.wait_windows(lab.agent)
    talk.wait_heard()
    assert talk.servers() == set(SIX)
    assert not talk.failed()
    going = talk.going()
    assert sum(one["tcp"] for one in going) == 2000 + 200 + 200 + 30 * len(LEAVING)
    assert sum(not one["tcp"] for one in going) == 550


def test_table_size(lab, talk):
    """A table of another size, and back: connections stay, in both directions, and newcomers come in."""
    start(lab.agent, config(EIGHT))
    talk.tcp(400)
    talk.udp(100)
    for size in (4099, 65537):
        lab.agent.reload(config(EIGHT, table_size=size))
        talk.tcp(100)
        talk.wait_heard()
    transition.wait_windows(lab.agent)
    talk.wait_heard()
    assert not talk.failed()
    assert len(talk.going()) == 700


def blue_green(name, called="all", **keys):
    configuration = config(EIGHT)
    configuration["pools"] = {"blue": pool(BLUE), "green": pool(GREEN)}
    configuration["services"] = {called: service(name, **keys)}
    return configuration


def test_drained_without_a_window_of_udp(lab, talk):
    """Who speaks now and then is not overlooked: it is drained when they have gone."""
    start(lab.agent, config(EIGHT, transition={"window": "12s", "udp_window": "0s"}))
    transition.wait_steady(lab.agent)
    name, begun = EIGHT[0], lab.agent.last_event()
    talk.tcp(100, every=6000)
    talk.wait_heard()  # so that nobody says anything for some seconds
    lab.agent.cli("backend", "drain", "all", name)
    talk.wait_heard()
    assert not lab.agent.events("backend_drained", since=begun)
    assert talk.leave(name)[0]
    lab.agent.wait_event("backend_drained", "all", name, begun, 60)
    assert not talk.failed()


@pytest.mark.parametrize("keys", ({}, {"hash": "source"}), ids=("flow", "source"))
def test_blue_green(lab, talk, keys):
    """A service goes over to another pool and back within seconds: newcomers at once, all others stay."""
    start(lab.agent, blue_green("blue", **keys))
    talk.tcp(400)
    talk.udp(100)
    assert talk.servers() <= set(BLUE)
    for name, there in (("green", GREEN), ("blue", BLUE), ("green", GREEN)):
        lab.agent.reload(blue_green(name, **keys))
        since = time.monotonic()
        talk.tcp(100)
        assert talk.servers(since) <= set(there), "newcomers go to the new pool at once"
        talk.wait_heard()
    assert move_phase(lab.agent) in (OPEN, TCP), "all of it happened in the window"
    transition.wait_windows(lab.agent)
    talk.wait_heard()
    assert not talk.failed()
    assert len(talk.going()) == 800
    since = time.monotonic()
    talk.udp(50)
    assert talk.servers(since) <= set(GREEN), "after udp_window, conversations over UDP begin there, too"


def test_renamed_service(lab, talk):
    """Under another name it goes on with its move; also where name and pool change in one."""
    start(lab.agent, blue_green("blue"))
    talk.tcp(300)
    for name, called in (("green", "all"), ("green", "other"), ("blue", "third"), ("blue", "all")):
        lab.agent.reload(blue_green(name, called))
        talk.tcp(50)
        talk.wait_heard()
    assert not talk.failed()


def test_changed_hash(lab, talk):
    """From 5-tuple to source and back is a change of tables like others."""
    start(lab.agent, config(EIGHT))
    talk.tcp(400)
    talk.udp(100)
    for keys in ({"hash": "source"}, {}):
        changed = config(EIGHT)
        changed["services"]["all"].update(keys)
        lab.agent.reload(changed)
        talk.tcp(50)
        talk.wait_heard()
    assert not talk.failed()


def test_changed_hash_key(lab):
    """No connection can be kept then: it is said before, and done."""
    start(lab.agent, config(EIGHT))
    changed = {**config(EIGHT), "hash_key": KEY[1:] + KEY[0]}
    lab.agent.configure(changed)
    assert "hash_key" in lab.agent.cli("diff", check=False).stdout
    assert "established connections break" in lab.agent.cli("check", lab.agent.config_file).stdout
    lab.agent.reload()

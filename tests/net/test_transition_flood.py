# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A flood of SYNs from random sources, as many as the host makes, while a tenth of the slots is in transition.

Only SYNs in the changed slots write records. Each source sends twice: the kernel's LRU keeps what was seen again apart
from what was seen once, and a flood of single SYNs then drives out nothing but itself. A record that a connection does
not use lives for about

    age = records that the map has room for / new sources a second in changed slots

Here the map has room for a quarter of what the flood writes in SECONDS, so the age is about SECONDS / 4. A connection
that began in the window keeps its record if it speaks more often than that. The kernel's LRU is but approximate, and
the flood delays packets: so the test demands it, of all of them, for those that speak eight times in that age, and
nothing for those that are silent meanwhile. Without its record a connection is taken for one of the previous owner's:
which each one is that is older than the transition, so those live, and the second hop mends it for the others.
"""
import contextlib
import json
import struct
import subprocess
import time

import pytest

import transition
from slots import Slots
from topology import BUILD, ECHO, LB_MAC
from transition import EIGHT, STEADY, VIP, Talk, config, map_info, start

NINTH = "near4"
WEIGHTS = {NINTH: 89}  # of 889: a tenth of the slots
SHARE = 89 / 889
TIMES = 2  # packets of each source
SECONDS = 8  # of flood in the window
OFTEN, SELDOM = SECONDS * 1000 // 4 // 8, SECONDS * 1500  # ms between two messages
LONG = {"window": "10m", "udp_window": "5s", "idle": "10m"}  # no connection that was there before outlives it here
PATIENCE = 60  # the flood makes everybody wait, and TCP waits longer each time


@pytest.fixture(scope="module", name="lab")
def make_lab():
    transition.require()
    lab = transition.Lab()
    for name in transition.HOSTS:
        # what answers the flood's SYNs goes nowhere
        lab.topology.namespaces[name].ip("route add blackhole 10.99.0.0/16")
    yield lab
    lab.close()


@contextlib.contextmanager
def flood(lab):
    """Meanwhile SYNs come in; afterwards the dictionary tells how many a second the program saw."""
    told = {}
    before, begun = seen(lab), time.monotonic()
    process = lab.router.popen(BUILD / "tests/net/flood", "lb-eth0", LB_MAC["eth0"], VIP, ECHO, TIMES,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield told
        told["rate"] = (seen(lab) - before) / (time.monotonic() - begun) / TIMES
    finally:
        text, _ = process.communicate(timeout=20)
    told.update(json.loads(text))


def seen(lab):
    return sum(lab.agent.packets("all").values())


def records_needed(lab):
    """What the flood writes in changed slots, at the rate of a moment in which nothing else is."""
    start(lab.agent, config(EIGHT))
    with flood(lab) as told:
        time.sleep(1)
    return int(told["rate"] * SHARE * SECONDS)


def words(lab):
    slots = Slots(lab.agent, "all")
    try:
        return struct.unpack(f"={slots.count}Q", slots.read())
    finally:
        slots.close()


def is_steady(word):
    return struct.pack("=Q", word)[4] == STEADY


@pytest.mark.parametrize("hop", (False, True), ids=("alone", "second_hop"))
def test_flood(lab, hop):
    records = max(1024, records_needed(lab) // 4)
    keys = {"transition": LONG, "second_hop": hop, "more": {"flow_records": records}}
    start(lab.agent, config(EIGHT, **keys))
    with Talk(lab, patience=PATIENCE) as talk:
        talk.tcp(400, OFTEN)
        talk.tcp(300, SELDOM)
        transition.wait_steady(lab.agent)
        before = words(lab)
        lab.agent.reload(config(EIGHT + [NINTH], WEIGHTS, **keys))
        changed = words(lab)
        since = time.monotonic()
        talk.tcp(400, OFTEN)
        talk.tcp(300, SELDOM)
        memory = map_info(lab.agent, "flows")
        with flood(lab) as told:
            talk.tcp(100, OFTEN)
            time.sleep(SECONDS)
            flooded = map_info(lab.agent, "flows")
            after = words(lab)
        talk.wait_heard()
        tell(talk, told, records, since)

        failed = talk.failed()
        assert told["rate"] * SHARE * SECONDS > records, "the flood is larger than the map"
        assert not [one for one in failed if one["begun"] < since], "who was there before has nothing to lose"
        often = [one for one in failed if one["every"] * 1000 == OFTEN]
        assert len(often) <= 0.05 * 900, "they speak eight times in the age; the kernel's LRU is approximate"
        assert not (hop and failed)
        assert len(talk.going()) + len(failed) == 1500
    assert memory["max_entries"] == flooded["max_entries"] == records
    assert memory["bytes_memlock"] == flooded["bytes_memlock"]
    steady = [number for number, word in enumerate(changed) if is_steady(word)]
    assert 0.85 * len(before) < len(steady) < 0.95 * len(before)
    assert all(before[number] == changed[number] == after[number] for number in steady)


def tell(talk, told, records, since):
    newer = [one for one in talk.report() if one["begun"] >= since]
    lost = [one for one in newer if one["error"]]
    seldom = sum(one["every"] * 1000 != OFTEN for one in lost)
    print(f"{told['rate']:.0f} SYNs/s seen, {told['rate'] * SHARE:.0f} records/s, room for {records}: age "
          f"{records / told['rate'] / SHARE:.1f} s; of {len(newer)} connections that began in the window "
          f"{len(lost) - seldom} that speak often and {seldom} that speak seldom broke")

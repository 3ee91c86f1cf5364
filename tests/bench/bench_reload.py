# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A reload with 1,000 probed backends of which one changed: how long it takes, and whether other probes notice.

The time is that of POST /v1/reload as a client sees it: the file read and checked, plan, maps, reply. A probe that
started anew would leave its place in the interval, which its packets would show.
"""
import sys
import time

import figures
import many

BACKENDS, INTERVAL = 1000, 2.0
LONGEST, OFF = 100, 10  # targets: ms; percent of the interval
# what is different in the one backend: each reload goes from one to the other and back
CHANGES = {"its weight": {"weight": 50}, "its address": {"address": many.address(BACKENDS)}}
PROBE = {"type": "tcp", "port": 80, "interval": "2s", "timeout": "1s"}


def reload(lab, config):
    lab.agent.configure(config)
    begin = time.monotonic()
    status, reply = lab.agent.request("POST", "/v1/reload")
    lasted = (time.monotonic() - begin) * 1e3
    changes = figures.json.loads(reply)["changes"]
    assert status == 200 and len(changes) == 1, reply
    return lasted


def measure_time(lab, changed, rounds):
    times = []
    for i in range(rounds):
        times.append(reload(lab, many.config(1, BACKENDS, PROBE, **({} if i % 2 else changed))))
        time.sleep(0.3)  # it does what comes after a reload
    return figures.spread(times)


def measure_phases(lab, changed):
    """How far the times between a backend's probes are from the interval, over some reloads: percent of it."""
    capture = many.Capture(lab.network, "net 10.64.0.0/16")
    lab.wait_begun(1)
    for i in range(4):
        reload(lab, many.config(1, BACKENDS, PROBE, **({} if i % 2 else changed)))
        lab.wait_begun(1)
    times = capture.stop()
    others = [many.starts(times[many.address(number)]) for number in range(1, BACKENDS)]
    assert all(len(begun) >= 3 for begun in others)
    return figures.spread([abs(after - before - INTERVAL) / INTERVAL * 100 for begun in others
                           for before, after in zip(begun, begun[1:])])


def main():
    figures.require_root()
    rounds, load, rows = figures.argument("ROUNDS", 10), figures.load(), []
    lab = many.Lab()
    try:
        lab.start(many.config(1, BACKENDS, PROBE))
        lab.wait_begun(2)
        since = lab.agent.last_event()
        for what, changed in CHANGES.items():
            rows += [{"changed": what, "what": "reload, ms", **measure_time(lab, changed, rounds),
                      "max_at_most": LONGEST},
                     {"changed": what, "what": "others' probes off by, %", **measure_phases(lab, changed),
                      "max_at_most": OFF}]
        fell = [event["text"] for kind in ("backend_down", "probe_trouble")
                for event in lab.agent.events(kind, since=since)]
    finally:
        lab.close()
    for what in CHANGES:
        figures.spread_table(f"{BACKENDS} backends, {what} changes", [row for row in rows if row["changed"] == what],
                             "what")
    print(f"load {load} before")
    figures.save("reload", {"measure": "a reload in which one backend changes", "backends": BACKENDS, "load": load,
                            "rounds": rounds, "rows": rows})
    return figures.verdict([f"a reload is no reason: {text}" for text in fell])


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A reload with 1,000 probed backends of which one changed: how long it takes, and whether other probes notice.

The time is that of POST /v1/reload as a client sees it: the file read and checked, plan, maps, reply. A probe that
started anew would leave its place in the interval, which its packets would show.
"""
import sys
import time

import figures
import many

BACKENDS, ROUNDS, INTERVAL = 1000, 20, 2.0
LIMIT = 100  # ms
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


def measure_time(lab, changed):
    times = []
    for i in range(ROUNDS):
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
    lab = many.Lab()
    result, misses = {"backends": BACKENDS, "load": figures.load()}, []
    try:
        lab.start(many.config(1, BACKENDS, PROBE))
        lab.wait_begun(2)
        since = lab.agent.last_event()
        for what, changed in CHANGES.items():
            result[what] = {"ms": measure_time(lab, changed), "off_percent": measure_phases(lab, changed)}
        fell = [event["text"] for kind in ("backend_down", "probe_trouble")
                for event in lab.agent.events(kind, since=since)]
    finally:
        lab.close()
    figures.table(f"reload, {BACKENDS} backends", ("min", "median", "p90", "max"), [
        row for what in CHANGES for row in (
            [f"{what} changed: ms", *map(float, result[what]["ms"].values())],
            ["  others' probes off by, %", *map(float, result[what]["off_percent"].values())])])
    print(f"load {result['load']} before")
    figures.save("reload", result)
    for what in CHANGES:
        if result[what]["ms"]["max"] > LIMIT:
            misses.append(f"{what} changed: {result[what]['ms']['max']:.0f} ms instead of {LIMIT}")
        if result[what]["off_percent"]["max"] > 10:
            misses.append(f"{what} changed: a probe was off its time by {result[what]['off_percent']['max']:.0f} %")
    return figures.verdict(misses + [f"a reload is no reason: {text}" for text in fell])


if __name__ == "__main__":
    sys.exit(main())

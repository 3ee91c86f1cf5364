# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What 10,000 backends cost that are probed by TCP every 2 s, and how late the verdicts are.

Once to the backends' addresses and once through the VIP, encapsulated. The agent's CPU time has in it what the kernel
does in its name: over veth that is, for many of the packets, the network's and the server's side of the connection too.

Then backends are cut off. A verdict is due one interval after the last probe that passed (whose packets are seen as
they leave) and what `fall`, `fast_interval` and `timeout` ask for from there on.
"""
import datetime
import time

import figures
import many
from topology import wait_for

POOLS, BACKENDS, CUT = 10, 1000, 20
INTERVAL, TIMEOUT, FALL = 2.0, 1.0, 3
ALLOWED = INTERVAL + FALL * TIMEOUT  # from the last good probe to the verdict: fast_interval is the timeout
CORE, LATE = 50, 10  # targets, percent


def config(via):
    return many.config(POOLS, BACKENDS, {"type": "tcp", "port": 80, "via": via, "interval": "2s", "timeout": "1s",
                                         "fast_interval": "1s", "fall": FALL, "rise": 2})


def measure_cost(lab, seconds):
    pid = lab.agent.process.pid
    before, (user, system), begin = lab.status()["probing"], figures.cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    (user_then, system_then), lasted = figures.cpu_seconds(pid), time.monotonic() - begin
    after = lab.status()["probing"]
    return {"cpu_user": (user_then - user) / lasted * 100, "cpu_system": (system_then - system) / lasted * 100,
            "cpu": (user_then - user + system_then - system) / lasted * 100,
            "probes_a_second": (after["begun"] - before["begun"]) / lasted,
            "late_starts": after["late"] - before["late"], "held_up_ms": after["held_up_ms"] - before["held_up_ms"],
            "memory_kb": figures.memory_kb(pid)}


def event_time(event):
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def measure_lateness(lab):
    """Cuts backends off: for each one, the seconds to its verdict from the cut and from its last good probe."""
    numbers = [i * 499 + 7 for i in range(CUT)]  # all over the pools and over the interval
    cut = {(f"pool{number // BACKENDS}", f"b{number % BACKENDS:04}"): many.address(number) for number in numbers}
    capture = many.Capture(lab.network, " or ".join(f"dst host {address}" for address in cut.values()))
    lab.wait_begun(2)
    since, at = lab.agent.last_event(), time.time()
    lab.network.router.ip(*(f"route add blackhole {address}/32" for address in cut.values()))

    def fallen():
        events = {(event["pool"], event["backend"]): event_time(event) for event in
                  lab.agent.events("backend_down", since=since)}
        return events if len(events) >= CUT else None

    events = wait_for(fallen, f"{CUT} backends have fallen", 60)
    assert set(events) == set(cut), f"others fell too: {set(events) - set(cut)}"
    begun = {address: many.starts(times) for address, times in capture.stop().items()}
    last = {which: max(start for start in begun[address] if start < at) for which, address in cut.items()}
    return {"from_cut": figures.spread([events[which] - at for which in cut]),
            "late_percent": figures.spread([(events[which] - last[which]) / ALLOWED * 100 - 100 for which in cut])}


def run(via, seconds):
    lab = many.Lab()
    try:
        up = lab.start(config(via))
        lab.wait_begun(3)
        result = {"load": figures.load(), "all_up_after": up, **measure_cost(lab, seconds), **measure_lateness(lab),
                  "probing": lab.status()["probing"]}
        result["trouble"] = [event["text"] for event in lab.agent.events("probe_trouble")]
        return result
    finally:
        lab.close()


def show(results):
    def row(name, value, target=""):
        return [name, *(float(value(result)) for result in results.values()), target]

    columns = [*(f"via {via}" for via in results), "target"]
    figures.table(f"{POOLS * BACKENDS} backends, every {INTERVAL:g} s", columns, [
        row("CPU, % of a core", lambda result: result["cpu"], CORE),
        row("  in user mode", lambda result: result["cpu_user"]),
        row("  in the kernel", lambda result: result["cpu_system"]),
        row("memory, MB resident", lambda result: result["memory_kb"]["VmRSS"] / 1024),
        row("  of its own", lambda result: result["memory_kb"]["RssAnon"] / 1024),
        row("probes a second", lambda result: result["probes_a_second"]),
        row("begun late by > 10 %", lambda result: result["late_starts"]),
        row("all up after, s", lambda result: result["all_up_after"]),
        *(row(f"cut off to verdict, s, {what}", lambda result, what=what: result["from_cut"][what])
          for what in ("median", "max")),
        row("verdict late by, %, median", lambda result: result["late_percent"]["median"]),
        row("verdict late by, %, max", lambda result: result["late_percent"]["max"], LATE),
        row("load before", lambda result: result["load"])])


def main():
    figures.require_root()
    seconds = figures.argument("SECONDS", 10)
    results = {via: run(via, seconds) for via in ("address", "vip")}
    show(results)
    figures.save("probes", {"measure": f"TCP probes of {POOLS * BACKENDS} backends, every {INTERVAL:g} s",
                            "seconds": seconds, "rows": [
                                {"via": via, "cpu_percent": result["cpu"], "cpu_percent_at_most": CORE,
                                 "latest_percent": result["late_percent"]["max"], "latest_percent_at_most": LATE,
                                 **result} for via, result in results.items()]})


if __name__ == "__main__":
    main()

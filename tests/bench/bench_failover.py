# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""From a server's death to the last slot that led to it, and from its return to the first one that does again.

Each of six backends in turn is killed (its server's processes get SIGKILL) or vanishes (its port in the network goes
down). The agent says when it had its verdict, its plan and its last slot written; a reader of the kernel's slots, which
looks at them every millisecond, says when they were seen to be free of it. All in milliseconds after the deed.
"""
import itertools
import random
import time

import figures
import kills
from agent import MIX, Agent, vip
from slots import Slots, Watch
from topology import BACKENDS, SEGMENTS, Backends, Topology, address, wait_for

INTERVAL, FALL, RISE = 200, 2, 2  # ms
TARGETS = {"killed": 600, "vanished": 800}  # ms from the deed to the last slot, at most
PROBE = {"type": "tcp", "interval": f"{INTERVAL}ms", "timeout": "200ms", "rise": RISE, "fall": FALL}


def config():
    config = {**kills.CONFIG, "pools": {"all": {**kills.CONFIG["pools"]["all"], "probe": PROBE}}}
    config["pools"]["all"]["backends"] = [{"name": name, "address": address(SEGMENTS[segment], host, 4)}
                                          for name, (segment, host) in BACKENDS.items()]
    return config


class Ports:
    """The backends' ports in the router, put down and up by one `ip` that is running already."""

    def __init__(self, router):
        self.process = router.popen("ip", "-batch", "-", stdin=-1, text=True)

    def set(self, name, state):
        at = time.monotonic()
        self.process.stdin.write(f"link set {name} {state}\n")
        self.process.stdin.flush()
        return at

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Lab:
    def __init__(self):
        self.topology = Topology()
        try:
            self.ports = Ports(self.topology.router)
            self.agent = Agent(self.topology)
            self.backends = Backends(self.topology, [vip(MIX, 4)])
            self.agent.start(config())
            self.agent.wait_resolved()
            self.agent.wait_state("all", None, "up")
            self.slots = Slots(self.agent, "all")
        except BaseException:
            self.close()
            raise

    def close(self):
        self.ports.close()
        self.agent.close()
        if hasattr(self, "backends"):
            self.backends.close()
        self.topology.close()

    def times(self, at, watch):
        """Of the change that has just been: verdict, planned, written and seen, in ms after the deed."""
        change = self.agent.status()["last_change"]
        verdict = change["verdict_us"] / 1e6
        seen = watch.tables[-1][1]
        return {"verdict": (verdict - at) * 1e3, "planned": (verdict - at) * 1e3 + change["planned_us"] / 1e3,
                "written": (verdict - at) * 1e3 + change["written_us"] / 1e3, "seen": (seen - at) * 1e3}

    def change(self, deed, name, has):
        """Does it and waits for what the slots are to be; the times."""
        watch = Watch(self.slots, 0.001)
        watch.start()
        time.sleep(random.random() * INTERVAL / 1000)  # any moment between two probes
        at = deed()
        index = self.slots.indices[name]
        wait_for(lambda: (index in self.slots.owners(watch.tables[-1][2])) == has,
                 f"{name} {'gets' if has else 'loses'} its slots", 20)
        wait_for(lambda: self.agent.states("all")[name] == ("up" if has else "down"), "the agent says so")
        watch.stop()
        return self.times(at, watch)


def restart(lab, name):
    lab.backends.restart_nginx(name)
    return time.monotonic()  # it listens


def measure(lab, what, rounds):
    gone, back = [], []
    for _, name in zip(range(rounds), itertools.cycle(BACKENDS)):
        if what == "killed":
            gone.append(lab.change(lambda: kills.kill(lab, name), name, False))
            back.append(lab.change(lambda: restart(lab, name), name, True))
        else:
            gone.append(lab.change(lambda: lab.ports.set(name, "down"), name, False))
            back.append(lab.change(lambda: lab.ports.set(name, "up"), name, True))
        lab.agent.wait_state("all", None, "up", 20)
    return gone, back


def steps(what, times, target):
    """The rows of what was measured, of which the last ones have a target; prints them."""
    rows = [{"what": what, "step": step, **figures.spread([time[step] for time in times]),
             "values": [time[step] for time in times]} for step in times[0]]
    for row in rows:
        if target and row["step"] in ("written", "seen"):
            row["max_at_most"] = target
    figures.spread_table(f"{what}: ms to", rows, "step")
    return rows


def main():
    figures.require_root()
    rounds, load, rows = figures.argument("ROUNDS", 10), figures.load(), []
    lab = Lab()
    try:
        for what, target in TARGETS.items():
            gone, back = measure(lab, what, rounds)
            rows += steps(what, gone, target) + steps(f"{what}, then back", back, None)
    finally:
        lab.close()
    figures.save("failover", {"measure": "ms from the deed, by step", "load": load, "interval_ms": INTERVAL,
                              "fall": FALL, "rise": RISE, "rounds": rounds, "rows": rows})
    print(f"load {load} before")


if __name__ == "__main__":
    main()

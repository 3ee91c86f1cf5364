# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sends at one rate after the other, compares the hosts' counters, and searches."""
import time

from hosts import NIC_LOSSES, Failure, busy_cpus, difference

SETTLE_SECONDS = 3  # at most, for the last packets to be counted
GIVE_UP = 256  # the search ends where a 256th of the highest rate is too much
CONFIRMATIONS = 5
ATTEMPTS = 5  # to send at a rate
KEPT = 0.95  # of the rate that was asked for, at least


class Measurement:
    """Sends at one rate after the other; each is a step, a line of the table and an entry of `steps`."""

    def __init__(self, options, pktgen, local, balancer):
        self.options, self.pktgen, self.local, self.balancer = options, pktgen, local, balancer
        self.steps = []
        print(f"{'step':>4} {'asked/s':>12} {'sent/s':>12} {'sent':>13} {'arrived':>13} {'lost':>22}"
              f" {'CPUs here':>10} {'at balancer':>18}")

    def counters(self):
        counters = {"here": self.local.nic(self.options.device), "there": {}}
        if self.balancer:
            counters["there"] = self.balancer.counters()
        return counters

    def settled_counters(self):
        """The counters, once no more packets arrive."""
        end = time.monotonic() + SETTLE_SECONDS
        last, now = -1, self.arrived_so_far()
        while now != last and time.monotonic() < end:
            time.sleep(0.2)
            last, now = now, self.arrived_so_far()
        return self.counters()

    def arrived_so_far(self):
        if self.options.returns:
            return self.local.nic(self.options.device)["rx_packets"]
        return self.balancer and self.balancer.status()["packets"]

    def arrived(self, counters):
        if self.options.returns:
            return counters["here"]["rx_packets"]
        return counters["there"].get("forwarded")

    def cpus(self):
        return [host.cpu() for host in (self.local, self.balancer) if host]

    def send(self, rate, seconds):
        """Sends for some seconds, or -n packets; returns how busy the CPUs were meanwhile."""
        options = self.options
        delay = round(1e9 * options.threads * max(options.burst, 1) / rate) if rate else 0
        for device in self.pktgen.threads.values():
            self.pktgen.write(device, f"delay {delay}")
            self.pktgen.write(device, f"count {options.count or 0}")
        self.pktgen.start()
        time.sleep(0.2)  # the kernel's threads look for work ten times a second
        before = self.cpus()
        if options.count is not None:
            self.await_count()
        elif self.pktgen.await_end(seconds):
            raise Failure(f"pktgen ended by itself: did {options.device} lose its carrier?")
        after = self.cpus()
        self.pktgen.stop()
        return [busy_cpus(*pair) for pair in zip(before, after)]

    def await_count(self):
        try:
            self.pktgen.await_end()
        except SystemExit:
            if self.options.count:
                raise
            # without a count Ctrl-C is the end that was meant

    def step(self, rate, seconds):
        before = self.counters()
        cpus = self.send(rate, seconds)
        after = self.settled_counters()
        sent, sent_rate, errors = self.pktgen.results()
        arrived = None
        if self.arrived(after) is not None:
            arrived = self.arrived(after) - self.arrived(before)
        step = {"asked": rate and round(rate), "rate": round(sent_rate), "sent": sent, "retries": errors,
                "arrived": arrived, "lost": None if arrived is None else max(sent - arrived, 0),
                "cpus": round(cpus[0][0], 3), "balancer_cpus": round(cpus[1][0], 3) if self.balancer else None,
                "balancer_busiest": round(cpus[1][1], 3) if self.balancer else None,
                "here": difference(before["here"], after["here"]),
                "there": difference(before["there"], after["there"])}
        self.steps.append(step)
        self.show(step)
        return step

    def step_at(self, rate, seconds):
        """A step that did send at about that rate: one that fell behind says nothing about it, unless it lost."""
        for _ in range(ATTEMPTS):
            step = self.step(rate, seconds)
            if step["rate"] >= KEPT * rate or lost_percent(step) > self.options.loss:
                return step
            print("       that was slower than asked for: once more")
        raise Failure(f"this host cannot keep {rate:,.0f} packets a second: are the CPUs of -f and -t busy otherwise?")

    def show(self, step):
        asked = f"{step['asked']:,}" if step["asked"] else "most"
        arrived = lost = there = ""
        if step["arrived"] is not None:
            arrived = f"{step['arrived']:,}"
            lost = f"{step['lost']:,} ({lost_percent(step):.3f} %)"
        if self.balancer:
            there = f"{step['balancer_cpus']:.2f} (most {step['balancer_busiest']:.0%})"
        print(f"{len(self.steps):>4} {asked:>12} {step['rate']:>12,} {step['sent']:>13,} {arrived:>13} {lost:>22}"
              f" {step['cpus']:>10.2f} {there:>18}")
        for where in ("here", "there"):
            for key, value in step[where].items():
                if value and (NIC_LOSSES.search(key) or "(" in key):
                    print(f"       {where}: {key} {value:,}")


def lost_percent(step):
    return 100 * step["lost"] / max(step["sent"], 1)


def search(measurement, options):
    """The step with the highest rate at which no more is lost than is allowed; None if there is none."""
    top = measurement.step(None, options.seconds)
    if lost_percent(top) <= options.loss:
        print(f"{options.threads} thread(s) here cannot send more than is forwarded; more may: see -t, -b")
        return top
    low, high, best = 0, top["rate"], None
    while high - low > high * options.precision / 100 and high > top["rate"] / GIVE_UP:
        step = measurement.step_at((low + high) / 2, options.seconds)
        if lost_percent(step) <= options.loss:
            low, best = step["asked"], step
        else:
            high = step["asked"]
    return best and confirm(measurement, options, best)


def confirm(measurement, options, best):
    """Once more and for longer: what went well by chance, and with empty queues, does not count."""
    rate = best["asked"]
    for _ in range(CONFIRMATIONS):
        step = measurement.step_at(rate, options.seconds * 3)
        if lost_percent(step) <= options.loss:
            return step
        rate *= 1 - options.precision / 100
    return None

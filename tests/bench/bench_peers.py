# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sluice beside nftables, IPVS and HAProxy, on one network: what a request and a gigabyte cost the balancer.

Each round runs each balancer once under each kind of traffic: requests over a connection each, requests over kept
connections, a long download. The next round takes the balancers in the other order.

CPU time is the balancer's alone, though all hosts share this machine's cores: every link of every namespace has its
packets taken by a kernel thread of its own, and the balancer's figure is its link's thread's time, which the kernel
keeps in nanoseconds, and that of the processes in its namespace (HAProxy, sluiced). That thread receives, runs XDP or
the stack with nftables and TCP, and sends. It is done with a packet in the next link's ring; from there on it is that
link's thread that is charged. A figure holds that the thread was woken and that it woke the next one, the same for all,
as a NIC's would hold interrupts. In no figure: timers, and conntrack's cleaning up after connections, which would come
to nftables' and HAProxy's.

As from a NIC, the client's packets come as bare frames, and who needs an skb makes one (wire.bpf.c). Unlike with most
NICs, which have TSO, a large packet is cut in software by who sends it: in downloads by nftables' DNAT and HAProxy.
XDP_TX to one server is the floor, a balancer that neither chooses nor counts.

Requests a second, and bits, are those of all hosts together on this machine's cores: what the balancer's work and its
path leave of them to client, router and servers.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys

import figures
import peers
from peers_network import BALANCERS, SERVERS, Network, serve
from topology import IPERF, curl, start_wrk, wait_for, wrk_result

ROUNDS, SECONDS, CONNECTIONS = 3, 1, 32
NICE = -10  # so that what else this machine does comes between less
# each with what is told a second, and the CPU time for each; how often a second's and a CPU second's unit goes into one
REQUESTS = (("requests_s", "requests/s", 1), ("cpu_us", "us a request", 1e6))
DOWNLOAD = (("gbit_s", "Gbit/s", 8), ("cpu_ms_gb", "ms a GB", 1e3))
KINDS = {"a connection a request": REQUESTS, "kept connections": REQUESTS, "download": DOWNLOAD}


def cpu_seconds(pids):
    """CPU time that these processes have had, all of their threads."""
    return sum(int(path.read_text().split()[0]) for pid in pids
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


class Lab:
    def __init__(self):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        self.network = Network()
        self.error = ""  # of the last download
        try:
            for i in range(len(SERVERS)):
                serve(self.network, i, peers.DIRECT_VIPS)
            self.contenders, self.missing = peers.start(self.network)
            threads = self.network.thread()
            for pid in sum(threads.values(), []):
                os.setpriority(os.PRIO_PROCESS, pid, NICE)
            self.pids = {name: [*threads[name], *self.processes(name)] for name in BALANCERS}
            for contender in self.contenders:
                self.check(contender)
        except BaseException:
            self.close()
            raise

    def processes(self, name):
        return map(int, subprocess.run(["ip", "netns", "pids", self.network.prefix + name], check=True,
                                       capture_output=True, text=True).stdout.split())

    def check(self, contender):
        """Everyone but the floor has to spread connections over the servers."""
        answered = set(curl(self.network.client, contender.vip, "", requests=64))
        assert len(answered) == (1 if contender == peers.BARE else len(SERVERS)), \
            f"{contender.name}: only {answered} of {SERVERS} answered"

    def download(self, contender):
        """GB that came; None if the server has not got over the download before, which takes it a moment."""
        result = json.loads(self.network.client.run("iperf3", "-c", contender.vip, "-p", IPERF, "--reverse", "-t",
                                                    SECONDS, "--json", check=False).stdout)
        self.error = result.get("error", "")
        if self.error and not result["intervals"]:
            return None
        assert not self.error, self.error
        return result["end"]["sum_received"]["bytes"] / 1e9

    def requests(self, contender, kind):
        return wrk_result(start_wrk(self.network.client, contender.vip, "", SECONDS, CONNECTIONS,
                                    keepalive=kind == "kept connections"))

    def try_measure(self, contender, kind):
        before = cpu_seconds(self.pids[contender.namespace])
        amount = self.download(contender) if kind == "download" else self.requests(contender, kind)
        used = cpu_seconds(self.pids[contender.namespace]) - before
        (_, _, rate), (_, _, cost) = KINDS[kind]
        return amount and (amount / SECONDS * rate, used / amount * cost)

    def measure(self, contender, kind):
        """What came through a second, and the balancer's CPU time for each of it, in the kind's units.

        Raises AssertionError if there were errors."""
        return wait_for(lambda: self.try_measure(contender, kind), lambda: f"a download: {self.error}")

    def lost(self):
        """Frames for which a link's ring had no place, of all links."""
        return sum(link["stats64"][way]["dropped"] for namespace in self.network.namespaces.values()
                   for link in json.loads(namespace.run("ip", "-s", "-j", "link", "show", "type", "veth").stdout)
                   for way in ("rx", "tx"))

    def close(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who presses it twice still wants nothing left behind
        self.network.close()


def measure(lab, rounds):
    """{(contender, kind): figures of each round that had no errors}; what went wrong in the others."""
    taken, errors = {(contender, kind): [] for kind in KINDS for contender in lab.contenders}, []
    for number in range(rounds):
        for kind in KINDS:
            for contender in lab.contenders[::-1 if number % 2 else 1]:
                try:
                    taken[contender, kind].append(lab.measure(contender, kind))
                except AssertionError as error:
                    errors.append(f"round {number + 1}, {contender.name}, {kind}: {error}")
    return taken, errors


def row(contender, kind, pairs):
    names = [name for name, _, _ in KINDS[kind]]
    result = {"balancer": contender.name, "traffic": kind, "replies": "direct" if contender.direct else "through it"}
    for name, values in zip(names, zip(*pairs)):
        spread = figures.spread(values)
        result |= {name: spread["median"], f"{name}_low": spread["low"], f"{name}_high": spread["high"]}
    return {**result, "runs": len(pairs)}


def show(kind, rows, missing):
    (rate, rate_unit, _), (cost, cost_unit, _) = KINDS[kind]
    sluice = next((row[cost] for row in rows if row["balancer"] == peers.SLUICE_IPIP.name), None)
    print(f"\n{kind:24}{'replies':>12}{rate_unit:>12}{'middle half':>18}{'CPU ' + cost_unit:>18}{'middle half':>16}"
          f"{'of ipip':>9}")
    for row in rows:
        digits = 0 if rate == "requests_s" else 2
        line = f"{row['balancer']:24}{row['replies']:>12}{row[rate]:>12.{digits}f}"
        line += f"{row[rate + '_low']:>9.{digits}f}-{row[rate + '_high']:<8.{digits}f}"
        line += f"{row[cost]:>18.2f}{row[cost + '_low']:>8.2f}-{row[cost + '_high']:<7.2f}"
        print(line + (f"{row[cost] / sluice:>9.1f}" if sluice else ""))
    for name, why in missing.items():
        print(f"{name:24}SKIP: {why}")


def main():
    figures.require_root()
    rounds, load = figures.argument("ROUNDS", ROUNDS), figures.load()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # also then nothing stays behind
    lab = Lab()
    try:
        taken, errors = measure(lab, rounds)
        lost = lab.lost()
    finally:
        lab.close()
    rows = [row(contender, kind, pairs) for (contender, kind), pairs in taken.items() if pairs]
    for kind in KINDS:
        show(kind, [row for row in rows if row["traffic"] == kind], lab.missing)
    print("\ndirect: replies go from the server to the client; of a download, Sluice only sees the acknowledgements.\n"
          f"of ipip: CPU, as a multiple of Sluice's with ipip. load {load} before; frames lost on full links: {lost}")
    figures.save("peers", {"measure": "requests and downloads, and CPU time of the balancer alone", "load": load,
                           "rounds": rounds, "seconds": SECONDS, "connections": CONNECTIONS, "lost_frames": lost,
                           "missing": lab.missing, "errors": errors, "rows": rows})
    return figures.verdict(errors)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a sweep of a million flow records costs the agent, and how long it keeps the agent from answering.

Every slot of a pool goes over from one backend to the other, and the flow map gets its records from outside, half of
them for each backend. So passes first walk an empty map, then keep all records while the windows last, and then, the
slots being settled, remove the new owner's half. Measured from outside: the agent's CPU time from the end of one pass
to that of the next, and how long the slowest of many requests took, both less what requests alone cost. A request
may meet two slices of the sweep, as it is read and as it is answered, so its time is more than the longest slice's.
"""
import ctypes
import itertools
import os
import pathlib
import struct
import time

import figures
from agent import KEY, MIX, Agent, UnixConnection, vip
from slots import Slots
from topology import Topology, backend_address, wait_for

RECORDS, CAPACITY, BATCH = 1 << 20, 1 << 21, 1 << 15
WINDOW = 38  # s: to fill the map and see some passes
GAP = 0.003  # s between requests: less than a slice of the sweep
PASS, AWAY = 1000, 10  # targets, ms
TUPLE, RECORD = struct.Struct("=16s16sHHBB2x"), struct.Struct("=HBxIII")  # include/flow.h


def config():
    return {"interfaces": [{"name": "eth0", "mode": "native"}], "hash_key": KEY, "flow_records": CAPACITY,
            "pools": {"all": {"forward": "ipip", "probe": {"type": "none"},
                              "transition": {"window": f"{WINDOW}s", "udp_window": "1s"},
                              "backends": [{"name": "near1", "address": backend_address("near1", 4), "weight": 100},
                                           {"name": "near2", "address": backend_address("near2", 4), "weight": 0}]}},
            "services": {"all": {"address": vip(MIX, 4), "ports": ["80/tcp"], "pool": "all"}}}


def fill(agent):
    """A record for each of RECORDS flows, of both backends in turn."""
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    fd = libbpf.bpf_obj_get(os.fsencode(agent.bpffs / "maps/flows"))
    assert fd >= 0, "cannot open the flow map"
    backends = itertools.cycle(Slots(agent, "all").indices.values())
    destination = bytes(map(int, vip(MIX, 4).split("."))) + bytes(12)
    port = struct.unpack("=H", struct.pack("!H", 80))[0]
    for begin in range(0, RECORDS, BATCH):
        now = int(time.monotonic())
        flows = range(begin, begin + BATCH)
        keys = b"".join(TUPLE.pack(struct.pack("!I", 0x0a000000 | flow >> 12) + bytes(12), destination,
                                   1024 + (flow & 0xfff), port, 6, 4) for flow in flows)
        values = b"".join(RECORD.pack(next(backends), 0, now, now, 0) for _ in flows)
        count = ctypes.c_uint32(BATCH)
        err = libbpf.bpf_map_update_batch(fd, keys, values, ctypes.byref(count), None)
        assert err == 0, os.strerror(ctypes.get_errno())
    os.close(fd)


def flows(agent):
    return figures.json.loads(agent.request("GET", "/v1/flows")[1])


class Asker:
    """Asks over one connection: a new one for each request would wait for more turns of the agent's loop."""

    def __init__(self, agent):
        self.connection = UnixConnection(agent.socket)

    def ask(self):
        self.connection.request("GET", "/v1/flows")
        return figures.json.loads(self.connection.getresponse().read())


def slots(agent):
    pool, = agent.show("pools")
    return pool["slots_open"], pool["slots_settled"]


def ask(asker, requests):
    """What GET /v1/flows says; the time that took goes to requests, in ms."""
    at = time.monotonic()
    answer = asker.ask()
    requests.append((time.monotonic() - at) * 1e3)
    time.sleep(GAP)
    return answer


def cpu(agent):
    """The CPU time that the agent, one thread, has had, in ms."""
    return int(pathlib.Path(f"/proc/{agent.process.pid}/schedstat").read_text().split()[0]) / 1e6


def rest(agent):
    """What asking alone costs: how long a request takes, and CPU time a request."""
    asker, requests, begin = Asker(agent), [], cpu(agent)
    for _ in range(500):
        ask(asker, requests)
    return {"request_ms": figures.spread(requests), "cpu_ms": (cpu(agent) - begin) / len(requests)}


def next_pass(asker, requests):
    """What is told first after the pass that ends next: its age is then less than the one before's."""
    before = ask(asker, requests)
    while True:
        answer = ask(asker, requests)
        if answer["swept_s"] < before["swept_s"]:
            return answer
        before = answer


def watch(agent, idle, done):
    """From the end of a pass to the end of the one after which done(): the passes, and the requests meanwhile."""
    asker, passes, requests = Asker(agent), [], []
    answer = next_pass(asker, [])
    while not done(answer):
        before, asked = cpu(agent), len(requests)
        answer = next_pass(asker, requests)
        passes.append(cpu(agent) - before - (len(requests) - asked) * idle["cpu_ms"])
    assert passes, "what was to be seen was over too early: this machine is too slow for WINDOW"
    return {"passes": len(passes), "cpu_ms": figures.spread(passes), "request_ms": figures.spread(requests),
            "away_ms": max(requests) - idle["request_ms"]["median"]}


def times(count):
    """A done() for so many passes."""
    left = itertools.count(count, -1)
    return lambda answer: next(left) == 0


def put_first(agent):
    """What else this machine does must not count as the sweep's; nor may who asks wait until the agent gives up a CPU."""
    for pid, priority in ((agent.process.pid, 1), (os.getpid(), 2)):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(priority))


def measure(agent, passes):
    result, size = {}, Slots(agent, "all").count
    wait_for(lambda: (flows(agent)["swept_s"] or 0) >= 3, "no sweep is wanted")
    idle = rest(agent)
    agent.cli("backend", "weight", "all", "near2", "100")
    agent.cli("backend", "weight", "all", "near1", "0")
    assert slots(agent)[0] == size, "not every slot is open"
    result["empty map"] = watch(agent, idle, times(passes))
    fill(agent)
    wait_for(lambda: flows(agent)["records"] == RECORDS, lambda: f"{RECORDS} records are seen: {flows(agent)}", 20)
    result["all kept"] = watch(agent, idle, times(passes))
    assert slots(agent)[0] == size, "the windows were over too early: this machine is too slow for WINDOW"
    result["until half are removed"] = watch(agent, idle, lambda answer: answer["records"] == RECORDS // 2)
    return idle, result


def main():
    figures.require_root()
    passes, load, topology = figures.argument("PASSES", 2), figures.load(), Topology()
    agent = Agent(topology)
    try:
        agent.start(config())
        put_first(agent)
        idle, result = measure(agent, passes)
    finally:
        agent.close()
        topology.close()
    figures.table(f"sweep of {RECORDS} records, ms", ("CPU median", "longest", "target", "away", "target", "passes"), [
        [what, row["cpu_ms"]["median"], row["cpu_ms"]["max"], PASS, row["away_ms"], AWAY, row["passes"]]
        for what, row in result.items()])
    print(f"load {load} before; without a sweep a request takes {idle['request_ms']['median']:.2f} ms, "
          f"{idle['request_ms']['max']:.2f} at most")
    figures.save("sweep", {"measure": "a pass over the flow records, and how long the agent is away", "load": load,
                           "records": RECORDS, "capacity": CAPACITY, "idle": idle, "rows": [
                               {"map": what, "cpu_ms": row["cpu_ms"]["max"], "cpu_ms_at_most": PASS,
                                "away_ms": row["away_ms"], "away_ms_at_most": AWAY, "passes": row["passes"],
                                "cpu": row["cpu_ms"], "request_ms": row["request_ms"]}
                               for what, row in result.items()]})


if __name__ == "__main__":
    main()

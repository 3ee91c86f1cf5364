# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The agent with 4,096 services and 30,000 backends in 100 pools: its start, one change, its memory.

A start is from exec to the first answer on the control socket, which comes after the program is attached: cold, with
nothing pinned and no state, and over what an earlier run left. One change is one backend's weight: by the CLI from its
exec to its end, by a request as a client sees it, and of that what the agent takes from the wish to the last slot; and
by a reload of the file. Then the stages one by one, in one process without an agent: bench_agent.c, with the same file.

    lb 10.1.0.2 --- .1 server, which has all of 10.64.0.0/16
"""
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import time

import figures
import topology
from agent import KEY, Agent, UnixConnection
from topology import BUILD, Namespace, wait_for

SERVICES, POOLS, BACKENDS = 4096, 100, 300  # backends of each pool
CHANGES, RELOADS = 5, 1  # of a round
TARGETS = {"start, cold": 1000, "start, over what is pinned": 1000,  # ms
           "one weight: in the agent, wish to last slot": 5}
POOL, BACKEND, OTHER = "pool050", "web050-000", "web050-001"
PAUSE = 0.7  # s: the health is written at most every 0.5 s, and takes some 0.01
MEMORY = {"memory: resident": "VmRSS", "memory: resident, most": "VmHWM", "memory: its own": "RssAnon",
          "memory: the kernel's maps": "maps"}
PROBE = "{type: tcp, port: 80, via: address, interval: 30s, timeout: 2s, fast_interval: 30s}"


def address(number):
    return f"10.{64 + (number >> 14)}.{(number >> 7) & 127}.{1 + (number & 127)}"


def config(weight=100):
    """As people write it; `weight` is BACKEND's."""
    lines = ["interfaces:", "  - {name: eth0, mode: native}", f'hash_key: "{KEY}"', "pools:"]
    for i in range(POOLS):
        lines += [f"  pool{i:03}:", "    forward: ipip", f"    probe: {PROBE}", "    start: up", "    backends:"]
        for j in range(BACKENDS):
            number = i * BACKENDS + j
            lines.append(f"      - {{name: web{i:03}-{j:03}, address: {address(number)}, "
                         f"weight: {weight if (i, j) == (50, 0) else 100}}}")
    lines.append("services:")
    for i in range(SERVICES):
        lines += [f"  www{i:04}:", f"    address: 192.0.{2 + (i >> 8)}.{i & 255}", "    ports: [80/tcp, 443/tcp]",
                  f"    pool: pool{i % POOLS:03}"]
    return "\n".join(lines) + "\n"


class Network(topology.Topology):
    def build(self):
        for name in ("lb", "server"):
            self.namespaces[name] = Namespace(self.prefix + name)
        self.server.ip(f"link add lb type veth peer name eth0 netns {self.prefix}lb", "link set lb up",
                       "addr add 10.1.0.1/24 dev lb", "route add local 10.64.0.0/14 dev lo")
        self.server.run("ethtool", "-K", "lb", "tx", "off")
        self.server.run("ip", "link", "set", "dev", "lb", "xdpdrv", "obj", BUILD / "tests/pass.bpf.o", "sec", "xdp")
        self.lb.ip("link set eth0 up", "addr add 10.1.0.2/24 dev eth0", "route add default via 10.1.0.1")
        self.lb.run("ethtool", "-K", "eth0", "tx", "off")


class Lab:
    def __init__(self):
        self.network = Network()
        self.agent = Agent(self.network)
        try:
            self.server = self.network.server.popen(BUILD / "tests/net/echo", "server", "80",
                                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for(lambda: self.network.server.run("ss", "-Hltn", "sport = 80").stdout, "the server listens")
            self.agent.config_file.write_text(config())
        except BaseException:
            self.close()
            raise

    def request(self, method, path, body=None):
        """Agent.request(), but more patient: a busy machine's disk keeps it waiting."""
        connection = UnixConnection(self.agent.socket)
        connection.timeout = 60
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def start(self):
        """ms from exec to the first answer, and of them those on a CPU: less busy machines come close to these."""
        self.agent.socket.unlink(missing_ok=True)
        begin = time.monotonic()
        self.agent.process = self.agent.popen()
        while True:
            try:
                status, reply = self.request("GET", "/v1/drops")
                break
            except OSError:
                assert self.agent.process.poll() is None, self.agent.log()
                assert time.monotonic() < begin + 60, "no answer"
                time.sleep(0.001)
        lasted = (time.monotonic() - begin) * 1e3
        assert status == 200, reply
        return lasted, sum(figures.cpu_seconds(self.agent.process.pid)) * 1e3

    def end(self):
        assert self.agent.end() == 0, self.agent.log()

    def forget(self):
        """Ends it, and nothing is left of it."""
        assert self.request("POST", "/v1/detach")[0] == 200
        self.agent.process.wait(timeout=20)
        shutil.rmtree(self.agent.state)

    def weigh(self, weight):
        """ms: of the request, and of it from the wish to the last slot."""
        body = json.dumps({"action": "weight", "pool": POOL, "backend": OTHER, "weight": weight})
        begin = time.monotonic()
        status, reply = self.request("POST", "/v1/backend", body)
        lasted = (time.monotonic() - begin) * 1e3
        assert status == 200, reply
        return lasted, self.status()["last_change"]["written_us"] / 1e3

    def weigh_by_cli(self, weight):
        begin = time.monotonic()
        self.agent.cli("backend", "weight", POOL, OTHER, weight)
        return (time.monotonic() - begin) * 1e3

    def reload(self, weight):
        self.agent.config_file.write_text(config(weight))
        begin = time.monotonic()
        status, reply = self.request("POST", "/v1/reload")
        lasted = (time.monotonic() - begin) * 1e3
        assert status == 200 and len(json.loads(reply)["changes"]) == 1, reply
        return lasted

    def wait_calm(self):
        """Until it has written down what came before: each change would otherwise wait for the one before it."""
        time.sleep(PAUSE)

    def status(self):
        return json.loads(self.request("GET", "/v1/status")[1])

    def map_memory(self):
        """kB of the maps, as the kernel counts them."""
        maps = {}
        for info in pathlib.Path(f"/proc/{self.agent.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):
                fields = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
                if "map_id" in fields:
                    maps[int(fields["map_id"])] = int(fields["memlock"])
        return sum(maps.values()) / 1024

    def close(self):
        self.agent.close()
        if hasattr(self, "server"):
            self.server.kill()
            self.server.wait()
        self.network.close()


def measure_round(lab, number, times):
    def note(what, ms):
        times.setdefault(what, []).append(ms)

    def start(what):
        lasted, cpu = lab.start()
        note(what, lasted)
        note(f"{what}: CPU time", cpu)

    start("start, cold")
    lab.wait_calm()
    for i in range(CHANGES):
        weight = 10 + (number * CHANGES + i) % 80
        request, inside = lab.weigh(weight)
        note("one weight: request as a client sees it", request)
        note("one weight: in the agent, wish to last slot", inside)
        lab.wait_calm()
        note("one weight: sluice backend weight", lab.weigh_by_cli(weight + 1))
        lab.wait_calm()
    for i in range(RELOADS):
        note("one weight: reload of the file", lab.reload(10 + (number * RELOADS + i) % 80))
        lab.wait_calm()
    memory = {**figures.memory_kb(lab.agent.process.pid), "maps": lab.map_memory()}
    lab.end()
    start("start, over what is pinned")
    lab.forget()
    return memory


def measure_stages(lab, rounds):
    """In rows, as bench_agent.c leaves them; it prints them itself."""
    file = lab.network.folder / "stages.json"
    sys.stdout.flush()
    subprocess.run([BUILD / "tests/bench/bench_agent", lab.agent.config_file, str(rounds), file], check=True)
    return json.loads(file.read_text())["rows"]


def make_rows(times):
    rows = []
    for what in sorted(times, key=lambda what: (not what.startswith("start"), what)):
        spread = figures.spread(times[what])
        rows.append({"what": what, "ms": spread["median"], **{key: spread[key] for key in ("low", "high", "max")}})
        if what in TARGETS:
            rows[-1]["ms_at_most"] = TARGETS[what]
    return rows


def show(rows, memory):
    print(f"{'%d services, %d backends in %d pools' % (SERVICES, POOLS * BACKENDS, POOLS):48} {'ms':>9} "
          f"{'middle half':>15} {'target':>8}")
    for row in rows:
        half = f"{row['low']:.2f}-{row['high']:.2f}"
        print(f"{row['what']:48} {row['ms']:9.2f} {half:>15} {row.get('ms_at_most', ''):>8}")
    for what, key in MEMORY.items():
        print(f"{what:48} {memory[key] / 1024:9.1f} MB")


def main():
    figures.require_root()
    rounds, load, times = figures.argument("ROUNDS", 4), figures.load(), {}
    lab = Lab()
    try:
        for number in range(rounds):
            lab.agent.config_file.write_text(config())
            memory = measure_round(lab, number, times)
        rows = make_rows(times)
        show(rows, memory)
        rows += measure_stages(lab, rounds)
    finally:
        lab.close()
    rows += [{"what": what, "MB": round(memory[key] / 1024, 1)} for what, key in MEMORY.items()]
    print(f"load {load} before")
    figures.save("agent", {"measure": "ms that the agent takes", "services": SERVICES, "pools": POOLS,
                           "backends": POOLS * BACKENDS, "load": load, "rounds": rounds, "rows": rows})
    return figures.verdict([])


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A flood of SYNs from 100,000 sources: all of them are limited, or denied, in a bounded memory, and nobody else is
harmed: neither clients within their limits, nor other services, nor the host's own traffic."""
import contextlib
import ctypes
import errno
import ipaddress
import json
import os
import socket
import subprocess
import threading
import time

import pytest

from agent import MIX, SOURCE, vip
from edge import apply, config, counting, open_socket, pool, service
from topology import BUILD, HTTP, LB_MAC, address, wait_for
from transition import map_info

SOURCES = 100_000
TIMES = 4  # SYNs of each, one right after the other
ROUND = SOURCES * TIMES
FLOODED, FREE = vip(MIX, 4), vip(SOURCE, 4)
FIRST = "10.99.0.0"
NETWORK = "10.96.0.0/11"  # has all sources
SMALL = 16_384
DEFAULT = 262_144
LIMITS = {"source": {"connections": 1, "connections_burst": 1}}
PAUSE = 0.01  # between a steady client's requests
PATIENCE = 60  # the flood makes everybody wait, and TCP waits longer each time
REQUEST = b"GET /steady HTTP/1.1\r\nHost: test\r\n\r\n"


def flood_config(limits=None, **more):
    """All of the flood goes to one pool, and everybody else's packets but those of a client of that service do not."""
    limited = service(MIX, "near", f"{HTTP}/tcp", **({"limits": limits} if limits else {}))
    return config({"near": pool(("near1", "near2")), "far": pool(("far1", "far2"))},
                  {"limited": limited, "free": service(SOURCE, "far", f"{HTTP}/tcp")}, **more)


@pytest.fixture(scope="module")
def lab(bare_lab):
    if not (BUILD / "tests/net/flood").exists():
        pytest.fail(f"{BUILD / 'tests/net/flood'} is missing: run make tests")
    bare_lab.backends.start_nginx("lb")
    wait_for(lambda: bare_lab.lb.run("ss", "-Hltn", f"sport = {HTTP}").stdout, "nginx on the balancer")
    for name in ("near1", "near2"):
        # what answers the flood's SYNs goes nowhere
        bare_lab.topology.namespaces[name].ip(f"route add blackhole {NETWORK}")
    return bare_lab


class Steady(threading.Thread):
    """A client that makes one request after the other, each over a connection of its own or all over one."""

    def __init__(self, namespace, target, keep):
        super().__init__(daemon=True)
        self.namespace, self.target, self.keep = namespace, target, keep
        self.sock = None
        self.answers, self.failures = 0, []
        self.over = threading.Event()

    def request(self):
        if not self.sock:
            self.sock = open_socket(self.namespace, 4, socket.SOCK_STREAM, timeout=PATIENCE)
            self.sock.connect((self.target, HTTP))
        self.sock.sendall(REQUEST)
        assert self.sock.recv(4000).startswith(b"HTTP/1.1 200 ")
        self.answers += 1
        if not self.keep:
            self.close()

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    def run(self):
        while not self.over.is_set():
            try:
                self.request()
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
                self.close()
            self.over.wait(PAUSE)
        self.close()


@contextlib.contextmanager
def others(lab, kept):
    """Meanwhile they make requests, none of which fails. Yields a function that waits until all of them have had some
    answers from now on. `kept`: whom the one with a long connection has it with."""
    clients = {"another service": Steady(lab.client1, FREE, keep=False),
               "a long connection": Steady(lab.client2, kept, keep=True),
               "the host's own": Steady(lab.client1, address(1, 2, 4), keep=False)}
    for client in clients.values():
        client.start()

    def wait_served():
        before = {name: client.answers for name, client in clients.items()}
        wait_for(lambda: all(client.answers > before[name] + 2 or client.failures for name, client in clients.items()),
                 "everybody is served", PATIENCE)

    try:
        wait_served()
        yield wait_served
    finally:
        for client in clients.values():
            client.over.set()
        for client in clients.values():
            client.join()
    assert not {name: client.failures for name, client in clients.items() if client.failures}
    print({name: client.answers for name, client in clients.items()})


@contextlib.contextmanager
def flood(lab):
    """Afterwards the dictionary tells how many SYNs there were."""
    told = {}
    process = lab.router.popen(BUILD / "tests/net/flood", "lb-eth0", LB_MAC["eth0"], FLOODED, HTTP, TIMES, SOURCES,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield told
    finally:
        text, _ = process.communicate(timeout=20)
    told.update(json.loads(text))


def count_entries(agent, name):
    """Of a pinned hash map, read in one go."""
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    info = map_info(agent, name)
    keys, values = (ctypes.create_string_buffer(info["max_entries"] * info[size])
                    for size in ("bytes_key", "bytes_value"))
    count, position = ctypes.c_uint32(info["max_entries"]), ctypes.create_string_buffer(info["bytes_key"])
    fd = libbpf.bpf_obj_get(os.fsencode(agent.bpffs / "maps" / name))
    assert fd >= 0, "cannot open the map"
    try:
        error = libbpf.bpf_map_lookup_batch(fd, None, position, keys, values, ctypes.byref(count), None)
        assert error in (0, -errno.ENOENT), "that is all of them"
        return count.value
    finally:
        os.close(fd)


def flooded(lab):
    """Packets that the flooded service has had."""
    return next(item["packets"] for item in lab.agent.show("services") if item["name"] == "limited")


@pytest.mark.parametrize("records", (DEFAULT, SMALL))
def test_limited(lab, records):
    """With room for all sources, and with room for a sixth of them: who is forgotten has his burst anew, no more."""
    apply(lab, flood_config(LIMITS, source_records=records))
    over, memory = counting(lab, "over_source_limit"), map_info(lab.agent, "sources")
    begun = time.monotonic()
    with others(lab, FLOODED) as wait_served, flood(lab) as told:
        before = flooded(lab)
        wait_for(lambda: flooded(lab) > before + ROUND, "all sources have come", PATIENCE)
        wait_for(lambda: count_entries(lab.agent, "sources") >= min(SOURCES, records // 2), "they are counted",
                 PATIENCE)
        wait_served()
    after = map_info(lab.agent, "sources")
    assert memory["max_entries"] == after["max_entries"] == records
    assert memory["bytes_memlock"] == after["bytes_memlock"]
    assert count_entries(lab.agent, "sources") <= records
    passed = told["sent"] - over()
    print(f"{told['sent']} SYNs in {told['seconds']} s, {passed} passed")
    if records > SOURCES:
        assert passed <= SOURCES * (1 + time.monotonic() - begun)
    else:
        assert passed <= 0.75 * told["sent"]


def test_denied(lab, tmp_path):
    """The deny list is filled and emptied in the midst of the flood; while it is full, none of that comes through."""
    apply(lab, flood_config())
    denied, prefixes = counting(lab, "denied"), tmp_path / "denied"
    prefixes.write_text("".join(f"{ipaddress.ip_address(FIRST) + i}\n" for i in range(SOURCES)))

    def passed():
        return sum(lab.agent.packets("near").values())

    with others(lab, FREE) as wait_served, flood(lab):
        before = passed()
        wait_for(lambda: passed() > before + SOURCES, "the flood goes through", PATIENCE)
        reply = lab.agent.cli("deny", "add", "--file", prefixes, timeout=PATIENCE).stdout
        assert reply.startswith(f"{SOURCES} added")
        before, since = passed(), denied()
        wait_for(lambda: denied() > since + ROUND, "all sources are denied", PATIENCE)
        wait_served()
        assert passed() == before
        lab.agent.cli("deny", "remove", "--all", timeout=PATIENCE)
        wait_for(lambda: passed() > before + SOURCES, "the flood goes through again", PATIENCE)

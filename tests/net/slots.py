# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The dataplane's slots as the kernel has them, and which of them a flow has: the agent is not asked.

The map is read through the same shared memory in which the XDP program reads it. The flow hash is that of
include/hash.h, over a key expanded as user/model/flow_key.c does it.
"""
import ctypes
import json
import mmap
import os
import socket
import struct
import threading
import time

SLOT = 8  # bytes: struct slot of include/flow.h
WORDS = 11
MASK = (1 << 64) - 1


def siphash(key, data):
    def rotate(x, bits):
        return (x << bits | x >> (64 - bits)) & MASK

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]
    whole = len(data) & ~7
    last = data[whole:] + bytes(7 - len(data) + whole) + bytes([len(data) & 255])
    for word in struct.unpack(f"<{whole // 8 + 1}Q", data[:whole] + last):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xff
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


class FlowHash:
    """Of IPv4 flows, in this host's byte order."""

    def __init__(self, key):
        self.words = [siphash(bytes.fromhex(key), bytes([i])) for i in range(WORDS)]

    def slot(self, source, source_port, destination, destination_port, slots, protocol=socket.IPPROTO_TCP):
        def pair(i, a, b):
            return (self.words[i] + b) * (self.words[i + 1] + a)

        a, = struct.unpack("=I", socket.inet_aton(source))
        b, = struct.unpack("=I", socket.inet_aton(destination))
        ports, = struct.unpack("=I", struct.pack("!HH", source_port, destination_port))
        total = pair(0, a, b) + pair(2, ports, protocol) + self.words[WORDS - 1] & MASK
        high = total >> 32
        h = (high ^ high >> 16 ^ total) * 0x85ebca6b & 0xffffffff
        return h * slots >> 32


class Slots:
    """One pool's slots. `read()` copies them; `owner()` says whose slot it is."""

    def __init__(self, agent, pool):
        libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
        fd = libbpf.bpf_obj_get(os.fsencode(agent.bpffs / "maps/slots"))
        if fd < 0:
            raise OSError(ctypes.get_errno(), "cannot open the slots")
        ids = json.loads((agent.state / "snapshot.json").read_text())["ids"]
        first, self.count = ids["pools"][pool]["first"], ids["pools"][pool]["size"]
        self.indices = {backend["name"]: ids["backends"][f"{pool}/{backend['address']}"]
                        for backend in agent.config["pools"][pool]["backends"]}
        self.names = {index: name for name, index in self.indices.items()}
        page = first * SLOT // mmap.PAGESIZE * mmap.PAGESIZE
        self.begin = first * SLOT - page
        self.end = self.begin + self.count * SLOT
        self.memory = mmap.mmap(fd, self.end, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        os.close(fd)

    def read(self):
        return self.memory[self.begin:self.end]

    def owner(self, table, slot):
        """The backend's name, None if there is none."""
        return self.names.get(struct.unpack_from("=H", table, slot * SLOT)[0])

    def owners(self, table):
        """The backend indices of all slots."""
        return memoryview(table).cast("H")[::SLOT // 2].tolist()

    def close(self):
        self.memory.close()


class Watch(threading.Thread):
    """Looks at the slots every few milliseconds and keeps every table that it sees with the times of CLOCK_MONOTONIC,
    in seconds: `since`, before which it was seen for the first time and `until` which the one before was seen."""

    def __init__(self, slots, gap=0.002):
        super().__init__(daemon=True)
        self.slots, self.gap = slots, gap
        self.tables = [(0.0, time.monotonic(), slots.read())]  # not before, seen at, the table
        self.ended = threading.Event()

    def run(self):
        before = time.monotonic()
        while not self.ended.wait(self.gap):
            table = self.slots.read()
            now = time.monotonic()
            if table != self.tables[-1][2]:
                self.tables.append((before, now, table))
            before = now

    def during(self, begin, end):
        """The tables that packets may have met from `begin` to `end`."""
        following = [table[1] for table in self.tables[1:]] + [float("inf")]
        return [table for (since, _, table), until in zip(self.tables, following) if since <= end and until >= begin]

    def stop(self):
        self.ended.set()
        self.join()

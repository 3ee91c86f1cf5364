# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""HTTP connections of which each one's life is known: which server had it, and when and how it ended.

    connections.py ADDRESS PORT --kept N --every MS --fresh PER_SECOND

Keeps N connections open, with a request on each every so many milliseconds, and makes others for one request each.
One that fails is replaced. The servers' replies are their names. Says "ready" when all are open, ends with its standard
input and then prints a list of all connections as JSON. Times are of CLOCK_MONOTONIC, in seconds.
"""
import argparse
import asyncio
import json
import random
import socket
import sys
import time

PATIENCE = 5


class Connection:
    def __init__(self, kept, peer):
        self.kept, self.peer = kept, peer
        self.port = self.server = self.error = None
        self.replies = 0
        self.begun = self.answered = self.ended = time.monotonic()
        self.sock = socket.socket()
        self.sock.setblocking(False)

    async def open(self):
        loop = asyncio.get_running_loop()
        connecting = asyncio.ensure_future(loop.sock_connect(self.sock, self.peer))
        await asyncio.sleep(0)
        self.port = self.sock.getsockname()[1]
        await connecting

    async def request(self):
        loop, reply = asyncio.get_running_loop(), b""
        await loop.sock_sendall(self.sock, b"GET /kept HTTP/1.1\r\nHost: test\r\n\r\n")
        while not reply.endswith(b"\n") or b"\r\n\r\n" not in reply or reply.endswith(b"\r\n\r\n"):
            part = await loop.sock_recv(self.sock, 4096)
            if not part:
                raise ConnectionError("closed by the server")
            reply += part
        name = reply.decode().split()[-1]
        if self.server not in (None, name):
            raise ConnectionError(f"answered by {name}, not {self.server}")
        self.server, self.answered = name, time.monotonic()
        self.replies += 1

    async def attempt(self, what):
        """False if it failed, which ends the connection."""
        try:
            await asyncio.wait_for(what, PATIENCE)
            return True
        except (OSError, asyncio.TimeoutError) as error:
            self.error = str(error) or type(error).__name__
            return False

    def close(self):
        self.ended = time.monotonic()
        self.sock.close()

    def json(self):
        return {name: getattr(self, name) for name in ("kept", "port", "server", "error", "replies", "begun",
                                                       "answered", "ended")}


class Client:
    def __init__(self, options):
        self.options = options
        self.connections = []
        self.open = 0
        self.ended = asyncio.Event()

    def connect(self, kept):
        connection = Connection(kept, (self.options.address, self.options.port))
        self.connections.append(connection)
        return connection

    async def pause(self, seconds):
        """False when the end has come."""
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
            return False
        except asyncio.TimeoutError:
            return True

    async def keep(self):
        every = self.options.every / 1000
        going, first = await self.pause(random.random() * every), True
        while going:
            connection = self.connect(True)
            good = await connection.attempt(connection.open()) and await connection.attempt(connection.request())
            if good and first:
                self.open, first = self.open + 1, False
            while good and going:
                going = await self.pause(every)
                good = await connection.attempt(connection.request())
            connection.close()
            going = going and await self.pause(every)

    async def once(self):
        connection = self.connect(False)
        if await connection.attempt(connection.open()):
            await connection.attempt(connection.request())
        connection.close()

    async def freshen(self):
        under_way = set()
        while await self.pause(random.expovariate(self.options.fresh)):
            task = asyncio.ensure_future(self.once())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def run(self):
        asyncio.get_running_loop().add_reader(sys.stdin, self.ended.set)
        tasks = [asyncio.ensure_future(self.keep()) for _ in range(self.options.kept)]
        while self.open < self.options.kept and not self.ended.is_set():
            await asyncio.sleep(0.02)
        print("ready", flush=True)
        await asyncio.gather(*tasks, self.freshen())
        print(json.dumps([connection.json() for connection in self.connections]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--kept", type=int, default=100)
    parser.add_argument("--every", type=float, default=100)
    parser.add_argument("--fresh", type=float, default=50)
    asyncio.run(Client(parser.parse_args()).run())

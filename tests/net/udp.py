# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Counted UDP: an echo server that answers from the address it was asked at, and a client that misses nothing.

    udp.py serve NAME PORT
    udp.py stream ADDRESS PORT [--rate N] [--flows N] [--seconds S] [--size BYTES]

The client sends numbered datagrams at a steady rate over several source ports until its standard input ends (or for
--seconds). It says "sending" after the first one and "flowing" after the first answer, and at the end what came back,
as one line of JSON. Input before the end is a mark: outages are then measured from there on.
"""
import argparse
import json
import os
import select
import socket
import struct
import sys
import time

HEAD = struct.Struct("!QI")  # sequence number, flow
IPV6_FREEBIND, SO_RCVBUFFORCE = 78, 33  # Python has no names for these
BUFFER = 4 << 20


def serve(name, port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # serves IPv4 too, as mapped addresses
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)  # may answer from an address of a prefix VIP
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    sock.bind(("::", port))
    while True:
        data, ancillary, _, peer = sock.recvmsg(65535, socket.CMSG_SPACE(20))
        if len(data) < HEAD.size:
            continue
        # from the address that was asked, over whatever interface the route says
        info = [(level, kind, value[:16] + bytes(4)) for level, kind, value in ancillary]
        sock.sendmsg([data[:HEAD.size], name.encode()], info, 0, peer)


class Stream:
    def __init__(self, address, port, rate, flows, size):
        self.gap, self.flows = 1.0 / rate, flows
        self.padding = bytes(max(0, size - HEAD.size))
        self.sent_at, self.answered = [], bytearray()
        self.duplicates = self.refused = 0
        self.mark = 0.0
        self.names = [set() for _ in range(flows)]
        self.counts = {}
        self.poll = select.epoll()
        self.sockets = {}
        self.by_flow = []
        for _ in range(flows):
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
            sock.connect((address, port))
            sock.setblocking(False)
            self.poll.register(sock, select.EPOLLIN)
            self.sockets[sock.fileno()] = sock
            self.by_flow.append(sock)

    def send(self):
        sequence = len(self.sent_at)
        flow = sequence % self.flows
        self.sent_at.append(time.monotonic())
        self.answered.append(0)
        try:
            self.by_flow[flow].send(HEAD.pack(sequence, flow) + self.padding)
        except OSError:
            self.refused += 1  # an earlier ICMP error, or no route: counts as lost

    def receive(self, sock):
        while True:
            try:
                data = sock.recv(65535)
            except BlockingIOError:
                return
            except OSError:
                self.refused += 1
                return
            sequence, flow = HEAD.unpack_from(data)
            name = data[HEAD.size:].decode()
            self.duplicates += self.answered[sequence]
            self.answered[sequence] = 1
            self.names[flow].add(name)
            self.counts[name] = self.counts.get(name, 0) + 1

    def run(self, seconds):
        stdin = None if seconds else sys.stdin.fileno()
        if stdin is not None:
            self.poll.register(stdin, select.EPOLLIN | select.EPOLLHUP)
        start = due = time.monotonic()
        said, running = False, True
        self.send()
        print("sending", flush=True)
        while running:
            now = time.monotonic()
            if seconds and now - start >= seconds:
                break
            while due <= now:
                self.send()
                due += self.gap
            for fd, _ in self.poll.poll(max(0.0, due - time.monotonic())):
                if fd == stdin:
                    running = bool(os.read(stdin, 100))
                    self.mark = time.monotonic() if running else self.mark
                else:
                    self.receive(self.sockets[fd])
            if not said and self.counts:
                print("flowing", flush=True)
                said = True
        if stdin is not None:
            self.poll.unregister(stdin)
        self.drain()

    def drain(self):
        """Waits for what is under way: until all has come, or nothing has come for a second."""
        while not all(self.answered):
            events = self.poll.poll(1.0)
            if not events:
                return
            for fd, _ in events:
                self.receive(self.sockets[fd])

    def outage(self):
        """The longest time after the mark, in seconds, in which a flow's datagrams were lost."""
        longest = 0.0
        for flow in range(self.flows):
            since = None
            for sequence in range(flow, len(self.sent_at), self.flows):
                if self.answered[sequence]:
                    if since is not None:
                        longest = max(longest, self.sent_at[sequence] - since)
                    since = None
                elif since is None:
                    since = max(self.mark, self.sent_at[sequence])
            if since is not None:
                longest = max(longest, self.sent_at[-1] - since)
        return longest

    def result(self):
        answered = sum(self.answered)
        return {"sent": len(self.sent_at), "answered": answered, "lost": len(self.sent_at) - answered,
                "duplicates": self.duplicates, "refused": self.refused, "outage": round(self.outage(), 3),
                "backends": self.counts, "moved": sum(len(names) > 1 for names in self.names),
                "flow_backends": ["+".join(sorted(names)) for names in self.names]}


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("serve")
    command.add_argument("name")
    command.add_argument("port", type=int)
    command = commands.add_parser("stream")
    command.add_argument("address")
    command.add_argument("port", type=int)
    command.add_argument("--rate", type=float, default=2000)
    command.add_argument("--flows", type=int, default=16)
    command.add_argument("--seconds", type=float, default=0)
    command.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    if arguments.command == "serve":
        serve(arguments.name, arguments.port)
    stream = Stream(arguments.address, arguments.port, arguments.rate, arguments.flows, arguments.size)
    stream.run(arguments.seconds)
    print(json.dumps(stream.result()), flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A server that misbehaves as its mode file says; good means: it answers what the probes in test_trouble.py ask.

    badserver.py MODE_FILE CERTIFICATES

listens, in both families, on
    9000/tcp  HTTP; or PONG to whoever says PING
    9001/tcp  the same over TLS
    9053      DNS, udp and tcp: every name has the address 192.0.2.53
    9002/udp  answers every datagram with PONG; unless the mode is good or says otherwise, it is silent
"""
import os
import select
import socket
import socketserver
import ssl
import struct
import sys
import threading

PLAIN, TLS, ECHO, DNS = 9000, 9001, 9002, 9053
ANSWER = "192.0.2.53"
BODY = b"all is well\n"
HTTP_REPLY = (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
              % (len(BODY), BODY))
GARBAGE = b"\x00\xff\x16\x03\x7f{[<garbage>]}\r\n\xc3\x28\r\n\r\n" * 4
IPV6_FREEBIND = 78  # of <linux/in6.h>, unknown to Python
SECOND = 1.0
reset_on_close = struct.pack("ii", 1, 0)


class Mode:
    def __init__(self, path):
        self.path = path

    def __str__(self):
        with open(self.path) as file:
            return file.read().strip()


def right_reply(request):
    return b"PONG\r\n" if request.startswith(b"PING") else HTTP_REPLY


def wait_closed(sock):
    """Says nothing until the peer has gone."""
    while sock.recv(65536):
        pass


def misbehave(sock, mode, reply):
    """Answers with `reply` as the mode says."""
    if mode == "silent":
        wait_closed(sock)
    elif mode == "slow":
        for byte in reply:
            sock.sendall(bytes([byte]))
            if select.select([sock], [], [], SECOND)[0]:
                return  # it has gone
    elif mode == "endless-headers":
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            sock.sendall(b"X-Endless: %s\r\n" % (b"x" * 1000))
    elif mode == "endless-body":
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" if reply.startswith(b"HTTP") else reply)
        while True:
            sock.sendall(bytes(65536))
    elif mode == "garbage":
        sock.sendall(GARBAGE)
        wait_closed(sock)
    elif mode in ("reset", "reset-later"):
        sock.sendall(reply[:len(reply) // 2] if reply.startswith(b"HTTP") else reply[:2])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
        sock.close()
    elif mode == "cut":
        sock.sendall(reply[:len(reply) // 2] if reply.startswith(b"HTTP") else reply[:2])
    else:
        sock.sendall(reply)
        wait_closed(sock)


class Plain(socketserver.BaseRequestHandler):
    def handle(self):
        mode = str(self.server.mode)
        try:
            misbehave(self.request, mode, right_reply(self.request.recv(4096)))
        except OSError:
            pass


class Tls(socketserver.BaseRequestHandler):
    def handle(self):
        mode = str(self.server.mode)
        try:
            if mode in ("silent", "slow", "garbage", "reset", "cut"):
                # of a handshake, which a server begins to answer with a record of 4 bytes that begins thus
                self.request.recv(4096)
                misbehave(self.request, mode, b"\x16\x03\x03\x00\x04\x02\x00\x00\x00")
                return
            name = mode if mode in ("expired", "other-name") else "good"
            with self.server.contexts[name].wrap_socket(self.request, server_side=True) as sock:
                misbehave(sock, mode, right_reply(sock.recv(4096)))
                sock.unwrap()
        except OSError:
            pass


def dns_reply(message, mode):
    question = message[12:message.index(b"\0", 12) + 5]
    if mode == "garbage":
        return message[:2] + struct.pack(">HHHHH", 0x8180, 1, 3, 0, 0) + question + GARBAGE
    if mode == "foreign":
        return bytes(2) + struct.pack(">HHHHH", 0x8180, 1, 0, 0, 0) + question
    if mode == "refused":
        return message[:2] + struct.pack(">HHHHH", 0x8185, 1, 0, 0, 0) + question
    if mode == "other-address":
        address = "192.0.2.54"
    else:
        address = ANSWER
    return message[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question + \
        b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)


class DnsTcp(socketserver.BaseRequestHandler):
    def handle(self):
        mode = str(self.server.mode)
        try:
            message = self.request.recv(4096)[2:]
            reply = dns_reply(message, mode)
            misbehave(self.request, mode if mode in ("silent", "slow", "reset", "reset-later", "cut") else "good",
                      struct.pack(">H", len(reply)) + reply)
        except OSError:
            pass


class TcpServer(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port, handler, mode, contexts):
        super().__init__(("::", port), handler)
        self.mode, self.contexts = mode, contexts


def udp_socket(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)  # may answer from an address of a prefix VIP
    sock.bind(("::", port))
    return sock


def serve_udp(port, mode, reply):
    """Answers from the address that was asked. In the mode "closed" there is no socket, so that ICMP errors go out."""
    sock = udp_socket(port)
    while True:
        now = str(mode)
        if now == "closed":
            if sock:
                sock.close()
            sock = None
            select.select([], [], [], 0.05)
            continue
        sock = sock or udp_socket(port)
        if not select.select([sock], [], [], 0.05)[0]:
            continue
        data, ancillary, _, peer = sock.recvmsg(4096, socket.CMSG_SPACE(20))
        answer = reply(data, now)
        if answer:
            info = [(level, kind, value[:16] + bytes(4)) for level, kind, value in ancillary]
            try:
                sock.sendmsg([answer], info, 0, peer)
            except OSError:
                pass  # the peer's ICMP error for an earlier answer


def echo_reply(data, mode):
    if mode in ("silent", "slow"):
        return None
    return GARBAGE if mode == "garbage" else b"PONG"


def udp_dns_reply(data, mode):
    return None if mode in ("silent", "slow") else dns_reply(data, mode)


def main():
    mode, folder = Mode(sys.argv[1]), sys.argv[2]
    contexts = {}
    for name in ("good", "expired", "other-name"):
        if os.path.exists(f"{folder}/{name}.pem"):
            contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            contexts[name].load_cert_chain(f"{folder}/{name}.pem")
    servers = [TcpServer(port, handler, mode, contexts) for port, handler in
               ((PLAIN, Plain), (TLS, Tls), (DNS, DnsTcp))]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    threads += [threading.Thread(target=serve_udp, args=arguments) for arguments in
                ((ECHO, mode, echo_reply), (DNS, mode, udp_dns_reply))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

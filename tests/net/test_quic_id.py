# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""QUIC connections stay with their backend whatever address their client has by then.

Clients and servers speak what a balancer reads of QUIC (RFC 8999) over real sockets: long headers of versions 1 and 2
with an ID that the client made up, until it has the server's; then short headers with that one. The servers' IDs are
those of draft-ietf-quic-load-balancers, in plain text.
"""
import os
import random
import struct

import pytest

from agent import MIX, SOURCE, vip
from edge import FAMILIES, Answering, apply, config, counting, open_socket, pool, service
from topology import CLIENTS, address, wait_for

BACKENDS = ("near1", "near2", "back1", "back2", "far1", "far2")
PORT = 4433
VERSIONS = {"v1": 1, "v2": 0x6b3343cf}
INITIAL = {1: 0xc0, 0x6b3343cf: 0xd0}  # the packet type's bits are others in version 2
HANDSHAKE = {1: 0xe0, 0x6b3343cf: 0xf0}
SHORT = 0x40
OLD, NEW = 0, 5  # config IDs: servers go over from one to the other
LENGTH = {OLD: 3, NEW: 8}  # of server IDs
UNROUTABLE = 7
SERVERS = {name: (OLD if number % 2 else NEW) for number, name in enumerate(BACKENDS)}
CLIENT_FAMILIES = pytest.mark.parametrize("family", FAMILIES, ids=("from4", "from6"))


def server_id(name):
    return bytes([BACKENDS.index(name) + 1]) * LENGTH[SERVERS[name]]


def connection_id(config_id, server, nonce=6):
    """The first byte's other bits may say the ID's length or be random."""
    return bytes([config_id << 5 | random.randrange(32)]) + server + os.urandom(nonce)


def of_server(name):
    return connection_id(SERVERS[name], server_id(name))


def initial(version, destination, source=b"client"):
    head = struct.pack("!BIB", INITIAL[version], version, len(destination)) + destination
    return (head + bytes([len(source)]) + source).ljust(1200, b"\0")


def handshake(version, destination):
    head = struct.pack("!BIB", HANDSHAKE[version], version, len(destination)) + destination
    return head + bytes(60)


def short(destination, size=40):
    return bytes([SHORT | random.randrange(32)]) + destination + os.urandom(size)


def quic_config(**changes):
    """`changes`: other keys of the QUIC pool."""
    quic = pool(BACKENDS, **{"quic": [{"config": number, "server_id_length": length}
                                      for number, length in LENGTH.items()], **changes})
    if "quic" in quic:
        for backend in quic["backends"]:
            backend["server_id"] = server_id(backend["name"]).hex()
    return config({"quic": quic, "plain": pool(BACKENDS)},
                  {"quic": service(MIX, "quic", f"{PORT}/udp"), "plain": service(SOURCE, "plain", f"{PORT}/udp")})


@pytest.fixture(scope="module")
def running(bare_lab):
    apply(bare_lab, quic_config())
    vips = [vip(index, family) for index in (MIX, SOURCE) for family in FAMILIES]
    with Answering(bare_lab, BACKENDS, vips, PORT, lambda name, data: name.encode()):
        yield bare_lab


@pytest.fixture
def lab(running):
    if running.agent.config != quic_config():
        apply(running, quic_config())
    return running


class Client:
    """A QUIC client, which may change its address: another port, another address, another network."""

    def __init__(self, lab, family, target=MIX):
        self.lab, self.family, self.target = lab, family, vip(target, family)
        self.sock = None
        self.move()

    def move(self, name="client1"):
        self.close()
        own = address(CLIENTS[name], random.randrange(2, 22), self.family)
        self.sock = open_socket(self.lab.topology.namespaces[name], self.family, bound=(own, 0))

    def ask(self, datagram):
        """The name of the backend that gets it."""
        self.sock.sendto(datagram, (self.target, PORT))
        return self.sock.recv(100).decode()

    def close(self):
        if self.sock:
            self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@CLIENT_FAMILIES
@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_migration(lab, version, family):
    """The whole life of connections: as many as it takes for each backend to have some."""
    seen = set()

    def one_more():
        with Client(lab, family) as client:
            chosen = connection_id(UNROUTABLE, os.urandom(7))
            name = client.ask(initial(version, chosen))
            assert client.ask(initial(version, chosen)) == name, "the flow hash says the same each time"
            seen.add(name)
            server = of_server(name)
            assert client.ask(handshake(version, server)) == name
            assert client.ask(short(server)) == name
            for network in ("client1", "client1", "client2", "client1"):
                client.move(network)
                server = of_server(name)  # they take a new ID then (RFC 9000, 9.5)
                assert {client.ask(short(server)), client.ask(short(server, 1100))} == {name}
        return seen == set(BACKENDS)

    wait_for(one_more, "every backend has had a connection")


@CLIENT_FAMILIES
def test_every_server(lab, family):
    """From one socket to all of them: the ID alone decides, in long headers as in short ones."""
    with Client(lab, family) as client:
        for name in BACKENDS:
            for version in VERSIONS.values():
                assert client.ask(initial(version, of_server(name))) == name
                assert client.ask(handshake(version, of_server(name))) == name
            assert client.ask(short(of_server(name))) == name
            # neither the fixed bit nor an unknown version matters (RFC 8999; RFC 9287)
            assert client.ask(b"\0" + of_server(name)) == name
            assert client.ask(struct.pack("!BIB", 0x80, 0xfaceb00c, 12) + of_server(name)[:12].ljust(12)) == name


def unroutable():
    """Packets that name no server of the pool."""
    known = of_server("near1")
    return {
        "config 7": short(connection_id(UNROUTABLE, server_id("near1"))),
        "config that the pool has not": short(connection_id(3, server_id("near1"))),
        "unknown server": short(connection_id(NEW, b"\xee" * LENGTH[NEW])),
        "server of the other config": short(connection_id(OLD, server_id("near1")[:LENGTH[OLD] - 1] + b"\xee")),
        "ID cut short": struct.pack("!BIB", 0xc0, 1, LENGTH[NEW]) + known[:LENGTH[NEW]] + bytes(50),
        "no ID": struct.pack("!BIB", 0xc0, 1, 0) + bytes(50),
        "datagram cut short": short(known)[:LENGTH[NEW]],
        "one byte": b"\x40",
        "empty": b"",
        "no QUIC": b"GET / HTTP/1.1\r\n\r\n",
    }


@CLIENT_FAMILIES
def test_unroutable(lab, family):
    """Those go where all packets of their addresses and ports go, and another port is another flow."""
    seen = set()
    for _ in range(16):
        with Client(lab, family) as client:
            answers = {what: client.ask(packet) for what, packet in unroutable().items()}
            assert len(set(answers.values())) == 1, answers
            seen.update(answers.values())
    assert len(seen) > 1


@CLIENT_FAMILIES
def test_pool_without_quic(lab, family):
    """There the same packets are any UDP."""
    seen = set()
    for _ in range(16):
        with Client(lab, family, SOURCE) as client:
            seen.add(client.ask(short(of_server("near1"))))
    assert len(seen) > 1


def test_rotation(lab):
    """The operator takes in a second configuration, and later lets go of the first one."""
    connections = {name: of_server(name) for name in BACKENDS}

    def stays(client, name):
        for _ in range(3):
            client.move()
            if client.ask(short(connections[name])) != name:
                return False
        return True

    of_old = {name for name in BACKENDS if SERVERS[name] == OLD}
    with Client(lab, 4) as client:
        assert all(stays(client, name) for name in BACKENDS)
        only_new = quic_config()
        only_new["pools"]["quic"]["quic"] = [{"config": NEW, "server_id_length": LENGTH[NEW]}]
        for backend in only_new["pools"]["quic"]["backends"]:
            if backend["name"] in of_old:
                del backend["server_id"]
        apply(lab, only_new)
        assert all(stays(client, name) for name in BACKENDS if name not in of_old)
        answers = set()
        for _ in range(16):
            client.move()
            answers.add(client.ask(short(connections["near2"])))
        assert len(answers) > 1, "those IDs say nothing any more"


@pytest.mark.parametrize("verb", ("maint", "drain"))
def test_backend_that_leaves(lab, verb):
    """One in maintenance gets nothing, so its clients go by hash to others; one that drains keeps what is its own."""
    agent = lab.agent
    server = of_server("far1")
    try:
        agent.cli("backend", verb, "quic", "far1")
        with Client(lab, 4) as client:
            answers = set()
            for _ in range(16):
                client.move()
                answers.add(client.ask(short(server)))
            if verb == "drain":
                assert answers == {"far1"}
            else:
                assert "far1" not in answers and len(answers) > 1
    finally:
        agent.cli("backend", "ready", "quic", "far1")
    agent.wait_state("quic", "far1", "up")
    with Client(lab, 4) as client:
        assert client.ask(short(server)) == "far1"


def test_counted(lab):
    """For the backend that gets them, as others are."""
    lost = counting(lab, "no_backend", "malformed", "no_next_hop")
    before = lab.agent.packets("quic")
    with Client(lab, 4) as client:
        for _ in range(10):
            client.ask(short(of_server("back1")))
    after = lab.agent.packets("quic")
    assert after["back1"] - before["back1"] == 10 and not lost()

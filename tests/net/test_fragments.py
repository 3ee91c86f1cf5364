# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""UDP datagrams as large as EDNS allows, in fragments: clients' kernels make them, backends' put them together."""
import contextlib
import hashlib
import itertools
import json
import os
import random
import select

import pytest

from agent import MIX, NEW, vip
from backend_host import Wire
from edge import FAMILIES, Answering, apply, config, counting, forget_mtu, open_socket, pool, service
from scapy.all import IP, UDP, Ether, IPv6, IPv6ExtHdrFragment, Raw, fragment, fragment6
from topology import CLIENTS, ECHO, HTTP, Stream, address, start_wrk, wait_for, wrk_result

BACKENDS = ("near1", "back1", "far1", "far2")
POOLS = list(itertools.product(("ipip", "gue"), FAMILIES))
VIP_OF = {one: 10 + number for number, one in enumerate(POOLS)}
FOLLOW, SOURCE = MIX, NEW
EDNS, DNS_PORT = 4096, 5300
PIECE = 1400
numbers = itertools.count(1)
CLIENT_FAMILIES = pytest.mark.parametrize("client_family", FAMILIES, ids=("from4", "from6"))


def name_of(one):
    return f"{one[0]}-{one[1]}"


def fragment_config():
    services = {name_of(one): service(index, name_of(one), f"{DNS_PORT}/udp", f"{ECHO}/udp", f"{HTTP}/tcp")
                for one, index in VIP_OF.items()}
    services["follow"] = service(FOLLOW, "gue-4", f"{DNS_PORT}/udp", fragments="follow")
    services["source"] = service(SOURCE, "gue-4", f"{DNS_PORT}/udp", f"{ECHO}/udp", fragments="source")
    return config({name_of(one): pool(BACKENDS, *one) for one in POOLS}, services)


@pytest.fixture(scope="module", name="lab")
def make_lab(bare_lab):
    apply(bare_lab, fragment_config())
    follow = [vip(index, family) for index in (*VIP_OF.values(), FOLLOW) for family in FAMILIES]
    source = [vip(SOURCE, family) for family in FAMILIES]
    with Answering(bare_lab, BACKENDS, follow, DNS_PORT, lambda name, data: f"{name} ".encode() + data), \
            Answering(bare_lab, BACKENDS, source, DNS_PORT, lambda name, data: f"{name} ".encode() + brief(data)):
        yield bare_lab


def brief(request):
    """What servers of SOURCE reply. ICMP errors about larger replies would go by ports, as all errors do, and not to
    the backend that has the client's fragments."""
    return hashlib.sha256(request).digest()


def answer(sock, request):
    """The name of the server that answers this request; what else comes is about earlier ones, asked twice."""
    data = None
    while data not in (request, brief(request)):
        name, _, data = sock.recv(65535).partition(b" ")
    return name.decode()


def ask(sock, target, request):
    """As resolvers do: it repeats the request until something comes. A first reply may be lost for its size, but the
    router tells the backend what fits."""
    def answered():
        sock.sendto(request, (target, DNS_PORT))
        return select.select([sock], [], [], 0.2)[0]

    request = next(numbers).to_bytes(4, "big") + request
    wait_for(answered, f"an answer of {len(request)} bytes")
    return answer(sock, request)


@CLIENT_FAMILIES
@pytest.mark.parametrize("one", POOLS, ids=name_of)
def test_request_and_reply(lab, one, client_family):
    """Large ones go where small ones of the same socket go, over any encapsulation, and come back as large."""
    lost, sent = counting(lab, "fragment_lost"), counting(lab, "forwarded", "redirected")
    target = vip(VIP_OF[one], client_family)
    for client in (lab.client1, lab.client2) * 4:
        with open_socket(client, client_family) as sock:
            assert {ask(sock, target, os.urandom(size)) for size in (1500, EDNS, EDNS, 8000)} == {
                ask(sock, target, b"small")}
    assert not lost() and sent() >= 8 * (2 + 3 + 3 + 6 + 1)


def test_many_at_once(lab):
    """Of many clients, beside TCP: none is lost, and none goes to another backend."""
    trouble = counting(lab, "fragment_lost", "too_big", "too_big_told")
    targets = [(client, vip(VIP_OF["gue", 4], family)) for client in (lab.client1, lab.client2) for family in FAMILIES]
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(client, target, rate=100, flows=32, size=EDNS))
                   for client, target in targets]
        for load in [start_wrk(client, target, lab.tag(), 1, 2) for client, target in targets]:
            wrk_result(load)
        for result in [stream.stop() for stream in streams]:
            assert not result["lost"] and not result["moved"] and len(result["backends"]) > 1, result
    assert not trouble()


@CLIENT_FAMILIES
@pytest.mark.parametrize("one", POOLS, ids=name_of)
def test_narrow_links(lab, one, client_family):
    """Where full fragments do not fit with their outer header, the client's kernel is told, and makes smaller ones."""
    lab.lb.ip("link set eth0 mtu 1500", "link set eth1 mtu 1500")
    try:
        wait_for(lambda: {item["mtu"] for item in lab.agent.show("backends")} == {1500}, "the agent knows the MTU")
        forget_mtu(lab, "client1")
        told = counting(lab, "too_big_told")
        with open_socket(lab.client1, client_family) as sock:
            ask(sock, vip(VIP_OF[one], client_family), os.urandom(EDNS))
        assert told()
    finally:
        lab.lb.ip("link set eth0 mtu 1600", "link set eth1 mtu 1600")
        wait_for(lambda: {item["mtu"] for item in lab.agent.show("backends")} == {1600}, "the agent knows the MTU")


# Orders that no kernel sends by itself, but that networks make

class Client:
    """A socket of client1 that hears the answers to datagrams whose fragments a test sends one by one."""

    def __init__(self, lab, target):
        self.family = 6 if ":" in target else 4
        self.target = target
        self.own = address(CLIENTS["client1"], 2, self.family)
        self.wire = Wire(lab.client1.name, "eth0")
        self.router = json.loads(lab.router.run("ip", "-json", "link", "show", "client1").stdout)[0]["address"]
        self.socket = open_socket(lab.client1, self.family, bound=(self.own, 0))
        self.port = self.socket.getsockname()[1]

    def pieces(self, payload):
        datagram = UDP(sport=self.port, dport=DNS_PORT) / Raw(payload)
        if self.family == 4:
            return fragment(IP(src=self.own, dst=self.target, id=next(numbers)) / datagram, PIECE)
        header = IPv6(src=self.own, dst=self.target) / IPv6ExtHdrFragment(id=next(numbers))
        return fragment6(IPv6(bytes(header / datagram)), PIECE)

    def send(self, pieces):
        for piece in pieces:
            self.wire.send(Ether(dst=self.router) / piece)

    def __enter__(self):
        ask(self.socket, self.target, bytes(EDNS))  # the way there and back is known afterwards
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.wire.socket.close()


ORDERS = {"backwards": lambda rest: rest[::-1], "shuffled": lambda rest: random.Random(7).sample(rest, len(rest)),
          "twice": lambda rest: [piece for piece in rest for _ in range(2)]}


@CLIENT_FAMILIES
@pytest.mark.parametrize("order", ORDERS)
def test_order_behind_the_first(lab, order, client_family):
    """The first one before all others: then their order does not matter."""
    lost = counting(lab, "fragment_lost")
    with Client(lab, vip(FOLLOW, client_family)) as client:
        for _ in range(5):
            request = os.urandom(EDNS * 2)
            pieces = client.pieces(request)
            client.send([pieces[0], *ORDERS[order](pieces[1:])])
            answer(client.socket, request)
    assert not lost()


@CLIENT_FAMILIES
def test_one_before_the_first(lab, client_family):
    """It is dropped, so the datagram is lost: it can be sent again."""
    lost = counting(lab, "fragment_lost")
    with Client(lab, vip(FOLLOW, client_family)) as client:
        pieces = client.pieces(os.urandom(EDNS))
        client.send([pieces[1], pieces[0], *pieces[2:]])
        wait_for(lambda: lost() == 1, "it is dropped")
        request = os.urandom(EDNS)
        client.send(client.pieces(request))
        answer(client.socket, request)
    assert lost() == 1


@CLIENT_FAMILIES
def test_by_source(lab, client_family):
    """With `fragments: source` no order matters, and a client's go to one backend whatever its ports."""
    lost = counting(lab, "fragment_lost")
    seen, seen_small = set(), set()
    for _ in range(8):
        with Client(lab, vip(SOURCE, client_family)) as client:
            for order in (lambda pieces: pieces, lambda pieces: pieces[::-1], ORDERS["shuffled"]):
                request = os.urandom(EDNS)
                client.send(order(client.pieces(request)))
                seen.add(answer(client.socket, request))
        for _ in range(3):
            with open_socket(lab.client1, client_family) as sock:
                seen_small.add(ask(sock, vip(SOURCE, client_family), b"small"))
    assert len(seen) == 1 and len(seen_small) > 1 and not lost()

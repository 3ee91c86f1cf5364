# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Paths with a smaller MTU behind the router, between balancer and backends or on the clients' side, and the MSS that
services ask for."""
import contextlib
import itertools
import socket
import struct

import pytest

from agent import PLACES, VIP_OF, pool_name, vip
from edge import (FAMILIES, HEADER, apply, config, counting, fitting, forget_mtu, open_socket, pool, service,
                  statistics, told_mtu)
from topology import CLIENTS, ECHO, HTTP, address, wait_for

NARROW = 1400
FAR = list(itertools.product(("ipip", "gue"), FAMILIES, ("far",)))
SPREAD = [("gue", 4, "far"), ("gue", 6, "back"), ("ipip", 6, "near"), ("l2", 4, "back"), ("l2", 6, "near")]
MSS_PORT = 8000
TCP_HEADER = 20
TCP_SAVE_SYN, TCP_SAVED_SYN = 27, 28  # Python has no names for these
CLIENT_FAMILIES = pytest.mark.parametrize("client_family", FAMILIES, ids=("from4", "from6"))


def pool_id(one):
    return pool_name(*one)


def path_config(**more):
    """`more`: options of all services."""
    pools = dict.fromkeys(FAR + SPREAD)
    return config({pool_name(*one): pool(PLACES[one[2]], *one[:2]) for one in pools},
                  {pool_name(*one): service(VIP_OF[pool_name(*one)], pool_name(*one), f"{HTTP}/tcp", f"{MSS_PORT}/tcp",
                                            f"{ECHO}/udp", **more) for one in pools})


@pytest.fixture(scope="module")
def running(bare_lab):
    apply(bare_lab, path_config())
    return bare_lab


@pytest.fixture
def lab(running):
    """No kernel knows anything of paths."""
    if running.agent.config != path_config():
        apply(running, path_config())
    forget_mtu(running, *CLIENTS, *itertools.chain(*PLACES.values()))
    return running


def mtu_is_known(lab, place, mtu):
    wait_for(lambda: all(item["mtu"] == mtu for item in lab.agent.show("backends")
                         if item["pool"].endswith(f"-{place}")), f"the agent knows that it is {mtu} to {place}")


@pytest.fixture
def narrow_far(lab):
    """The far segment takes NARROW bytes, and a route of the balancer says so."""
    routes = {address(3, 0, 4) + "/24": address(1, 1, 4), "fd03::/64": address(1, 1, 6)}
    lab.router.ip(f"link set far mtu {NARROW}")
    lab.lb.ip(*(f"route add {network} via {router} mtu {NARROW}" for network, router in routes.items()))
    mtu_is_known(lab, "far", NARROW)
    yield lab
    lab.lb.ip(*(f"route del {network}" for network in routes))
    lab.router.ip("link set far mtu 1600")
    mtu_is_known(lab, "far", 1600)


@pytest.fixture
def narrow_client(lab):
    """The router's link to client1 takes NARROW bytes, and client1 does not know it."""
    lab.router.ip(f"link set client1 mtu {NARROW}")
    yield lab
    lab.router.ip("link set client1 mtu 1500")


def url(target, path):
    return f"http://[{target}]/{path}" if ":" in target else f"http://{target}/{path}"


def upload(lab, target):
    blob = lab.folder / "blob"
    blob.write_bytes(bytes(300_000))
    lab.client1.run("curl", "-gsS", "--fail", "--max-time", 20, "-H", "Expect:", "--data-binary", f"@{blob}",
                    url(target, "upload"))


def download(lab, target):
    """Two megabytes to client1; the name of the backend that sent them, over the same connection as its name."""
    big = lab.folder / "downloaded"
    name = lab.client1.run("curl", "-gsS", "--fail", "--max-time", 20, url(target, "who"), "--next", "-gsS", "--fail",
                           "--max-time", 20, "-o", big, url(target, "big")).stdout.strip()
    assert big.stat().st_size == 2 << 20
    big.unlink()
    return name


@CLIENT_FAMILIES
@pytest.mark.parametrize("one", FAR, ids=pool_id)
def test_narrow_path_to_backends(narrow_far, one, client_family):
    """Uploads of full packets: the client's TCP is told what the path takes, to the byte."""
    target = vip(VIP_OF[pool_name(*one)], client_family)
    told, too_big = counting(narrow_far, "too_big_told"), counting(narrow_far, "too_big", "reply_limited")
    upload(narrow_far, target)
    assert told() and not too_big()
    forget_mtu(narrow_far, "client1")
    assert told_mtu(narrow_far.client1, target) == fitting(NARROW, *one[:2])


@CLIENT_FAMILIES
def test_narrow_path_with_clamping(narrow_far, client_family):
    """sluice-backend's --mss leaves nothing to tell."""
    told = counting(narrow_far, "too_big_told", "too_big")
    try:
        for name in PLACES["far"]:
            narrow_far.backends.up(name, "--mss", "auto", "--mtu", NARROW)
        for one in FAR:
            upload(narrow_far, vip(VIP_OF[pool_name(*one)], client_family))
    finally:
        for name in PLACES["far"]:
            narrow_far.backends.up(name)
    assert not told()


TOO_BIG = {4: "IcmpInDestUnreachs", 6: "Icmp6InPktTooBigs"}


def errors_by_host(lab, family):
    return {name: statistics(lab, name, TOO_BIG[family]) for name in lab.hosts}


@CLIENT_FAMILIES
@pytest.mark.parametrize("one", SPREAD, ids=pool_id)
def test_narrow_path_to_clients(narrow_client, one, client_family):
    """Downloads: the router's ICMP error goes to the VIP, and from there to the backend whose packet it is about."""
    before = errors_by_host(narrow_client, client_family)
    name = download(narrow_client, vip(VIP_OF[pool_name(*one)], client_family))
    after = errors_by_host(narrow_client, client_family)
    assert {host for host in after if after[host] > before[host]} == {name}


@CLIENT_FAMILIES
def test_mss_for_narrow_clients(narrow_client, client_family):
    """With the service's `mss`, no packet is too big in the first place."""
    apply(narrow_client, path_config(mss=NARROW - HEADER[client_family] - TCP_HEADER))
    before = errors_by_host(narrow_client, client_family)
    for one in SPREAD:
        download(narrow_client, vip(VIP_OF[pool_name(*one)], client_family))
    assert errors_by_host(narrow_client, client_family) == before


def seen_mss(lab, one, family):
    """The MSS of a client's SYN, as the backend's kernel got it."""
    target = vip(VIP_OF[pool_name(*one)], family)
    listeners = []
    try:
        for name in PLACES[one[2]]:
            listener = open_socket(lab.topology.namespaces[name], family, socket.SOCK_STREAM, bound=(target, MSS_PORT))
            listener.setsockopt(socket.IPPROTO_TCP, TCP_SAVE_SYN, 1)
            listener.listen()
            listener.setblocking(False)
            listeners.append(listener)
        with open_socket(lab.client1, family, socket.SOCK_STREAM) as client:
            client.connect((target, MSS_PORT))

            def accepted():
                for listener in listeners:
                    with contextlib.suppress(BlockingIOError):
                        return listener.accept()[0]
                return None

            with wait_for(accepted, "a backend has the connection") as server:
                return mss_option(server.getsockopt(socket.IPPROTO_TCP, TCP_SAVED_SYN, 200)[HEADER[family]:])
    finally:
        for listener in listeners:
            listener.close()


def mss_option(tcp):
    at = TCP_HEADER
    while at < (tcp[12] >> 4) * 4:
        if tcp[at] == 2:
            return struct.unpack_from("!H", tcp, at + 2)[0]
        at += 1 if tcp[at] == 1 else tcp[at + 1]
    return None


@CLIENT_FAMILIES
def test_mss(lab, client_family):
    """What the client's SYN says at most: a number, or what fits the way to the backend; lowered only."""
    own = 1500 - HEADER[client_family] - TCP_HEADER
    assert [seen_mss(lab, one, client_family) for one in SPREAD] == [own] * len(SPREAD)
    apply(lab, path_config(mss=1000))
    assert [seen_mss(lab, one, client_family) for one in SPREAD] == [1000] * len(SPREAD)
    apply(lab, path_config(mss=own + 1))
    assert seen_mss(lab, SPREAD[0], client_family) == own


@CLIENT_FAMILIES
@pytest.mark.parametrize("one", FAR, ids=pool_id)
def test_mss_auto(narrow_far, one, client_family):
    apply(narrow_far, path_config(mss="auto"))
    assert seen_mss(narrow_far, one, client_family) == \
        fitting(NARROW, *one[:2]) - HEADER[client_family] - TCP_HEADER
    upload(narrow_far, vip(VIP_OF[pool_name(*one)], client_family))

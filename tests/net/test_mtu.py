# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Links of 1500 bytes everywhere, so that a client's full packet does not fit with its outer header. Uploads succeed
all the same: because the MSS is clamped, or because the balancer tells clients how much fits."""
import pytest

from agent import VIP_OF, pool_name, vip
from edge import (FAMILIES, LEVEL, MTU, MTU_DISCOVER, MTU_DISCOVER_DONT, counting, echo_socket, fitting, forget_mtu,
                  told_mtu)
from topology import curl, wait_for

POOLS = [("ipip", 4), ("ipip", 6), ("gue", 4), ("gue", 6)]
CLIENT_FAMILIES = pytest.mark.parametrize("client_family", FAMILIES, ids=("from4", "from6"))
ALL_POOLS = pytest.mark.parametrize("pool", POOLS, ids=lambda pool: f"{pool[0]}-{pool[1]}")


@pytest.fixture(scope="module")
def links(running_lab):
    running_lab.lb.ip("link set eth0 mtu 1500")
    wait_for(lambda: {item["mtu"] for item in running_lab.agent.show("backends", "gue-4-near")} == {1500},
             "the agent knows the link's MTU")
    return running_lab


@pytest.fixture
def narrow(links):
    forget_mtu(links, "client1")
    return links


def set_mss(lab, *arguments):
    for name in ("near1", "near2"):
        lab.backends.up(name, *arguments)


def upload(lab, target):
    blob = lab.folder / "blob"
    blob.write_bytes(bytes(300_000))
    host = f"[{target}]" if ":" in target else target
    lab.client1.run("curl", "-gsS", "--fail", "--max-time", 20, "-H", "Expect:", "--data-binary", f"@{blob}",
                    f"http://{host}/upload")


@CLIENT_FAMILIES
@ALL_POOLS
def test_told(narrow, pool, client_family):
    """Without clamping: the client's TCP hears of it and goes on with smaller segments."""
    told, too_big = counting(narrow, "too_big_told"), counting(narrow, "too_big")
    target = vip(VIP_OF[pool_name(*pool, "near")], client_family)
    upload(narrow, target)
    assert told() and not too_big()
    before = told()
    upload(narrow, target)
    assert curl(narrow.client1, target, "small")
    assert told() == before, "it knows by now"


@CLIENT_FAMILIES
@ALL_POOLS
def test_exact(narrow, pool, client_family):
    """What is told is what fits, to the byte."""
    target = vip(VIP_OF[pool_name(*pool, "near")], client_family)
    assert told_mtu(narrow.client1, target) == fitting(1500, *pool)


@CLIENT_FAMILIES
def test_without_df(narrow, client_family):
    """Clients that allow fragments are told as well, and their kernels then make some: the next datagram arrives."""
    target = vip(VIP_OF["gue-4-near"], client_family)
    told = counting(narrow, "too_big_told")
    with echo_socket(narrow.client1, target) as sock:
        sock.setsockopt(LEVEL[client_family], MTU_DISCOVER[client_family], MTU_DISCOVER_DONT)
        sock.send(bytes(1452))
        wait_for(lambda: sock.getsockopt(LEVEL[client_family], MTU[client_family]) < 1500, "the client is told")
        sock.send(bytes(1452))
        assert sock.recv(100)[12:] in (b"near1", b"near2")
    assert told() == 1


@pytest.fixture(scope="module")
def clamping(links):
    """From now on, so those that use it are the last ones."""
    set_mss(links, "--mss", "auto", "--mtu", "1500")


@CLIENT_FAMILIES
@ALL_POOLS
def test_clamped_mss(clamping, narrow, pool, client_family):
    too_big = counting(narrow, "too_big", "too_big_told")
    target = vip(VIP_OF[pool_name(*pool, "near")], client_family)
    for _ in range(4):
        upload(narrow, target)
    assert not too_big()

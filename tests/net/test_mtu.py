# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Links of 1500 bytes everywhere: clamped MSS lets full uploads through; without, the balancer counts too_big."""
import pytest

from agent import VIP_OF, pool_name, vip
from topology import curl

POOLS = [("ipip", 4), ("ipip", 6), ("gue", 4), ("gue", 6)]


@pytest.fixture
def narrow(lab):
    lab.lb.ip("link set eth0 mtu 1500")
    yield lab
    lab.lb.ip("link set eth0 mtu 1600")
    for name in ("near1", "near2"):
        lab.backends.up(name)


def upload(lab, target, seconds, check=True):
    blob = lab.folder / "blob"
    blob.write_bytes(bytes(300_000))
    host = f"[{target}]" if ":" in target else target
    return lab.client1.run("curl", "-gsS", "--fail", "--max-time", seconds, "-H", "Expect:", "--data-binary",
                           f"@{blob}", f"http://{host}/upload", check=check)


@pytest.mark.parametrize("client_family", (4, 6), ids=("from4", "from6"))
@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: f"{pool[0]}-{pool[1]}")
def test_clamped_mss(narrow, pool, client_family):
    for name in ("near1", "near2"):
        narrow.backends.up(name, "--mss", "auto", "--mtu", "1500")
    before = narrow.agent.counted("too_big")
    target = vip(VIP_OF[pool_name(*pool, "near")], client_family)
    for _ in range(4):
        upload(narrow, target, 10)
    assert narrow.agent.counted("too_big") == before


def test_too_big_is_counted(narrow):
    for name in ("near1", "near2"):
        narrow.backends.up(name, "--mss", "off")
    before = narrow.agent.counted("too_big")
    target = vip(VIP_OF["ipip-4-near"], 4)
    assert upload(narrow, target, 1, check=False).returncode != 0
    assert narrow.agent.counted("too_big") > before
    assert curl(narrow.client1, target, "small"), "small packets still fit"

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What sluice-backend does to its host: `up` changes what it must, `down` leaves no trace, `status` tells."""
import os

import pytest

from backend_host import BALANCER, HOST, PROGRAM, VIP, inner, run
from backend_host import down, hosts  # noqa: F401 (fixtures)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and BPF need root")

OTHERS_FILTER = ("bpf", "bytecode", "1,6 0 0 0,")  # matches nothing


def test_down_restores_what_was_there(down):
    before = down.snapshot()
    down.up("--rp-filter", "loose")
    assert down.snapshot() != before
    down.backend("down")
    assert down.snapshot() == before
    assert not down.state.exists()
    assert "nothing to do" in down.backend("down").stdout


def test_down_leaves_what_others_made(down):
    host = down.host
    run("ip", "address", "add", f"{VIP[4]}/32", "dev", "lo", ns=host)
    run("sysctl", "-w", "net.ipv4.conf.h0.arp_ignore=2", ns=host)
    run("tc", "qdisc", "add", "dev", "h0", "clsact", ns=host)
    run("tc", "filter", "add", "dev", "h0", "ingress", "prio", "7", *OTHERS_FILTER, ns=host)
    try:
        before = down.snapshot()
        down.up()
        down.backend("down")
        assert down.snapshot() == before
    finally:
        run("tc", "qdisc", "delete", "dev", "h0", "clsact", ns=host)
        run("sysctl", "-w", "net.ipv4.conf.h0.arp_ignore=0", ns=host)
        run("ip", "address", "delete", f"{VIP[4]}/32", "dev", "lo", ns=host)


def test_clsact_stays_for_a_filter_that_came_later(down):
    down.up()
    run("tc", "filter", "add", "dev", "h0", "egress", "prio", "7", *OTHERS_FILTER, ns=down.host)
    try:
        assert "others' filters" in down.backend("down").stderr
        left = run("tc", "filter", "show", "dev", "h0", "egress", ns=down.host).stdout
        assert "pref 7" in left and "sluice" not in left
    finally:
        run("tc", "qdisc", "delete", "dev", "h0", "clsact", ns=down.host)


def test_rp_filter_is_changed_only_when_asked(down):
    setting = "net.ipv4.conf.h0.rp_filter"
    run("sysctl", "-w", f"{setting}=1", ns=down.host)
    try:
        assert "rp_filter" in down.up().stderr
        assert down.status()["interfaces"][0]["rp_filter"] == 1
        assert "rp_filter" not in down.up("--rp-filter", "loose").stderr
        assert down.status()["interfaces"][0]["rp_filter"] == 2
        down.backend("down")
        assert run("sysctl", "-n", setting, ns=down.host).stdout.strip() == "1"
    finally:
        run("sysctl", "-w", f"{setting}=0", ns=down.host)


@pytest.mark.parametrize("outer,prefix,addresses", [
    (4, "10.77.0.0/16", ["10.77.0.1", "10.77.200.9", "10.77.255.254"]),
    (6, "fd77::/64", ["fd77::1", "fd77::1234:5678", "fd77::ffff:ffff:ffff:ffff"])])
@pytest.mark.parametrize("version", [4, 6])
def test_outer_sources_of_a_prefix(down, outer, prefix, addresses, version):
    """As a pool's `outer: source` makes them. No route leads back to them; a strict filter is no obstacle."""
    setting, host = "net.ipv4.conf.h0.rp_filter", down.host
    run("sysctl", "-w", f"{setting}=1", ns=host)
    run("ip", f"-{outer}", "route", "add", "blackhole", prefix, ns=host)
    try:
        down.up()
        with down.server(version) as server:
            down.wire().send(down.encapsulated("ipip", outer, inner(version, b"bad"), source=addresses[0]))
            down.wire().send(down.encapsulated("ipip", outer, inner(version, b"good")))
            assert server.recv(100) == b"good"
        advice = [line for line in down.status()["advice"] if "--from" in line]
        assert len(advice) == 1 and addresses[0] in advice[0] and "outer: source" in advice[0]
        down.up(sources=[prefix])
        assert not [line for line in down.status()["advice"] if "--from" in line]
        with down.server(version) as server:
            for address in addresses:
                down.wire().send(down.encapsulated("ipip", outer, inner(version, address.encode()), source=address))
                assert server.recv(100) == address.encode()
    finally:
        run("ip", f"-{outer}", "route", "delete", "blackhole", prefix, ns=host)
        run("sysctl", "-w", f"{setting}=0", ns=host)


def test_up_again_applies_the_difference(down):
    before = down.snapshot()
    down.up(vips=[VIP[4], "192.0.2.64/28"])
    with down.server(4) as server:
        down.wire().send(down.encapsulated("ipip", 4, inner(4, b"one")))
        assert server.recv(100) == b"one"
    assert "no change" in down.up(vips=[VIP[4], "192.0.2.64/28"]).stdout

    changed = down.up("--gue-port", "7000", vips=[VIP[4], VIP[6]]).stdout
    assert f"added VIP {VIP[6]}" in changed and "removed VIP 192.0.2.64/28" in changed and "7000" in changed
    status = down.status()
    assert [vip["address"] for vip in status["vips"]] == [VIP[4], VIP[6]]
    assert status["gue_port"] == 7000
    assert status["counters"]["decap_ipip"] == 1, "counters go on"
    assert len(run("tc", "filter", "show", "dev", "h0", "ingress", ns=down.host).stdout.splitlines()) == 2

    down.backend("down")
    assert down.snapshot() == before


def test_interface_that_is_no_longer_wanted(down):
    run("ip", "link", "add", "h1", "type", "veth", "peer", "name", "h2", ns=down.host)
    try:
        down.up("--interface", "h0", "--interface", "h1")
        assert run("sysctl", "-n", "net.ipv4.conf.h1.arp_ignore", ns=down.host).stdout.strip() == "1"
        down.up("--interface", "h0")
        assert run("sysctl", "-n", "net.ipv4.conf.h1.arp_ignore", ns=down.host).stdout.strip() == "0"
        assert "clsact" not in run("tc", "qdisc", "show", "dev", "h1", ns=down.host).stdout
        assert "clsact" in run("tc", "qdisc", "show", "dev", "h0", ns=down.host).stdout
        down.up("--interface", "h0", "--interface", "h1")
    finally:
        run("ip", "link", "delete", "h1", ns=down.host)
    # an interface that has gone since is no obstacle
    assert down.backend("down").returncode == 0


def test_new_address_of_the_host_needs_up_again(down):
    down.up()
    run("ip", "address", "add", "10.0.0.3/24", "dev", "h0", ns=down.host)
    try:
        assert any("10.0.0.3" in line for line in down.status()["advice"])
        down.up()
        assert not down.status()["advice"]
        with down.server(4) as server:
            down.wire().send(down.encapsulated("ipip", 4, inner(4, b"good"), destination="10.0.0.3"))
            assert server.recv(100) == b"good"
    finally:
        run("ip", "address", "delete", "10.0.0.3/24", "dev", "h0", ns=down.host)


def test_status_tells_what_is_amiss(down):
    assert down.backend("status", check=False).returncode == 1
    down.up()
    done = down.backend("status")
    assert VIP[4] in done.stdout and "decap_ipip" in done.stdout
    run("ip", "address", "delete", f"{VIP[4]}/32", "dev", "lo", ns=down.host)
    run("tc", "filter", "delete", "dev", "h0", "ingress", ns=down.host)
    done = down.backend("status", check=False)
    assert done.returncode == 1
    assert f"VIP {VIP[4]} is no longer" in done.stdout and "ingress filter is gone" in done.stdout
    down.up()
    assert down.backend("status").returncode == 0


def test_down_without_state_removes_the_filters(down):
    down.up(vips=[VIP[4]])
    down.state.unlink()
    done = down.backend("down")
    assert "not known" in done.stderr
    assert run("tc", "filter", "show", "dev", "h0", "ingress", ns=down.host).stdout == ""
    run("tc", "qdisc", "delete", "dev", "h0", "clsact", ns=down.host)
    run("ip", "address", "delete", f"{VIP[4]}/32", "dev", "lo", ns=down.host)
    for setting in ("arp_ignore", "arp_announce"):
        run("sysctl", "-w", f"net.ipv4.conf.h0.{setting}=0", ns=down.host)


def test_state_of_another_namespace_is_refused(down):
    down.up()
    done = run(PROGRAM, "down", "--state", down.state, ns=down.peer, check=False)
    assert done.returncode == 1 and "another network namespace" in done.stderr
    assert down.backend("status").returncode == 0


@pytest.mark.parametrize("vip", [HOST[4], "10.0.0.0/24", HOST[6]])
def test_vip_that_is_the_hosts_own_address_is_refused(down, vip):
    before = down.snapshot()
    done = down.up(vips=[vip], check=False)
    assert done.returncode == 1 and "h0" in done.stderr
    assert down.snapshot() == before


def test_a_first_up_that_fails_midway_leaves_nothing(down):
    """The IPv4 VIP and the ARP settings come before the IPv6 VIP, which the loopback interface refuses."""
    setting = "net.ipv6.conf.lo.disable_ipv6"
    run("sysctl", "-w", f"{setting}=1", ns=down.host)
    try:
        before = down.snapshot()
        done = down.up(check=False)
        assert done.returncode == 1 and setting in done.stderr
        assert VIP[4] in done.stdout, "it did get that far"
        assert down.snapshot() == before
        assert not down.state.exists()
    finally:
        run("sysctl", "-w", f"{setting}=0", ns=down.host)


def test_a_place_that_another_filter_holds(down):
    """Someone else's filter holds our place on egress."""
    before = down.snapshot()
    run("tc", "qdisc", "add", "dev", "h0", "clsact", ns=down.host)
    try:
        run("tc", "filter", "add", "dev", "h0", "egress", "prio", "6080", "handle", "0x51", *OTHERS_FILTER,
            ns=down.host)
        done = down.up(check=False)
        assert done.returncode == 1 and "not ours" in done.stderr
        assert not down.state.exists()
    finally:
        run("tc", "qdisc", "delete", "dev", "h0", "clsact", ns=down.host)
    assert down.snapshot() == before


@pytest.mark.parametrize("arguments", [
    ("frobnicate",), ("up",), ("up", "--vip", "192.0.2.1"), ("up", "--vip", "192.0.2.1/24", "--from", "10.0.0.0/8"),
    ("up", "--vip", "127.0.0.1", "--from", "10.0.0.1"),
    ("up", "--vip", "192.0.2.1", "--from", "10.0.0.1", "--mss", "x"),
    ("up", "--vip", "192.0.2.1", "--from", "10.0.0.1", "stray"), ("status", "--frobnicate"), ("down", "--json"),
])
def test_wrong_usage(down, arguments):
    before = down.snapshot()
    done = run(PROGRAM, *arguments, ns=down.host, check=False)
    assert done.returncode == 2 and done.stderr
    assert down.snapshot() == before


def test_an_interface_must_be_given_without_a_default_route(down):
    for version in (4, 6):
        run("ip", f"-{version}", "route", "delete", "default", ns=down.host)
    try:
        done = down.up(check=False)
        assert done.returncode == 1 and "--interface" in done.stderr
        assert down.up("--interface", "h0").returncode == 0
    finally:
        for version, gateway in BALANCER.items():
            run("ip", f"-{version}", "route", "add", "default", "via", gateway, ns=down.host)

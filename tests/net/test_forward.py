# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Packets get where they should: every forwarding mode, family, place and kind of service; and what is not ours."""
import json
import subprocess

import pytest

from agent import ANY, EMPTY, MIX, PLACES, POOLS, SOURCE, VIP_OF, pool_name, vip
from topology import ECHO, IPERF, PYTHON, Stream, address, curl, start_wrk, wait_for, wrk, wrk_result, HERE

FAMILIES = (4, 6)


def grown(before, after):
    return {name for name in after if after[name] > before[name]}


def excess(lab):
    """What was sent on, by its reasons, over what the backends' counters say."""
    sent = lab.agent.counted("forwarded") + lab.agent.counted("redirected")
    return sent - sum(item["packets"] for item in lab.agent.show("backends"))


@pytest.mark.parametrize("client_family", FAMILIES, ids=("from4", "from6"))
@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool_name(*pool))
def test_matrix(lab, pool, client_family):
    """No request and no datagram fails, the two backends' logs and the balancer agree on who served."""
    name, target = pool_name(*pool), vip(VIP_OF[pool_name(*pool)], client_family)
    way = "redirected" if pool[2] == "back" else "forwarded"
    way_before, excess_before = lab.agent.counted(way), excess(lab)

    before, tag = lab.agent.packets(name), lab.tag()
    answers = curl(lab.client1, target, tag, 6)
    assert len(answers) == 6
    served = {backend: answers.count(backend) for backend in set(answers)}
    wait_for(lambda: lab.backends.requests(tag) == served, "the servers' logs say what the replies said")
    assert grown(before, lab.agent.packets(name)) == set(served)

    tag = lab.tag()
    load = start_wrk(lab.client2, target, tag, 1)
    with Stream(lab.client1, target, rate=500, flows=32, size=1400) as stream:
        requests = wrk_result(load)
        result = stream.stop()
    assert result["lost"] == 0 and result["moved"] == 0, result
    assert set(result["backends"]) == set(PLACES[pool[2]])
    logged = lab.backends.requests(tag)
    assert set(logged) == set(PLACES[pool[2]])
    assert requests <= sum(logged.values()) <= requests + 64, "wrk leaves requests under way at its end, no more"
    after = lab.agent.packets(name)
    assert grown(before, after) == set(PLACES[pool[2]])
    assert lab.agent.counted(way) - way_before >= sum(after.values()) - sum(before.values())
    wait_for(lambda: excess(lab) == excess_before, "what was sent on is what backends got")  # two looks, and late packets


def overruns(lab, names):
    """Datagrams that these hosts have received and had no room for."""
    counters = [json.loads(lab.topology.namespaces[name].run("nstat", "-asjz", "UdpRcvbufErrors", "Udp6RcvbufErrors")
                           .stdout)["kernel"] for name in names]
    return sum(sum(counter.values()) for counter in counters)


@pytest.mark.parametrize("client_family", FAMILIES, ids=("from4", "from6"))
@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool_name(*pool))
def test_iperf(lab, pool, client_family):
    """Full-size segments and datagrams; iperf3's control and data connections stay together (hash: source).

    On a busy host datagrams are lost, but to the receiver's small socket buffer alone."""
    target = vip(VIP_OF[pool_name(*pool)], client_family)
    with lab.backends.iperf(PLACES[pool[2]], target):
        tcp = json.loads(lab.client1.run("iperf3", "-c", target, "-p", IPERF, "-n", 64 << 20, "-J").stdout)
        assert tcp["end"]["sum_received"]["bytes"] > 32 << 20
        size = 1472 if client_family == 4 else 1452
        before = overruns(lab, PLACES[pool[2]])
        udp = json.loads(lab.client1.run("iperf3", "-c", target, "-p", IPERF, "-u", "-b", "10M", "-l", size, "-k", 600,
                                         "-J").stdout)
        assert udp["end"]["sum"]["packets"] >= 600
        assert udp["end"]["sum"]["lost_packets"] <= overruns(lab, PLACES[pool[2]]) - before


def test_weights_are_shares(lab):
    tag = lab.tag()
    wrk(lab.client1, vip(MIX, 4), tag, 2)
    logged = lab.backends.requests(tag)
    total = sum(logged.values())
    for backend in lab.agent.show("backends", "mix"):
        assert abs(logged[backend["name"]] / total - backend["share"]) < 0.03, (backend, logged)


@pytest.mark.parametrize("family", FAMILIES)
def test_source_affinity(lab, family):
    """hash: source: all connections of one address to one backend, whatever their ports; other addresses spread."""
    network, seen = 11, set()
    for host in range(2, 14):
        answers = curl(lab.client1, vip(SOURCE, family), "affinity", 4, source=address(network, host, family))
        assert len(answers) == 4 and len(set(answers)) == 1, f"source .{host} reached {answers}"
        seen.update(answers)
    assert len(seen) > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_any_port(lab, family):
    for port in (80, 8443, 12345):
        assert len(curl(lab.client1, vip(ANY, family), "any", 3, port=port)) == 3
    before = lab.agent.counted("no_service")
    send_udp(lab.client1, vip(ANY, family), 5)
    wait_for(lambda: lab.agent.counted("no_service") >= before + 5, "UDP to an any/tcp service counts as no_service")


@pytest.mark.parametrize("target", ["198.51.100.7", "198.51.100.255", "2001:db8:1::1", "2001:db8:1:0:ffff::9"])
def test_prefix_service(lab, target):
    assert len(curl(lab.client1, target, "prefix", 5)) == 5
    with Stream(lab.client1, target) as stream:
        assert stream.stop()["lost"] == 0


def send_udp(namespace, target, count):
    namespace.run(PYTHON, "-c", f"""
import socket
s = socket.socket(socket.{'AF_INET6' if ':' in target else 'AF_INET'}, socket.SOCK_DGRAM)
for _ in range({count}):
    s.sendto(b'x' * 40, ('{target}', {ECHO}))
""")


PING = """
import os, socket, struct, sys
v6 = ':' in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW,
                  socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
s.settimeout(5)
body = struct.pack('!HH', os.getpid() & 0xffff, 1) + b'is it there?'
kind = 128 if v6 else 8
total = sum(struct.unpack('!%dH' % (len(body) // 2), body)) + (kind << 8)
total = (total & 0xffff) + (total >> 16)
s.sendto(struct.pack('!BBH', kind, 0, ~total & 0xffff) + body, (sys.argv[1], 0))
while True:
    data = s.recv(2000)
    data = data if v6 else data[(data[0] & 15) * 4:]
    if data[0] == (129 if v6 else 0) and data[4:] == body:
        break
"""


@pytest.mark.parametrize("family", FAMILIES)
def test_own_traffic_goes_up(lab, family):
    """Ping, TCP, UDP and fragments for the balancer's own address are not touched."""
    own = address(1, 2, family)
    lab.client1.run(PYTHON, "-c", PING, own)
    (lab.folder / "served").mkdir(exist_ok=True)
    (lab.folder / "served/0").write_text("served")
    with lab.lb.popen(PYTHON, "-m", "http.server", "--bind", "::", 2222, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL, cwd=lab.folder) as server, \
            lab.lb.popen(PYTHON, HERE / "udp.py", "serve", "lb", ECHO) as echo:
        try:
            wait_for(lambda: lab.lb.run("ss", "-Hltn", "sport = 2222").stdout, "server on the balancer")
            wait_for(lambda: lab.lb.run("ss", "-Hlun", f"sport = {ECHO}").stdout, "echo server on the balancer")
            assert curl(lab.client1, own, "served", 1, port=2222) == ["served"]
            fragments = lab.agent.counted("fragment")
            with Stream(lab.client1, own, rate=200, size=4000) as stream:
                result = stream.stop()
            assert result["lost"] == 0 and result["backends"].keys() == {"lb"}
            assert lab.agent.counted("fragment") >= fragments + 2 * result["sent"]
        finally:
            server.kill()
            echo.kill()


@pytest.mark.parametrize("family", FAMILIES)
def test_pool_without_backends(lab, family):
    """Its packets are dropped, and `sluice show drops` says how many and why."""
    before = lab.agent.counted("no_backend")
    send_udp(lab.client1, vip(EMPTY, family), 25)
    wait_for(lambda: lab.agent.counted("no_backend") == before + 25, "25 drops counted as no_backend")
    assert "no_backend" in lab.agent.cli("show", "drops").stdout

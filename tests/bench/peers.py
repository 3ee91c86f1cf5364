# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sluice and what else users would take, each as its users set it up, for the same servers.

Of the ways without conntrack, nftables' netdev rules are those that nftlb writes for its modes dsr and stlsdnat.
"""
import collections
import subprocess

import figures  # noqa: F401: the way to the network tests' modules
from agent import KEY, Agent
from peers_network import PORTS, ROUTER_MAC, SERVERS, balancer_mac, server_address, server_mac
from topology import HTTP, IPERF, wait_for

# `namespace`: of the balancer. `direct`: replies go from the server to the client, not through the balancer
Contender = collections.namedtuple("Contender", ("name", "vip", "namespace", "direct"))

BARE = Contender("XDP_TX to one server", "192.0.2.1", "bare", True)
SLUICE_IPIP = Contender("Sluice, ipip", "192.0.2.2", "sluice", True)
SLUICE_L2 = Contender("Sluice, l2", "192.0.2.3", "sluice", True)
NFT_L2 = Contender("nft netdev, l2", "192.0.2.4", "ingress", True)
NFT_STATELESS = Contender("nft netdev, DNAT", "192.0.2.5", "ingress", False)
NFT_NAT = Contender("nft prerouting, DNAT", "192.0.2.6", "nft", False)
IPVS = Contender("IPVS, direct routing", "192.0.2.7", "ipvs", True)
HAPROXY = Contender("HAProxy, TCP", "192.0.2.8", "haproxy", False)
NUMBERS = range(len(SERVERS))


class Missing(Exception):
    """This kernel cannot run it."""


def start_bare(network):
    """It runs since the network is there."""


def start_sluice(network):
    backends = [{"name": name, "address": server_address(i)} for i, name in enumerate(SERVERS)]
    pools, services = {}, {}
    for forward, contender in (("ipip", SLUICE_IPIP), ("l2", SLUICE_L2)):
        pools[forward] = {"forward": forward, "probe": {"type": "none"}, "backends": backends}
        services[f"www-{forward}"] = {"address": contender.vip, "ports": [f"{HTTP}/tcp"], "pool": forward}
        # iperf3's connections belong together
        services[f"iperf-{forward}"] = {"address": contender.vip, "ports": [f"{IPERF}/tcp"], "pool": forward,
                                        "hash": "source"}
    agent = Agent(network, host="sluice")
    agent.start({"interfaces": [{"name": "sluice0", "mode": "native"}], "hash_key": KEY, "pools": pools,
                 "services": services})
    agent.wait_resolved()


def load_rules(namespace, lines):
    result = namespace.run("nft", "-f", "-", stdin="\n".join(lines) + "\n", check=False)
    if result.returncode:
        raise Missing(f"nft: {result.stderr.splitlines()[0]}")


def choice(port, values):
    """An nft expression that picks one of the servers' values; iperf3's connections belong together."""
    key = "ip saddr . tcp sport" if port == HTTP else "ip saddr"
    return f"jhash {key} mod {len(SERVERS)} map {{ {', '.join(f'{i} : {value}' for i, value in enumerate(values))} }}"


def start_nft(network):
    addresses = [server_address(i) for i in NUMBERS]
    network.nft.shell("sysctl -qw net.ipv4.ip_forward=1")
    load_rules(network.nft, [
        "table ip balancer {", "chain prerouting {", "type nat hook prerouting priority dstnat",
        *(f"ip daddr {NFT_NAT.vip} tcp dport {port} dnat to {choice(port, addresses)}" for port in PORTS), "}", "}"])


def start_ingress(network):
    """What comes in is changed and sent on at once, nothing is remembered; replies get the VIP back."""
    own, addresses = balancer_mac("ingress"), [server_address(i, 30) for i in NUMBERS]
    macs = ", ".join(f"{address} : {server_mac(i)}" for i, address in enumerate(addresses))
    rules = []
    for port in PORTS:
        rules += [
            f"ip daddr {NFT_L2.vip} tcp dport {port} ether saddr set {own} "
            f"ether daddr set {choice(port, map(server_mac, NUMBERS))} fwd to ingress0",
            f"ip daddr {NFT_STATELESS.vip} tcp dport {port} ether saddr set {own} "
            f"ip daddr set {choice(port, addresses)} ether daddr set ip daddr map {{ {macs} }} fwd to ingress0",
            f"ip saddr {addresses[0]}-{addresses[-1]} tcp sport {port} ether saddr set {own} "
            f"ether daddr set {ROUTER_MAC} ip saddr set {NFT_STATELESS.vip} fwd to ingress0"]
    load_rules(network.ingress, ["table netdev balancer {", "chain ingress {",
                                 "type filter hook ingress device ingress0 priority 0", *rules, "}", "}"])


def start_ipvs(network):
    network.ipvs.ip(f"addr add {IPVS.vip}/32 dev lo")
    lines = []
    for port, scheduler in ((HTTP, "rr"), (IPERF, "sh")):
        lines.append(f"-A -t {IPVS.vip}:{port} -s {scheduler}")
        lines += [f"-a -t {IPVS.vip}:{port} -r {server_address(i)}:{port} -g" for i in NUMBERS]
    result = network.ipvs.run("ipvsadm", "-R", stdin="\n".join(lines) + "\n", check=False)
    if result.returncode:
        raise Missing("this kernel has no IPVS")


def start_haproxy(network):
    folder = network.folder / "haproxy"
    folder.mkdir()
    network.haproxy.ip(f"addr add {HAPROXY.vip}/32 dev lo")
    lines = ["global", "maxconn 4096", "defaults", "mode tcp", "option splice-auto", "timeout connect 5s",
             "timeout client 60s", "timeout server 60s"]
    for port, balance in ((HTTP, "roundrobin"), (IPERF, "source")):
        lines += [f"listen port{port}", f"bind {HAPROXY.vip}:{port}", f"balance {balance}",
                  *(f"server {name} {server_address(i)}:{port}" for i, name in enumerate(SERVERS))]
    (folder / "haproxy.cfg").write_text("\n".join(lines) + "\n")
    process = network.haproxy.popen("haproxy", "-q", "-db", "-f", folder / "haproxy.cfg", stdin=subprocess.DEVNULL)

    def ready():
        assert process.poll() is None, f"HAProxy ended with {process.returncode}"
        return network.haproxy.run("ss", "-Hltn", f"sport = {IPERF}").stdout

    wait_for(ready, "HAProxy listens")


STARTS = ((start_bare, (BARE,)), (start_sluice, (SLUICE_IPIP, SLUICE_L2)), (start_ingress, (NFT_L2, NFT_STATELESS)),
          (start_nft, (NFT_NAT,)), (start_ipvs, (IPVS,)), (start_haproxy, (HAPROXY,)))
DIRECT_VIPS = [contender.vip for _, contenders in STARTS for contender in contenders if contender.direct]


def start(network):
    """Starts all that this kernel can run: these contenders, and {name: why not} of the others."""
    running, missing = [], {}
    for begin, contenders in STARTS:
        try:
            begin(network)
            running += contenders
        except Missing as error:
            missing.update({contender.name: str(error) for contender in contenders})
    for contender in running:
        network.bring(contender.vip, contender.namespace)
    return running, missing

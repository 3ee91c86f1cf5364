# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the tests of trouble share: servers that can be told to misbehave, and pools that watch them."""
import contextlib
import ipaddress
import time

import badserver
from agent import KEY, backends
from topology import ECHO, HERE, PYTHON, wait_for

SERVERS = ("near1", "back1", "far1")  # sent on at once, by redirect, through a router
# three in a row: a busy host may keep a server waiting for the CPU, and nobody else is to fall
PACE = {"interval": "500ms", "timeout": "400ms", "rise": 2, "fall": 3}
WEB = {"type": "http", "port": badserver.PLAIN, "path": "/probe", **PACE}
INTERFACES = [{"name": "eth0"}, {"name": "eth1"}]


def vip(number, family):
    """Of the prefixes that the backends serve."""
    return str(ipaddress.ip_address("198.51.100.0" if family == 4 else "2001:db8:1::") + 1 + number)


def start_servers(lab, certificates="/nonexistent"):
    """A server on each backend that behaves until its mode file says otherwise."""
    for name in SERVERS:
        mode, namespace = lab.folder / f"{name}.mode", lab.topology.namespaces[name]
        mode.write_text("good")
        # else one ICMP error a second goes to the balancer, for all probes together
        namespace.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        lab.backends.start(name, PYTHON, HERE / "badserver.py", mode, certificates)
        for port, option in ((badserver.PLAIN, "t"), (badserver.TLS, "t"), (badserver.DNS, "t"), (badserver.DNS, "u"),
                             (badserver.ECHO, "u")):
            wait_for(lambda: namespace.run("ss", f"-Hln{option}", f"sport = {port}").stdout,
                     f"port {port} is served on {name}")


@contextlib.contextmanager
def misbehaving(lab, name, mode="silent"):
    """Meanwhile all of its ports do as the mode says."""
    file = lab.folder / f"{name}.mode"
    file.write_text(mode)
    try:
        yield
    finally:
        file.write_text("good")


def config(**more):
    """The same three servers probed in every way, and a pool for counted streams that is not probed."""
    pools = {
        "vip": {"forward": "gue", "probe": {**WEB, "via": "vip"}, "backends": backends(SERVERS)},
        "vip6": {"forward": "ipip", "probe": {**WEB, "via": "vip"}, "backends": backends(SERVERS, 6)},
        "auto": {"forward": "gue", "probe": WEB, "backends": backends(SERVERS)},
        "auto6": {"forward": "gue", "probe": WEB, "backends": backends(SERVERS, 6)},
        "address": {"forward": "ipip", "probe": {"type": "tcp", "port": badserver.PLAIN, "send": "PING\r\n",
                                                 "expect": "PONG", **PACE, "via": "address"},
                    "backends": backends(SERVERS)},
        "segment": {"forward": "l2", "probe": {**WEB, "via": "vip"}, "backends": backends(("back1",))},
    }
    for pool in pools.values():
        pool |= {"table_size": 251, "hold_down": "off"}
    services = {name: {"address": vip(number, 6 if name.endswith("6") else 4), "ports": f"{badserver.PLAIN}/tcp",
                       "pool": name} for number, name in enumerate(pools)}
    pools["echo"] = {"forward": "gue", "table_size": 251, "backends": backends(SERVERS)}
    services["echo"] = {"address": [vip(100, 4), vip(100, 6)], "ports": f"{ECHO}/udp", "pool": "echo"}
    return {"interfaces": INTERFACES, "hash_key": KEY, "pools": pools, "services": services, **more}


def wait_all_up(lab):
    """Until all are up and nothing speaks against it: with one failure in a row, another under way would change it."""
    def unsettled():
        return [(item["pool"], item["name"], item["state"], item["probe"]) for item in lab.agent.show("backends")
                if item["state"] != "up" or any(probe["run"] < 2 for probe in item["probes"])]

    deadline = time.monotonic() + 20
    while left := unsettled():
        assert time.monotonic() < deadline, f"not up: {left}"
        time.sleep(0.02)


def not_up(lab):
    return {(item["pool"], item["name"]) for item in lab.agent.show("backends") if item["state"] != "up"}

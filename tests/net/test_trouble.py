# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Servers that misbehave are found out by every type of probe, through the tunnel and directly; nobody else suffers."""
import contextlib
import itertools
import os
import subprocess

import pytest

import badserver
from agent import KEY, PLACES, POOLS, backends, pool_name
from topology import backend_address, curl, wait_for
from trouble import INTERFACES, PACE, SERVERS, misbehaving, not_up, start_servers, vip, wait_all_up

NAME = "probe.example"
PLAIN, TLS, ECHO, DNS = badserver.PLAIN, badserver.TLS, badserver.ECHO, badserver.DNS

# How probes reach the backend: forward mode, family of VIP and backends, via
WAYS = {"vip": ("gue", 4, "vip"), "vip6": ("ipip", 6, "vip"), "address": ("ipip", 4, "address")}


def kinds(certificates):
    https = {"type": "https", "port": TLS, "host": NAME, "path": "/probe"}
    dns = {"type": "dns", "port": DNS, "name": "www.probe.example", "address": badserver.ANSWER}
    return {
        "tcp": {"type": "tcp", "port": PLAIN, "send": "PING\r\n", "expect": "PONG"},
        "http": {"type": "http", "port": PLAIN, "path": "/probe"},
        "body": {"type": "http", "port": PLAIN, "path": "/probe", "body": "all is well"},
        "https": {**https, "ca": str(certificates / "ca.pem")},
        "any-cert": {**https, "verify": False},
        "udp": {"type": "udp", "port": ECHO, "send": "PING", "expect": "PONG"},
        "udp-open": {"type": "udp", "port": ECHO, "send": "PING"},
        "dns": dns,
        "dns-tcp": {**dns, "transport": "tcp"},
    }


def port_of(probe):
    return f"{probe['port']}/{'udp' if probe['type'] in ('udp', 'dns') and 'transport' not in probe else 'tcp'}"


def config(certificates):
    pools, services = {}, {}
    for number, (kind, way) in enumerate(itertools.product(kinds(certificates), WAYS)):
        forward, family, via = WAYS[way]
        probe = kinds(certificates)[kind]
        name = f"{kind}-{way}"
        pools[name] = {"forward": forward, "table_size": 251, "hold_down": "off",
                       "probe": {**probe, **PACE, "via": via}, "backends": backends(SERVERS, family)}
        services[name] = {"address": vip(number, family), "ports": port_of(probe), "pool": name}
    return {"interfaces": INTERFACES, "hash_key": KEY, "pools": pools, "services": services}


def make_certificates(folder):
    """A CA, and of it a good certificate, one that has expired, and one for another name."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    folder.mkdir()
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-subj", "/CN=Test CA",
            "-days", 30)
    for name, host, days in (("good", NAME, 30), ("expired", NAME, -1), ("other-name", "other.example", 30)):
        request, certificate = folder / f"{name}.csr", folder / f"{name}.pem"
        openssl("req", *key, "-keyout", folder / f"{name}.key", "-out", request, "-subj", f"/CN={host}", "-addext",
                f"subjectAltName=DNS:{host}")
        openssl("x509", "-req", "-in", request, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-days", days,
                "-copy_extensions", "copy", "-out", certificate)
        certificate.write_text(certificate.read_text() + (folder / f"{name}.key").read_text())
    return folder


@pytest.fixture(scope="module")
def certificates(bare_lab):
    return make_certificates(bare_lab.folder / "certificates")


@pytest.fixture(scope="module")
def served(bare_lab, certificates):
    start_servers(bare_lab, certificates)
    bare_lab.agent.start(config(certificates))
    return bare_lab


@pytest.fixture
def lab(served, certificates):
    if served.agent.config != config(certificates):
        served.agent.reload(config(certificates))
    wait_all_up(served)
    return served


def target(lab, name, backend):
    """What a probe's text has to name: the VIP with the port, and the backend if that is another address."""
    pool = lab.agent.config["pools"][name]
    service = lab.agent.config["services"][name]
    own = next(item["address"] for item in pool["backends"] if item["name"] == backend)
    port = pool["probe"]["port"]
    where = own if pool["probe"]["via"] == "address" else service["address"]
    where = f"[{where}]:{port}" if ":" in where else f"{where}:{port}"
    return (where,) if pool["probe"]["via"] == "address" else (where, f"via {own}")


# What each type's event says. Types that are not named here have nothing to complain of.
MODES = {
    "silent": {"tcp": "connected, but no reply within 400 ms", "http": "connected, but no reply within 400 ms",
               "body": "connected, but no reply within 400 ms", "https": "no TLS handshake within 400 ms",
               "any-cert": "no TLS handshake within 400 ms", "udp": "no reply within 400 ms",
               "dns": "no reply within 400 ms", "dns-tcp": "no reply within 400 ms"},
    "slow": {"tcp": "only 1 bytes of reply within 400 ms", "http": "within 400 ms", "body": "within 400 ms",
             "https": "no TLS handshake within 400 ms", "any-cert": "no TLS handshake within 400 ms",
             "udp": "no reply within 400 ms", "dns": "no reply within 400 ms",
             "dns-tcp": "only 1 bytes of reply within 400 ms"},
    "endless-headers": {"tcp": 'reply "HTTP', "http": "bytes of headers", "body": "bytes of headers",
                        "https": "bytes of headers", "any-cert": "bytes of headers"},
    "endless-body": {"body": '"all is well" is not in the first 64 KiB of its body'},
    "garbage": {"tcp": 'reply "\\x00\\xff', "http": "Received HTTP/0.9", "body": "Received HTTP/0.9", "https": "SSL",
                "any-cert": "SSL", "udp": 'reply "\\x00\\xff', "dns": "malformed reply", "dns-tcp": "malformed reply"},
    "foreign": {"dns": "no reply but 1 that is not to this question", "dns-tcp": "malformed reply"},
    "reset": {"tcp": "2 bytes, then connection reset", "http": "reset by peer", "body": "reset by peer",
              "https": "reset by peer", "any-cert": "reset by peer", "dns-tcp": "2 bytes, then connection reset"},
    "reset-later": {"tcp": "2 bytes, then connection reset", "http": "reset by peer", "body": "reset by peer",
                    "https": "reset by peer", "any-cert": "reset by peer", "dns-tcp": "2 bytes, then connection reset"},
    "cut": {"tcp": "closed after 2 bytes of reply", "http": "closed in the middle of the headers",
            "body": "closed in the middle of the headers", "https": "closed or reset in the TLS handshake",
            "any-cert": "closed or reset in the TLS handshake", "dns-tcp": "closed after 2 bytes of reply"},
    "expired": {"https": "certificate has expired"},
    "other-name": {"https": NAME},
    "closed": {"udp": "connection refused", "udp-open": "connection refused", "dns": "connection refused"},
    "refused": {"dns": "REFUSED instead of NOERROR", "dns-tcp": "REFUSED instead of NOERROR"},
    "other-address": {"dns": "192.0.2.54 instead of 192.0.2.53", "dns-tcp": "192.0.2.54 instead of 192.0.2.53"},
}


def test_probes_are_nobodys_packets(lab):
    """Neither probes nor what this host sends when one has ended come to the XDP program as clients' packets."""
    def packets():
        return {item["name"]: item["packets"] for item in lab.agent.show("services")}

    before, begun = packets(), lab.agent.status()["probing"]["begun"]
    wait_for(lambda: lab.agent.status()["probing"]["begun"] > begun + 1000, "1,000 probes have begun", 20)
    assert packets() == before


def test_service_of_any_port(served, certificates):
    """It has the port that the probe names: a backend that answers by its address alone is found out."""
    probe = {**kinds(certificates)["http"], **PACE}
    served.agent.reload({
        "interfaces": INTERFACES, "hash_key": KEY,
        "pools": {"any": {"table_size": 251, "hold_down": "off", "probe": probe, "backends": backends(SERVERS)}},
        "services": {"any": {"address": vip(0, 4), "ports": "any/tcp", "pool": "any"}}})
    wait_all_up(served)
    assert {probe["via"] for item in served.agent.show("backends") for probe in item["probes"]} == {"vip"}


@pytest.mark.parametrize("mode", MODES)
def test_misbehaving_server(lab, mode):
    """It leaves the tables of the probes that are concerned, with an event that tells why; and it comes back."""
    before = lab.agent.last_event()
    fallen = {f"{kind}-{way}" for kind in MODES[mode] for way in WAYS}
    with misbehaving(lab, "far1", mode):
        for name in sorted(fallen):
            event = lab.agent.wait_event("backend_down", name, "far1", before)
            assert MODES[mode][name.rsplit("-", 1)[0]] in event["text"], event
            assert all(part in event["text"] for part in target(lab, name, "far1")), event
        assert not_up(lab) == {(name, "far1") for name in fallen}
        for name in ("http-vip", "http-vip6") if "http" in MODES[mode] else ():
            curl(lab.client1, lab.agent.config["services"][name]["address"], lab.tag(), 20, port=PLAIN)
    wait_all_up(lab)
    assert {(event["pool"], event["backend"]) for event in lab.agent.events("backend_down", since=before)} == \
        {(name, "far1") for name in fallen}
    assert all("held up" in event["text"] for event in lab.agent.events("probe_trouble", since=before)), \
        "the agent itself was well all the time, but for a busy host"


def test_unknown_authority(lab, certificates):
    """Without its CA's certificate no server is trusted; an agent that cannot read the file judges nobody."""
    changed = config(certificates)
    changed["pools"]["https-address"]["probe"]["ca"] = str(certificates / "other.pem")
    before = lab.agent.last_event()
    lab.agent.reload(changed)
    event = lab.agent.wait_event("probe_trouble", "https-address", since=before)
    assert "other.pem" in event["text"], event
    assert set(lab.agent.states("https-address").values()) == {"up"}
    (certificates / "other.pem").write_text((certificates / "expired.pem").read_text())
    try:
        for name in SERVERS:
            assert "certificate" in lab.agent.wait_event("backend_down", "https-address", name, before)["text"]
    finally:
        (certificates / "other.pem").unlink()


def ping_config():
    """Every encapsulation, family and place, with a VIP of each family."""
    pools, services = {}, {}
    for number, (pool, family) in enumerate(itertools.product(POOLS, (4, 6))):
        name = f"{pool_name(*pool)}-vip{family}"
        pools[name] = {"forward": pool[0], "table_size": 251, "hold_down": "off",
                       "probe": {"type": "ping", **PACE, "via": "vip"}, "backends": backends(PLACES[pool[2]], pool[1])}
        services[name] = {"address": vip(number, family), "ports": "80/tcp", "pool": name}
    return {"interfaces": INTERFACES, "hash_key": KEY, "pools": pools, "services": services}


@pytest.mark.parametrize("family", (4, 6))
def test_ping(served, family):
    """Through every encapsulation, to VIPs of both families; where one host ignores it, its pools lose it alone."""
    served.agent.reload(ping_config())
    wait_all_up(served)
    for item in served.agent.show("backends"):
        assert served.agent.config["services"][item["pool"]]["address"] in item["probe"] and "reply" in item["probe"]
    before = served.agent.last_event()
    silent = ("near1", "back1", "far1")
    option = "net.ipv4.icmp_echo_ignore_all" if family == 4 else "net.ipv6.icmp.echo_ignore_all"
    expected = {(pool, name) for pool in served.agent.config["pools"] if pool.endswith(f"-vip{family}")
                for name in silent if pool.split("-")[2] == name[:-1]}
    for name in silent:
        served.topology.namespaces[name].run("sysctl", "-qw", f"{option}=1")
    try:
        for pool, name in sorted(expected):
            event = served.agent.wait_event("backend_down", pool, name, before)
            vip_address = served.agent.config["services"][pool]["address"]
            assert f"ping {vip_address} via " in event["text"] and "no reply within 400 ms" in event["text"], event
        assert not_up(served) == expected
    finally:
        for name in silent:
            served.topology.namespaces[name].run("sysctl", "-qw", f"{option}=0")
    wait_all_up(served)


def exec_config(script, **more):
    return {"interfaces": INTERFACES, "hash_key": KEY, "services": {}, "pools": {"exec": {
        "table_size": 251, "hold_down": "off", "backends": backends(SERVERS, near1=70),
        "probe": {"type": "exec", "command": ["/bin/sh", "-c", script], **PACE, **more}}}}


def running(word):
    """The processes of this host that have the word among their arguments."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            if word.encode() in file.read().split(b"\0"):
                found.append(int(pid))
    return found


def test_exec_hangs(served):
    """It forks and hangs: all of it is killed at the timeout, the backend is down, and nothing is left afterwards."""
    word = f"31{os.getpid()}"  # seconds to sleep, and a word that no other process has
    served.agent.reload(exec_config(
        f'[ "$SLUICE_BACKEND" != far1 ] || '
        f'{{ sleep {word} & (sleep {word} & sleep {word}) & echo stuck; sleep {word}; }}'))
    before = served.agent.last_event()
    event = served.agent.wait_event("backend_down", "exec", "far1", before)
    assert "killed, not done within 400 ms: stuck" in event["text"], event
    served.agent.wait_state("exec", "near1", "up")
    served.agent.wait_state("exec", "back1", "up")
    wait_for(lambda: running(word), "the probes go on")
    served.agent.reload(exec_config("exit 0"))
    wait_for(lambda: not running(word), "no process is left")
    wait_all_up(served)


def test_exec_environment(served):
    """It runs as nobody, with what describes the backend and nothing of the agent's own."""
    served.agent.reload(exec_config(
        'echo "$(id -un) $(env | cut -d= -f1 | sort | tr "\\n" ,) $SLUICE_POOL $SLUICE_BACKEND $SLUICE_ADDRESS '
        '$SLUICE_FAMILY $SLUICE_WEIGHT"; exit 1', interval="5s", timeout="5s", fast_interval="500ms"))
    names = "PATH,PWD,SLUICE_ADDRESS,SLUICE_BACKEND,SLUICE_FAMILY,SLUICE_POOL,SLUICE_PORT,SLUICE_WEIGHT,"
    for name, weight in (("near1", 70), ("far1", 100)):
        event = served.agent.wait_event("backend_down", "exec", name, served.agent.events("config_applied")[-1]["id"])
        said = f"nobody {names} exec {name} {backend_address(name, 4)} 4 {weight}"
        assert "exit status 1 after " in event["text"], event
        assert said[:140] in event["text"], event

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The control socket and the CLI as scripts use them: rights, exit codes, JSON, metrics."""
import grp
import json
import re
import socket
import stat

import pytest

from agent import MIX, VIP_OF, Agent, base_config, vip
from topology import BUILD, ROOT, Stream, curl, wait_for

OK, FAILURE, USAGE, DIFFERENT, NO_AGENT = 0, 1, 2, 3, 4
SUBJECTS = ("services", "pools", "backends", "neighbours", "drops", "bpf")


def test_socket_rights(lab):
    group = grp.getgrall()[-1]
    assert stat.S_IMODE(lab.agent.socket.stat().st_mode) == 0o660
    lab.agent.end()
    lab.agent.start(None, "--group", group.gr_name)
    status = lab.agent.socket.stat()
    assert stat.S_IMODE(status.st_mode) == 0o660 and status.st_gid == group.gr_gid


def test_stale_socket_is_replaced(lab):
    lab.agent.close()
    assert lab.agent.socket.exists()
    lab.agent.start()


def test_curl(lab):
    body = lab.lb.run("curl", "-sS", "--fail", "--unix-socket", lab.agent.socket, "http://localhost/v1/backends").stdout
    assert json.loads(body) == lab.agent.show("backends") or {b["name"] for b in json.loads(body)}
    for path in ("status", "services", "pools", "backends", "neighbours", "drops", "bpf", "diff"):
        code, body = lab.agent.request("GET", f"/v1/{path}")
        assert code == 200 and json.loads(body) is not None, path
        kind = lab.lb.run("curl", "-sS", "-o", "/dev/null", "-w", "%{content_type}", "--unix-socket", lab.agent.socket,
                          f"http://localhost/v1/{path}").stdout
        assert kind == "application/json", path


@pytest.mark.parametrize("method,path,code", [("GET", "/v1/nothing", 404), ("POST", "/v1/status", 405),
                                              ("GET", "/v1/reload", 405)])
def test_wrong_requests(lab, method, path, code):
    status, body = lab.agent.request(method, path)
    assert status == code and "error" in json.loads(body)


@pytest.mark.parametrize("path, says", (
    ("events?since=x", "since"), ("events?since=-1", "since"), ("events?since=", "since"), ("events?since=+5", "since"),
    ("events?since=9223372036854775808", "since"), ("events?limit=10001", "limit"), ("events?limit=1.5", "limit"),
    ("watch?since=x", "since"), ("watch?since=-1", "since"), ("watch?since=%00", "since"), ("watch?from=1", "'from'"),
    ("events?pool=mix", "'pool'"), ("status?x=1", "'x'"), ("backends?" + "%c3" * 99 + "=1", "parameter")))
def test_wrong_queries(lab, path, says):
    """Never answered as if they had not been asked."""
    status, body = lab.agent.request("GET", f"/v1/{path}")
    assert status == 400 and says in json.loads(body)["error"], body


def test_garbage_on_the_socket(lab):
    """Clients that talk nonsense, stay silent or leave early do not block the others."""
    open_ones = []
    for data in (b"\x00\xff" * 4000, b"GET /v1/status HTTP/1.1\r\n", b"POST /v1/reload HTTP/1.1\r\nContent-Length: "
                 b"99999999\r\n\r\n", b"", b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n"):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        client.connect(str(lab.agent.socket))
        try:
            client.sendall(data)
        except OSError:
            pass  # it may hang up on us
        open_ones.append(client)
    assert lab.agent.status()["pid"] == lab.agent.process.pid
    for client in open_ones:
        client.close()
    assert lab.agent.answers()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_show(lab, subject):
    """A table for people, the same as JSON for scripts."""
    table = lab.agent.cli("show", subject).stdout
    assert table.strip()
    assert lab.agent.show(subject)


def test_status(lab):
    status = lab.agent.status()
    assert status["config"]["file"] == str(lab.agent.config_file)
    assert status["pools"] == len(base_config()["pools"]) and status["backends_unresolved"] == 0
    assert {item["name"] for item in status["interfaces"] if item["attached"]} == {"eth0", "eth1"}
    assert "eth0" in lab.agent.cli("status").stdout


def test_exit_codes(lab):
    def code(*arguments):
        return lab.agent.cli(*arguments, check=False).returncode

    assert code("status") == OK and code("diff") == OK and code("check", lab.agent.config_file) == OK
    assert code("check", ROOT / "examples/sluice.yaml") == OK
    wrong = lab.folder / "wrong.yaml"
    wrong.write_text("interfaces: []\n")
    assert code("check", wrong) == FAILURE and code("check", lab.folder / "none.yaml") == FAILURE
    assert code("show", "backends", "nosuchpool") == FAILURE
    assert code("dance") == USAGE and code("show", "nothing") == USAGE and code("--no-such-option") == USAGE
    config = base_config()
    config["pools"]["mix"]["backends"][0]["weight"] = 7
    running, lab.agent.config = lab.agent.config, None
    lab.agent.configure(config)
    assert code("diff") == DIFFERENT
    lab.agent.configure(running)
    nobody = lab.lb.run(BUILD / "sluice", "--socket", lab.folder / "nobody.sock", "status", check=False)
    assert nobody.returncode == NO_AGENT and "nobody.sock" in nobody.stderr


def test_warnings_of_connections_that_would_break(lab):
    config = base_config()
    gone = [backend["name"] for backend in config["pools"]["mix"]["backends"][:2]]
    config["pools"]["mix"]["backends"] = config["pools"]["mix"]["backends"][2:]
    path = lab.folder / "without.json"
    path.write_text(json.dumps(config))
    warning = "removed: its connections are cut; drain it first"
    told = [f"backend mix/{name}: {warning}" for name in gone]
    assert lab.agent.cli("diff", path, check=False).stdout.count(f"    warning: {warning}\n") == 2
    assert json.loads(lab.agent.cli("check", "--json", path).stdout)["warnings"] == told
    lab.agent.cli("backend", "maint", "mix", gone[0])
    try:
        assert json.loads(lab.agent.cli("check", "--json", path).stdout)["warnings"] == told[1:]
        assert lab.agent.cli("check", path).stdout.endswith(f"    warning: {told[1]}\n")
    finally:
        lab.agent.cli("backend", "ready", "mix", gone[0])


def test_abbreviations(lab):
    assert lab.agent.cli("sh", "ba").stdout.splitlines()[0] == lab.agent.cli("show", "backends").stdout.splitlines()[0]
    ambiguous = lab.agent.cli("show", "s", check=False)
    assert ambiguous.returncode in (OK, USAGE)  # only "services" starts so
    assert lab.agent.cli("d", check=False).returncode == USAGE, "diff and detach: never guess"
    assert lab.agent.answers()


def test_watch(lab):
    lines = lab.agent.cli("show", "backends", "--watch", "--count", "2", "--json").stdout.splitlines()
    assert len(lines) == 2 and all(json.loads(line) for line in lines)


def test_metrics(lab):
    assert len(curl(lab.client1, vip(MIX, 4), "metrics", 20)) == 20
    code, text = lab.agent.request("GET", "/metrics")
    assert code == 200
    sample = re.compile(r'[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? [0-9.e+-]+$')
    for line in text.splitlines():
        assert line.startswith("# ") or sample.match(line), line
    packets = {name: int(value) for name, value in
               re.findall(r'^sluice_\w*packets_total\{[^}]*pool="mix"[^}]*backend="(\w+)"[^}]*\} (\d+)$', text, re.M)}
    shown = lab.agent.packets("mix")
    assert packets.keys() == shown.keys() and sum(packets.values()) > 0
    assert "sluice_build_info" in text


@pytest.mark.parametrize("pool", ("l2-4-near", "ipip-6-back", "gue-4-far"))
def test_counters_are_exact(lab, pool):
    """Packets and bytes as received, of the service, the pool and its backends."""
    def sums():
        service = next(item for item in lab.agent.show("services") if item["name"] == f"www-{pool}")
        chosen = next(item for item in lab.agent.show("pools") if item["name"] == pool)
        members = lab.agent.show("backends", pool)
        return [(item["packets"], item["bytes"]) for item in (service, chosen)] + \
            [tuple(sum(member[key] for member in members) for key in ("packets", "bytes"))]

    before, size = sums(), 700
    with Stream(lab.client1, vip(VIP_OF[pool], 4), size=size, flows=50) as stream:
        sent = stream.stop()["sent"]
    for (packets, octets), (packets_before, octets_before) in zip(sums(), before):
        assert packets - packets_before == sent
        assert octets - octets_before == sent * (14 + 20 + 8 + size)


def test_counters_survive_reload(lab):
    before = lab.agent.packets("mix")
    config = base_config()
    config["pools"]["aaa"] = {"backends": []}
    lab.agent.reload(config)
    after = lab.agent.packets("mix")
    assert all(after[name] >= before[name] for name in before)


def test_two_instances(lab):
    """Another agent with its own paths serves another interface's namespace side by side."""
    other = Agent(lab.topology, "other")
    other.bpffs = lab.topology.bpffs / "other"
    config = base_config()
    config["interfaces"] = [{"name": "lo", "mode": "generic"}]
    other.start(config)
    try:
        assert other.status()["pid"] != lab.agent.status()["pid"]
        other.cli("detach", "--yes")
        other.process.wait(timeout=20)
        wait_for(lambda: lab.agent.resolved(), "the first goes on")
        assert len(curl(lab.client1, vip(MIX, 4), "both", 5)) == 5
    finally:
        other.close()

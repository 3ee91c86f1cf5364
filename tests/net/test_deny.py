# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The deny list: real clients are denied and let in again, over restarts and crashes; long lists; bad wishes."""
import contextlib
import ipaddress
import json
import signal
import threading
import time

import pytest

from agent import MIX, UnixConnection, base_config, vip
from topology import CLIENTS, Stream, address, wait_for

DENY4, DENY6 = 0x80, 0x100  # FEATURE_DENY4 and FEATURE_DENY6
MAX = 100_000


@pytest.fixture(name="lab")
def clean_lab(running_lab):
    """Nothing on the list, and the program does not look for any."""
    agent = running_lab.agent
    if agent.process.poll() is not None:
        agent.start(base_config())
    agent.cli("deny", "remove", "--all")
    agent.reload(base_config())
    agent.wait_resolved()
    assert not listed(agent) and not features(agent)
    return running_lab


def source(client, family, number=2):
    return address(CLIENTS[client], number, family)


def reaches(lab, client, family, number=2):
    """Whether a connection from this address gets an answer: the drop is silent, so a denied one takes a second."""
    host = f"[{vip(MIX, 6)}]" if family == 6 else vip(MIX, 4)
    result = lab.topology.namespaces[client].run(
        "curl", "-sS", "--fail", "--noproxy", "*", "--connect-timeout", "1", "-g", "--interface",
        source(client, family, number), f"http://{host}/{lab.tag()}", check=False)
    return result.returncode == 0


def denies(lab):
    """Whether this build's program looks at the list at all."""
    before = lab.agent.counted("denied")
    return lambda: lab.agent.counted("denied") > before


def listed(agent):
    return {item["prefix"]: item["left_ms"] for item in agent.show("deny")["deny"]}


def features(agent):
    return agent.show("bpf")["program"]["features"] & (DENY4 | DENY6)


def program(agent):
    return agent.show("bpf")["program"]["id"]


def in_kernel(agent, family=4):
    """The prefixes that the kernel's map has, as bpftool tells."""
    dump = agent.host.run("bpftool", "-j", "map", "dump", "pinned", agent.bpffs / f"maps/denied{family}").stdout
    prefixes = set()
    for item in json.loads(dump):
        key = bytes(int(byte, 16) for byte in item["key"])
        prefixes.add(str(ipaddress.ip_network((key[4:], int.from_bytes(key[:4], "little")))))
    return prefixes


def post(agent, path, body, seconds=60):
    connection = UnixConnection(agent.socket)
    connection.timeout = seconds
    try:
        connection.request("POST", path, body if isinstance(body, (str, bytes)) else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("family", (4, 6))
def test_denied_client(lab, family):
    """One client is denied and the other is not; then its neighbour address; then neither."""
    agent = lab.agent
    for client in CLIENTS:
        assert reaches(lab, client, family)
    count = denies(lab)
    reply = agent.cli("deny", "add", source("client1", family)).stdout
    assert reply == "1 added, 0 renewed; 1 prefix is denied\n"
    assert features(agent) == (DENY4 if family == 4 else DENY6)
    assert not reaches(lab, "client1", family) and count()
    assert reaches(lab, "client1", family, 3) and reaches(lab, "client2", family)
    assert reaches(lab, "client1", 10 - family), "the other family is not asked for"
    agent.cli("deny", "add", address(CLIENTS["client1"], 0, 4) + "/24" if family == 4 else "fd11::/64")
    assert not reaches(lab, "client1", family, 3) and reaches(lab, "client2", family)
    agent.cli("deny", "remove", source("client1", family))
    assert not reaches(lab, "client1", family), "the longer prefix is gone, the shorter one still has it"
    agent.cli("deny", "remove", "--all")
    assert reaches(lab, "client1", family) and reaches(lab, "client1", family, 3)


def test_hosts_own_traffic(lab):
    """Only services deny: the balancer's own stack answers whoever is on the list."""
    lab.agent.cli("deny", "add", "10.11.0.0/24", "10.1.0.0/24")
    assert not reaches(lab, "client1", 4)
    refused = lab.client1.run("curl", "-sS", "--connect-timeout", "2", f"http://{address(1, 2, 4)}:9/", check=False)
    assert refused.returncode == 7, "its own stack says that nobody listens"


def test_program_is_loaded_anew_only_for_a_first_prefix(lab):
    agent, before = lab.agent, program(lab.agent)
    agent.cli("deny", "add", "203.0.113.1")
    first = program(agent)
    assert first != before and features(agent) == DENY4
    agent.cli("deny", "add", "203.0.113.2", "203.0.113.0/24")
    agent.cli("deny", "remove", "203.0.113.0/24")
    agent.cli("deny", "remove", "--all")
    agent.cli("deny", "add", "203.0.113.3")
    assert program(agent) == first, "where only entries change none is loaded"
    agent.cli("deny", "add", "2001:db8:bad::/48")
    assert program(agent) != first and features(agent) == DENY4 | DENY6
    agent.cli("deny", "remove", "203.0.113.3")
    assert features(agent) == DENY4 | DENY6
    agent.reload()
    assert features(agent) == DENY6, "a reload lets go of what is not needed any more"


def test_for(lab):
    """It ends by itself; adding it again renews its time, to a longer one or for good."""
    agent = lab.agent
    agent.cli("deny", "add", source("client1", 4), "203.0.113.1", "203.0.113.2", "--for", "2s")
    assert not reaches(lab, "client1", 4)
    agent.cli("deny", "add", "203.0.113.1", "--for", "1h")
    assert agent.cli("deny", "add", "203.0.113.2").stdout == "0 added, 1 renewed; 3 prefixes are denied\n"
    wait_for(lambda: listed(agent).keys() == {"203.0.113.1", "203.0.113.2"}, "the first one's time is over")
    wait_for(lambda: in_kernel(agent) == {"203.0.113.1/32", "203.0.113.2/32"}, "so it is in the kernel")
    assert reaches(lab, "client1", 4)
    left = listed(agent)
    assert left["203.0.113.2"] is None and 3_500_000 < left["203.0.113.1"] <= 3_600_000
    agent.cli("deny", "add", "203.0.113.2", "--for", "1s")
    wait_for(lambda: listed(agent).keys() == {"203.0.113.1"}, "a shorter time counts as well")


@pytest.mark.parametrize("way", (signal.SIGTERM, signal.SIGKILL), ids=("restart", "crash"))
def test_stays(lab, way):
    """Denied while no agent runs, and after it; the time goes on meanwhile."""
    agent = lab.agent
    agent.cli("deny", "add", source("client1", 4), "2001:db8:bad::/48")
    agent.cli("deny", "add", "203.0.113.0/24", "--for", "1h")
    agent.cli("deny", "add", source("client2", 4), "--for", "2s")
    ends = time.monotonic() + 2
    before = program(agent)
    agent.reload()
    assert not reaches(lab, "client1", 4)
    agent.end(way)
    assert not reaches(lab, "client1", 4)
    wait_for(lambda: time.monotonic() > ends, "the time is over while no agent runs")
    agent.start()
    assert program(agent) == before, "the running program is adopted"
    left = listed(agent)
    assert left.keys() == {source("client1", 4), "2001:db8:bad::/48", "203.0.113.0/24"}
    assert left[source("client1", 4)] is None and 3_500_000 < left["203.0.113.0/24"] <= 3_600_000
    assert in_kernel(agent) == {source("client1", 4) + "/32", "203.0.113.0/24"}
    assert in_kernel(agent, 6) == {"2001:db8:bad::/48"}
    assert not reaches(lab, "client1", 4) and reaches(lab, "client2", 4)


def test_after_a_detach(lab):
    """New maps get all of the list before the program runs."""
    agent = lab.agent
    agent.cli("deny", "add", source("client1", 4))
    agent.cli("detach", "--yes")
    agent.process.wait(timeout=20)
    agent.start()
    agent.wait_resolved()
    assert in_kernel(agent) == {source("client1", 4) + "/32"} and not reaches(lab, "client1", 4)
    assert reaches(lab, "client2", 4)


PARTLY = (b'{"deny": [["203.0.113.0/24", null], ["203.0.113.1/24", null], [], 7, ["x", 1], ["203.0.113.9", "soon"], '
          b'["203.0.113.8", 1]]}')


@pytest.mark.parametrize("content", (b"", b"{", b"[]", b'{"deny": 7}', bytes(range(256)), PARTLY),
                         ids=("empty", "cut", "list", "number", "binary", "partly"))
def test_damaged_file(lab, content):
    """It is told of, what can be read of it counts, and the agent starts all the same."""
    agent = lab.agent
    agent.cli("deny", "add", source("client1", 4))
    agent.end()
    (agent.state / "deny.json").write_bytes(content)
    agent.start()
    kept = {"203.0.113.0/24"} if content == PARTLY else set()
    assert agent.events("snapshot_lost")[-1]["text"].startswith(
        "the deny list: 5 entries of deny.json could not be read" if kept else "the deny list is lost (")
    assert listed(agent).keys() == in_kernel(agent) == kept
    assert reaches(lab, "client1", 4)


def test_unwritable_folder(lab):
    """It is denied all the same, with a warning; and saved as soon as that is possible."""
    agent = lab.agent
    (agent.state / "deny.json.new").mkdir()
    result = agent.cli("deny", "add", source("client1", 4))
    assert "could not be written" in result.stderr and not reaches(lab, "client1", 4)
    assert agent.status()["state_saved"] is False
    (agent.state / "deny.json.new").rmdir()
    wait_for(lambda: agent.status()["state_saved"], "it is saved")
    agent.end(signal.SIGKILL)
    agent.start()
    assert listed(agent) == {source("client1", 4): None}


def test_everything_has_to_be_confirmed(lab):
    for prefix in ("0.0.0.0/0", "::/0"):
        result = lab.agent.cli("deny", "add", "203.0.113.1", prefix, check=False)
        assert result.returncode == 2 and "--yes" in result.stderr
        assert not listed(lab.agent)
    lab.agent.cli("deny", "add", "0.0.0.0/0", "--yes")
    assert not reaches(lab, "client1", 4) and not reaches(lab, "client2", 4) and reaches(lab, "client1", 6)
    lab.agent.cli("deny", "remove", "0.0.0.0/0")
    assert reaches(lab, "client1", 4)


BAD = {"empty": "", "null": "null", "object": "{}", "text": '"203.0.113.1"', "none": "[]", "cut": '["203.0.113.1"',
       "cut in a text": '["203.0.113.1', "comma": '["203.0.113.1",]', "two": '["203.0.113.1" "203.0.113.2"]',
       "more": '["203.0.113.1"]x', "NUL": b'["203.0.113.1"]\0', "number": "[1]", "nested": '[["203.0.113.1"]]',
       "host bits": ["203.0.113.1", "203.0.113.1/24"], "length": ["203.0.113.0/33"], "no length": ["203.0.113.0/"],
       "zone": ["fe80::1%eth0"], "long": ["1" * 5000], "not UTF-8": b'["\xff\xfe"]', "binary": bytes(range(256)),
       "escape": '["203.0.113.1\\n"]', "deep": "[" * 500_000, "late": ["203.0.113.1"] * 5000 + ["x"]}


def test_bad_wishes(lab):
    """Each is refused with words, and nothing changes."""
    agent = lab.agent
    last = agent.last_event()
    for name, body in BAD.items():
        for path in ("/v1/deny/add", "/v1/deny/remove"):
            status, reply = post(agent, path, body)
            assert status == 400 and reply["error"], f"{name}: {status} {reply}"
    assert post(agent, "/v1/deny/add", BAD["late"])[1]["error"] == "entry 5001: 'x' is neither an address nor a prefix"
    for query in ("for_ms=-1", "for_ms=x", "for_ms=1e3", f"for_ms={366 * 86400000}", "for=1"):
        assert post(agent, f"/v1/deny/add?{query}", ["203.0.113.1"])[0] == 400
    for query in ("all=2", "all=1"):
        assert post(agent, f"/v1/deny/remove?{query}", ["203.0.113.1"])[0] == 400
    for query in ("from=x", "limit=-1", "limit=x"):
        assert agent.request("GET", f"/v1/deny?{query}")[0] == 400
    assert not listed(agent) and not features(agent) and agent.last_event() == last
    assert post(agent, "/v1/deny/add", '[ "203.0.113.0\\/24" ,\n"2001:db8::1"]\n')[0] == 200
    assert listed(agent).keys() == {"203.0.113.0/24", "2001:db8::1"}


def test_bad_file(lab, tmp_path):
    """The line is told, and nothing is done."""
    file = tmp_path / "list"
    file.write_text("203.0.113.1\n# comment\n203.0.113.300 ; too large\n\n203.0.113.1/24\n203.0.113.2\n")
    result = lab.agent.cli("deny", "add", "--file", file, check=False)
    assert result.returncode == 1 and not listed(lab.agent)
    assert result.stderr.splitlines() == [
        f"{file}:3: '203.0.113.300' is neither an address nor a prefix",
        f"{file}:5: '203.0.113.1/24' has bits set beyond its length",
        f"sluice: {file}: 2 lines are wrong, nothing is done"]


def long_list(count, offset=0):
    """Half of them IPv6."""
    v4, v6 = int(ipaddress.ip_address("10.100.0.0")), int(ipaddress.ip_address("2001:db8::"))
    return [str(ipaddress.IPv4Address(v4 + i)) if i % 2 else f"{ipaddress.IPv6Address(v6 + (i << 64))}/64"
            for i in range(offset, offset + count)]


@contextlib.contextmanager
def asking(agent):
    """Asks the agent for its status all the while; yields how long answers took, in seconds."""
    took, over = [], threading.Event()

    def ask():
        while not over.is_set():
            begun = time.monotonic()
            assert agent.request("GET", "/v1/deny?limit=0")[0] == 200
            took.append(time.monotonic() - begun)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()


def test_long_list(lab, tmp_path):
    """As many as there may be, in one command; one more is refused, and nothing of what came with it is done."""
    agent, file = lab.agent, tmp_path / "list"
    prefixes = long_list(MAX - 1) + [source("client1", 4)]
    file.write_text("\n".join(prefixes) + "\n")
    with asking(agent) as took:
        begun = time.monotonic()
        result = agent.cli("deny", "add", "--file", file, "--for", "1h", timeout=120)
        print(f"added in {time.monotonic() - begun:.2f} s; {len(took)} answers meanwhile, the slowest after "
              f"{1000 * max(took):.0f} ms")
    assert result.stdout == f"{MAX} added, 0 renewed, for 1 h 0 min; {MAX} prefixes are denied\n"
    assert not reaches(lab, "client1", 4) and reaches(lab, "client2", 4)
    result = agent.cli("deny", "add", "203.0.113.0/24", prefixes[0], "--for", "2h", check=False)
    assert result.returncode == 1 and "the deny list is full" in result.stderr
    assert agent.cli("deny", "add", *prefixes[:3], "--for", "1h").stdout.startswith("0 added, 3 renewed")
    begun = time.monotonic()
    left = listed(agent)
    print(f"shown in {time.monotonic() - begun:.2f} s")
    assert left.keys() == set(prefixes) and max(left.values()) <= 3_600_000, "nothing of what was refused"
    agent.end(signal.SIGKILL)
    assert not reaches(lab, "client1", 4)
    begun = time.monotonic()
    agent.start()
    print(f"started in {time.monotonic() - begun:.2f} s")
    assert listed(agent).keys() == set(prefixes)
    assert not reaches(lab, "client1", 4) and reaches(lab, "client2", 4)
    with asking(agent) as took:
        begun = time.monotonic()
        result = agent.cli("deny", "remove", "--file", file, timeout=120)
        print(f"removed in {time.monotonic() - begun:.2f} s; the slowest answer after {1000 * max(took):.0f} ms")
    assert result.stdout == f"{MAX} removed; 0 prefixes are denied\n"
    assert not in_kernel(agent) and not in_kernel(agent, 6) and reaches(lab, "client1", 4)
    assert not (agent.state / "deny.json").exists()


def test_long_list_ends(lab):
    """All at once, and in the kernel as well; those that came for longer stay."""
    agent = lab.agent
    agent.cli("deny", "add", "203.0.113.1", long_list(10)[3], "--for", "1h")
    status, reply = post(agent, "/v1/deny/add?for_ms=1000", [*long_list(3), *long_list(20_000, 4)])
    assert status == 200 and reply["added"] == 20_003
    wait_for(lambda: len(listed(agent)) == 2, "they are over")
    wait_for(lambda: len(in_kernel(agent)) == 2 and not in_kernel(agent, 6), "they are over in the kernel")


def test_crash_amid_a_long_list(lab):
    """All of it or nothing is there afterwards, in the kernel as on the list."""
    agent = lab.agent
    agent.cli("deny", "add", "203.0.113.1")
    for offset in range(0, 60_000, 20_000):
        connection = UnixConnection(agent.socket)
        connection.request("POST", "/v1/deny/add", json.dumps(long_list(20_000, offset)))
        wait_for(lambda: len(listed(agent)) > 1, "it has begun")
        agent.end(signal.SIGKILL)
        connection.close()
        agent.start()
        prefixes = listed(agent).keys()
        assert prefixes in ({"203.0.113.1"}, {"203.0.113.1", *long_list(20_000, offset)})
        kernel = {prefix.removesuffix("/32") for prefix in in_kernel(agent) | in_kernel(agent, 6)}
        assert kernel == prefixes
        agent.cli("deny", "remove", "--all")
        agent.cli("deny", "add", "203.0.113.1")


def test_client_that_goes(lab):
    """Its wish is granted all the same, and others are answered."""
    agent = lab.agent
    for _ in range(5):
        connection = UnixConnection(agent.socket)
        connection.request("POST", "/v1/deny/add", json.dumps(long_list(20_000)))
        connection.close()
    agent.cli("deny", "add", "203.0.113.1")
    assert len(listed(agent)) == 20_001


def test_many_at_once(lab):
    """Wishes of many clients: each is granted whole."""
    agent, replies = lab.agent, []

    def add(i):
        replies.append(post(agent, "/v1/deny/add", long_list(1000, 500 * i)))

    threads = [threading.Thread(target=add, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 20 and all(status == 200 for status, _ in replies)
    assert sum(reply["added"] for _, reply in replies) == len(listed(agent)) == 10_500
    kernel = {prefix.removesuffix("/32") for prefix in in_kernel(agent) | in_kernel(agent, 6)}
    assert kernel == set(long_list(10_500))


def test_events(lab):
    """Who changed the list, and what."""
    agent = lab.agent
    last = agent.last_event()
    agent.cli("deny", "add", "203.0.113.1", "203.0.113.2", "--for", "10m")
    agent.cli("deny", "remove", "203.0.113.1")
    result = agent.cli("deny", "remove", "203.0.113.1")
    assert "not on the list" in result.stderr
    events = agent.events("deny_changed", since=last)
    assert [event["text"] for event in events] == ["203.0.113.1 and 1 more: denied for 600 s",
                                                   "203.0.113.1: denied no more"]
    assert {event["uid"] for event in events} == {0}


def test_connections_end(lab):
    """The list is for packets, not for connections: those that a client has stall, and those of others do not."""
    with Stream(lab.client1, vip(MIX, 4), rate=200) as denied, Stream(lab.client2, vip(MIX, 4), rate=200) as other:
        count = denies(lab)
        lab.agent.cli("deny", "add", source("client1", 4))
        wait_for(count, "packets of the denied client are dropped")
        denied.mark()
        before = lab.agent.counted("denied")
        wait_for(lambda: lab.agent.counted("denied") > before + 50, "and all that follow")
        assert denied.stop()["lost"] > 50
        result = other.stop()
    assert result["lost"] == 0, result

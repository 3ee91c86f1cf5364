# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Verdicts come from probes alone: what the agent itself cannot do, or the clock does, changes no backend's state."""
import contextlib
import datetime
import os
import resource
import signal
import subprocess
import time

import pytest

import badserver
from agent import backends
from topology import HERE, PYTHON, Stream, address, wait_for
from trouble import INTERFACES, PACE, SERVERS, WEB, config, misbehaving, not_up, vip, wait_all_up

DAY = 24 * 3600
CALM = 20  # seconds to wait for a probe_trouble_over, which comes 5 seconds after the end


@pytest.fixture
def lab(served):
    """All are up, and the agent has no trouble."""
    if served.agent.config != config():
        served.agent.reload(config())
    wait_all_up(served)
    return served


def begun(lab):
    return lab.agent.status()["probing"]["begun"]


def wait_rounds(lab, rounds=4):
    """Until every probe has been begun so many times, or was to be."""
    start = begun(lab)
    wait_for(lambda: begun(lab) - start >= rounds * lab.agent.status()["probing"]["configured"], "probes go on")


def verdicts(lab, since):
    """The events that tell of a state."""
    return [event for event in lab.agent.events(since=since) if event["event"] in
            ("backend_up", "backend_down", "backend_kept", "backend_held", "backend_maint", "backend_ready")]


def descriptors(pid):
    return {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}


def change_limit(pid, soft):
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def exhausted(lab):
    """The agent may not open anything beyond what it always has open."""
    pid = lab.agent.process.pid
    looks = [descriptors(pid)]
    while len(looks) < 30:
        time.sleep(0.02)  # not a wait: looks at different moments
        looks.append(descriptors(pid))
    lasting = set.intersection(*looks)
    limit = next(number for number in range(65536) if number not in lasting)
    former, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    change_limit(pid, limit)
    try:
        yield
    finally:
        change_limit(pid, former)


def test_descriptors_exhausted(lab):
    """States hold and traffic goes on, one event says why; when there are some again, verdicts come as ever."""
    before, logged = lab.agent.last_event(), len(lab.agent.log())
    with Stream(lab.client1, vip(100, 4)) as stream:
        with exhausted(lab):
            # nobody can connect to the control socket either
            wait_for(lambda: "probe_trouble: " in lab.agent.log()[logged:], "the log tells")
            with misbehaving(lab, "far1"):
                time.sleep(3)  # not a wait: nothing may happen
        result = stream.stop()
        assert result["lost"] == 0, result
    lab.agent.wait_event("probe_trouble_over", since=before, seconds=CALM)
    event, = lab.agent.events("probe_trouble", since=before)
    assert "no file descriptor left" in event["text"] or "cannot" in event["text"], event
    assert not verdicts(lab, before)
    with misbehaving(lab, "far1"):
        for pool in ("vip", "auto6", "address"):
            lab.agent.wait_event("backend_down", pool, "far1", before)
    wait_all_up(lab)


@pytest.mark.parametrize("how", ("blackhole", "no-route"))
def test_no_route(lab, how):
    """To the far backends, in both families: their states hold in every pool, those of the others are judged."""
    before = lab.agent.last_event()
    gateways = {"10.3.0.0/24": address(1, 1, 4), "fd03::/64": address(1, 1, 6)}
    if how == "blackhole":
        away = [f"route add blackhole {net}" for net in gateways]
        back = [f"route del blackhole {net}" for net in gateways]
    else:
        away = [f"route del default via {gateway}" for gateway in gateways.values()]
        back = [f"route add default via {gateway}" for gateway in gateways.values()]
    lab.lb.ip(*away)
    try:
        event = lab.agent.wait_event("probe_trouble", since=before, seconds=120)
        assert "far1" in event["text"] and ("refuses it (blackhole)" if how == "blackhole" else "no route") in \
            event["text"], event
        wait_rounds(lab)
        assert not verdicts(lab, before)
        with misbehaving(lab, "near1"):
            lab.agent.wait_event("backend_down", "vip", "near1", before)
        lab.agent.wait_state("vip", "near1", "up")
    finally:
        lab.lb.ip(*back)
    lab.agent.wait_event("probe_trouble_over", since=before, seconds=CALM)
    assert {event["backend"] for event in verdicts(lab, before)} == {"near1"}
    wait_all_up(lab)


def test_link_down(lab):
    """The balancer's interface towards back1 is down: with `forward: l2` there is no way, which is not its fault."""
    before = lab.agent.last_event()
    lab.lb.ip("link set eth1 down")
    try:
        lab.agent.wait_event("probe_trouble", since=before)
        wait_rounds(lab)
        assert not verdicts(lab, before)
    finally:
        lab.lb.ip("link set eth1 up", f"addr replace {address(2, 2, 6)}/64 dev eth1 nodad")
    lab.agent.wait_event("probe_trouble_over", since=before, seconds=CALM)
    assert not verdicts(lab, before)
    wait_all_up(lab)


def test_silent_from_the_start(lab):
    """A host that is not there is its own fault, not this one's, although no packet can be sent to it: however it is
    probed, and not even if silence would be a good answer of a host that is."""
    before = lab.agent.last_event()
    changed = config()
    probes = {"tcp": {"port": 9}, "udp": {"port": 9, "send": "x"}, "ping": {},
              "dns": {"port": 9, "name": "www.example.com"}}
    for number, (kind, probe) in enumerate(probes.items()):
        for family in (4, 6):
            name = f"nobody-{kind}-{family}"
            changed["pools"][name] = {"table_size": 251, "start": "up", "probe": {"type": kind, **probe, **PACE},
                                      "backends": [{"name": "nobody", "address": address(1, 99, family)}]}
            changed["services"][name] = {"address": vip(30 + number, family), "ports": ["9/tcp", "9/udp"], "pool": name}
            changed["pools"][name]["probe"]["via"] = "vip"
    lab.agent.reload(changed)
    for name in set(changed["pools"]) - set(config()["pools"]):
        event = lab.agent.wait_event("backend_down", name, "nobody", before)
        assert " within 400 ms" in event["text"], event


def test_agent_stopped(lab):
    """For three seconds: the answers that came meanwhile, or did not, are held against nobody."""
    before = lab.agent.last_event()
    for _ in range(2):
        lab.agent.process.send_signal(signal.SIGSTOP)
        time.sleep(3)  # not a wait: so long it stands still
        lab.agent.process.send_signal(signal.SIGCONT)
        wait_rounds(lab)
    assert not verdicts(lab, before)
    wait_all_up(lab)


def test_loopback_down(lab):
    """Probes to VIPs leave through lo: without it they are the agent's trouble, and `auto` goes to the address."""
    before = lab.agent.last_event()
    lab.lb.ip("link set lo down")
    try:
        event = lab.agent.wait_event("probe_trouble", since=before)
        assert event["text"], event
        wait_rounds(lab)
        with misbehaving(lab, "back1"):
            lab.agent.wait_event("backend_down", "auto", "back1", before)
            lab.agent.wait_event("backend_down", "auto6", "back1", before)
        wait_rounds(lab)
        assert not_up(lab) <= {("auto", "back1"), ("auto6", "back1"), ("address", "back1")}
    finally:
        lab.lb.ip("link set lo up")
    lab.agent.wait_event("probe_trouble_over", since=before, seconds=CALM)
    assert {event["backend"] for event in verdicts(lab, before)} == {"back1"}
    wait_all_up(lab)


def test_balancer_is_a_backend(lab):
    """It is probed at its own address and judged by its own server; the others through the VIP as ever."""
    mode = lab.folder / "lb.mode"
    mode.write_text("good")
    changed = config()
    for name, family in (("auto", 4), ("auto6", 6)):
        changed["pools"][name]["backends"].append({"name": "self", "address": address(1, 2, family)})
    with lab.lb.popen(PYTHON, HERE / "badserver.py", mode, "/nonexistent") as server:
        try:
            wait_for(lambda: lab.lb.run("ss", "-Hlnt", f"sport = {badserver.PLAIN}").stdout, "the balancer's server")
            lab.agent.reload(changed)
            wait_all_up(lab)
            for name, family in (("auto", 4), ("auto6", 6)):
                wait_for(lambda: {item["name"]: item["probes"][0]["via"] for item in lab.agent.show("backends", name)}
                         == {"self": "address", **dict.fromkeys(SERVERS, "vip")}, "each goes its way")
            before = lab.agent.last_event()
            with misbehaving(lab, "lb"):
                for name, family in (("auto", 4), ("auto6", 6)):
                    event = lab.agent.wait_event("backend_down", name, "self", before)
                    assert address(1, 2, family) in event["text"] and "no reply" in event["text"], event
                assert not_up(lab) == {("auto", "self"), ("auto6", "self")}
            wait_all_up(lab)
            with misbehaving(lab, "far1"):
                lab.agent.wait_event("backend_down", "auto", "far1", before)
                lab.agent.wait_event("backend_down", "auto6", "far1", before)
                assert lab.agent.states("auto")["self"] == "up"
        finally:
            server.kill()


def test_vip_is_local(lab):
    """Somebody has put the VIPs on the balancer: backends are still judged by what they do."""
    vips = [lab.agent.config["services"][name]["address"] for name in ("auto", "auto6")]
    before = lab.agent.last_event()
    lab.lb.ip(f"addr add {vips[0]}/32 dev lo", f"addr add {vips[1]}/128 dev lo")
    try:
        wait_for(lambda: all(item["probes"][0]["via"] == "address" for item in lab.agent.show("backends", "auto")),
                 "IPv4 goes to the addresses")
        wait_rounds(lab)
        assert not verdicts(lab, before)
        with misbehaving(lab, "far1"):
            for pool in ("auto", "auto6", "vip"):
                lab.agent.wait_event("backend_down", pool, "far1", before)
            assert {name for _, name in not_up(lab)} == {"far1"}
        wait_all_up(lab)
    finally:
        lab.lb.ip(f"addr del {vips[0]}/32 dev lo", f"addr del {vips[1]}/128 dev lo")
    wait_for(lambda: all(item["probes"][0]["via"] == "vip" for item in lab.agent.show("backends", "auto")),
             "IPv4 goes through the VIP again")
    wait_all_up(lab)


def test_replies_dropped(lab):
    """The balancer would drop what comes from the VIPs: `via: vip` is its trouble, `auto` goes to the address."""
    before = lab.agent.last_event()
    filters = ("all", "eth0", "eth1")
    lab.lb.ip("route add blackhole 198.51.100.0/24")
    lab.lb.run("sysctl", "-qw", *(f"net.ipv4.conf.{name}.rp_filter=1" for name in filters))
    try:
        event = lab.agent.wait_event("probe_trouble", since=before)
        assert "rp_filter" in event["text"], event
        wait_rounds(lab)
        assert not verdicts(lab, before)
        with misbehaving(lab, "far1"):
            for pool in ("auto", "auto6", "vip6"):
                lab.agent.wait_event("backend_down", pool, "far1", before)
            assert set(lab.agent.states("vip").values()) == {"up"}
    finally:
        lab.lb.ip("route del blackhole 198.51.100.0/24")
        lab.lb.run("sysctl", "-qw", *(f"net.ipv4.conf.{name}.rp_filter=0" for name in filters))
    lab.agent.wait_event("probe_trouble_over", since=before, seconds=CALM)
    assert {event["backend"] for event in verdicts(lab, before)} == {"far1"}
    wait_all_up(lab)


def clock_config(lab):
    """Each backend is well as long as there is no file of its name."""
    probe = {"type": "exec", "command": ["/bin/sh", "-c", f"test ! -e {lab.folder}/$SLUICE_BACKEND.ill"],
             "user": "root", "interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 1}
    return {"interfaces": INTERFACES, "hash_key": config()["hash_key"], "services": {}, "pools": {
        "clock": {"table_size": 251, "probe": probe, "backends": backends(SERVERS),
                  "hold_down": {"first": "10s", "max": "10s", "decay": "10m"}},
        "web": {"table_size": 251, "hold_down": "off", "probe": {**WEB, "via": "address"},
                "backends": backends(SERVERS)}}}


def fall(lab, name):
    file = lab.folder / f"{name}.ill"
    before = lab.agent.last_event()
    file.touch()
    lab.agent.wait_event("backend_down", "clock", name, before)
    file.unlink()


def agent_day(lab):
    """The date that the agent puts into its events."""
    lab.agent.cli("backend", "weight", "web", "near1", "100")
    return datetime.date.fromisoformat(lab.agent.events("backend_weight")[-1]["time"][:10])


@pytest.fixture
def shifted(served):
    """An agent whose time of day is shifted as a file says."""
    library, file = served.folder / "shift_clock.so", served.folder / "shift"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "shift_clock.c"], check=True)
    file.write_text("0")
    served.agent.end()
    served.agent.environment = {**os.environ, "LD_PRELOAD": str(library), "SHIFT_CLOCK": str(file)}
    served.agent.start(clock_config(served))
    yield file
    served.agent.end()
    served.agent.environment = None
    served.agent.start(config())


def test_clock_stepped(served, shifted):
    """By a day, forth and back, under probes, a hold-down and a drain: they go on as if nothing had happened."""
    lab = served
    wait_all_up(lab)
    fall(lab, "near1")
    lab.agent.wait_state("clock", "near1", "up")
    fall(lab, "near1")  # the second: held down for 10 s
    lab.agent.cli("backend", "drain", "clock", "back1", "--for", "10s")
    before = lab.agent.last_event()
    first = agent_day(lab)
    for shift in (DAY, -DAY, 0, 400 * DAY, 0):
        shifted.write_text(str(shift))
        assert agent_day(lab) - first == datetime.timedelta(seconds=shift)
        wait_rounds(lab, 2)
        assert lab.agent.states("clock") == {"near1": "down", "back1": "drain", "far1": "up"}
        assert set(lab.agent.states("web").values()) == {"up"}
    assert {event["event"] for event in verdicts(lab, before)} <= {"backend_held"}
    lab.agent.wait_state("clock", "near1", "up", 20)
    lab.agent.wait_state("clock", "back1", "maint", 20)
    shifted.write_text(str(DAY))
    fall(lab, "far1")
    lab.agent.wait_state("clock", "far1", "up")

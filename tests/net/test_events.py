# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Events: kept, streamed and told to hooks, and no flood of them and no slow reader is the agent's trouble."""
import contextlib
import itertools
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from agent import UnixConnection
from operators import STEADY, config, fresh_lab, restart, server_gone, slots, wish  # noqa: F401
from topology import BUILD, SEGMENTS, Stream, address, wait_for

KEYS = {"id", "time", "event", "severity", "pool", "backend", "uid", "text"}
KEPT = 10_000


def written(agent):
    return [json.loads(line) for line in (agent.state / "events.jsonl").read_text().splitlines()]


def wait_written(agent):
    wait_for(lambda: written(agent)[-1]["id"] == agent.last_event(), "all is in the file")


def test_in_order(lab):
    """What happened, as it happened; with numbers that go on over restarts."""
    before = lab.agent.last_event()
    for action in ("drain", "maint", "ready"):
        lab.agent.cli("backend", action, "six", "far1", "--reason", f"because {action}")
    lab.agent.cli("backend", "weight", "six", "far1", "5")
    with server_gone(lab, "back2"):
        lab.agent.wait_state("six", "back2", "down")
    lab.agent.wait_state("six", "back2", "up")
    expected = [("backend_drain", "far1", "info"), ("backend_maint", "far1", "info"),
                ("backend_ready", "far1", "info"), ("backend_weight", "far1", "info"),
                ("backend_down", "back2", "warning"), ("backend_up", "back2", "info")]
    for sig in (None, signal.SIGTERM, signal.SIGKILL):
        if sig:
            restart(lab.agent, sig)
        events = [event for event in json.loads(lab.agent.cli("--json", "show", "events", "six").stdout)
                  if event["id"] > before]
        assert [(event["event"], event["backend"], event["severity"]) for event in events] == expected
        wait_written(lab.agent)  # which takes a moment
    assert "refused" in events[4]["text"] and "because maint" in events[1]["text"]
    events = lab.agent.events(since=before)
    assert [event["id"] for event in events] == list(range(before + 1, before + 1 + len(events)))
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert sum(event["event"] == "agent_started" for event in events) == 2
    for event in events:
        assert event.keys() == KEYS and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
    assert lab.agent.events(since=events[2]["id"]) == events[3:]
    assert json.loads(lab.agent.request("GET", f"/v1/events?since={before}&limit=2")[1]) == events[-2:]
    for query in ("since=x", "since=-1", "limit=1e3", "since=", "limit=-1", "since=99999999999999999999"):
        assert lab.agent.request("GET", f"/v1/events?{query}")[0] == 400, query
    table = lab.agent.cli("show", "events", "six", "back2", "-n", "2").stdout
    assert table.index("backend_down") < table.index("backend_up") and "far1" not in table


class Watch:
    """`sluice watch`, whose events come in by and by."""

    def __init__(self, agent, *arguments):
        self.process = agent.host.popen(BUILD / "sluice", "--socket", agent.socket, "--json", "watch", *arguments,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.events = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()


def deaf(agent, since=0):
    """A client of the stream that reads nothing."""
    client = socket.socket(socket.AF_UNIX)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(str(agent.socket))
    client.sendall(f"GET /v1/watch?since={since} HTTP/1.1\r\nHost: sluice\r\n\r\n".encode())
    return client


def watched(lab, watch):
    """Once it shows events it is connected."""
    def shown():
        wish(lab, "weight", "back1", weight=100)
        return watch.events

    wait_for(shown, "the watch shows events")


def test_watch(lab):
    """Several watch, one of them reads nothing; over a restart no event is missed or told twice."""
    with Watch(lab.agent) as all_of_it, Watch(lab.agent, "six", "far1") as one, deaf(lab.agent):
        watched(lab, all_of_it)
        wait_for(lambda: wish(lab, "weight", "far1", weight=9) and one.events, "the other one, too")
        before = lab.agent.last_event()
        lab.agent.cli("backend", "maint", "six", "far1")
        wish(lab, "maint", "near2")
        restart(lab.agent)
        wish(lab, "ready", "near2")
        lab.agent.cli("backend", "ready", "six", "far1")
        last = lab.agent.last_event()
        wait_for(lambda: all_of_it.events[-1]["id"] == last, "all has come")
        wait_for(lambda: one.events[-1]["id"] == last, "all of one backend has come")
        assert [event for event in all_of_it.events if event["id"] > before] == lab.agent.events(since=before)
        assert [event["event"] for event in one.events if event["id"] > before] == ["backend_maint", "backend_ready"]
        assert all(event["backend"] == "far1" for event in one.events)


def test_numbers_after_a_crash(lab):
    """What was seen before it keeps its number, and is not seen again."""
    with Watch(lab.agent) as watch:
        watched(lab, watch)
        before = lab.agent.last_event()
        for weight in range(5):
            wish(lab, "weight", "far1", weight=weight)
        wait_for(lambda: watch.events[-1]["id"] == before + 5, "who watches has seen them")
        file = lab.agent.state / "events.jsonl"  # a moment later
        wait_for(lambda: json.loads(file.read_text().splitlines()[-1])["id"] == before + 5, "they are on disk")
        restart(lab.agent, signal.SIGKILL)
        wish(lab, "ready", "far1")
        wait_for(lambda: watch.events[-1]["event"] == "backend_ready", "and sees what comes then")
        ids = [event["id"] for event in watch.events]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert watch.events == lab.agent.events(since=ids[0] - 1)


def test_numbers_begin_anew(lab):
    """Who waits for numbers that there were before the file was lost gets what happens; and who asks, all of it."""
    agent, last = lab.agent, lab.agent.last_event()
    agent.end()
    (agent.state / "events.jsonl").unlink()
    agent.start()
    agent.wait_state("six", None, "up")
    assert 0 < agent.last_event() < last + 1000
    client = deaf(agent, last + 1000)
    wish(lab, "weight", "far1", weight=9)
    got = b""
    while b"backend_weight" not in got:
        got += client.recv(4096)
    assert b"agent_started" in got
    assert agent.events(since=last + 1000) == agent.events()
    client.close()


# Hooks


class Hook:
    """A program for notify: that appends what it was told to a file, and waits while told to."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-hook-"))
        self.folder.chmod(0o777)
        self.program = self.folder / "tell"
        self.program.write_text(f"""#!/bin/sh
            cd {self.folder}
            [ ! -e hang ] || {{ sleep 1000 & echo $$ $! >hanging; wait; }}
            {{ env | grep ^SLUICE_ | sort; echo "uid=$(id -u) arguments=$*"; cat; echo; }} >>told
            """)
        self.program.chmod(0o755)

    def told(self):
        """One dictionary a run: the environment, and under "input" the event."""
        file = self.folder / "told"
        runs = []
        for run in file.read_text().split("\n\n")[:-1] if file.exists() else []:
            lines = run.split("\n")
            runs.append({**dict(line.split("=", 1) for line in lines[:-1]), "input": json.loads(lines[-1])})
        return runs

    def hang(self):
        (self.folder / "hang").touch()

    def hanging(self):
        """The pids of shell and sleep of the run that hangs."""
        def both():
            file = self.folder / "hanging"
            return file.exists() and [int(pid) for pid in file.read_text().split()]

        return wait_for(both, "the hook hangs")


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    shutil.rmtree(hook.folder, ignore_errors=True)


def alive(pid):
    with contextlib.suppress(FileNotFoundError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def notify(lab, hook, **more):
    """An agent without a past of hooks, with this one; its complaints come at most once a minute."""
    lab.agent.end()
    lab.agent.start({**config(), "notify": {"command": [str(hook.program), "now"], **more}})
    lab.agent.wait_state("six", None, "up")
    return lab.agent.last_event()


@pytest.mark.parametrize("user, uid", ((None, 65534), ("root", 0)), ids=("nobody", "root"))
def test_hook(lab, hook, user, uid):
    """It is run for events, in their order, with all that they say."""
    before = notify(lab, hook, **({"user": user} if user else {}))
    with server_gone(lab, "back1"):
        lab.agent.wait_state("six", "back1", "down")
    lab.agent.wait_state("six", "back1", "up")
    wish(lab, "maint", "near1", reason="$(touch no) `id` \"'; x=\n\x1b[2J")
    events = lab.agent.events(since=before)
    assert [event["event"] for event in events] == ["backend_down", "backend_up", "backend_maint"]
    for event, run in zip(events, wait_for(lambda: len(hook.told()) == 3 and hook.told(), "three runs")):
        assert run.pop("input") == {**event, "suppressed": 0}
        assert run.pop("uid") == f"{uid} arguments=now"
        assert run == {"SLUICE_ID": str(event["id"]), "SLUICE_TIME": event["time"], "SLUICE_EVENT": event["event"],
                       "SLUICE_SEVERITY": event["severity"], "SLUICE_POOL": "six", "SLUICE_BACKEND": event["backend"],
                       "SLUICE_TEXT": event["text"], "SLUICE_SUPPRESSED": "0"}
    assert not (hook.folder / "no").exists()


def test_hanging_hook(lab, hook):
    """Delays nobody, and is killed at its time with all that it has started."""
    before = notify(lab, hook, timeout="60m")
    hook.hang()
    wish(lab, "maint", "far1")
    pids = hook.hanging()
    with server_gone(lab, "back1"):
        lab.agent.wait_event("backend_down", "six", "back1", before)
        assert slots(lab, "back1") == 0 and all(map(alive, pids))
    lab.agent.wait_state("six", "back1", "up")
    wish(lab, "ready", "far1")
    lab.agent.end()
    wait_for(lambda: not any(map(alive, pids)), "the end of the agent is the end of the hook")

    for name in ("hang", "hanging"):
        (hook.folder / name).unlink()
    lab.agent.start({**config(), "notify": {"command": [str(hook.program)]}})
    wait_for(lambda: "backend_up" in [run["SLUICE_EVENT"] for run in hook.told()], "what it had not heard is told")
    hook.hang()
    before = notify(lab, hook, timeout="1s")
    wish(lab, "weight", "far1", weight=3)
    pids = hook.hanging()
    event = lab.agent.wait_event("hook_trouble", since=before)
    assert "killed" in event["text"] and "not done within" in event["text"], event
    wait_for(lambda: not any(map(alive, pids)), "nothing of it is left")


@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGKILL), ids=("end", "crash"))
def test_hook_is_told_after_a_restart(lab, hook, sig):
    """What it was not told, or not to the end, when the agent ended: nobody sleeps through an upgrade."""
    before = notify(lab, hook, timeout="60m")
    wish(lab, "weight", "far2", weight=3)
    wait_for(hook.told, "it works")
    hook.hang()
    wish(lab, "maint", "far1")
    hook.hanging()
    wish(lab, "weight", "far1", weight=3)
    wait_written(lab.agent)
    lab.agent.end(sig)
    (hook.folder / "hang").unlink()
    lab.agent.start()
    wish(lab, "ready", "far1")

    def told():
        events = [run["SLUICE_EVENT"] for run in hook.told()]
        return len(events) >= 4 and events

    assert wait_for(told, "all is told") == ["backend_weight", "backend_maint", "backend_weight", "backend_ready"]
    wait_for(lambda: json.loads((lab.agent.state / "notify.json").read_text())["told"] == lab.agent.last_event(),
             "it is noted what was told")
    restart(lab.agent, sig)
    wish(lab, "maint", "far1")
    runs = wait_for(lambda: len(hook.told()) >= 5 and hook.told(), "what comes then is told")
    assert [run["SLUICE_EVENT"] for run in runs[4:]] == ["backend_maint"], "and nothing twice"
    assert not lab.agent.events("hook_trouble", since=before)


def test_hook_is_told_no_old_news(lab, hook):
    """What happened more than an hour ago it is not told any more, and that is said."""
    before = notify(lab, hook, timeout="60m")
    hook.hang()
    wish(lab, "maint", "far1")
    wish(lab, "weight", "far1", weight=3)
    hook.hanging()
    lab.agent.end()
    (hook.folder / "hang").unlink()
    file = lab.agent.state / "events.jsonl"
    events = [json.loads(line) for line in file.read_text().splitlines()]
    for event in events:
        event["time"] = "2020" + event["time"][4:]
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    lab.agent.start()
    assert "2 events" in lab.agent.wait_event("hook_trouble", since=before)["text"]
    wish(lab, "ready", "far1")
    assert [run["SLUICE_EVENT"] for run in wait_for(hook.told, "what is new is told")] == ["backend_ready"]


def test_hook_rate(lab, hook):
    """Six a minute: one at once, and when the next is due the newest, with how many were left out."""
    before = notify(lab, hook, rate=6)
    for weight in range(1, 21):
        wish(lab, "weight", "far1", weight=weight)
    events = lab.agent.events("backend_weight", since=before)
    assert len(events) == 20
    first, = wait_for(hook.told, "the first one")
    assert first["input"] == {**events[0], "suppressed": 0}
    trouble = lab.agent.wait_event("hook_trouble", since=before)
    assert "left out" in trouble["text"]
    _, second = wait_for(lambda: len(hook.told()) > 1 and hook.told(), "the newest one", 20)
    assert second["input"] == {**events[-1], "suppressed": 18} and second["SLUICE_SUPPRESSED"] == "18"


def test_missing_hook(lab, hook):
    """Is said once a minute, not for each event; and the hooks' trouble is not told to hooks."""
    hook.program.unlink()
    before = notify(lab, hook)
    for weight in range(1, 11):
        wish(lab, "weight", "far1", weight=weight)
    event = lab.agent.wait_event("hook_trouble", since=before)
    assert str(hook.program) in event["text"] and "No such file" in event["text"]
    for weight in range(1, 11):
        wish(lab, "weight", "far1", weight=weight)
    assert len(lab.agent.events("hook_trouble", since=before)) == 1
    assert lab.agent.states("six")["far1"] == "up"
    # another one is news
    for command, user, text in (("/no/such/hook", "nobody", "/no/such/hook"), ("/bin/true", "no-such-user", "no-such")):
        before = lab.agent.last_event()
        said = lab.agent.reload({**config(), "notify": {"command": [command], "user": user}})
        assert "cannot be run" in said.stderr and text in said.stderr, said
        wait_for(lambda: text in lab.agent.events("hook_trouble", since=before)[-1]["text"], "its failure is said")


# A flood


class Flood:
    """Operators' wishes over several connections that are kept, as many as go."""

    def __init__(self, lab, connections=4):
        self.done = self.refused = 0
        self.running = True
        self.threads = [threading.Thread(target=self.run, args=(lab.agent, name), daemon=True)
                        for name in ("far1", "far2", "back1", "back2")[:connections]]
        for thread in self.threads:
            thread.start()

    def run(self, agent, name):
        connection = UnixConnection(agent.socket)
        actions = [json.dumps({"action": action, "pool": "six", "backend": name}) for action in ("drain", "ready")]
        while self.running:
            for body in actions:
                connection.request("POST", "/v1/backend", body)
                response = connection.getresponse()
                response.read()
                self.refused += response.status != 200
                self.done += 1
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running = False
        for thread in self.threads:
            thread.join()


def many(count, probe):
    """A pool of so many backends, none of which answers, beside the others."""
    pool = {"forward": "ipip", "table_size": 16381, "probe": probe,
            "backends": [{"name": f"b{i}", "address": f"10.77.{i >> 8}.{i & 255}"} for i in range(1, count + 1)]}
    whole = config()
    return {**whole, "pools": {**whole["pools"], "many": pool}}


def test_burst(lab, hook):
    """Ten thousand events in one moment: who watches gets each, a hook is told how many it was not told."""
    agent, count = lab.agent, KEPT
    # a veth's ring is short: the first probes of so many leave by another one than the stream's packets
    lab.lb.ip(f"route replace 10.77.0.0/16 via {address(SEGMENTS['back'], 1, 4)}")
    notify(lab, hook, rate=60)
    agent.reload({**many(count, {"type": "tcp", "port": 9, "interval": "60m"}), "notify": agent.config["notify"]})
    wait_for(lambda: agent.show("pools", "many")[0]["up"] == 0, "nobody is up")
    logged, before = len(agent.log()), agent.last_event()
    with Watch(agent) as watch, deaf(agent), Stream(lab.client1, STEADY, rate=1000) as stream:
        watched(lab, watch)
        agent.reload({**many(count, {"type": "none"}), "notify": agent.config["notify"]})
        assert agent.show("pools", "many")[0]["up"] == count
        last = wait_for(lambda: agent.events("config_applied", since=before + count), "all is told")[-1]["id"]
        wait_for(lambda: watch.events[-1]["id"] >= last, "who watches has got it")
        result = stream.stop()
    assert result["lost"] == 0 and result["moved"] == 0, result
    ids = [event["id"] for event in watch.events]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert sum(event["event"] == "backend_up" for event in watch.events) == count
    assert len(agent.events()) == KEPT
    wait_for(lambda: "more events: sluice show events" in agent.log()[logged:], "the log counts what it leaves out")
    assert len(agent.log()[logged:].splitlines()) < 500
    # mostly in one run; in more of them where the agent took seconds to tell all
    wait_for(lambda: sum(run["input"]["suppressed"] for run in hook.told()) > count - 20, "what it was not told")
    told = [run["input"] for run in hook.told()]
    for before, event in (pair for pair in itertools.pairwise(told) if pair[1]["suppressed"]):
        assert event["suppressed"] == event["id"] - before["id"] - 1 - len([
            other for other in watch.events
            if other["event"] == "hook_trouble" and before["id"] < other["id"] < event["id"]])


def test_flood(lab):
    """Operators' scripts run wild, while one watches and one does not read: probes, tables and packets go on."""
    agent = lab.agent
    wait_written(agent)
    agent.end()
    file, last = agent.state / "events.jsonl", written(agent)[-1]
    with file.open("w") as lines:  # nearly so many that it is written anew
        for i in range(2 * KEPT - 500):
            print(json.dumps({**last, "id": last["id"] + i}), file=lines)
    agent.start()
    logged, before, begun = len(agent.log()), agent.last_event(), time.monotonic()
    with Watch(agent) as watch, deaf(agent), Stream(lab.client1, STEADY, rate=1000) as stream:
        watched(lab, watch)
        with Flood(lab) as flood:
            with server_gone(lab, "near2"):
                agent.wait_state("six", "near2", "down")
                assert slots(lab, "near2") == 0
            agent.wait_state("six", "near2", "up")
            wait_for(lambda: agent.last_event() > before + 1000, "enough has happened", 30)
        agent.wait_state("steady", None, "up")
        assert flood.done > 1000 and not flood.refused
        names = stream.stop()["flow_backends"]
        last = agent.last_event()
        wait_for(lambda: watch.events[-1]["id"] == last, "who reads gets everything")
    assert all(names), "packets of no flow were lost for good"
    ids = [event["id"] for event in watch.events]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(agent.log()[logged:].splitlines()) < 110 * (time.monotonic() - begun + 2)
    wait_written(agent)
    assert len(written(agent)) < 2 * KEPT
    restart(agent, signal.SIGKILL)
    events = agent.events()
    assert len(events) == KEPT and last in (event["id"] for event in events[-9:])

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Events: as a table, and as they come."""

import json
import re
import signal

import pytest

from replies import EVENTS, REFUSED, event
from stand_in import ask, on_terminal, run, start


def test_events_table(agent):
    lines = ask(agent, "show", "events").stdout.splitlines()
    assert lines[0].split() == ["TIME", "SEVERITY", "EVENT", "WHERE", "TEXT"]
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "Mar 1 12:00:01 info agent_started - text 1",
        f"Mar 1 12:00:02 warning backend_down web/web1 {REFUSED}",
        "Mar 1 12:00:03 warning pool_degraded web text 3",
        "Mar 1 12:00:04 error pool_empty dns text 4",
        "Mar 1 12:00:05 info backend_drain web/web2 disk swap (by root)",
    ]
    assert json.loads(ask(agent, "show", "events", "--json").stdout) == EVENTS


def test_events_in_local_time(agent):
    assert "Mar  1 07:00:02  warning" in ask(agent, "show", "events", env={"TZ": "EST5"}).stdout


def test_events_have_colours_on_a_terminal(agent):
    code, text = on_terminal("--socket", agent.path, "show", "events", columns=120)
    assert code == 0
    assert re.search("\033\\[[0-9;]*31merror", text)
    assert re.search("\033\\[[0-9;]*33mwarning", text)


def ids(result):
    assert result.returncode == 0, result.stderr
    return [one["id"] for one in json.loads(result.stdout)]


def test_how_many_events(agent):
    agent.events = [event(i, "backend_up", pool="web" if i % 2 else "dns", backend=f"b{i % 4}")
                    for i in range(1, 301)]
    assert ids(ask(agent, "show", "events", "--json")) == list(range(201, 301))
    assert ids(ask(agent, "show", "events", "--json", "--count", "3")) == [298, 299, 300]
    assert ids(ask(agent, "show", "events", "--json", "--all")) == list(range(1, 301))
    assert ids(ask(agent, "show", "events", "--json", "-n", "1000000")) == list(range(1, 301))
    # names are looked for among all events, not among the last ones
    assert ids(ask(agent, "show", "events", "web", "--json", "-n3")) == [295, 297, 299]
    assert ids(ask(agent, "show", "events", "web", "b1", "--json", "-n2")) == [293, 297]


def test_names_without_events(agent):
    agent.events = []
    result = ask(agent, "show", "events")
    assert (result.returncode, result.stdout) == (0, "no events\n")
    assert ids(ask(agent, "show", "events", "--json")) == []
    assert ids(ask(agent, "show", "events", "dns", "web1", "--json")) == []
    for arguments, message in ((["wbe"], "there is no pool 'wbe': did you mean 'web'?"),
                               (["dns", "web2"], "there is no backend 'web2': did you mean 'web1'?"),
                               (["web", "x"], "there is no backend 'x': see 'sluice show backends'")):
        for verb in (["show", "events"], ["watch"]):
            result = ask(agent, *verb, *arguments)
            assert (result.returncode, result.stdout, result.stderr) == (1, "", f"sluice: {message}\n")


def test_events_of_a_pool_that_is_gone(agent):
    agent.events = [event(1, "backend_up", pool="gone", backend="b")]
    assert ids(ask(agent, "show", "events", "gone", "--json")) == [1]


# As they come


@pytest.fixture
def watch(agent):
    """Starts `sluice watch` and waits until it follows."""
    running = []

    def begin(*arguments):
        process = start(agent, "watch", *arguments)
        running.append(process)
        agent.wait_for("GET", "/v1/watch")
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def test_watch_tells_what_happens_from_now_on(agent, watch):
    process = watch("--count", "2")
    agent.happen(event(6, "backend_up", pool="web", backend="web1", text="GET /: 200"))
    assert process.stdout.readline() == (
        "Mar  1 12:00:06  info     backend_up          web/web1          GET /: 200\n")
    agent.happen(event(7, "pool_empty", "error", pool="web"), event(8, "agent_started"))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out == "Mar  1 12:00:07  error    pool_empty          web               text 7\n"


def test_watch_as_json(agent, watch):
    process = watch("--json", "-n1")
    agent.happen(event(6, "backend_drain", uid=0, text="x"))
    out, _ = process.communicate(timeout=60)
    assert json.loads(out) == agent.events[-1]
    assert out.count("\n") == 1


def test_watch_of_one_backend(agent, watch):
    process = watch("web", "web2", "--count", "1", "--json")
    agent.happen(event(6, "backend_up", pool="web", backend="web1"), event(7, "pool_empty", pool="web"),
                 event(8, "backend_up", pool="web", backend="web2"))
    out, _ = process.communicate(timeout=60)
    assert json.loads(out)["id"] == 8


def test_watch_goes_on_after_a_restart(agent, watch):
    process = watch("--json")
    agent.happen(event(6, "backend_up"))
    assert json.loads(process.stdout.readline())["id"] == 6
    agent.stop()
    assert process.stderr.readline().endswith("has ended the connection; waiting for it\n")
    agent.events += [event(7, "agent_started"), event(8, "backend_up")]
    agent.start()
    assert process.stderr.readline() == "sluice: the agent answers again\n"
    # what happened meanwhile is not lost, and nothing comes twice
    assert [json.loads(process.stdout.readline())["id"] for _ in range(2)] == [7, 8]


def test_watch_of_an_agent_that_lost_its_events(agent, watch):
    process = watch("--json")
    agent.events = [event(1, "agent_started")]
    agent.hang_up()
    process.stderr.readline()
    assert json.loads(process.stdout.readline())["id"] == 1


def test_watch_needs_an_agent_at_first_and_no_refusal(agent, folder):
    result = run("--socket", folder / "none", "watch")
    assert result.returncode == 4
    agent.answers["GET", "/v1/watch"] = (503, {"error": "too many watch already"})
    result = ask(agent, "watch")
    assert (result.returncode, result.stderr) == (1, "sluice: too many watch already\n")
    assert json.loads(ask(agent, "watch", "--json").stdout) == {"error": "too many watch already"}


@pytest.mark.parametrize("disposition", [signal.SIG_DFL, signal.SIG_IGN])
@pytest.mark.parametrize("busy", [True, False])
def test_watch_ends_when_nobody_reads(agent, disposition, busy):
    process = start(agent, "watch", restore_signals=False,
                    preexec_fn=lambda: signal.signal(signal.SIGPIPE, disposition))
    agent.wait_for("GET", "/v1/watch")
    process.stdout.close()
    if busy:
        agent.happen(event(6, "backend_up"))
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(60)


def test_watch_passes_over_what_is_no_event(agent, watch):
    agent.stream = lambda write, *_: (write(b'\n{"id": 6, "event": "backend_up", '), write(b'"time": 5}\n[]\nx{\n'),
                                     write(b'{"id": 7, "text": "\\u001b[2J", "time": "now", "uid": 4000000000}\n'))
    process = watch("--count", "2")
    lines = process.communicate(timeout=60)[0].splitlines()
    assert [line.split() for line in lines] == [["-", "backend_up", "-"],
                                                ["-", "-", "[2J", "(by", "uid", "4000000000)"]]

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""All backends restarted, half of them at a time, under load: not one request fails."""
import os
import signal

import pytest

import transition
from kills import server_pids
from topology import BUILD, start_wrk, wait_for, wrk_result
from transition import VIP, config, start

HALVES = (("near1", "back1", "far1"), ("near2", "back2", "far2"))
NAMES = [name for half in HALVES for name in half]
PROBE = {"type": "http", "path": "/probe", "interval": "500ms", "timeout": "500ms", "fast_interval": "100ms",
         "rise": 2, "fall": 2}
# a request every 20 ms from each connection, 50 requests a connection: it ends by itself after a second
PACED = "function delay() return math.random(0, 40) end\n"
REQUESTS = "keepalive_requests 50;"


@pytest.fixture(scope="module", name="lab")
def make_lab():
    transition.require()
    lab = transition.Lab()
    yield lab
    lab.close()


def end_soon(lab):
    """The servers' connections end by themselves."""
    for name in NAMES:
        file = lab.folder / f"{name}-nginx/nginx.conf"
        file.write_text(file.read_text().replace("keepalive_requests 1000000;", REQUESTS))
        assert REQUESTS in file.read_text()
        restart(lab, name)


def restart(lab, name):
    """The server, without any grace: who still has a connection loses it."""
    for pid in sorted(server_pids(lab.topology.namespaces[name])):
        os.kill(pid, signal.SIGKILL)
    lab.backends.restart_nginx(name)


def drain(lab, name):
    return lab.lb.popen(BUILD / "sluice", "--socket", lab.agent.socket, "backend", "drain", "all", name, "--wait")


def test_rolling_restart(lab):
    end_soon(lab)
    start(lab.agent, config(NAMES, probe=PROBE, hold_down="off"))
    lab.agent.wait_state("all", None, "up")
    script = lab.folder / "paced.lua"
    script.write_text(PACED)
    wrk = start_wrk(lab.client2, VIP, "rolling", 3600, 32, keepalive=True, script=script)
    try:
        for half in HALVES:
            drains = [drain(lab, name) for name in half]
            for process in drains:
                assert process.wait(timeout=120) == 0
            for name in half:
                before = lab.backends.requests("rolling")[name]
                restart(lab, name)
                assert lab.backends.requests("rolling")[name] == before, "nobody asks who is drained"
                lab.agent.cli("backend", "ready", "all", name)
            lab.agent.wait_state("all", None, "up", 20)
            for name in half:
                before = lab.backends.requests("rolling")[name]
                wait_for(lambda: lab.backends.requests("rolling")[name] > before, f"{name} is asked again", 20)
    finally:
        wrk.send_signal(signal.SIGINT)
    wrk_result(wrk)

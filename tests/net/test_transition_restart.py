# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""All backends restarted, one after the other, under load: not one request fails."""
import os
import signal

import pytest

import transition
from kills import server_pids
from topology import start_wrk, wait_for, wrk_result
from transition import VIP, config, start

NAMES = ["near1", "back1", "far1"]
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


def requests(lab, name):
    return lab.backends.requests("rolling").get(name, 0)


def test_rolling_restart(lab):
    end_soon(lab)
    start(lab.agent, config(NAMES, probe=PROBE, hold_down="off"))
    lab.agent.wait_state("all", None, "up")
    script = lab.folder / "paced.lua"
    script.write_text(PACED)
    wrk = start_wrk(lab.client2, VIP, "rolling", 3600, 32, keepalive=True, script=script)
    try:
        for name in NAMES:
            wait_for(lambda: requests(lab, name), f"{name} is asked", 20)
            lab.agent.cli("backend", "drain", "all", name, "--wait", timeout=120)
            before = requests(lab, name)
            restart(lab, name)
            assert requests(lab, name) == before, "nobody asks who is drained"
            lab.agent.cli("backend", "ready", "all", name)
            lab.agent.wait_state("all", name, "up", 20)
            wait_for(lambda: requests(lab, name) > before, f"{name} is asked again", 20)
    finally:
        wrk.send_signal(signal.SIGINT)
    wrk_result(wrk)

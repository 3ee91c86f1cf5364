# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the tests of operators' wishes share: a pool of six, one that nobody touches, and a lab that is as new."""
import contextlib
import json
import re
import shutil
import signal

import pytest

from agent import MIX, SOURCE, UnixConnection, backends, base_config, vip
from topology import BACKENDS, ECHO, HTTP, curl, wait_for

PROBE = {"type": "http", "path": "/probe", "interval": "500ms", "timeout": "500ms", "fast_interval": "100ms",
         "rise": 2, "fall": 3}
SIX, STEADY = vip(MIX, 4), vip(SOURCE, 4)


def config(*names, **more):
    """A pool of the named backends or all six, and one that no test touches."""
    base = base_config()

    def service(index, pool):
        return {"address": [vip(index, 4), vip(index, 6)], "ports": [f"{HTTP}/tcp", f"{ECHO}/udp"], "pool": pool}

    judged = {"forward": "gue", "table_size": 1009, "probe": PROBE, "hold_down": "off"}
    return {"interfaces": base["interfaces"], "hash_key": base["hash_key"],
            "pools": {"six": {**judged, "backends": backends(names or BACKENDS), **more},
                      "steady": {**judged, "backends": backends(("near1", "near2", "far1", "far2"))}},
            "services": {"six": service(MIX, "six"), "steady": service(SOURCE, "steady")}}


@pytest.fixture(name="lab")
def fresh_lab(bare_lab):
    """All backends up, without overrides, on the file's configuration."""
    agent = bare_lab.agent
    if not agent.process or agent.process.poll() is not None:
        agent.start(config())
    status = agent.status()["config"]
    if status["confirm_left_ms"] is not None:
        agent.cli("rollback")
    if agent.config != config() or agent.status()["config"]["source"] != "file":
        agent.reload(config())
    for backend in agent.show("backends"):
        if backend["override"]:
            agent.cli("backend", "ready", backend["pool"], backend["name"])
    agent.wait_state("six", None, "up")
    agent.wait_state("steady", None, "up")
    wait_for(lambda: all_up(saved(agent, "health")), "so it is saved, which takes a moment")
    return bare_lab


def saved(agent, name):
    """None before it is there."""
    file = agent.state / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def all_up(health):
    return health and {name: len(pool["up"]) for name, pool in health["pools"].items()} == {
        "six": len(BACKENDS), "steady": 4}


def restart(agent, sig=signal.SIGTERM):
    agent.end(sig)
    agent.start()


def reboot(agent):
    """Nothing of ours is in the kernel any more; the state folder stays."""
    agent.end(signal.SIGKILL)
    agent.cli("detach", "--yes", "--bpffs", agent.bpffs)
    shutil.rmtree(agent.bpffs, ignore_errors=True)
    assert not agent.bpffs.exists()
    agent.start()


def slots(lab, name):
    return lab.agent.backend("six", name)["slots"]


def answered(lab, requests=100):
    """Who serves the pool of six; with so many requests, each that may does."""
    return set(curl(lab.client1, SIX, lab.tag(), requests))


def overrides(lab):
    """Everything but the time that is left."""
    return {item["name"]: {**item["override"], "left_ms": None} for item in lab.agent.show("backends", "six")
            if item["override"]}


def post(agent, path, body=None, headers=None):
    connection = UnixConnection(agent.socket)
    try:
        connection.request("POST", path, body, headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def wish(lab, action, backend, pool="six", **more):
    """The backend as it is then."""
    status, reply = post(lab.agent, "/v1/backend",
                         json.dumps({"action": action, "pool": pool, "backend": backend, **more}))
    assert status == 200, reply
    return reply["backend"]


@contextlib.contextmanager
def server_gone(lab, name):
    """Its port refuses connections."""
    namespace = lab.topology.namespaces[name]
    pids = set(re.findall(r"pid=(\d+)", namespace.run("ss", "-Hltnp", f"sport = {HTTP}").stdout))
    master = (lab.topology.folder / f"{name}-nginx/pid").read_text().strip()
    namespace.run("kill", "-KILL", master, *pids - {master})  # the master first, or it makes new workers
    wait_for(lambda: not namespace.run("ss", "-Hltn", f"sport = {HTTP}").stdout, "nobody listens")
    try:
        yield
    finally:
        lab.backends.restart_nginx(name)

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One topology a test module, with its backends and an agent; everything is taken down afterwards, come what may.

The modules run in several processes, for they mostly wait (pytest-xdist: `make net`). Those that make both cores work
are one process's, so that none of them meets another.
"""
import contextlib
import itertools
import os
import pathlib
import shutil
import signal

import pytest
from xdist.scheduler import LoadFileScheduling

import agent as agents
import topology as topologies
import trouble

# these first, or one would be left alone at the end
LOAD = ("test_transition_flood", "test_transition_restart", "test_transition_balancers", "test_kills",
        "test_transition", "test_limits_flood")
LONGEST = ("test_damage", "test_forward", "test_verdicts", "test_trouble", "test_agent", "test_events")
ORDER = {name: number for number, name in enumerate(LOAD + LONGEST)}
PATIENCE = 60  # seconds for the processes to take down what they made


def stop(number, _):
    """What was made is taken down then; nothing more interrupts that."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    pytest.exit(f"ended by {signal.Signals(number).name}")


for stopping in (signal.SIGINT, signal.SIGTERM):
    signal.signal(stopping, stop)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: ORDER.get(item.path.stem, len(ORDER)))


class Modules(LoadFileScheduling):
    """A module is one process's, for its lab; all of LOAD are one's."""

    def _split_scope(self, nodeid):
        module = super()._split_scope(nodeid)
        return "load" if pathlib.PurePath(module).stem in LOAD else module


def pytest_xdist_make_scheduler(config, log):
    return Modules(config, log)


class Ending:
    """Lets the other processes end by themselves when this one is interrupted: pytest-xdist would kill them soon."""

    def __init__(self):
        self.nodes = []

    def pytest_testnodeready(self, node):
        self.nodes.append(node)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus):
        if exitstatus != pytest.ExitCode.INTERRUPTED or not self.nodes:
            return
        for children in pathlib.Path("/proc/self/task").glob("*/children"):
            for pid in map(int, children.read_text().split()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        for node in self.nodes:
            with contextlib.suppress(EOFError, OSError, node.channel.RemoteError):
                node.channel.waitclose(PATIENCE)


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Ending())


TOOLS = {"ip": "iproute2", "ethtool": "ethtool", "nsenter": "util-linux", "nginx": "nginx-light", "curl": "curl",
         "wrk": "wrk", "iperf3": "iperf3", "sysctl": "procps"}


class Lab:
    """Everything at once: lab.client1 and the other namespaces, lab.backends, lab.agent."""

    def __init__(self, more=None):
        self.topology = topologies.Topology(more)
        try:
            self.agent = agents.Agent(self.topology)
            self.backends = topologies.Backends(self.topology, agents.VIPS + list(agents.PREFIXES))
        except BaseException:
            self.topology.close()
            raise
        self.tags = itertools.count(1)

    def __getattr__(self, name):
        return getattr(self.__dict__["topology"], name)

    def tag(self):
        """A path that no other request has had."""
        return f"t{next(self.tags)}_"

    def close(self):
        try:
            self.agent.close()
            self.backends.close()
        finally:
            self.topology.close()


def require():
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces, XDP", allow_module_level=True)
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        pytest.fail(f"not installed: {' '.join(missing)} (scripts/deps.sh test)")
    for program in ("sluiced", "sluice", "sluice-backend", "tests/pass.bpf.o"):
        if not (topologies.BUILD / program).exists():
            pytest.fail(f"{topologies.BUILD / program} is missing: run make")


@pytest.fixture(scope="module")
def bare_lab():
    """A lab whose agent has not been started."""
    require()
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def running_lab(bare_lab):
    bare_lab.agent.start(agents.base_config())
    bare_lab.agent.wait_resolved()
    return bare_lab


@pytest.fixture(scope="module")
def served(bare_lab):
    """A lab with servers that can be told to misbehave, and an agent that probes them in every way."""
    trouble.start_servers(bare_lab)
    bare_lab.agent.start(trouble.config())
    return bare_lab


@pytest.fixture
def lab(running_lab):
    """The module's lab with the agent running on the base configuration, whatever the test before has left."""
    agent = running_lab.agent
    if agent.process.poll() is not None:
        agent.start(agents.base_config())
    elif agent.config != agents.base_config():
        agent.reload(agents.base_config())
    agent.wait_resolved()
    return running_lab


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test's report has the agent's log, from the test's start on."""
    outcome = yield
    report = outcome.get_result()
    lab = next((value for name, value in getattr(item, "funcargs", {}).items() if isinstance(value, Lab)), None)
    if lab and call.when == "setup":
        item.log_start = len(lab.agent.log())
    elif lab and report.failed:
        report.sections.append(("sluiced's log", lab.agent.log()[getattr(item, "log_start", 0):][-8000:]))

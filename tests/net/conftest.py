# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One topology a test module, with its backends and an agent; everything is taken down afterwards, come what may."""
import itertools
import os
import shutil
import signal

import pytest

import agent as agents
import topology as topologies
import trouble

# what was made is taken down then, as with Ctrl-C
signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM"))

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

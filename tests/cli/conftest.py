# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
import pathlib
import signal
import tempfile

import pytest

import stand_in

# what was made is taken down then, as with Ctrl-C
signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM"))


@pytest.fixture
def folder():
    # a Unix socket's path is short; pytest's own folders are not
    with tempfile.TemporaryDirectory(prefix="sluice-cli-") as path:
        yield pathlib.Path(path)


@pytest.fixture
def agent(folder):
    agent = stand_in.Agent(folder / "sock")
    yield agent
    agent.stop()

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
import pathlib
import tempfile

import pytest

import stand_in


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

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Reloads: what changed is applied, what did not change notices nothing, and a wrong file changes nothing at all."""
import contextlib
import json
import re
import signal

import pytest

from agent import MIX, NEW, VIP_OF, backends, base_config, vip
from topology import ROOT, Stream, backend_address, curl, wait_for, wrk

STEADY = vip(VIP_OF["ipip-4-near"], 4)
STEADY6 = vip(VIP_OF["gue-6-far"], 6)
WRONG_FILES = sorted((ROOT / "tests/unit/config").glob("*.yaml"))


def mix(*names, **weights):
    config = base_config()
    config["pools"]["mix"]["backends"] = backends(names, 4, **weights)
    return config


def shares(lab, pool):
    return {item["name"]: item["share"] for item in lab.agent.show("backends", pool)}


def test_unchanged_pools_lose_nothing(lab):
    """Twenty reloads of everything around them."""
    with Stream(lab.client1, STEADY, rate=1500) as four, Stream(lab.client1, STEADY6, rate=1500) as six:
        for i in range(20):
            config = mix(*("near1", "near2", "far1", "far2")[i % 3:], far2=50 + i)
            if i % 2:
                config["pools"]["another"] = {"forward": "ipip", "table_size": 4099, "backends": backends(["back1"])}
                config["services"]["another"] = {"address": vip(NEW, 4), "ports": ["80/tcp"], "pool": "another"}
                del config["services"]["any"]
            if i % 4 == 3:  # a feature of the program goes: it is replaced
                del config["services"]["prefix"]
            lab.agent.reload(config)
        for stream in (four, six):
            result = stream.stop()
            assert result["lost"] == 0 and result["moved"] == 0, result


def test_weights(lab):
    lab.agent.reload(mix("near1", "far1", near1=100, far1=300))
    assert shares(lab, "mix") == pytest.approx({"near1": 0.25, "far1": 0.75}, abs=0.001)
    tag = lab.tag()
    wrk(lab.client1, vip(MIX, 4), tag, 1)
    logged = lab.backends.requests(tag)
    assert logged.keys() == {"near1", "far1"}
    assert logged["far1"] / sum(logged.values()) == pytest.approx(0.75, abs=0.04)


def test_zero_weight(lab):
    lab.agent.reload(mix("near1", "far1", near1=0))
    assert set(curl(lab.client1, vip(MIX, 4), "zero", 30)) == {"far1"}
    lab.agent.reload(mix("near1", "far1", near1=0, far1=0))
    dropped = lab.agent.counted("no_backend")
    result = lab.client1.run("curl", "-sS", "--max-time", "1", f"http://{vip(MIX, 4)}/", check=False)
    assert result.returncode != 0 and lab.agent.counted("no_backend") > dropped


def test_added_and_removed_backends(lab):
    lab.agent.reload(mix("near1"))
    assert set(curl(lab.client1, vip(MIX, 6), "one", 20)) == {"near1"}
    changes = lab.agent.reload(mix("near1", "back2")).stdout
    assert "back2" in changes
    lab.agent.wait_resolved("mix")
    assert set(curl(lab.client1, vip(MIX, 6), "two", 60)) == {"near1", "back2"}
    lab.agent.reload(mix("back2"))
    assert set(curl(lab.client1, vip(MIX, 6), "rest", 20)) == {"back2"}


def test_full_disk(lab):
    """A reload goes on without a snapshot; one of another time must not stay, a restart would believe it."""
    lab.agent.end(signal.SIGKILL)
    lab.lb.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", lab.agent.state)
    try:
        lab.agent.start(mix("near1"))
        with open(lab.agent.state / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        lab.agent.reload(mix("near2", "back2"))
        assert "going on without a snapshot" in lab.agent.log()
        snapshot = lab.agent.state / "snapshot.json"
        kept = f"mix/{backend_address('back2', 4)}"
        assert not snapshot.exists() or kept in json.loads(snapshot.read_text())["ids"]["backends"]
        with Stream(lab.client1, vip(MIX, 4), rate=2000, flows=50) as stream:
            lab.agent.end(signal.SIGKILL)
            lab.agent.start()
            result = stream.stop()
        assert result["lost"] == 0
        assert set(curl(lab.client1, vip(MIX, 6), "full", 20)) == {"near2", "back2"}
    finally:
        lab.agent.close()
        lab.lb.run("umount", lab.agent.state)
        lab.agent.start()


def add_far2(lab, window):
    """far2 comes to three others under 200 flows of UDP. Returns who had each of the flows, once newcomers reach it."""
    few, all_four = mix("near1", "near2", "far1"), mix("near1", "near2", "far1", "far2")
    for config in (few, all_four):
        config["pools"]["mix"]["transition"] = {"window": window}
    lab.agent.reload(few)
    lab.agent.wait_resolved("mix")

    def wait_rounds():
        before = sum(lab.agent.packets("mix").values())
        wait_for(lambda: sum(lab.agent.packets("mix").values()) > before + 3 * 200, "every flow has its turn")

    with Stream(lab.client1, vip(MIX, 4), rate=2000, flows=200) as stream:
        wait_rounds()
        lab.agent.reload(all_four)
        lab.agent.wait_resolved("mix")
        assert set(curl(lab.client2, vip(MIX, 4), lab.tag(), 100)) == {"near1", "near2", "far1", "far2"}
        wait_rounds()
        result = stream.stop()
    assert result["lost"] == 0, result
    return result["flow_backends"]


def test_added_backend_moves_only_its_share(lab):
    """Maglev: flows that do not go to the new backend stay where they are, even without transitions."""
    moved = [names for names in add_far2(lab, "0s") if "+" in names]
    assert len(moved) < 200 * (0.25 + 0.15), f"{len(moved)} of 200 flows moved for a backend with a quarter"
    assert sum("far2" in names for names in moved) >= max(len(moved) * 0.7, 20), moved


def test_added_backend_moves_nobody(lab):
    """Newcomers go to it at once, and whoever was there stays."""
    names = add_far2(lab, "15m")
    assert set(names) == {"near1", "near2", "far1"}, names


def test_added_and_removed_services(lab):
    config = base_config()
    config["services"]["new"] = {"address": [vip(NEW, 4), vip(NEW, 6)], "ports": ["80/tcp"], "pool": "mix"}
    assert lab.agent.cli("diff", check=False).returncode == 0
    lab.agent.configure(config)
    diff = lab.agent.cli("diff", check=False)
    assert diff.returncode == 3 and "new" in diff.stdout
    assert "new" in lab.agent.reload().stdout
    for family in (4, 6):
        assert len(curl(lab.client1, vip(NEW, family), "new", 5)) == 5
    lab.agent.reload(base_config())
    unserved = lab.agent.counted("no_service")
    result = lab.client1.run("curl", "-sS", "--max-time", "1", f"http://{vip(NEW, 4)}/", check=False)
    assert result.returncode != 0 and lab.agent.counted("no_service") > unserved


def test_forward_mode_and_table_size(lab):
    """A pool whose mode and table size change goes on serving."""
    config = base_config()
    for mode, size in (("ipip", 65537), ("l2", 251), ("gue", 1009)):
        config["pools"]["gue-4-near"].update(forward=mode, table_size=size)
        lab.agent.reload(config)
        lab.agent.wait_resolved("gue-4-near")
        assert len(curl(lab.client1, vip(VIP_OF["gue-4-near"], 6), "mode", 20)) == 20


def test_sighup(lab):
    lab.agent.configure(mix("near1", "near2"))
    with Stream(lab.client1, STEADY) as stream:
        lab.agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: shares(lab, "mix").keys() == {"near1", "near2"}, "SIGHUP reloads")
        lab.agent.write(b"pools: [\n")
        lab.agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: lab.agent.status()["last_error"], "status shows the error of a failed SIGHUP reload")
        assert stream.stop()["lost"] == 0
    assert shares(lab, "mix").keys() == {"near1", "near2"}


def expectations(text):
    """The errors that a wrong file's first lines say it has: [(line, column, message)]."""
    return re.findall(r"^# expect: (\d+):(\d+): (.*)$", text, re.M)


def test_wrong_files_change_nothing(lab):
    """Every wrong file of the parser's tests is refused with its messages, and forwarding does not notice."""
    assert WRONG_FILES
    before, tried = lab.agent.show("pools"), 0
    with Stream(lab.client1, STEADY) as stream:
        for path in WRONG_FILES:
            content = path.read_bytes()
            expected = expectations(content.decode(errors="replace"))
            if not expected:
                continue
            tried += 1
            lab.agent.write(content)
            result = lab.agent.cli("reload", check=False)
            assert result.returncode == 1, f"{path.name}: {result}"
            for line, column, message in expected:
                assert f"{lab.agent.config_file}:{line}:{column}: error: {message}" in result.stderr, \
                    f"{path.name}: {result.stderr}"
        assert stream.stop()["lost"] == 0
    assert tried >= 50
    after = lab.agent.show("pools")
    assert [pool["name"] for pool in after] == [pool["name"] for pool in before]
    lab.agent.configure(base_config())
    assert json.loads(lab.agent.cli("--json", "reload").stdout) is not None


@pytest.mark.parametrize("kind", ("missing", "folder", "binary", "empty"))
def test_unreadable_file(lab, kind):
    file = lab.agent.config_file
    lab.agent.write(b"")
    file.unlink()
    try:
        if kind == "folder":
            file.mkdir()
        elif kind != "missing":
            file.write_bytes(bytes(range(256)) * 10 if kind == "binary" else b"")
        result = lab.agent.cli("reload", check=False)
        assert result.returncode == 1 and str(file) in result.stderr, result
        assert len(curl(lab.client1, STEADY, "still", 5)) == 5
    finally:
        if kind == "folder":
            file.rmdir()

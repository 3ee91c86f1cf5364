# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The CLI against a stand-in agent. Needs no root and no kernel feature. SLUICE names the program (build/sluice)."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from replies import (ASKING_POOLS, ASKING_SERVICES, BACKENDS, CHANGES, DROPS, LINES, REFUSED, SERVICES, STANDINGS,
                     STATUS, backend, down)
from stand_in import SLUICE, ask, on_terminal, run


VERBS = ("status", "show", "watch", "backend", "check", "diff", "reload", "apply", "confirm", "rollback", "detach",
         "version", "help")


# The command line


def test_help_lists_verbs_and_exit_codes():
    result = run("help")
    assert result.returncode == 0
    for word in (*VERBS, "--socket", "exit codes"):
        assert word in result.stdout
    assert run("--help").stdout == result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    assert f"usage: sluice {verb}" in run(verb, "--help").stdout
    assert run("help", verb).stdout == run(verb, "-h").stdout


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "usage: sluice"),
    (["relod"], "unknown verb 'relod': did you mean 'reload'?"),
    (["d"], "'d' is ambiguous: deny, diff, detach"),
    ([""], "unknown verb ''"),
    (["show"], "services, pools, backends, flows, neighbours, drops, deny, events or bpf"),
    (["co", "x"], "'confirm' takes no 'x'"),
    (["c"], "'c' is ambiguous: check, confirm"),
    (["show", "tables"], "choose one of services, pools"),
    (["show", "bpf", "x"], "takes no name"),
    (["show", "pools", "a", "b"], "'show pools' takes no 'b': it shows all, or those of one name"),
    (["status", "--watch"], "'status' takes no --watch"),
    (["--jsn", "status"], "did you mean '--json'?"),
    (["-x", "status"], "unknown option '-x'"),
    (["status", "--json=1"], "--json takes no value"),
    (["status", "--socket"], "--socket needs a value"),
    (["show", "pools", "--count", "2"], "--count goes with --watch"),
    (["show", "pools", "--watch", "0"], "give seconds"),
    (["show", "pools", "--watch=x"], "give seconds"),
    (["show", "pools", "--watch", "--count", "0"], "give a number from 1"),
    (["show", "backends", "a", "b", "c"], "takes no 'c'"),
    (["show", "events", "--watch"], "see 'sluice watch'"),
    (["show", "events", "--all", "--count", "3"], "exclude each other"),
    (["show", "flows", "--records", "--all", "--count", "3"], "exclude each other"),
    (["show", "flows", "--count", "3"], "go with --records"),
    (["show", "flows", "--watch"], "'show flows' takes no --watch"),
    (["show", "flows", "a", "b"], "'show flows' takes no 'b'"),
    (["show", "pools", "--records"], "--records goes with 'show flows'"),
    (["backend", "maint", "web", "web1", "--wait"], "'backend maint' takes no --wait"),
    (["show", "events", "--count", "0"], "give a number from 1"),
    (["watch", "--json=1"], "takes no value"),
    (["watch", "a", "b", "c"], "'watch' takes no 'c'"),
    (["backend"], "needs to know what: sluice backend ACTION POOL BACKEND"),
    (["backend", "drain", "web"], "needs to know what"),
    (["backend", "stop", "web", "web1"], "unknown action 'stop': choose one of drain, maint, ready, weight"),
    (["backend", "maitn", "web", "web1"], "did you mean 'maint'?"),
    (["backend", "weight", "web", "web1"], "needs a pool, backends and a weight"),
    (["backend", "weight", "web", "web1", "ten"], "weight 'ten': give a number from 0 to 65535"),
    (["backend", "weight", "web", "web1", "65536"], "give a number from 0 to 65535"),
    (["backend", "weight", "web", "web1", "99999999999999999999"], "give a number from 0 to 65535"),
    (["backend", "weight", "web", "web1", "1", "--for", "1m"], "only a drain ends by itself"),
    (["backend", "drain", "web", "web1", "--for", "10"], "--for 10: give a duration from 1s to 365d"),
    (["backend", "drain", "web", "web1", "--for", "8d"], "from 1s to 7d"),
    (["backend", "drain", "web", "web1", "--for", "999999999999999h"], "from 1s to 365d"),
    (["backend", "drain", "web", "web1", "--for", "999ms"], "from 1s to 365d"),
    (["backend", "drain", "web", "web1", "--reason", "x" * 120], "120 bytes: at most 119"),
    (["backend", "drain", "web", "web1", "--reason", "a\nb"], "one line"),
    (["backend", "drain", "web", "web1", "--reason", "\udcff"], "not UTF-8"),
    (["backend", "drain", "\udcff", "web1"], "not UTF-8"),
    (["apply"], "needs to know what: sluice apply FILE"),
    (["apply", "a", "b"], "'apply' takes no 'b'"),
    (["apply", "a", "--confirm", "60"], "--confirm 60: give a duration from 1s to 1d"),
    (["apply", "--confirm", "file.yaml"], "--confirm file.yaml: give a duration"),
    (["reload", "--confirm", "60s"], "'reload' takes no --confirm"),
    (["detach"], "confirm it with --yes"),
])
def test_wrong_usage(arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_version():
    assert run("version").stdout == run("--version").stdout
    assert json.loads(run("version", "--json").stdout)["version"] in run("version").stdout


def test_options_stand_anywhere_and_words_are_short(agent):
    expected = ask(agent, "show", "backends", "web", "--json")
    assert expected.returncode == 0
    assert run("sh", "ba", "--json", "web", f"--socket={agent.path}").stdout == expected.stdout
    assert run("-js", agent.path, "show", "backends", "web").returncode == 2  # letters are not bundled
    assert run("-j", "-s", agent.path, "show", "backends", "--", "web").stdout == expected.stdout


# The agent's absence


def test_no_agent(folder):
    result = run("--socket", folder / "none", "status")
    assert result.returncode == 4
    assert result.stderr == (f"sluice: no agent answers at {folder}/none: is sluiced running? "
                             "(systemctl status sluiced)\n")


def test_stale_socket(folder):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(folder / "stale"))
    result = run("--socket", folder / "stale", "status")
    assert result.returncode == 4
    assert "is sluiced running?" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become somebody else")
def test_socket_without_rights_names_its_group(folder, agent):
    os.chmod(folder, 0o755)
    os.chown(agent.path, 0, 4)
    os.chmod(agent.path, 0o660)
    program = shutil.copy(SLUICE, folder / "sluice")  # the checkout may lie where only root may go
    result = subprocess.run([program, "--socket", agent.path, "status"], user=65534, group=65534, extra_groups=[],
                            capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 4
    assert f"you may not open {agent.path}: join its group 'adm' or use sudo" in result.stderr


def test_proxies_are_not_asked(agent):
    proxies = {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
    assert ask(agent, "status", env=proxies).returncode == 0


@pytest.mark.parametrize("garbage", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2"])
def test_garbage_from_the_socket(folder, garbage):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "sock"))
        listener.listen()

        def serve():
            with listener.accept()[0] as client:
                client.recv(65536)
                client.sendall(garbage)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        result = run("--socket", folder / "sock", "status")
        thread.join(10)
    assert result.returncode == 4
    assert "is that sluiced's socket?" in result.stderr


def test_answers_that_are_not_json(agent):
    agent.answers["GET", "/v1/status"] = (200, b"<html>")
    result = ask(agent, "status")
    assert (result.returncode, "not JSON" in result.stderr) == (1, True)
    agent.answers["GET", "/v1/status"] = (500, b"<html>")
    result = ask(agent, "status")
    assert (result.returncode, "HTTP status 500" in result.stderr) == (1, True)


# What it shows


def test_backends_table(agent):
    result = ask(agent, "show", "backends")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == "POOL NAME ADDRESS STATE SINCE WEIGHT SHARE PACKETS BYTES PROBE".split()
    assert lines[1].split()[:10] == "web web1 10.0.0.11 up 3 h 300 75.0% 12.3M 9.0P".split()
    assert lines[1].endswith("GET /healthz: 200 after 0.9 ms")
    assert lines[2].endswith("  cannot be reached: no route to 10.0.0.12")
    assert lines[3].split()[8:10] == ["9999", "10.0k"]
    assert lines[-1] == "web/web2 cannot be reached: no route to 10.0.0.12"
    assert "\033" not in result.stdout
    # numbers end where their header ends
    assert lines[1].index("12.3M") + 5 == lines[0].index("PACKETS") + 7


def test_backends_in_detail(agent):
    lines = ask(agent, "show", "backends", "web", "web1", "--long").stdout.splitlines()
    assert lines[0].split() == ("POOL NAME ADDRESS STATE SINCE WEIGHT SHARE SLOTS RECORDS INTERFACE PARENT "
                                "VLAN TAGS NEXT HOP MAC MTU PACKETS BYTES PROBE").split()
    assert lines[1].split()[8:15] == ["5", "0", "eth0.10", "eth0", "802.1Q", "10", "10.0.0.11"]
    assert lines[3:] == ["web/web1 probe http: up, 12 alike in a row, the last 0.3 s ago: "
                         "GET /healthz: 200 after 0.9 ms"]


def test_how_backends_stand(agent):
    agent.answers["GET", "/v1/backends"] = (200, STANDINGS)
    text = ask(agent, "show", "backends").stdout
    rows = {line.split()[1]: line for line in text.split("\n\n", maxsplit=1)[0].splitlines()}
    for name, state, weight in (("fine", "up", "100"), ("ramping", "up 40%", "40/100"), ("gone", "down", "0/100"),
                                ("kept", "down (kept)", "100"), ("held", "down (held)", "0/100"),
                                ("new", "down (new)", "0/100"), ("leaving", "drain*", "0/100"),
                                ("off", "maint*", "0/100"), ("light", "up*", "50/100")):
        assert f"  {state}  " in rows[name]
        assert f" {weight} " in rows[name]
    assert text.split("\n\n")[1].splitlines() == [
        f"web/gone is down for 12 min: {REFUSED}",
        f"web/kept is down for 12 min: {REFUSED}; min_healthy keeps it in the table",
        "web/held is down for 12 min: its probes pass again; held down for 40 s more after 3 falls",
        "web/new is down for 12 min: not probed yet",
        "web/leaving is set to drain by root since Mar  1 12:00:00, 14 min left: disk swap",
        "web/off is set to maint by uid 1234 since Mar  1 12:00:00",
        "web/light is set to weight 50 by root since Mar  1 12:00:00: slow disk",
    ]


def test_backends_that_cannot_be_probed(agent):
    agent.answers["GET", "/v1/backends"] = (200, [
        backend("web", "fine", 1), backend("web", "blind", 2, trouble="no descriptors left"),
        backend("web", "gone", 3, **down(trouble="no descriptors left")),
        backend("web", "new", 4, **down(probe="no descriptors left", trouble="no descriptors left"))])
    assert ask(agent, "show", "backends").stdout.split("\n\n")[1].splitlines() == [
        "web/blind cannot be probed: no descriptors left",
        f"web/gone is down for 12 min: {REFUSED}",
        "web/gone cannot be probed: no descriptors left",
        "web/new is down for 12 min: no descriptors left",
    ]


def test_many_notes_are_cut_short(agent):
    agent.answers["GET", "/v1/backends"] = (200, [STANDINGS[2]] * 1000)
    assert ask(agent, "show", "backends").stdout.splitlines()[-1] == "and 980 more: sluice show backends --long"
    assert ask(agent, "show", "backends", "--long").stdout.count("is down for") == 1000


def test_probes_texts_are_cut_where_a_terminal_ends(agent):
    agent.answers["GET", "/v1/backends"] = (200, STANDINGS)
    code, text = on_terminal("--socket", agent.path, "show", "backends", env={"NO_COLOR": "1"}, columns=100)
    table, notes = text.replace("\r", "").split("\n\n")[:2]
    assert code == 0
    assert max(map(len, table.splitlines())) <= 100
    assert f"is down for 12 min: {REFUSED}\n" in notes


def test_control_characters_do_not_reach_the_terminal(agent):
    # what a server says becomes part of a probe's text; an agent should not pass it on, but who knows
    agent.answers["GET", "/v1/backends"] = (200, [{**STANDINGS[2], "probe": "a\033[2J\x9b1mb\nc"}])
    code, text = on_terminal("--socket", agent.path, "show", "backends", env={"NO_COLOR": "1"}, columns=200)
    assert code == 0
    assert "\033" not in text
    assert "\x9b" not in text
    assert "a [2J 1mb c" in text


def test_pools_table(agent):
    lines = ask(agent, "show", "pools").stdout.splitlines()
    assert lines[0].split() == "NAME UP STATE FALLBACK FORWARD SERVICES PACKETS BYTES".split()
    assert [line.split("  ")[0] for line in lines[1:]] == ["web", "dns", "api", "old", "new", "blind"]
    for line, part in zip(lines[1:], ("2/2  ok  ", "1+1/3  degraded, 1 unreachable  ", "0/2  fallback: spare serves  ",
                                      "0/2  empty  ", "0/2  settling  ", "2/2  ok, 2 not probed  ")):
        assert part in line


def test_what_is_configured_beyond_the_usual_has_a_column(agent):
    agent.answers["GET", "/v1/services"] = (200, SERVICES)
    assert ask(agent, "show", "services").stdout.splitlines()[0].split() == (
        "NAME ADDRESSES PORTS POOL HASH PACKETS BYTES".split())
    agent.answers["GET", "/v1/services"] = (200, ASKING_SERVICES)
    lines = ask(agent, "show", "services").stdout.splitlines()
    assert lines[0].split() == "NAME ADDRESSES PORTS POOL HASH OPTIONS PACKETS BYTES".split()
    assert ("  VLAN 7, MSS 1400, 2 source rules, 1000 packets/s a source, 5000 connections/s in all, excess: pass  "
            in lines[1])
    assert "  MSS auto, unknown ports: reject, echo: drop, fragments: source  " in lines[2]
    assert lines[3].split()[5] == "-"
    agent.answers["GET", "/v1/pools"] = (200, ASKING_POOLS)
    lines = ask(agent, "show", "pools").stdout.splitlines()
    assert lines[0].split() == "NAME UP STATE FALLBACK FORWARD SERVICES SOURCES OF OPTIONS PACKETS BYTES".split()
    assert "  guarded     outer TTL 32, no DF, outer source 10.7.0.0/16, outer source 2001:db8:7::/64  " in lines[1]
    assert "  QUIC 0:8 3:4  " in lines[2]


def test_backends_of_this_host_and_with_server_ids(agent):
    here = backend("web", "here", 1, local=True, interface=None, next_hop=None, mac=None, mtu=None)
    agent.answers["GET", "/v1/backends"] = (200, [here, backend("web", "there", 2, server_id="0a0b")])
    lines = ask(agent, "show", "backends").stdout.splitlines()
    assert lines[0].split()[:6] == "POOL NAME ADDRESS LOCAL SERVER ID".split()
    assert lines[1].split()[3:5] == ["yes", "-"]
    assert lines[2].split()[3:5] == ["no", "0a0b"]


def test_pools_have_the_colour_of_their_state(agent):
    text = on_terminal("--socket", agent.path, "show", "pools")[1]
    for part in ("31mdegraded, ", "31mfallback: ", "31mempty ", "33msettling ", "33mok, 2 not probed "):
        assert part in text
    assert "mok " not in text


def test_json_is_exact(agent):
    assert json.loads(ask(agent, "show", "backends", "--json").stdout) == BACKENDS
    assert json.loads(ask(agent, "show", "drops", "--json").stdout) == DROPS
    assert json.loads(ask(agent, "status", "--json").stdout) == STATUS


def test_names_filter(agent):
    result = ask(agent, "show", "backends", "dns", "--json")
    assert [backend["pool"] for backend in json.loads(result.stdout)] == ["dns"]
    result = ask(agent, "show", "backends", "wbe")
    assert (result.returncode, result.stdout) == (1, "")
    assert "there is no pool with backends 'wbe': did you mean 'web'?" in result.stderr


def test_drops_leave_out_zeros_unless_asked(agent):
    assert "no_backend" not in ask(agent, "show", "drops").stdout
    assert "no usable backend" in ask(agent, "show", "drops", "--all").stdout
    assert "no usable backend" in ask(agent, "show", "drops", "no_backend").stdout


def test_counters_that_cannot_be_read(agent):
    agent.answers["GET", "/v1/drops"] = (200, [{**DROPS[0], "packets": None, "bytes": None}])
    assert ask(agent, "show", "drops").stdout.splitlines()[1].split()[2:4] == ["-", "-"]


def test_status(agent):
    text = ask(agent, "status").stdout
    for part in ("sluiced 0.1.0, process 4242, up 3 h 4 min", "/c.yaml, loaded ", "3: 1 up, 1 drain, 1 down",
                 "1 without a next hop", "dns: degraded, 1 unreachable (1 of 3 up, 1 kept)",
                 "api: fallback: spare serves (0 of 2 up)", "old: empty (0 of 2 up)", "new: settling (0 of 2 up)",
                 "3, 1 under way\n", "1.2M packets", "not attached: no such interface"):
        assert part in text
    for part in ("web: ", "blind: ", "overrides", "not confirmed", "late", "probed", "VIP", "saved", "flow map"):
        assert part not in text
    agent.answers["GET", "/v1/status"] = (200, {**STATUS, "last_error": "c.yaml:1:2: error: wrong"})
    assert ("\nThe last configuration was refused, and the one before it runs on:\nc.yaml:1:2: error: wrong\n"
            in ask(agent, "status").stdout)


def test_status_tells_what_is_to_be_changed_at_interfaces(agent):
    hint = "its hardware takes VLAN tags off before XDP sees them: ethtool -K eth0 rxvlan off"
    eth0, eth1 = STATUS["interfaces"]
    agent.answers["GET", "/v1/status"] = (200, {**STATUS, "interfaces": [{**eth0, "hint": hint}, eth1]})
    assert f"  attached; {hint}\n" in ask(agent, "status").stdout


def test_status_tells_what_waits_for_the_operator(agent):
    applied = "new.yaml, applied over the control socket by root (uid 0) at 2026-03-01T12:00:00Z"
    agent.answers["GET", "/v1/backends"] = (200, STANDINGS * 5)
    agent.answers["GET", "/v1/status"] = (200, {
        **STATUS, "config": {**STATUS["config"], "source": "socket", "applied": applied, "confirm_left_ms": 42900},
        "probing": {**STATUS["probing"], "waiting": 7, "late": 3, "worst_late_ms": 250, "aside": 2, "troubled": 3},
        "backends_kept": 1, "state_saved": False, "flow_records": 840000})
    text = ask(agent, "status").stdout
    for part in (f"{applied}; 'sluice reload' goes back to the file",
                 "not confirmed: in 42 s the former one comes back, unless 'sluice confirm'",
                 "not saved", "the state folder cannot be written: the log and 'sluice show events' say why",
                 "web/leaving drain by root since Mar  1 12:00:00, 14 min left: disk swap",
                 "and 5 more: sluice show backends --long",
                 "3 (2 of them to the backend's address, not through a VIP), 1 under way, 7 wait for one of 256 places",
                 "nearly full, 840000 of 1048576: connections may break; raise flow_records",
                 "3 backends cannot be probed now: 'sluice show backends' says why",
                 "3 of 1000 begun late, the worst by 250 ms", "(1 of them kept in the table by min_healthy)"):
        assert part in text


def test_colours_are_for_terminals(agent):
    code, text = on_terminal("--socket", agent.path, "show", "backends")
    assert code == 0
    assert "\033[31m" in text
    assert "\033[32m" in text
    assert "\033" not in on_terminal("--socket", agent.path, "show", "backends", env={"NO_COLOR": "1"})[1]
    assert "\033" not in on_terminal("--socket", agent.path, "show", "backends", env={"TERM": "dumb"})[1]


def test_closed_pipes_are_quiet(agent):
    agent.answers["GET", "/v1/backends"] = (200, BACKENDS * 2000)
    for disposition in (signal.SIG_DFL, signal.SIG_IGN):
        process = subprocess.Popen([SLUICE, "--socket", agent.path, "show", "backends"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, restore_signals=False,
                                   preexec_fn=lambda how=disposition: signal.signal(signal.SIGPIPE, how))
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        process.wait(60)


def test_output_that_cannot_be_written(agent):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([SLUICE, "--socket", agent.path, "status"], stdout=full, stderr=subprocess.PIPE,
                                text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert "cannot write the output" in result.stderr


# Reload and diff


def test_diff(agent):
    agent.answers["GET", "/v1/diff"] = (200, CHANGES)
    result = ask(agent, "diff")
    assert (result.returncode, result.stdout) == (3, LINES)
    result = ask(agent, "diff", "--json")
    assert (result.returncode, json.loads(result.stdout)) == (3, CHANGES)
    agent.answers["GET", "/v1/diff"] = (200, {"changes": []})
    result = ask(agent, "diff")
    assert (result.returncode, result.stdout) == (0, "nothing would change\n")


def test_reload(agent):
    agent.answers["POST", "/v1/reload"] = (200, CHANGES)
    result = ask(agent, "reload")
    assert (result.returncode, result.stdout) == (0, LINES)
    errors = "c.yaml:1:2: error: wrong\nx: y\n ^\n1 error\n"
    agent.answers["POST", "/v1/reload"] = (422, {"error": errors})
    result = ask(agent, "reload")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", errors)
    result = ask(agent, "reload", "--json")
    assert (result.returncode, json.loads(result.stdout)) == (1, {"error": errors})


# Detaching


def test_detach_asks_the_agent(agent):
    assert ask(agent, "detach", "--yes").returncode == 0
    assert ("POST", "/v1/detach") in agent.asked


def test_detach_asks_the_user(agent):
    code, text = on_terminal("--socket", agent.path, "detach", typed=b"n\n")
    assert code == 1
    assert "nothing done" in text
    assert agent.asked == []
    assert on_terminal("--socket", agent.path, "detach", typed=b"y\n")[0] == 0
    assert ("POST", "/v1/detach") in agent.asked


def test_detach_of_another_folder_leaves_this_agent_alone(agent, folder):
    result = ask(agent, "detach", "--yes", "--bpffs", folder)
    assert result.returncode == 1
    assert "/sys/fs/bpf/elsewhere" in result.stderr
    assert ("POST", "/v1/detach") not in agent.asked


def test_detach_without_agent(folder):
    result = run("--socket", folder / "none", "detach", "--yes", "--bpffs", folder / "empty")
    if os.geteuid() == 0:
        assert (result.returncode, result.stdout) == (0, f"nothing of Sluice is pinned in {folder}/empty\n")
    else:
        assert (result.returncode, "needs root" in result.stderr) == (1, True)


# Checking a file


def test_check(folder):
    path = folder / "wrong.yaml"
    path.write_text("pools: 3\n", encoding="ascii")
    result = run("check", path)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"{path}:1:8: error:" in result.stderr
    result = json.loads(run("check", "--json", path).stdout)
    assert result["ok"] is False
    assert str(path) in result["errors"]


@pytest.mark.parametrize(("content", "says"), [
    ("", ": error: the file is empty: "), ("\n", ": error: the file is empty: "),
    (" \n\t\n", ": error: the file is empty: "), ("\n# x\n", ":1:1: error: the file holds nothing but comments: "),
])
def test_check_shows_no_blank_lines(folder, content, says):
    path = folder / "blank.yaml"
    path.write_text(content, encoding="ascii")
    assert run("check", path).stderr == f"{path}{says}'interfaces' and 'hash_key' are needed at least\n1 error\n"


@pytest.fixture
def right(folder):
    path = folder / "right.yaml"
    path.write_text('interfaces: [{name: eth0}]\nhash_key: "0f1e2d3c4b5a69788796a5b4c3d2e1f0"\n'
                    "pools: {web: {forward: ipip, backends: [{name: a, address: 10.0.0.1}]}}\n"
                    "services: {www: {address: [192.0.2.1], ports: [80/tcp], pool: web}}\n", encoding="ascii")
    return path


def says_ok(path):
    return f"{path}: ok: 1 service, 1 pool, 1 backend, 1 interface\n"


def test_check_of_a_right_file(folder, right):
    result = run("--socket", folder / "none", "check", right)
    assert (result.returncode, result.stdout, result.stderr) == (0, says_ok(right), "")
    result = run("--socket", folder / "none", "check", "--json", right)
    assert json.loads(result.stdout) == {"ok": True, "errors": None, "warnings": []}


def test_check_asks_the_agent_what_would_break(agent, right):
    agent.answers["POST", "/v1/diff"] = (200, {"changes": CHANGES["changes"]})
    result = ask(agent, "check", right)
    assert (result.returncode, result.stdout) == (
        0, says_ok(right) + "    warning: pool old: removed: they are cut\n")
    assert agent.bodies["/v1/diff"] == right.read_bytes()
    result = ask(agent, "check", "--json", right)
    assert json.loads(result.stdout) == {"ok": True, "errors": None, "warnings": ["pool old: removed: they are cut"]}


def test_check_advises_without_an_agent(folder, right):
    text = right.read_text(encoding="ascii")
    right.write_text(text.replace("pool: web}}", "pool: web, sources: [{from: 10.0.0.0/8, action: allow}]}}"),
                     encoding="ascii")
    result = run("--socket", folder / "none", "check", right)
    assert (result.returncode, result.stdout.split(", and")[0]) == (
        0, says_ok(right) + "    warning: service www: its sources only allow")


def test_check_cuts_a_long_list_of_warnings(agent, right):
    changes = [{"change": "remove", "what": f"pool p{i}", "detail": "", "warning": "cut"} for i in range(12)]
    agent.answers["POST", "/v1/diff"] = (200, {"changes": changes})
    assert ask(agent, "check", right).stdout.endswith(
        f"    warning: pool p9: cut\n    and 2 more: sluice diff {right}\n")
    assert len(json.loads(ask(agent, "check", "--json", right).stdout)["warnings"]) == 12


def test_check_does_not_depend_on_the_agent(agent, right):
    go_on = threading.Event()
    for answer in ((422, {"error": "wrong"}), (200, b"no JSON"), (200, []), lambda: go_on.wait(60) and (200, CHANGES)):
        agent.answers["POST", "/v1/diff"] = answer
        result = ask(agent, "check", right)
        assert (result.returncode, result.stdout, result.stderr) == (0, says_ok(right), "")
    go_on.set()


def test_check_of_a_pipe(agent, right):
    result = ask(agent, "check", "/dev/stdin", input=right.read_text(encoding="ascii"))
    assert (result.returncode, result.stdout) == (0, says_ok("/dev/stdin"))
    assert agent.asked == []  # it was read once, which was enough

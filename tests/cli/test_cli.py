# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The CLI against a stand-in agent: an HTTP server on a Unix socket that says what a test wants.

Needs neither root nor a kernel feature. SLUICE names the program (build/sluice).
"""

import errno
import http.server
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading

import pytest

SLUICE = os.environ.get("SLUICE", str(pathlib.Path(__file__).parents[2] / "build" / "sluice"))

BACKENDS = [
    {"pool": "web", "name": "web1", "index": 1, "address": "10.0.0.11", "weight": 300, "state": "up", "share": 0.75,
     "resolved": True, "why": None, "interface": "eth0", "next_hop": "10.0.0.11", "mac": "02:00:00:00:00:b1",
     "mtu": 1500, "slots": 5, "packets": 12345678, "bytes": 9007199254740993},
    {"pool": "web", "name": "web2", "index": 2, "address": "10.0.0.12", "weight": 100, "state": "up", "share": 0.25,
     "resolved": False, "why": "no route to 10.0.0.12", "interface": None, "next_hop": None, "mac": None,
     "mtu": None, "slots": 2, "packets": 0, "bytes": 0},
    {"pool": "dns", "name": "web1", "index": 3, "address": "10.0.0.13", "weight": 100, "state": "up", "share": 1.0,
     "resolved": True, "why": None, "interface": "eth0", "next_hop": "10.0.0.1", "mac": "02:00:00:00:00:01",
     "mtu": 1500, "slots": 7, "packets": 9999, "bytes": 10000},
]
DROPS = [
    {"reason": "forwarded", "action": "tx", "help": "sent to a backend", "packets": 5, "bytes": 500},
    {"reason": "no_backend", "action": "drop", "help": "no usable backend", "packets": 0, "bytes": 0},
]
STATUS = {
    "version": "0.1.0", "pid": 4242, "uptime_s": 11045,
    "config": {"file": "/c.yaml", "loaded_at": "2026-01-01T00:00:00Z"},
    "interfaces": [
        {"name": "eth0", "ifindex": 2, "attach": "exclusive", "attached": True, "mode": "native", "why": ""},
        {"name": "eth1", "ifindex": 0, "attach": "shared", "attached": False, "mode": "none",
         "why": "no such interface"},
    ],
    "services": 1, "pools": 2, "backends": 3, "backends_unresolved": 1, "packets": 1234567, "bytes": 8,
    "last_error": None,
}
BPF = {"folder": "/sys/fs/bpf/elsewhere", "program": {"id": 77, "object": "00ff"}, "maps": [], "links": []}


class Agent:
    """Answers (method, path) with (status, JSON or bytes), or a function's result; remembers what was asked."""

    def __init__(self, path):
        self.path = str(path)
        self.answers = {
            ("GET", "/v1/backends"): (200, BACKENDS),
            ("GET", "/v1/drops"): (200, DROPS),
            ("GET", "/v1/status"): (200, STATUS),
            ("GET", "/v1/bpf"): (200, BPF),
            ("POST", "/v1/detach"): (200, {}),
        }
        self.asked = []
        self.server = None
        self.start()

    def start(self):
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                agent.asked.append((self.command, self.path))
                answer = agent.answers.get((self.command, self.path), (404, {"error": "there is no such path"}))
                status, body = answer() if callable(answer) else answer
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def address_string(self):
                return "-"

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            os.unlink(self.path)
            self.server = None


@pytest.fixture
def folder():
    # a Unix socket's path is short; pytest's own folders are not
    with tempfile.TemporaryDirectory(prefix="sluice-cli-") as path:
        yield pathlib.Path(path)


@pytest.fixture
def agent(folder):
    agent = Agent(folder / "sock")
    yield agent
    agent.stop()


def run(*arguments, **options):
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **options.pop("env", {})}
    return subprocess.run([SLUICE, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=environment,
                          stdin=subprocess.DEVNULL, **options)


def ask(agent, *arguments, **options):
    return run("--socket", agent.path, *arguments, **options)


def on_terminal(*arguments, typed=b"", env=None):
    """Runs it on a terminal of its own: exit code and all that it wrote."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        os.environ.update({"TERM": "xterm", **(env or {})})
        os.execv(SLUICE, [SLUICE, *map(str, arguments)])
    written = b""
    if typed:
        os.write(fd, typed)
    while True:
        assert select.select([fd], [], [], 60)[0], "it hangs"
        try:
            piece = os.read(fd, 65536)
        except OSError as error:
            assert error.errno == errno.EIO  # the terminal's other end is closed
            piece = b""
        if not piece:
            break
        written += piece
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written.decode()


# The command line


def test_help_lists_verbs_and_exit_codes():
    result = run("help")
    assert result.returncode == 0
    for word in ("check", "diff", "reload", "status", "show", "detach", "version", "--socket", "exit codes"):
        assert word in result.stdout
    assert run("--help").stdout == result.stdout


@pytest.mark.parametrize("verb", ["check", "diff", "reload", "status", "show", "detach", "version", "help"])
def test_every_verb_has_help(verb):
    assert f"usage: sluice {verb}" in run(verb, "--help").stdout
    assert run("help", verb).stdout == run(verb, "-h").stdout


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "usage: sluice"),
    (["relod"], "unknown verb 'relod': did you mean 'reload'?"),
    (["d"], "'d' is ambiguous: diff, detach"),
    ([""], "unknown verb ''"),
    (["show"], "services, pools, backends, neighbours, drops or bpf"),
    (["show", "flows"], "choose one of services, pools"),
    (["show", "bpf", "x"], "takes no name"),
    (["show", "pools", "a", "b"], "takes no 'b'"),
    (["status", "--watch"], "'status' takes no --watch"),
    (["--jsn", "status"], "did you mean '--json'?"),
    (["-x", "status"], "unknown option '-x'"),
    (["status", "--json=1"], "--json takes no value"),
    (["status", "--socket"], "--socket needs a value"),
    (["show", "pools", "--count", "2"], "--count goes with --watch"),
    (["show", "pools", "--watch", "0"], "give seconds"),
    (["show", "pools", "--watch=x"], "give seconds"),
    (["show", "pools", "--watch", "--count", "0"], "give a number of samples"),
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
    assert lines[0].split() == "POOL NAME ADDRESS STATE WEIGHT SHARE SLOTS INTERFACE NEXT HOP PACKETS BYTES".split()
    assert lines[1].split() == "web web1 10.0.0.11 up 300 75.0% 5 eth0 10.0.0.11 12.3M 9.0P".split()
    assert lines[3].split()[-2:] == ["9999", "10.0k"]
    assert lines[-1] == "web/web2 cannot be reached: no route to 10.0.0.12"
    assert "\033" not in result.stdout
    # numbers end where their header ends
    assert lines[1].index("12.3M") + 5 == lines[0].index("PACKETS") + 7


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
    for part in ("sluiced 0.1.0, process 4242, up 3 h 4 min", "/c.yaml", "3, of which 1 cannot be reached",
                 "1.2M packets", "not attached: no such interface"):
        assert part in text
    agent.answers["GET", "/v1/status"] = (200, {**STATUS, "last_error": "c.yaml:1:2: error: wrong"})
    assert "The last reload failed" in ask(agent, "status").stdout


def test_colours_are_for_terminals(agent):
    code, text = on_terminal("--socket", agent.path, "show", "backends")
    assert code == 0
    assert "\033[31m" in text
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


CHANGES = {"changes": [{"change": "add", "what": "backend web/web3", "detail": "weight 1"},
                       {"change": "remove", "what": "pool old", "detail": ""},
                       {"change": "change", "what": "service www", "detail": "pool web -> dns"}]}
LINES = "+ backend web/web3: weight 1\n- pool old\n~ service www: pool web -> dns\n"


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


# Watching


def growing(step_packets, step_bytes):
    """Backends whose first one's counters grow by a step with every question."""
    count = [0]

    def answer():
        count[0] += 1
        first = {**BACKENDS[0], "packets": count[0] * step_packets, "bytes": count[0] * step_bytes}
        return 200, [first, *BACKENDS[1:]]

    return answer


def test_watch_gives_rates(agent):
    agent.answers["GET", "/v1/backends"] = growing(1000, 125000)
    result = ask(agent, "show", "backends", "--watch", "0.1", "--count", "3", "--json")
    assert result.returncode == 0
    samples = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(samples) == 3
    for sample in samples:
        first, second = sample["backends"][:2]
        # whatever the pace, the rates are of the same interval
        assert first["packets_per_s"] * sample["interval_s"] == pytest.approx(1000)
        assert first["bits_per_s"] * sample["interval_s"] == pytest.approx(1000000)
        assert second["packets_per_s"] == 0
    assert [sample["backends"][0]["packets"] for sample in samples] == [2000, 3000, 4000]


def test_watch_as_tables(agent):
    agent.answers["GET", "/v1/backends"] = growing(1, 1)
    result = ask(agent, "show", "backends", "web", "--watch=0.1", "-n2")
    assert result.stdout.count("PACKETS/S") == 2
    assert "dns" not in result.stdout
    assert "\033" not in result.stdout
    code, text = on_terminal("--socket", agent.path, "show", "backends", "--watch", "0.1", "--count", "1")
    assert code == 0
    assert text.count("\033[H\033[2J") == 2  # the first is there before there are rates


def test_watch_survives_counters_made_anew(agent):
    agent.answers["GET", "/v1/backends"] = growing(-1000, -1000)
    result = ask(agent, "show", "backends", "--watch", "0.1", "--count", "1", "--json")
    first = json.loads(result.stdout)["backends"][0]
    assert (first["packets_per_s"], first["bits_per_s"]) == (None, None)


def test_watch_waits_for_a_restarting_agent(agent):
    agent.answers["GET", "/v1/backends"] = growing(1, 1)
    process = subprocess.Popen([SLUICE, "--socket", agent.path, "show", "backends", "--watch", "0.1", "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline()
        agent.stop()
        assert "trying on every 0.1 s" in process.stderr.readline()
        agent.start()
        assert process.stderr.readline() == "sluice: the agent answers again\n"
        assert json.loads(process.stdout.readline())["backends"]
    finally:
        process.kill()
        process.communicate()


def test_watch_needs_an_agent_at_first(folder):
    result = run("--socket", folder / "none", "show", "pools", "--watch", "--count", "1")
    assert result.returncode == 4


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


def test_check_of_a_right_file(folder):
    path = folder / "right.yaml"
    path.write_text('interfaces: [{name: eth0}]\nhash_key: "0f1e2d3c4b5a69788796a5b4c3d2e1f0"\n'
                    "pools: {web: {forward: ipip, backends: [{name: a, address: 10.0.0.1}]}}\n"
                    "services: {www: {address: [192.0.2.1], ports: [80/tcp], pool: web}}\n", encoding="ascii")
    result = run("check", path)
    assert (result.returncode, result.stdout) == (0, f"{path}: ok: 1 service, 1 pool, 1 backend, 1 interface\n")
    assert json.loads(run("check", "--json", path).stdout) == {"ok": True, "errors": None}

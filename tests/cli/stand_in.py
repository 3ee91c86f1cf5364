# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A stand-in for the agent: an HTTP server on a Unix socket that says what a test wants; and ways to run the CLI."""

import errno
import fcntl
import http.server
import json
import os
import pathlib
import pty
import select
import socketserver
import struct
import subprocess
import termios
import threading
import urllib.parse

import replies

SLUICE = os.environ.get("SLUICE", str(pathlib.Path(__file__).parents[2] / "build" / "sluice"))


class Agent:
    """Answers (method, path) with (status, JSON or bytes), or a function's result; remembers what was asked.

    `bodies` has what was sent to a path last, and `queries` with which query. The stream at /v1/watch sends
    self.events, and then what is added to them, until hang_up().
    """

    def __init__(self, path):
        self.path = str(path)
        self.answers = {
            ("GET", "/v1/backends"): (200, replies.BACKENDS),
            ("GET", "/v1/pools"): (200, replies.POOLS),
            ("GET", "/v1/flows"): self.answer_flows,
            ("GET", "/v1/drops"): (200, replies.DROPS),
            ("GET", "/v1/deny"): (200, replies.DENIED),
            ("GET", "/v1/status"): (200, replies.STATUS),
            ("GET", "/v1/bpf"): (200, replies.BPF),
            ("GET", "/v1/events"): self.answer_events,
            ("POST", "/v1/detach"): (200, {}),
        }
        self.events = list(replies.EVENTS)
        self.changed = threading.Condition()
        self.streams = 0  # how many were ended
        self.asked = []
        self.bodies, self.queries = {}, {}
        self.server = None
        self.start()

    def since(self, query):
        return [event for event in self.events if event["id"] > int(query.get("since", 0))]

    def answer_events(self):
        query = self.queries["/v1/events"]
        return 200, self.since(query)[-int(query.get("limit", 0)):]

    def answer_flows(self):
        """The records in two pieces."""
        query = self.queries["/v1/flows"]
        if "records" not in query:
            return 200, replies.FLOWS
        limit, first = int(query["limit"]), query.get("from") in (None, "0")
        flows = (replies.RECORDS[:2] if first else replies.RECORDS[2:])[:limit]
        return 200, {"complete": not first, "next": 77 if first and limit > 2 else None, "flows": flows}

    def wait_for(self, method, path):
        """Until that has been asked."""
        with self.changed:
            assert self.changed.wait_for(lambda: (method, path) in self.asked, 60)

    def happen(self, *events):
        with self.changed:
            self.events += events
            self.changed.notify_all()

    def hang_up(self):
        """Ends the streams under way."""
        with self.changed:
            self.streams += 1
            self.changed.notify_all()

    def stream(self, write, query, streams):
        last = int(query["since"])
        while True:
            with self.changed:
                events = self.since({"since": last})
                if not events:
                    if self.streams != streams:
                        return
                    self.changed.wait(30)
            for event in events:
                write(json.dumps(event).encode() + b"\n")
                last = event["id"]

    def start(self):
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def answer(self):
                path, _, query = self.path.partition("?")
                agent.bodies[path] = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                agent.queries[path] = dict(urllib.parse.parse_qsl(query, strict_parsing=True) if query else {})
                with agent.changed:
                    streams = agent.streams  # before anybody knows, who may hang up at once
                    agent.asked.append((self.command, path))
                    agent.changed.notify_all()
                if path == "/v1/watch" and ("GET", path) not in agent.answers:
                    self.send_response(200)
                    self.end_headers()
                    agent.stream(self.wfile.write, agent.queries[path], streams)
                    return
                answer = agent.answers.get((self.command, path), (404, {"error": "there is no such path"}))
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

            def handle_error(self, request, client_address):
                pass  # a client that goes in the middle is a test's wish

        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self):
        if self.server:
            self.hang_up()
            self.server.shutdown()
            self.server.server_close()
            os.unlink(self.path)
            self.server = None


def environment(extra=None):
    return {"PATH": os.environ["PATH"], "TERM": "xterm", "TZ": "UTC", "LC_ALL": "C.UTF-8", **(extra or {})}


def run(*arguments, **options):
    options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
    if options["stdin"] is None:
        del options["stdin"]
    return subprocess.run([SLUICE, *map(str, arguments)], capture_output=True, text=True, errors="replace",
                          timeout=60, env=environment(options.pop("env", None)), **options)


def ask(agent, *arguments, **options):
    return run("--socket", agent.path, *arguments, **options)


def start(agent, *arguments, **options):
    """Runs it beside the test; killed if it takes too long, so that who reads from it does not wait for ever."""
    process = subprocess.Popen([SLUICE, "--socket", agent.path, *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment(), **options)
    limit = threading.Timer(60, process.kill)
    limit.daemon = True
    limit.start()
    return process


def on_terminal(*arguments, typed=b"", env=None, columns=0):
    """Runs it on a terminal of its own: exit code and all that it wrote."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.environ.pop("NO_COLOR", None)
        os.environ.update(environment(env))
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

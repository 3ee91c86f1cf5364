# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The kernel's pktgen, through its files."""
import math
import pathlib
import re
import subprocess
import threading
import time

from hosts import Failure

PKTGEN = pathlib.Path("/proc/net/pktgen")
STOPS = 20


class Pktgen:
    """pktgen's files. A device of it, eth1@0, is the network device as one thread sends through it."""

    def __init__(self):
        self.threads = {}  # those in use, and their devices
        self.loaded = False
        self.starter = None  # while it may send

    def load(self):
        if not PKTGEN.exists():
            result = subprocess.run(["modprobe", "pktgen"], capture_output=True, text=True)
            if result.returncode:
                raise Failure(f"`modprobe pktgen` failed: {result.stderr.strip()}\nThe kernel's module is needed: "
                              "Debian has it in linux-image-*, Ubuntu in linux-modules-extra-*, cloud kernels do not")
            self.loaded = True
        for thread in sorted(PKTGEN.glob("kpktgend_*")):
            devices = re.findall(r"^(?:Running|Stopped):(.*\S.*)$", thread.read_text(), re.M)
            if devices:
                raise Failure(f"pktgen is in use: {thread.name} has {' '.join(devices).strip()}. If nobody else sends, "
                              f"clear it: echo reset >{PKTGEN}/pgctrl")

    def write(self, file, text):
        path = PKTGEN / file
        try:
            path.write_text(text + "\n")  # without a line's end the kernel reads on, or cuts the last letter
        except FileNotFoundError:
            cpus = sorted(int(thread.name.split("_")[1]) for thread in PKTGEN.glob("kpktgend_*"))
            raise Failure(f"pktgen has no {file}; it has threads on CPUs {', '.join(map(str, cpus))}") from None
        except OSError as error:
            why = "the driver cannot send a packet twice; leave out -b and -c" \
                if text.startswith(("burst", "clone_skb")) else error.strerror
            raise Failure(f"pktgen's {file} refuses `{text}`: {why}") from None
        result = self.result(file)
        if file != "pgctrl" and not result.startswith("OK"):
            raise Failure(f"pktgen's {file} refuses `{text}`: {result.strip()}")

    def add(self, cpu, device):
        name = f"{device}@{cpu}"
        self.threads[f"kpktgend_{cpu}"] = name
        self.write(f"kpktgend_{cpu}", f"add_device {name}")
        return name

    def start(self):
        """Begins to send. The kernel keeps the writer until its threads have ended: that is a thread's work here."""
        self.starter = threading.Thread(target=self.write, args=("pgctrl", "start"), daemon=True)
        self.starter.start()

    def result(self, device):
        """The last line of a device's file: what came of the last command, then `Starting`, then what was sent."""
        try:
            return (PKTGEN / device).read_text(errors="replace").partition("Result: ")[2]
        except FileNotFoundError:
            return "the device is gone"

    def sends(self):
        """Whether a thread has still to begin or to end. On a busy host the writer of `start` returns before both."""
        return any(re.match(r"Starting|OK: \w+=", self.result(device)) for device in self.threads.values())

    def await_end(self, seconds=math.inf):
        """False if it still sends then."""
        end = time.monotonic() + seconds
        while self.sends():
            if time.monotonic() >= end:
                return False
            time.sleep(min(0.05, seconds))
        return True

    def stop(self):
        """Until it has ended: a thread that had not yet begun has not heard it."""
        for _ in range(STOPS):
            if not self.starter or not self.sends():
                break
            self.write("pgctrl", "stop")
            self.await_end(0.5)
        if self.starter and self.starter.is_alive():
            self.starter.join(1)  # it holds the module
        self.starter = None

    def results(self):
        """(packets, packets a second, errors) of all threads together."""
        packets, rate, errors = 0, 0.0, 0
        for name in self.threads.values():
            text = self.result(name)
            found = re.match(r"OK: (\d+)\(c\d+\+d\d+\) usec, (\d+) .*errors: (\d+)", text, re.S)
            if not found:
                raise Failure(f"pktgen's {name} sent nothing: {text.strip()}")
            packets += int(found[2])
            rate += int(found[2]) * 1e6 / max(int(found[1]), 1)
            errors += int(found[3])
        return packets, rate, errors

    def clear(self):
        """Stops it and takes everything away that is ours, whatever state it is in."""
        self.stop()
        for thread in self.threads:
            if (PKTGEN / thread).exists():
                self.write(thread, "rem_device_all")
        self.threads = {}
        if self.loaded:
            subprocess.run(["rmmod", "pktgen"], stderr=subprocess.DEVNULL)


def packet_commands(options):
    """What pktgen is told of the packets; every flow is as likely as any other."""
    family, first, last = options.destination
    yield f"pkt_size {options.size}"
    yield f"dst_mac {options.mac}"
    yield "flag QUEUE_MAP_CPU"
    yield "flag NO_TIMESTAMP"
    for side, span in (("src", options.source_port), ("dst", options.port)):
        yield f"udp_{side}_min {span[0]}"
        yield f"udp_{side}_max {span[1] + (span[0] != span[1])}"
        yield f"flag UDP{side.upper()}_RND"
    if family == 4:
        for side, span in (("src", options.source), ("dst", options.destination)):
            yield f"{side}_min {span[1]}"
            yield f"{side}_max {span[2] + (span[1] != span[2])}"
            yield f"flag IP{side.upper()}_RND"
    else:
        yield f"dst6 {first}"
        if first != last:
            yield f"dst6_min {first}"
            yield f"dst6_max {last}"
        yield f"src6 {options.source[1]}"
        yield "flag UDPCSUM"  # IPv6 has no UDP without one
    if options.clone:
        yield f"clone_skb {options.clone}"
    if options.burst > 1:
        yield f"burst {options.burst}"

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the two hosts count: packets, drops, CPUs."""
import json
import re
import shlex
import subprocess

NIC_LOSSES = re.compile(r"drop|discard|miss|err|full|no_?buf|timeout", re.I)
END = "pktgen.py-end"


class Failure(Exception):
    """What the user has to know and mend."""


class Host:
    """A shell, here or at the end of a command such as `ssh lb`: one connection for all that is read there."""

    def __init__(self, command):
        self.name = command or "this host"
        try:
            self.shell = subprocess.Popen([*shlex.split(command), "sh"], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, text=True)
        except (OSError, ValueError) as error:
            raise Failure(f"--balancer `{command}`: {error}") from None

    def run(self, script):
        try:
            self.shell.stdin.write(f"{script}\necho {END}\n")
            self.shell.stdin.flush()
        except BrokenPipeError:
            pass  # its output ends, too
        lines = []
        for line in self.shell.stdout:
            if line.strip() == END:
                return "".join(lines)
            lines.append(line)
        raise Failure(f"{self.name}: the shell ended; `{self.name} sh` has to run a shell there, without questions")

    def json(self, command):
        text = self.run(command)
        try:
            return json.loads(text)
        except ValueError:
            raise Failure(f"{self.name}: `{command}` failed (above is why): {text.strip()[:200]}") from None

    def cpu(self):
        """{CPU: (busy, all)} since the boot, in the kernel's ticks."""
        times = {}
        for line in self.run("grep '^cpu[0-9]' /proc/stat").splitlines():
            name, *ticks = line.split()
            ticks = [int(tick) for tick in ticks[:8]]  # guests' are in user's already
            times[int(name[3:])] = (sum(ticks) - ticks[3] - ticks[4], sum(ticks))
        return times

    def nic(self, device):
        """The counters of a device: the kernel's own, and those of its driver that tell of losses."""
        name = shlex.quote(device)
        stats = self.json(f"ip -s -s -j link show dev {name}")[0]["stats64"]
        counters = {f"{side}_{key}": value for side in ("rx", "tx") for key, value in stats[side].items()}
        text = self.run(f"! command -v ethtool >/dev/null || ethtool -S {name} 2>/dev/null")
        for key, value in re.findall(r"^\s*(\S.*?): (\d+)$", text, re.M):
            if NIC_LOSSES.search(key):
                counters.setdefault(key, int(value))
        return counters

    def close(self):
        self.shell.communicate()  # closes its input, and waits


class Balancer(Host):
    """The host that runs Sluice, and what it counts there."""

    def __init__(self, command, sluice):
        super().__init__(command)
        self.sluice = sluice
        self.devices = [interface["name"] for interface in self.status()["interfaces"]]

    def status(self):
        return self.json(f"{self.sluice} --json status")

    def counters(self):
        counters = {"forwarded": self.status()["packets"]}
        for verdict in self.json(f"{self.sluice} --json show drops --all"):
            if verdict["reason"] != "forwarded":
                counters[f"{verdict['reason']} ({verdict['action']})"] = verdict["packets"]
        for device in self.devices:
            for key, value in self.nic(device).items():
                if NIC_LOSSES.search(key):
                    counters[f"{device} {key}"] = value
        return counters


def difference(before, after):
    return {key: after[key] - before.get(key, 0) for key in after}


def busy_cpus(before, after):
    """How many CPUs were busy, and the share of the busiest."""
    shares = [(after[cpu][0] - before[cpu][0]) / max(after[cpu][1] - before[cpu][1], 1)
              for cpu in after if cpu in before]
    return sum(shares), max(shares, default=0)

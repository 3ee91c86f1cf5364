# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the figures were measured on: build/bench/environment.json, and the heading of `make bench`."""
import datetime
import os
import pathlib
import platform
import shutil
import subprocess

import figures

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
JIT = pathlib.Path("/proc/sys/net/core")
CPU = pathlib.Path("/sys/devices/system/cpu")


def read(path):
    """The file's text; "unknown" where this kernel or this user has none."""
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"


def said(*command):
    """The first line of what a command says; "unknown" if there is no such command or it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    lines = done.stdout.splitlines()
    return lines[0].strip() if lines and (done.returncode == 0 or lines[0] == "none") else "unknown"


def cpu_model():
    names = [line.partition(":")[2].strip() for line in read(pathlib.Path("/proc/cpuinfo")).splitlines()
             if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit():
    """With a + if files of the checkout were changed since."""
    head = said("git", "rev-parse", "--short=12", "HEAD")
    changed = said("git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return head if "unknown" in (head, changed) else f"{head}+"


def mitigations():
    """By vulnerability, but for those that this CPU does not have."""
    found = {path.name: read(path) for path in sorted(CPU.glob("vulnerabilities/*"))}
    return {name: state for name, state in found.items() if state != "Not affected"}


def capture():
    bpftool = shutil.which("bpftool", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") or "bpftool"
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(), "load": figures.load(), "cpu": cpu_model(), "cpus": os.cpu_count(),
        "smt": read(CPU / "smt/control"), "governor": read(CPU / "cpu0/cpufreq/scaling_governor"),
        "virtualization": said("systemd-detect-virt", "--vm"), "kernel": platform.release(),
        "clang": said(os.environ.get("CLANG", "clang"), "--version"),
        "libbpf": said("pkg-config", "--modversion", "libbpf"),
        "bpftool": said(bpftool, "version").rpartition("/")[2], "jit": read(JIT / "bpf_jit_enable"),
        "jit_hardening": read(JIT / "bpf_jit_harden"), "mitigations": mitigations()}


def heading(found):
    """Some lines to be read before the figures."""
    jit = {"0": "off", "1": "on", "2": "on, debugging"}.get(found["jit"], found["jit"])
    hardening = {"0": "off", "1": "for others than root", "2": "on"}.get(found["jit_hardening"], found["jit_hardening"])
    lines = (
        ("measured", f"{found['date']}, commit {found['commit']}, load before {found['load']}"),
        ("CPU", f"{found['cpus']} x {found['cpu']}, SMT {found['smt']}, governor {found['governor']}, "
                f"virtualization {found['virtualization']}"),
        ("kernel", f"{found['kernel']}, BPF JIT {jit}, its hardening {hardening}"),
        ("built by", f"{found['clang']}, libbpf {found['libbpf']}, {found['bpftool']}"),
        *(("mitigation" if i == 0 else "", f"{name}: {state}") for i, (name, state) in
          enumerate(found["mitigations"].items())))
    return "\n".join(f"{name:12}{text}" for name, text in lines)


if __name__ == "__main__":
    print(heading(capture()))

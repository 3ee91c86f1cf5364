# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figures as a small table and as JSON in build/bench/; and the way to the network tests' modules."""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))

from topology import BUILD  # noqa: E402

FOLDER = BUILD / "bench"


def spread(values):
    """min, median, p90 and max."""
    values = sorted(values)
    return {"min": values[0], "median": values[len(values) // 2], "p90": values[len(values) * 9 // 10],
            "max": values[-1]}


def table(title, columns, rows):
    """Rows are lists whose first cell is text; numbers get one digit after the point."""
    print(f"{title:32}" + "".join(f"{column:>11}" for column in columns))
    for name, *cells in rows:
        print(f"{name:32}" + "".join(f"{cell:>11.1f}" if isinstance(cell, float) else f"{cell:>11}" for cell in cells))


def load():
    """How busy this machine was with other things: the figures are worth little if it was."""
    return round(os.getloadavg()[0], 2)


def save(part, result):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{part}.json").write_text(json.dumps(result, indent=2) + "\n")


def cpu_seconds(pid):
    """User and system time that the process has had: with what the kernel does in its name, softirqs included."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def memory_kb(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    wanted = ("VmRSS", "RssAnon", "RssFile", "RssShmem")
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(wanted)}


def require_root():
    if os.geteuid() != 0:
        sys.exit("bench: needs root: network namespaces, XDP")


def verdict(misses):
    """Ends the part: 1 if something did not hold."""
    for miss in misses:
        print(f"bench: does not hold: {miss}", file=sys.stderr)
    return 1 if misses else 0

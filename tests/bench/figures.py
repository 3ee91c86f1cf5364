# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figures as a small table and as JSON in build/bench/; and the way to the network tests' modules.

The JSON is {"measure": TEXT, "kernel": RELEASE, PARAMETERS..., "rows": [{...}, ...]}. A row begins with what it is of
(texts and whole numbers), then come its figures (with a point), named after their unit. The target of a figure F is
F_at_most or F_at_least beside it: summary.py finds it there. results.h does the same in C.
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))

from topology import BUILD  # noqa: E402

FOLDER = BUILD / "bench"


SPREAD = ("median", "low", "high", "p90", "min", "max")


def spread(values):
    """Median, the ends of the middle half, p90, min and max."""
    values = sorted(values)
    count = len(values)
    return {"median": values[count // 2], "low": values[count // 4], "high": values[count - 1 - count // 4],
            "p90": values[count * 9 // 10], "min": values[0], "max": values[-1]}


def table(title, columns, rows):
    """Rows are lists whose first cell is text; numbers get one digit after the point."""
    print(f"{title:32}" + "".join(f"{column:>11}" for column in columns))
    for name, *cells in rows:
        print(f"{name:32}" + "".join(f"{cell:>11.1f}" if isinstance(cell, float) else f"{cell:>11}" for cell in cells))


def spread_table(title, rows, name):
    """Of rows with a spread() and, some of them, a target of the largest one; `name` is the key of what a row is of."""
    table(title, (*SPREAD, "target"), [[row[name], *(float(row[key]) for key in SPREAD), row.get("max_at_most", "")]
                                       for row in rows])


def load():
    """How busy this machine was with other things: the figures are worth little if it was."""
    return round(os.getloadavg()[0], 2)


def argument(name, default):
    """The one argument that benchmarks take: how many rounds, seconds, ..."""
    arguments = sys.argv[1:]
    if len(arguments) > 1 or not all(argument.isdigit() and int(argument) for argument in arguments):
        sys.exit(f"usage: {sys.argv[0]} [{name}]")
    return int(arguments[0]) if arguments else default


def store(name, result):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")


def save(part, result):
    """`result` has at least `measure` and `rows`."""
    store(part, {"measure": result["measure"], "kernel": os.uname().release, **result})


def cpu_seconds(pid):
    """User and system time that the process has had: with what the kernel does in its name, softirqs included."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def memory_kb(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    wanted = ("VmRSS", "VmHWM", "RssAnon", "RssFile", "RssShmem")
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(wanted)}


def require_root():
    if os.geteuid() != 0:
        sys.exit("bench: needs root: network namespaces, XDP")


def verdict(misses):
    """Ends the part: 1 if something did not hold that has to, however busy the machine is. Times have targets only."""
    for miss in misses:
        print(f"bench: does not hold: {miss}", file=sys.stderr)
    return 1 if misses else 0

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draws build/bench/PART.svg from build/bench/PART.json: `plot.py [PART]...`, all parts that were run by default.

One function a form of chart, and draw_PART() for each part that wants more than a bar for each of its rows. A part that
was not run has no plot.
"""
import itertools
import sys

import figures
import summary

COLOURS = ("#0b5fa5", "#d1495b", "#66a182", "#edae49", "#6b4c9a", "#30323d", "#8d6346", "#5bc0be", "#b0b0b0")
FLOWS = {"1": 1, "16 Ki": 1 << 14, "1 Mi": 1 << 20, "16 Mi": 1 << 24}


def grouped(rows, *keys):
    """Rows by what they have in common, in the order in which they come."""
    groups = {}
    for row in rows:
        groups.setdefault(", ".join(str(row[key]) for key in keys), []).append(row)
    return groups


def lines(axes, series, x, y, low=None, high=None, logarithmic=False):
    """A line for each name's rows, and the band that its figures lie in."""
    from matplotlib import ticker

    for (name, rows), colour in zip(series.items(), itertools.cycle(COLOURS)):
        at = [row[x] for row in rows]
        axes.plot(at, [row[y] for row in rows], "o-", label=name, color=colour, markersize=4)
        if low and all(low in row for row in rows):
            axes.fill_between(at, [row[low] for row in rows], [row[high] for row in rows], alpha=0.15, color=colour)
    if not logarithmic:
        axes.set_ylim(bottom=0)
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(ticker.NullLocator())


def bars(axes, rows, name, x, low=None, high=None):
    """A bar for each row, the first one at the top, its middle half as a whisker and its figure behind it."""
    values = [row[x] for row in rows]
    whiskers = None
    if low and all(low in row for row in rows):
        whiskers = [[max(0, row[x] - row[low]) for row in rows], [max(0, row[high] - row[x]) for row in rows]]
    axes.barh(range(len(rows)), values, xerr=whiskers, color=COLOURS[0], ecolor="#888888", height=0.7)
    ends = [row[high] if whiskers else row[x] for row in rows]
    for at, (value, end) in enumerate(zip(values, ends)):
        axes.annotate(f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}", (max(end, 0), at), (4, 0),
                      textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [name(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.12)


def shares(axes, series):
    """What share of each name's values lies at or below a value."""
    for (name, values), colour in zip(series.items(), itertools.cycle(COLOURS)):
        values = sorted(values)
        axes.step([values[0], *values], [100 * i / len(values) for i in range(len(values) + 1)], where="post",
                  label=name, color=colour)
    axes.set_ylim(0, 102)
    axes.legend(frameon=False)


def flows_axis(axes):
    """The numbers of flows that were measured."""
    most = axes.dataLim.x1
    axes.set_xscale("log", base=2)
    axes.set_xticks([flows for flows in FLOWS.values() if flows <= most],
                    [name for name, flows in FLOWS.items() if flows <= most])
    axes.set_xlabel("flows")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def titled(axes, title, x, y):
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, axis="both" if y else "x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def panels(heights, columns=1):
    """A figure of panels below each other, as high as asked for, in inches, and in so many columns; row by row."""
    from matplotlib import pyplot  # not needed where nothing is drawn

    figure, axes = pyplot.subplots(len(heights), columns, figsize=(9 if columns == 1 else 12, sum(heights)),
                                   squeeze=False, gridspec_kw={"height_ratios": heights}, layout="constrained")
    return figure, list(axes.flat)


def draw_packet(result):
    groups = grouped([row for row in result["rows"] if row["net_ns"]], "group")
    by_flows = groups.pop("flows", [])
    figure, axes = panels([4] * bool(by_flows) + [0.8 + 0.27 * len(rows) for rows in groups.values()])
    if by_flows:
        at = axes.pop(0)
        lines(at, grouped(by_flows, "program"), "flows", "net_ns", logarithmic=True)
        titled(at, "A packet by number of flows", "", "ns, net of the bare XDP_TX")
        flows_axis(at)
    for at, (group, rows) in zip(axes, groups.items()):
        bars(at, rows, lambda row: row["program"], "net_ns")
        titled(at, f"A packet: {group}", "ns, net of the bare XDP_TX", "")
    return figure


def draw_paths(result):
    figure, axes = panels([0.8 + 0.2 * len(result["rows"])])
    bars(axes[0], result["rows"], lambda row: row["path"], "net_ns")
    titled(axes[0], "Every way through the program, 16 Ki clients", "ns a packet, net of the bare XDP_TX", "")
    return figure


def draw_transition(result):
    rows = [{**row, "flows": FLOWS.get(row["flows"])} for row in result["rows"] if row["net_ns"] > 0]
    figure, axes = panels([4.5])
    for row in rows:
        if not row["flows"]:
            axes[0].axhline(row["net_ns"], linestyle=":", color="black", label=row["way"])
    lines(axes[0], grouped([row for row in rows if row["flows"]], "way"), "flows", "net_ns")
    titled(axes[0], "A packet while all slots are in a phase of a transition", "", "ns, net of the bare XDP_TX")
    flows_axis(axes[0])
    return figure


def draw_rate(result):
    groups = grouped(result["rows"], "cores")
    figure, axes = panels([0.7 + 0.3 * len(rows) for rows in groups.values()])
    for at, (cores, rows) in zip(axes, groups.items()):
        bars(at, rows, lambda row: f"{row['way']}, {row['program']}".removesuffix(", none"), "mpps", "low", "high")
        titled(at, f"Live frames over veth, cores: {cores}", "million packets a second", "")
    return figure


def draw_peers(result):
    units = {"requests_s": "requests a second", "gbit_s": "Gbit/s", "cpu_us": "µs of the balancer's CPU a request",
             "cpu_ms_gb": "ms of the balancer's CPU a GB"}
    groups = grouped(result["rows"], "traffic")
    figure, axes = panels([0.8 + 0.3 * len(rows) for rows in groups.values()], columns=2)
    for traffic, rows in groups.items():
        for key in (key for key in units if key in rows[0]):
            at = axes.pop(0)
            bars(at, rows, lambda row: row["balancer"], key, f"{key}_low", f"{key}_high")
            titled(at, traffic, units[key], "")
    return figure


def draw_failover(result):
    seen = {row["what"]: row["values"] for row in result["rows"] if row["step"] == "seen"}
    figure, axes = panels([3.6])
    shares(axes[0], seen)
    titled(axes[0], f"Until all slots are seen to be right: probes every {result['interval_ms']} ms, "
           f"fall {result['fall']}, rise {result['rise']}", "ms after the deed", "% of the backends")
    return figure


def draw_reload(result):
    rows = [row for row in result["rows"] if row["what"] == "reload, ms"]
    figure, axes = panels([1.6])
    bars(axes[0], rows, lambda row: f"{row['changed']} changes", "median", "low", "high")
    titled(axes[0], f"A reload with {result['backends']:,} probed backends", "ms", "")
    return figure


def draw_sweep(result):
    figure, axes = panels([1.8])
    bars(axes[0], [{**row, **row["cpu"]} for row in result["rows"]], lambda row: row["map"], "median", "low", "high")
    titled(axes[0], f"The agent's pass over {result['records']:,} flow records", "ms of CPU", "")
    return figure


def draw_probes(result):
    rows = [{"what": f"via {row['via']}, {mode}", "percent": row[key]} for row in result["rows"]
            for mode, key in (("user mode", "cpu_user"), ("kernel", "cpu_system"))]
    figure, axes = panels([2])
    bars(axes[0], rows, lambda row: row["what"], "percent")
    titled(axes[0], result["measure"], "% of a core", "")
    return figure


def first_figure(row):
    return next(name for name, value in row.items() if isinstance(value, float))


def draw_rows(result):
    """Any part: the first figure of each row, those of a unit in one panel."""
    groups = {}
    for row in result["rows"]:
        groups.setdefault(first_figure(row), []).append(row)
    figure, axes = panels([0.9 + 0.28 * len(rows) for rows in groups.values()])
    for at, (unit, rows) in zip(axes, groups.items()):
        bars(at, rows, summary.label, unit, "low", "high")
        titled(at, result["measure"], unit.replace("_", " "), "")
    return figure


def draw(parts):
    """Returns the names of the files drawn."""
    drawn = []
    for part, result in summary.results(parts).items():
        if not result["rows"]:
            continue
        figure = globals().get(f"draw_{part}", draw_rows)(result)
        figure.text(0.995, 0.003, f"kernel {result['kernel']}", ha="right", va="bottom", fontsize=7, color="#777777")
        figure.savefig(figures.FOLDER / f"{part}.svg")
        drawn.append(f"{part}.svg")
    return drawn


if __name__ == "__main__":
    print(*draw(sys.argv[1:]))

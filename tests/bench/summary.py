# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""All figures that have a target, from the parts' JSON files: `summary.py [PART]...`, of all parts that were run."""
import json
import sys

import figures

LIMITS = {"_at_most": ("at most", float.__le__), "_at_least": ("at least", float.__ge__)}
HOW = {"times": "times", "faster": "times faster than", "more": "ns over", "beyond": "ns beyond cache misses, over"}


def results(parts):
    """What each of the parts has measured; those that left nothing are not in it."""
    parts = parts or sorted(path.stem for path in figures.FOLDER.glob("*.json"))
    files = {part: figures.FOLDER / f"{part}.json" for part in parts}
    read = {part: json.loads(path.read_text()) for part, path in files.items() if path.exists()}
    return {part: result for part, result in read.items() if "rows" in result}


def label(row):
    """What a row is of: its texts and whole numbers before the first figure."""
    words = []
    for name, value in row.items():
        if not isinstance(value, (str, int)):
            break
        words.append(value if isinstance(value, str) else f"{name} {value:,}")
    return ", ".join(words)


def comparisons(row):
    """Figures against another program's that packet.json has within a row."""
    for one in row.get("comparisons", ()):
        if one.get("target"):
            limit = "_at_least" if one["how"] == "faster" else "_at_most"
            yield f"{HOW.get(one['how'], one['how'])} {one['with']}", one["value"], limit, one["target"]


def targets(row):
    """(figure's name, value, which of LIMITS, target) of each figure that has one."""
    for name, target in row.items():
        for limit in LIMITS:
            figure = name.removesuffix(limit)
            if figure != name and row.get(figure) is not None:
                yield figure.replace("_", " "), row[figure], limit, target
    yield from comparisons(row)


def lines(parts):
    for part, result in results(parts).items():
        for row in result["rows"]:
            for figure, value, limit, target in targets(row):
                words, holds = LIMITS[limit]
                yield part, f"{label(row)}: {figure}", value, f"{words} {target:g}", holds(float(value), float(target))


def show(parts):
    """Prints the table; returns how many targets are missed."""
    rows = list(lines(parts))
    if not rows:
        return 0
    width = max(len(what) for _, what, *_ in rows)
    print(f"{'part':11}{'what':{width}}{'figure':>9}  {'target':15}met")
    for part, what, value, target, met in rows:
        print(f"{part:11}{what:{width}}{value:>9.2f}  {target:15}{'yes' if met else 'NO'}")
    missed = sum(not met for *_, met in rows)
    print(f"{len(rows) - missed} of {len(rows)} targets are met")
    return missed


if __name__ == "__main__":
    show(sys.argv[1:])

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""`make bench`: what it is measured on, the parts one after the other, what each took, all targets, the plots.

A part is what `make bench-PART` does. All of them are run, even where one tells of a miss.
"""
import os
import subprocess
import sys
import time

import environment
import figures
import plot
import summary


def run(part):
    """Returns how long it took and whether it held; what an earlier run left must not be taken for its figures."""
    (figures.FOLDER / f"{part}.json").unlink(missing_ok=True)
    print(f"\n== {part}", flush=True)
    begin = time.monotonic()
    status = subprocess.run([os.environ.get("MAKE", "make"), "--no-print-directory", f"bench-{part}"]).returncode
    return {"part": part, "held": status == 0, "s": time.monotonic() - begin}


def main():
    figures.require_root()
    found = environment.capture()
    print(environment.heading(found), flush=True)
    rows = [run(part) for part in sys.argv[1:]]
    figures.store("environment", {**found, "parts": rows})
    print("\n== summary")
    took = ", ".join(f"{row['part']} {row['s']:.0f}{'' if row['held'] else ' (did not hold)'}" for row in rows)
    print(f"seconds: {took}; all {sum(row['s'] for row in rows):.0f}")
    summary.show([row["part"] for row in rows])
    drawn = plot.draw([row["part"] for row in rows])
    print(f"{figures.FOLDER}: JSON, " + (", ".join(drawn) if drawn else "no plots"))
    return 0 if all(row["held"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""doc/packets.md has all the cases that the packet tests have, beside the program that SLUICE names."""

import pathlib
import re
import subprocess

from stand_in import SLUICE

TREE = pathlib.Path(__file__).parents[2]
DOCUMENT = (TREE / "doc" / "packets.md").read_text(encoding="utf-8")


def test_tables_are_those_of_the_tests():
    made = subprocess.run([TREE / "tests" / "packet" / "tables", pathlib.Path(SLUICE).resolve().parent],
                          capture_output=True, text=True, timeout=60, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == DOCUMENT, "doc/packets.md is not up to date: make doc/packets.md"


def test_every_reason_has_a_case():
    reasons = re.findall(r"^\tREASON\((\w+),", (TREE / "include" / "reasons.h").read_text(encoding="utf-8"), re.M)
    cases = set(re.findall(r"\| `(\w+)` \|$", DOCUMENT, re.M))
    assert set(reasons) - cases == {"go_on"}
    assert cases <= set(reasons)

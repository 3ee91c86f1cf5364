# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Instructions of the translated program by stage: `stages.py` of one with a service over ipip, `stages.py ID` of any.

A stage is a file of bpf/ or include/, and an instruction counts for the line that it comes from, wherever the compiler
has put it. The translated program is the one that runs: the verifier has taken out what is not configured and put in
line what some look-ups are. No packet meets all of it: it has one family, and in a steady slot it meets none of
flow_stage.h.
"""
import collections
import os
import re
import shutil
import subprocess
import sys

import figures
from agent import KEY, MIX, Agent, vip
from topology import Topology, backend_address

LINE = re.compile(r"^;.*\[file:(\S+) line_num:\d+")
INSTRUCTION = re.compile(r"^ *\d+: \(")
BPFTOOL = shutil.which("bpftool", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") or "bpftool"
CONFIG = {"interfaces": [{"name": "eth0", "mode": "native"}], "hash_key": KEY,
          "pools": {"all": {"forward": "ipip", "probe": {"type": "none"}, "backends": [
              {"name": "near1", "address": backend_address("near1", 4)}]}},
          "services": {"all": {"address": vip(MIX, 4), "ports": ["80/tcp"], "pool": "all"}}}


def bpftool(*arguments):
    return subprocess.run([BPFTOOL, *arguments], check=True, capture_output=True, text=True).stdout


def stages(program):
    """The number of instructions by file, of the program that bpftool's words `program` name."""
    counts, stage = collections.Counter(), "others"
    for line in bpftool("prog", "dump", "xlated", *program, "linum").splitlines():
        source = LINE.match(line)
        if source:
            stage = "/".join(source[1].split("/")[-2:])
        elif INSTRUCTION.match(line):
            counts[stage] += 1
    return counts


def of_agent():
    """Of the program that an agent with CONFIG has pinned."""
    topology = Topology()
    agent = Agent(topology)
    try:
        agent.start(CONFIG)
        return stages(("pinned", str(agent.bpffs / "prog")))
    finally:
        agent.close()
        topology.close()


def main():
    figures.require_root()
    counts = stages(("id", sys.argv[1])) if len(sys.argv) > 1 else of_agent()
    figures.table("instructions of the program by stage", ("number", "%"), [
        *([stage, count, 100 * count / counts.total()] for stage, count in counts.most_common()),
        ["all", counts.total(), ""]])
    figures.save("stages", {"measure": "instructions of the translated program by stage",
                            "rows": [{"stage": stage, "instructions": float(count)}
                                     for stage, count in counts.most_common()]})


if __name__ == "__main__":
    main()

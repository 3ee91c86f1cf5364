# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Eight backends killed and restored in turn for a minute, under wrk and a client that accounts for each connection.

tests/net/test_kills.py says what is to hold, and does the same for a shorter time.
"""
import sys

import figures
import kills

SECONDS = 60
NONE = ("moved", "unexplained")  # no connection may fail for these


def main():
    figures.require_root()
    load = figures.load()
    account = kills.experiment(SECONDS)
    wrk = [line.strip() for line in account.wrk.splitlines() if " requests in " in line or "Socket errors" in line]
    print("wrk beside it: " + "; ".join(wrk))
    print(f"load {load} before")
    figures.save("kills", {"load": load, "kills": len(account.kills), "connections": len(account.connections),
                           "requests": sum(connection["replies"] for connection in account.connections),
                           "failed": {reason: len(failed) for reason, failed in account.failed.items()},
                           "moved_slots": figures.spread(account.moves()), "wrk": wrk,
                           **{reason: account.failed[reason] for reason in NONE}})
    return figures.verdict([f"{reason}: {connection}" for reason in NONE for connection in account.failed[reason]])


if __name__ == "__main__":
    sys.exit(main())

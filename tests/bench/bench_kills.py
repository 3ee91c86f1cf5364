# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Eight backends killed and restored in turn, under wrk and a client that accounts for each connection.

tests/net/test_kills.py says what is to hold, and does the same for a shorter time.
"""
import sys

import figures
import kills

NONE = ("moved", "unexplained")  # no connection may fail for these


def failed_row(reason, failed):
    row = {"reason": reason, "failed": float(len(failed))}
    return {**row, "failed_at_most": 0, "connections": failed} if reason in NONE else row


def main():
    figures.require_root()
    seconds, load = figures.argument("SECONDS", 20), figures.load()
    account = kills.experiment(seconds)
    wrk = [line.strip() for line in account.wrk.splitlines() if " requests in " in line or "Socket errors" in line]
    print("wrk beside it: " + "; ".join(wrk))
    print(f"load {load} before")
    figures.save("kills", {"measure": "connections that failed, by reason", "load": load, "seconds": seconds,
                           "kills": len(account.kills), "connections": len(account.connections),
                           "requests": sum(connection["replies"] for connection in account.connections),
                           "moved_slots": figures.spread(account.moves()), "wrk": wrk,
                           "rows": [failed_row(reason, failed) for reason, failed in account.failed.items()]})
    return figures.verdict([f"{reason}: {connection}" for reason in NONE for connection in account.failed[reason]])


if __name__ == "__main__":
    sys.exit(main())

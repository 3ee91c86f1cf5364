# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What an agent answers, with every key that it has."""

import datetime


def ago(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%SZ")


REFUSED = "connect 10.0.0.11:8080: connection refused after 0.3 ms"


AIM = {"to": "192.0.2.10:80 via 10.0.0.11", "via": "vip", "why": None}


def backend(pool, name, index, **more):
    return {
        "pool": pool, "name": name, "index": index, "address": f"10.0.0.{10 + index}", "server_id": None, "resolved": True,
        "local": False, "why": None,
        "interface": "eth0", "parent": None, "tags": None, "next_hop": f"10.0.0.{10 + index}",
        "mac": "02:00:00:00:00:b1", "mtu": 1500, "slots": 5,
        "records": 0, "packets": 0, "bytes": 0, "state": "up", "state_since": ago(11045), "kept": False, "drained": False,
        "weight": 100,
        "weight_now": 100, "share": 0.5, "probe": "GET /healthz: 200 after 0.9 ms", "trouble": None,
        "probes": [{"type": "http", "verdict": "up", "run": 12, "text": "GET /healthz: 200 after 0.9 ms",
                    "ago_ms": 300, **AIM}],
        "falls": 0, "held_ms": 0, "override": None, **more}


def override(**more):
    return {"state": None, "weight": None, "uid": 0, "user": "root", "when": "2026-03-01T12:00:00Z", "left_ms": None,
            "reason": None, **more}


def down(**more):
    return {"state": "down", "state_since": ago(750), "weight_now": 0, "share": 0.0, "probe": REFUSED,
            "probes": [{"type": "http", "verdict": "down", "run": 4, "text": REFUSED, "ago_ms": 1200, **AIM}],
            "falls": 1,
            **more}


BACKENDS = [
    backend("web", "web1", 1, weight=300, weight_now=300, share=0.75, packets=12345678, bytes=9007199254740993,
            interface="eth0.10", parent="eth0", tags="802.1Q 10"),
    backend("web", "web2", 2, share=0.25, resolved=False, why="no route to 10.0.0.12", interface=None, next_hop=None,
            mac=None, mtu=None, slots=2),
    backend("dns", "web1", 3, share=1.0, slots=7, packets=9999, bytes=10000),
]

# one of every way to stand
STANDINGS = [
    backend("web", "fine", 1),
    backend("web", "ramping", 2, weight_now=40),
    backend("web", "gone", 3, **down()),
    backend("web", "kept", 4, **down(kept=True, weight_now=100)),
    backend("web", "held", 5, **down(falls=3, held_ms=40000, probe="GET /healthz: 200",
                                     probes=[{"type": "http", "verdict": "up", "run": 9, "text": "GET /healthz: 200",
                                              "ago_ms": 100, **AIM}])),
    backend("web", "new", 6, **down(probe=None, falls=0, probes=[{"type": "http", "verdict": "none", "run": 0,
                                                                  "text": None, "ago_ms": None, **AIM}])),
    backend("web", "leaving", 7, state="drain", weight_now=0, share=0.0,
            override=override(state="drain", left_ms=839001, reason="disk swap")),
    backend("web", "off", 8, state="maint", weight_now=0, share=0.0, override=override(state="maint", uid=1234,
                                                                                       user=None)),
    backend("web", "light", 9, weight_now=50, override=override(weight=50, reason="slow disk")),
]


def pool(name, **more):
    return {"name": name, "forward": "gue", "table_size": 65537, "first_slot": 0, "backends": 2, "resolved": 2,
            "services": ["www"], "source_services": [], "outer": {"df": True, "ttl": 64, "source": []},
            "quic": [], "packets": 5, "bytes": 500, "state": "ok", "usable": True, "up": 2, "kept": 0,
            "slots_open": 0, "slots_settled": 0, "moving": 0, "records": 0, "tracked_share": 0.002,
            "troubled": 0, "min_healthy": 1, "degraded": False, "fallback": None, "fallback_in_use": False,
            "effective": name, **more}


POOLS = [
    pool("web", fallback="spare"),
    pool("dns", state="degraded", backends=3, resolved=2, up=1, kept=1, min_healthy=2, degraded=True),
    pool("api", state="fallback", usable=False, up=0, fallback="spare", fallback_in_use=True, effective="spare"),
    pool("old", state="empty", usable=False, up=0),
    pool("new", state="settling", usable=False, up=0),
    pool("blind", troubled=2),
]


def service(name, **more):
    return {"name": name, "addresses": ["192.0.2.10"], "ports": ["80/tcp"], "pool": "web", "hash": "flow",
            "unknown_port": "pass", "echo": "answer", "fragments": "follow", "vlan": None, "mss": None, "sources": [],
            "limits": None, "packets": 5, "bytes": 500, "tracked": 2, **more}


SERVICES = [service("www")]

# with all that they can be asked for
ASKING_SERVICES = [
    service("guarded", vlan=7, mss=1400,
            sources=[{"action": "deny", "pool": None, "prefixes": 12}, {"action": "pool", "pool": "web", "prefixes": 1}],
            limits={"source": {"packets": 1000, "packets_burst": 100, "connections": None, "connections_burst": None,
                               "prefix4": 32, "prefix6": 64},
                    "service": {"packets": None, "packets_burst": None, "connections": 5000, "connections_burst": 500},
                    "excess": "pass"}),
    service("odd", mss="auto", unknown_port="reject", echo="drop", fragments="source"),
    service("www"),
]
ASKING_POOLS = [
    pool("inner", services=[], source_services=["guarded"],
         outer={"df": False, "ttl": 32, "source": ["10.7.0.0/16", "2001:db8:7::/64"]}),
    pool("quic", quic=[{"config": 0, "server_id_length": 8}, {"config": 3, "server_id_length": 4}]),
]


def flow_sum(pool, backend, phase, records):
    return {"pool": pool, "backend": backend, "phase": phase, "records": records, "closing": 3, "oldest_s": 840,
            "newest_s": 2}


FLOWS = {"records": 1237, "capacity": 1048576, "swept_s": 1, "pass_ms": 12,
         "flows": [flow_sum("web", "web1", "tcp", 1200), flow_sum("web", "web2", "settled", 30),
                   flow_sum("dns", "web1", "open", 7)]}


def flow_record(number, **more):
    return {"client": f"198.51.100.7:{40000 + number}", "vip": "192.0.2.10:443", "protocol": "tcp", "pool": "web",
            "backend": "web1", "phase": "tcp", "age_s": 130, "idle_s": 4, "closing": False, **more}


RECORDS = [flow_record(number) for number in range(3)]
NEIGHBOURS = [{"address": "10.0.0.11", "interface": "eth0", "parent": None, "tags": None,
               "mac": "02:00:00:00:00:b1", "known": True, "state": "reachable", "backends": 1}]
DROPS = [
    {"reason": "forwarded", "action": "tx", "help": "sent to a backend", "packets": 5, "bytes": 500},
    {"reason": "no_backend", "action": "drop", "help": "no usable backend", "packets": 0, "bytes": 0},
]
STATUS = {
    "version": "0.1.0", "pid": 4242, "uptime_s": 11045,
    "config": {"file": "/c.yaml", "loaded_at": "2026-01-01T00:00:00Z", "source": "file", "applied": None,
               "confirm_left_ms": None},
    "state_saved": True,
    "interfaces": [
        {"name": "eth0", "ifindex": 2, "attach": "exclusive", "attached": True, "reattached": 0, "mode": "native",
         "why": "", "hint": None},
        {"name": "eth1", "ifindex": 0, "attach": "shared", "attached": False, "reattached": 0, "mode": "none",
         "why": "no such interface", "hint": None},
    ],
    "services": 1, "pools": 2, "backends": 3, "backends_unresolved": 1,
    "backend_states": {"up": 1, "drain": 1, "maint": 0, "down": 1}, "backends_kept": 0, "pools_degraded": 1,
    "pools_empty": 1, "pools_fallback": 1,
    "probing": {"configured": 3, "under_way": 1, "waiting": 0, "limit": 256, "begun": 1000, "late": 0,
                "worst_late_ms": 0, "held_up_ms": 0, "aside": 0, "troubled": 0},
    "last_change": {"verdict_us": 7000000, "planned_us": 300, "written_us": 450},
    "flow_records": 1237, "flow_capacity": 1048576, "packets": 1234567, "bytes": 8, "last_error": None,
}
BPF = {"folder": "/sys/fs/bpf/elsewhere",
       "program": {"id": 77, "object": "00ff", "features": 3, "slot_capacity": 65537},
       "maps": [{"name": "slots", "id": 5, "type": "array", "key_size": 4, "value_size": 8, "max_entries": 65537}],
       "links": [{"interface": "eth0", "id": 9, "program": 77}]}


def event(number, kind, severity="info", **more):
    return {"id": number, "time": f"2026-03-01T12:00:{number % 60:02}.250Z", "event": kind, "severity": severity,
            "pool": None, "backend": None, "uid": None, "text": f"text {number}", **more}


EVENTS = [
    event(1, "agent_started"),
    event(2, "backend_down", "warning", pool="web", backend="web1", text=REFUSED),
    event(3, "pool_degraded", "warning", pool="web"),
    event(4, "pool_empty", "error", pool="dns"),
    event(5, "backend_drain", pool="web", backend="web2", uid=0, text="disk swap"),
]
CHANGES = {"changes": [{"change": "add", "what": "backend web/web3", "detail": "weight 1"},
                       {"change": "remove", "what": "pool old", "detail": "", "warning": "removed: they are cut"},
                       {"change": "change", "what": "service www", "detail": "pool web -> dns"}],
           "warnings": []}
LINES = ("+ backend web/web3: weight 1\n"
         "- pool old\n    warning: removed: they are cut\n"
         "~ service www: pool web -> dns\n")

DENIED = {"count": 2, "capacity": 100000, "next": None,
          "deny": [{"prefix": "203.0.113.0/24", "left_ms": 600000}, {"prefix": "2001:db8::/32", "left_ms": None}]}
DENY_ADDED = {"added": 1, "renewed": 0, "count": 2, "capacity": 100000, "warnings": []}
DENY_REMOVED = {"removed": 2, "missing": 0, "count": 0, "capacity": 100000, "warnings": []}

# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Where the packets go: the device, the next hop's MAC address, the source address."""
import ipaddress
import json
import shlex
import socket
import time

from hosts import Failure

DISCARD = 9  # the port
RESOLVE_SECONDS = 3


def resolve(local, options):
    """Fills in what the user left to the route: the next hop's MAC and the source."""
    family, destination = options.destination[:2]
    reason = ""
    route = {}
    device = shlex.quote(options.device)
    if not options.mac or not options.source:
        text = local.run(f"ip -j -{family} route get {destination} oif {device} 2>&1")
        try:
            route = json.loads(text)[0]
        except ValueError:
            reason = f": {text.strip()}"
    if not options.source:
        if "prefsrc" not in route:
            raise Failure(f"no source address: {options.device} has no route to {destination}{reason}; give --source")
        source = ipaddress.ip_address(route["prefsrc"])
        options.source = (source.version, source, source)
    if options.mac:
        return
    hop = route.get("gateway") or (route.get("via") or {}).get("host") or str(destination)
    if route:
        options.mac = neighbour_mac(local, options.device, family, hop)
    if not options.mac:
        raise Failure(f"the MAC address of {hop}, the next hop to {destination} on {options.device}, is not known"
                      f"{reason}; give the balancer's with -m (there: ip link show)")


def neighbour_mac(local, device, family, hop):
    """What the kernel has learnt, or learns now."""
    with socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        try:
            asker.sendto(b"", (hop, DISCARD))  # any packet makes the kernel ask
        except OSError:
            return None
    end = time.monotonic() + RESOLVE_SECONDS
    while time.monotonic() < end:
        for neighbour in local.json(f"ip -j -{family} neigh show to {hop} dev {shlex.quote(device)}"):
            if "lladdr" in neighbour:
                return neighbour["lladdr"]
        time.sleep(0.1)
    return None


def check_device(local, options):
    text = local.run(f"ip -j link show dev {shlex.quote(options.device)} 2>&1")
    try:
        link = json.loads(text)[0]
    except ValueError:
        raise Failure(f"-i {options.device}: {text.strip()}") from None
    if "UP" not in link["flags"]:
        raise Failure(f"-i {options.device} is down: ip link set {options.device} up")
    if "LOWER_UP" not in link["flags"]:
        raise Failure(f"-i {options.device} has no carrier: is the other end connected and up?")
    if options.size > link["mtu"] + 14:
        raise Failure(f"-s {options.size} is more than {options.device}'s MTU, {link['mtu']}, and 14 of Ethernet")

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Drives the kernel's packet generator, pktgen, against a load balancer.

Sends UDP packets of many flows at different rates, compares what was sent with what the balancer forwarded, and
searches for the highest rate that it forwards without loss. With -n or --rate it sends once, at that rate. The letters
are those of the kernel's samples/pktgen. Runs on the host that sends, as root; README.md beside it shows two hosts.
"""
import argparse
import ipaddress
import json
import math
import os
import re
import signal
import sys

sys.dont_write_bytecode = True  # root's files have no business beside the program
from generator import Pktgen, packet_commands
from hosts import Balancer, Failure, Host
from measure import Measurement, lost_percent, search
from route import check_device, resolve

HEADERS = {4: 14 + 20 + 8 + 16, 6: 14 + 40 + 8 + 16}  # Ethernet, IP, UDP and the mark that pktgen puts into each packet
LAST_PORT = 65534  # a range's end is exclusive and 16 bits wide
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def addresses(text):
    """(family, first, last) of an address, a range FIRST-LAST or a prefix."""
    try:
        if "-" in text:
            first, last = map(ipaddress.ip_address, text.split("-"))
        else:
            network = ipaddress.ip_network(text)
            first, last = network[0], network[-1]
        if first.version != last.version or first > last:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"`{text}` is neither an address, nor a range FIRST-LAST, nor a prefix without host bits") from None
    return first.version, first, last


def ports(text):
    """(first, last) of a port or a range FIRST-LAST."""
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise argparse.ArgumentTypeError(f"`{text}` is neither a port nor a range FIRST-LAST")
    if first != last and last > LAST_PORT:
        raise argparse.ArgumentTypeError(f"pktgen's ranges of ports end at {LAST_PORT}")
    return first, last


def mac(text):
    if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", text, re.I):
        raise argparse.ArgumentTypeError(f"`{text}` is no MAC address")
    return text


def number(least, most=math.inf, kind=int):
    def convert(text):
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not {least} to {most}" if most < math.inf else
                                             f"{text} is less than {least}")
        return value
    convert.__name__ = "number"  # for argparse's message
    return convert


def size_of(span):
    return int(span[-1]) - int(span[-2]) + 1


def report(measurement, options):
    if options.count is not None or options.rate:
        step = measurement.step(options.rate, options.seconds)
        return step, 0
    best = search(measurement, options)
    if best is None:
        last = min(measurement.steps, key=lambda step: step["rate"])
        print(f"Packets are lost at every rate: {lost_percent(last):.3f} % even at {last['rate']:,} a second. That is "
              "no limit of speed: see the counters above and `sluice show drops`")
        return None, 1
    bits = best["rate"] * (options.size + 24) * 8  # with checksum, preamble and gap
    print(f"{best['rate']:,} packets a second of {options.size} bytes ({bits / 1e9:.3f} Gb/s on the wire) with a loss "
          f"of {lost_percent(best):.3f} %, allowed {options.loss:g} %")
    if best["balancer_cpus"]:
        print(f"{1e9 * best['balancer_cpus'] / max(best['rate'], 1):.0f} ns of the balancer's CPUs a packet, "
              f"{best['balancer_cpus']:.2f} CPUs busy")
    return best, 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-i", dest="device", required=True, metavar="DEVICE", help="network device to send through")
    add("-d", dest="destination", required=True, type=addresses, metavar="ADDRESS",
        help="the service's address, or a prefix (198.18.0.0/24), for IPv4 also FIRST-LAST")
    add("-p", dest="port", required=True, type=ports, metavar="PORT", help="UDP port of the service, or FIRST-LAST")
    add("-m", dest="mac", type=mac, help="MAC address of the balancer; default: the next hop's of the route to -d")
    add("-s", dest="size", type=number(60, 9014), metavar="BYTES",
        help="size of a packet without its checksum; default: 60, with IPv6 78")
    add("-t", dest="threads", type=number(1), default=1, metavar="N", help="threads, each on a CPU; default: 1")
    add("-f", dest="first", type=number(0), default=0, metavar="CPU", help="the first thread's CPU; default: 0")
    add("-c", dest="clone", type=number(0), default=0, metavar="N",
        help="clone_skb: send each packet that often; default: 0, once")
    add("-b", dest="burst", type=number(1), default=1, metavar="N",
        help="hand each packet to the driver that often at once; default: 1")
    add("-n", dest="count", type=number(0), metavar="N",
        help="do not search: send that many packets a thread (0: until Ctrl-C)")
    add("-6", dest="ipv6", action="store_true", help="IPv6 (as an IPv6 -d says already)")
    add("-v", dest="verbose", action="store_true", help="tell what pktgen is told")
    add("--balancer", metavar="COMMAND",
        help="what runs a shell on the balancer, e.g. 'ssh root@lb'; its counters and CPUs are read there")
    add("--sluice", default="sluice", metavar="COMMAND", help="how Sluice's command line is called there")
    add("--returns", action="store_true",
        help="the backends are behind DEVICE too: count as forwarded what comes back through it")
    add("--source", type=addresses, metavar="ADDRESS",
        help="source address, for IPv4 also a prefix or FIRST-LAST; default: that of the route to -d")
    add("--source-port", type=ports, default=(1024, LAST_PORT), metavar="PORT",
        help=f"source port, or FIRST-LAST; default: 1024-{LAST_PORT}")
    add("--rate", type=number(1), metavar="N", help="do not search: send that many packets a second")
    add("--seconds", type=number(0.5, kind=float), default=5, metavar="S", help="length of a step; default: 5")
    add("--loss", type=number(0, 100, float), default=0, metavar="PERCENT",
        help="loss that counts as none; default: 0")
    add("--precision", type=number(0.1, 50, float), default=2, metavar="PERCENT",
        help="how closely to search; default: 2")
    add("--json", metavar="FILE", help="write all steps and their counters there")
    options = parser.parse_args()
    check(parser, options)
    return options


def check(parser, options):
    """What argparse cannot see: how the options fit together."""
    family, first, last = options.destination
    if options.ipv6 and family == 4:
        parser.error("-6 and an IPv4 address in -d")
    if options.source and options.source[0] != family:
        parser.error("--source and -d are of different families")
    if family == 6 and options.source and size_of(options.source) > 1:
        parser.error("pktgen has one IPv6 source: the flows differ by their ports")
    if family == 6 and len(list(ipaddress.summarize_address_range(first, last))) > 1:
        parser.error("pktgen takes IPv6 destinations from a prefix, not from any range")
    options.size = options.size or max(60, HEADERS[family])
    if options.size < HEADERS[family]:
        parser.error(f"-s: pktgen's IPv{family} packets have {HEADERS[family]} bytes at least")
    if options.count is None and not options.rate and not options.balancer and not options.returns:
        parser.error("nothing tells what arrived: give --balancer or --returns (or -n or --rate, to send only)")


def measure(options, pktgen, hosts):
    local = Host("")
    hosts.append(local)
    check_device(local, options)
    resolve(local, options)
    balancer = Balancer(options.balancer, options.sluice) if options.balancer else None
    if balancer:
        hosts.append(balancer)
    pktgen.load()
    for cpu in range(options.first, options.first + options.threads):
        device = pktgen.add(cpu, options.device)
        for command in packet_commands(options):
            if options.verbose:
                print(f"{device}: {command}")
            pktgen.write(device, command)
    flows = math.prod(map(size_of, (options.source, options.destination, options.source_port, options.port)))
    print(f"{options.device} to {options.mac}, {options.size} bytes, {flows:,} flows, {options.threads} thread(s)")
    measurement = Measurement(options, pktgen, local, balancer)
    best, code = report(measurement, options)
    if options.json:
        write_json(options, measurement, best)
    return code


def write_json(options, measurement, best):
    result = {"measure": "pktgen: packets a second through the balancer", "kernel": os.uname().release,
              "size": options.size, "threads": options.threads, "allowed_loss_percent": options.loss,
              "best": best and best["rate"], "steps": measurement.steps}
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)


def main():
    options = parse()
    if os.geteuid():
        sys.exit("pktgen.py: only root may use pktgen")
    sys.stdout.reconfigure(line_buffering=True)  # a search takes minutes, also into a pipe
    for end in ENDS:
        signal.signal(end, lambda caught, _: sys.exit(128 + caught))
    pktgen, hosts = Pktgen(), []
    try:
        code = measure(options, pktgen, hosts)
    except (Failure, OSError) as why:
        print(f"pktgen.py: {why}", file=sys.stderr)
        code = 1
    finally:
        for end in ENDS:
            signal.signal(end, signal.SIG_IGN)  # a second Ctrl-C shall not leave pktgen half cleared
        pktgen.clear()
        for host in hosts:
            host.close()
    sys.exit(code)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Goal: processes on one Redis keep one rate together: never above it at the carrier, in any second,
and nearly all of it used, whatever is killed.

Method: a campaign over three `outdial serve` with one cps_key; one is killed with SIGKILL in the middle
and started again two seconds later. The carrier's ledger has the kernel's time of every INVITE.

    share_test.py [--cps 60] [--seconds 12] [--kills 1] [--least 95]

Exit 1 when a second had more than --cps INVITEs, or when less than --least percent of the rate was used
outside of the two seconds after a kill (a busy machine wakes processes too late for some of their slots).
"""
import argparse
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import World, wait_until  # noqa: E402

TOWN = {"answer": 30, "no_answer": 0, "busy": 60, "decline": 10, "fail": 0, "pdd_ms": "10-100",
        "ring_ms": "50-300"}
AFTER_KILL_S = 2


class Redis:
    """A Redis that outlives every server of the world."""

    def __init__(self, world):
        self.path = world.path("redis.sock")
        self.process = world.start("redis", [
            "redis-server", "--port", "0", "--unixsocket", self.path, "--dir", world.dir,
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--maxmemory-policy", "noeviction"])
        wait_until(self.answers, 10, "Redis to answer")

    def answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(2)
                s.connect(self.path)
                s.sendall(b"PING\r\n")
                return s.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def start(world, redis, carrier, number, trunk):
    extra = {"data_dir": world.path(f"data-{number}"), "redis": {"url": f"unix://{redis.path}"},
             "hours": {"legal": ""}, "rtp": {"ports": f"{12000 + 2000 * number}-"
                                                     f"{13999 + 2000 * number}",
                                             "address": "127.0.0.1"}}
    return world.serve([{"name": "line", "server": carrier.address, **trunk}], extra=extra,
                       name=f"serve-{number}")


def invites(carrier):
    return sorted(f["mono_ns"] / 1e9 for f in carrier.facts("invite") if not f["retransmission"])


def most_in_a_second(times):
    most = first = 0
    for i, at in enumerate(times):
        while times[first] <= at - 1:
            first += 1
        most = max(most, i - first + 1)
    return most


def used(times, kills, cps):
    """The share of the rate that was used outside of the seconds after the kills, while work
    waited."""
    begin, end = times[0] + 2, times[-1] - 1  # the first shares are being found, the last calls few
    away = sorted((max(k, begin), min(k + AFTER_KILL_S, end)) for k in kills)
    seconds = end - begin - sum(max(0, b - a) for a, b in away)
    inside = sum(begin <= t < end and not any(a <= t < b for a, b in away) for t in times)
    return inside / (seconds * cps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cps", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--least", type=float, default=95)
    args = parser.parse_args()
    world = World("share")
    try:
        redis = Redis(world)
        carrier = world.carrier(TOWN, ["--no-rtp"])
        trunk = {"cps_key": "one", "cps_limit": args.cps, "max_calls": 500}
        servers = [start(world, redis, carrier, i, trunk) for i in range(3)]
        world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=servers[0])
        campaign = world.cli("campaign", "create", "shared", "--agent", "short",
                             server=servers[0]).stdout.strip()
        world.cli("campaign", "import", campaign, world.contacts(args.cps * args.seconds),
                  server=servers[0])
        world.cli("campaign", "start", campaign, server=servers[0])
        wait_until(lambda: len(invites(carrier)) > 2 * args.cps, 30, "the first calls")
        kills, between = [], (args.seconds - 4) / (args.kills + 1)
        for i in range(args.kills):
            goal = int(args.cps * (3 + between * i))
            wait_until(lambda g=goal: len(invites(carrier)) > g, 60, f"{goal} calls")
            victim = 1 + i % 2
            kills.append(time.monotonic())
            servers[victim].kill()
            wait_until(lambda k=kills[-1]: time.monotonic() > k + AFTER_KILL_S, 5, "two seconds")
            servers[victim] = start(world, redis, carrier, victim, trunk)
        servers[0].wait_campaign(campaign, 90)
        times = invites(carrier)
        most, share = most_in_a_second(times), used(times, kills, args.cps)
        for server in servers:
            server.stop()
        print(f"     {len(times)} INVITEs, most in a second {most} of {args.cps}, "
              f"{100 * share:.1f} % used", flush=True)
        assert most <= args.cps, f"{most} INVITEs in a second, {args.cps} allowed"
        assert 100 * share >= args.least, f"only {100 * share:.1f} % of the rate was used"
        print("ok   one rate over three processes")
    except AssertionError as error:
        print(f"FAIL {error}", flush=True)
        world.tell()
        return 1
    finally:
        world.end()
    return 0


sys.exit(main())

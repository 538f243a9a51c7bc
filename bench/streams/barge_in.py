#!/usr/bin/env python3
"""What a bot's listener feels: N calls at once, each bot talks without a pause and takes it back with `clear` T
times. From the moment before `clear` is written to the bot's socket to the kernel's arrival stamp of the last RTP
packet with old samples; and, of the same calls, how far packets are from their 20 ms grid and how many are missing.

    OUTDIAL_BIN=build-gcc/outdial python3 bench/streams/barge_in.py [--calls 20] [--times 20] [--core 0]

Telephones and bot are processes of their own, on other cores than the daemon's."""
import argparse
import collections
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "e2e"))

from bot import stream_agent  # noqa: E402
from harness import World, wait_until  # noqa: E402
from parts import Part, Telephones, heard, keep_off, keep_to, percentile  # noqa: E402


def delays_ms(cleared, packets):
    """Of each clear: when the last packet of what it took back arrived, 0 if that was before."""
    found = []
    for number, (at, code) in enumerate(cleared):
        until = cleared[number + 1][0] if number + 1 < len(cleared) else float("inf")
        old = [p.stamp for p in packets if at < p.stamp < until and p.byte == code]
        found.append(max(0, (max(old) - at) * 1000) if old else 0)
    return found


def run(world, calls, times, core):
    ear = Telephones(world, calls, times + 60)
    bot = Part("bench_stream_bot", times)
    server = world.serve([{"name": "main", "server": ear.address, "cps_limit": 50, "max_calls": calls}])
    keep_to(core, server.pid)
    server.api("POST", "/agents", stream_agent(f"ws://127.0.0.1:{bot.port}/media"))
    ids = [server.api("POST", "/calls", {"to": f"+1555{i:07d}", "agent": "bot"})["id"] for i in range(calls)]
    for ident in ids:
        wait_until(lambda i=ident: server.api("GET", f"/calls/{i}")["ended_at"], 60 + times, "a call's end", 0.3)
    cleared, packets = collections.defaultdict(list), ear.packets()
    for line in bot.end().splitlines():
        number, code, ns = line.split()
        cleared[number].append((int(ns) / 1e9, int(code)))
    delays = [d for to, found in cleared.items() for d in delays_ms(found, packets[to])]
    assert len(delays) == calls * times, f"{len(delays)} clears, {calls * times} expected"
    return {"calls": calls, "clears": len(delays),
            "clear_to_last_old_sample_ms": {f"p{p}": round(percentile(delays, p), 2) for p in (50, 90, 99, 100)},
            **heard(packets)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--core", type=int, default=0, help="the daemon's")
    args = parser.parse_args()
    keep_off(args.core)
    world = World("barge")
    try:
        print(json.dumps(run(world, args.calls, args.times, args.core)))
    except BaseException:
        world.tell()
        raise
    finally:
        world.end()


main()

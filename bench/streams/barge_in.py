#!/usr/bin/env python3
"""What a bot's listener feels: N calls at once, each bot talks without a pause and takes it back with `clear` T
times. From the moment before `clear` is written to the bot's socket to the kernel's arrival stamp of the last RTP
packet with old samples; and, of the same calls, how far packets are from their 20 ms grid and how many are missing.

    OUTDIAL_BIN=build/outdial python3 bench/streams/barge_in.py [--calls 20] [--times 20]

Telephones and bot are processes of their own. Both share the machine with the daemon: what they cost counts in."""
import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "e2e"))

from bot import Bot, stream_agent  # noqa: E402
from ear import Ear, jitter_ms, lost, percentile  # noqa: E402
from harness import World, wait_until  # noqa: E402


def talker(pipe, times):
    """Says 0x11, takes it back, says 0x22, takes it back, ..; tells when it took back what."""
    cleared = {}

    async def script(c):
        start = await c.wait("start")
        to = start["start"]["customParameters"]["to_number"]
        cleared[to] = []
        for turn in range(times):
            code = 0x11 * (1 + turn % 6)
            await c.send({"event": "media", "streamSid": c.start["streamSid"],
                          "media": {"payload": base64.b64encode(bytes([code]) * 80000).decode()}})
            await asyncio.sleep(0.35 + (turn * 7 + len(cleared) * 3) % 20 / 1000)
            cleared[to].append((time.clock_gettime(time.CLOCK_REALTIME), code))
            await c.clear()
            del c.log[:]
        await asyncio.sleep(0.3)
        await c.close()

    bot = Bot(script)
    pipe.send(bot.url)
    pipe.recv()
    bot.check()
    pipe.send(cleared)


def telephones(pipe):
    ear = Ear()
    pipe.send(ear.address)
    ear.run(pipe.poll)
    pipe.send({call.number: call.packets for call in ear.calls.values()})


def start(target, *args):
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.Process(target=target, args=(theirs, *args), daemon=True).start()
    return ours, ours.recv()


def delays_ms(cleared, packets):
    """Of each clear: when the last packet of what it took back arrived, 0 if that was before."""
    found = []
    for number, (at, code) in enumerate(cleared):
        until = cleared[number + 1][0] if number + 1 < len(cleared) else float("inf")
        old = [stamp for stamp, _, _, byte in packets if at < stamp < until and byte == code]
        found.append(max(0, (max(old) - at) * 1000) if old else 0)
    return found


def run(world, calls, times):
    ear, address = start(telephones)
    bot, url = start(talker, times)
    server = world.serve([{"name": "main", "server": address, "cps_limit": 50, "max_calls": calls}])
    server.api("POST", "/agents", stream_agent(url))
    ids = [server.api("POST", "/calls", {"to": f"+1555{i:07d}", "agent": "bot"})["id"] for i in range(calls)]
    for ident in ids:
        wait_until(lambda i=ident: server.api("GET", f"/calls/{i}")["ended_at"], 60 + times, "a call's end", 0.3)
    bot.send("end")
    ear.send("end")
    cleared, packets = bot.recv(), ear.recv()
    delays = [d for to, list_ in cleared.items() for d in delays_ms(list_, packets[to])]
    jitter = [j for list_ in packets.values() for j in jitter_ms(list_)]
    total = sum(len(list_) for list_ in packets.values())
    return {"calls": calls, "clears": len(delays),
            "clear_to_last_old_sample_ms": {f"p{p}": round(percentile(delays, p), 2) for p in (50, 90, 99, 100)},
            "packets": total, "lost_percent": round(100 * sum(map(lost, packets.values())) / total, 4),
            "off_grid_ms": {f"p{p}": round(percentile(jitter, p), 2) for p in (50, 90, 99, 100)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--times", type=int, default=20)
    args = parser.parse_args()
    world = World("barge")
    try:
        print(json.dumps(run(world, args.calls, args.times)))
    except BaseException:
        world.tell()
        raise
    finally:
        world.end()


main()

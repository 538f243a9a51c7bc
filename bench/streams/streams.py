#!/usr/bin/env python3
"""What a call with a stream agent costs: N calls at once between `outdial serve` and `outdial carrier`, each
talking both ways with a bot that sends back what it hears (Twilio's format, mu-law). Prints the daemon's CPU
time per call-second, the share of a core, memory per call, and what was lost.

    OUTDIAL_BIN=build/outdial python3 bench/streams/streams.py [--calls 100] [--seconds 10]

The bot and the carrier run in processes of their own; the daemon's CPU time is the kernel's account of it, so
that other work on the machine changes it little.
"""
import argparse
import json
import multiprocessing
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "e2e"))

from bot import Bot, frame, stream_agent  # noqa: E402
from harness import World, wait_until  # noqa: E402


def echo_bot(pipe):
    """Sends each payload back as it is: no JSON is read or written here."""
    async def script(c):
        await c.wait("start")
        sid = c.start["streamSid"].encode()
        head = b'{"event":"media","streamSid":"' + sid + b'","media":{"payload":"'
        at = 0
        while c.closed is None:
            await c.until(lambda: len(c.log) > at or c.closed is not None)
            while at < len(c.log):
                message = c.log[at][1]
                at += 1
                if message["event"] == "media":
                    c.writer.write(frame(1, head + message["media"]["payload"].encode() + b'"}}'))
            del c.log[:at]
            at = 0

    bot = Bot(script)
    pipe.send(bot.url)
    pipe.recv()


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def run(world, calls, seconds):
    ours, theirs = multiprocessing.Pipe()
    bot = multiprocessing.Process(target=echo_bot, args=(theirs,), daemon=True)
    bot.start()
    url = ours.recv()
    carrier = world.carrier({"answer": 100, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "ring_ms": "100",
                             "early_media": 0, "digits": "none", "talk": "babble"})
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 50, "max_calls": calls}])
    server.api("POST", "/agents", stream_agent(url, config={"features": {"maxDuration": {
        "isEnabled": True, "maxDurationSeconds": 3600}}}))
    quiet_kb = memory_kb(server.pid)
    for i in range(calls):
        server.api("POST", "/calls", {"to": f"+1555{i:07d}", "agent": "bot"})

    wait_until(lambda: len(server.api("GET", "/calls?status=talking&limit=1000")["data"]) >= calls, 180,
               "all calls to talk")
    time.sleep(1)
    before, begin = cpu_s(server.pid), time.monotonic()
    time.sleep(seconds)
    spent, took = cpu_s(server.pid) - before, time.monotonic() - begin
    talking_kb = memory_kb(server.pid)
    ours.send("end")
    bot.terminate()
    return {"calls": calls, "seconds": round(took, 2), "cpu_s": round(spent, 2),
            "cpu_us_per_call_second": round(1e6 * spent / took / calls, 1),
            "share_of_a_core": round(spent / took, 3),
            "calls_on_one_core": int(calls * took / spent) if spent else None,
            "kb_per_call": round((talking_kb - quiet_kb) / calls, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    world = World("streams")
    try:
        print(json.dumps(run(world, args.calls, args.seconds)))
    except BaseException:
        world.tell()
        raise
    finally:
        world.end()


main()

#!/usr/bin/env python3
"""What a call with a stream agent costs and how it sounds: N calls at once between `outdial serve` and telephones,
each talking both ways with a bot that sends back what it hears (Twilio's format, mu-law). Of each N: the daemon's CPU
time per call-second beside the kernel's floor (a bare loop with the same datagrams and the same messages to the same
bot), memory per call, and of the telephones' packets, by the kernel's arrival stamps, how far they are off their 20 ms
grid and how many are missing.

    OUTDIAL_BIN=build-gcc/outdial python3 bench/streams/streams.py [--calls 250,500,1000] [--seconds 10] [--core 0]

The daemon is alone on its core; bot, telephones and Redis have the others. For figures of a busy machine put
`chrt -f 20` in front: ours then goes before what else runs."""
import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "e2e"))

from bot import stream_agent  # noqa: E402
from harness import OUTDIAL, World, wait_until  # noqa: E402
from parts import Part, Telephones, cpu_s, heard, keep_off, keep_to, memory_kb  # noqa: E402

HUM = (0x60, 0xe0)  # what the telephones say
RTP_PORTS = "28000-31999"
CPS = 50


def talking(server):
    return len(server.api("GET", "/calls?status=talking&limit=1000")["data"])


def floor(calls, seconds, core):
    bot = Part("bench_stream_bot")
    done = subprocess.run(["taskset", "-c", str(core), os.path.join(os.path.dirname(OUTDIAL), "bench", "streams",
                                                                    "bench_stream_floor"),
                           str(calls), str(seconds), str(bot.port)], stdout=subprocess.PIPE, text=True, check=True)
    bot.end()
    return json.loads(done.stdout)


def run(world, calls, seconds, core):
    bot = Part("bench_stream_bot")
    ear = Telephones(world, calls, seconds + 3 * calls / CPS + 30)
    server = world.serve([{"name": "main", "server": ear.address, "cps_limit": CPS, "max_calls": calls}],
                         extra={"rtp": {"ports": RTP_PORTS, "address": "127.0.0.1"}})
    keep_to(core, server.pid)
    server.api("POST", "/agents", stream_agent(f"ws://127.0.0.1:{bot.port}/media", config={"features": {
        "maxDuration": {"isEnabled": True, "maxDurationSeconds": 3600}}}))
    quiet_kb = memory_kb(server.pid)
    for i in range(calls):
        server.api("POST", "/calls", {"to": f"+1555{i:07d}", "agent": "bot"})
    wait_until(lambda: talking(server) >= calls, 60 + 3 * calls / CPS, "all calls to talk", 0.5)
    time.sleep(2)
    before, begin, begin_wall = cpu_s(server.pid), time.monotonic(), time.time()
    time.sleep(seconds)
    user, system = (after - was for after, was in zip(cpu_s(server.pid), before))
    took, end_wall = time.monotonic() - begin, time.time()
    talking_kb = memory_kb(server.pid)
    assert talking(server) == calls, "not all calls were still talking at the end"
    packets = {number: [p for p in found if begin_wall <= p.stamp <= end_wall]
               for number, found in ear.packets().items()}
    server.kill()
    bot.end()
    ours = [p.byte in HUM for found in packets.values() for p in found]
    return {"calls": calls, "seconds": round(took, 2),
            "cpu_us_per_call_second": round(1e6 * (user + system) / took / calls, 1),
            "of_it_user": round(1e6 * user / took / calls, 1), "share_of_a_core": round((user + system) / took, 3),
            "kb_per_call": round((talking_kb - quiet_kb) / calls, 1), **heard(packets),
            "echoed_percent": round(100 * sum(ours) / len(ours), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", default="250,500,1000", help="numbers of calls at once, a run each")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--core", type=int, default=0, help="the daemon's")
    args = parser.parse_args()
    keep_off(args.core)
    for calls in map(int, args.calls.split(",")):
        world = World("streams")
        try:
            under = floor(calls, args.seconds, args.core)["cpu_us_per_call_second"]
            figures = run(world, calls, args.seconds, args.core)
            print(json.dumps({**figures, "floor_us_per_call_second": under,
                              "beside_the_floor": round(figures["cpu_us_per_call_second"] / under, 2)}), flush=True)
        except BaseException:
            world.tell()
            raise
        finally:
            world.end()


main()

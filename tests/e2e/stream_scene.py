"""A call between `outdial serve` and `outdial carrier` for tests of bots: both processes, the call's end, and
what the telephone heard as mu-law."""
import os
import re
import struct
import urllib.request
import wave

from harness import OUTDIAL, wait_until

TURN_CPU_MS = 10  # half a frame
LIVE = ("created", "queued", "waiting", "start_hook", "dialing", "ringing", "talking")
CALLEE = {"answer": 100, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "ring_ms": "100",
          "pdd_ms": "10", "early_media": 0, "digits": "none", "talk": "silence"}


def scene(world, profile=None, args=(), extra=None):
    carrier = world.carrier({**CALLEE, **(profile or {})}, args)
    return carrier, world.serve([{"name": "main", "server": carrier.address, "cps_limit": 0}],
                                extra=extra)


def call(server, agent, limit_s=30, number="+15550001111", **more):
    """Makes the agent and a call; the call once it has ended."""
    if agent:
        server.api("POST", "/agents", agent)
    made = server.api("POST", "/calls", {"to": number, "agent": "bot", **more})
    return ended(server, made["id"], limit_s)


def ended(server, ident, limit_s=30):
    def over():
        view = server.api("GET", f"/calls/{ident}")
        return view if view["status"] not in LIVE else None
    return wait_until(over, limit_s, "the call to end")


def metrics(server):
    """The value of a line of the metrics page, by name and labels."""
    request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    return lambda name: float(re.search(rf"(?m)^outdial_{re.escape(name)} (\S+)$", text).group(1))


def turns(server):
    """Of the daemon's loop: the longest turn, and the most that one took of the CPU, in ms; turns above 20 ms."""
    value = metrics(server)

    def metric(name):
        return value(f"loop_turn_{name}")
    above = metric("seconds_count") - metric('seconds_bucket{le="0.02"}')
    return {"longest_ms": round(1000 * metric("max_seconds"), 1), "cpu_ms": round(1000 * metric("cpu_max_seconds"), 1),
            "above_20_ms": int(above)}


def sanitized():
    with open(OUTDIAL, "rb") as file:
        return b"__asan_init" in file.read()


def no_stall(server, what):
    """The machine is shared: what a turn took of the CPU is judged. A sanitized build is some ten times slower."""
    found = turns(server)
    print(f"     {what}: {found}")
    assert found["cpu_ms"] < TURN_CPU_MS * (10 if sanitized() else 1), found


def record_to(world):
    os.mkdir(world.path("heard"))
    return world.path("heard")


def encode(sample):
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 15) & 0xff


def recording(directory, number="+15550001111"):
    """What the callee heard, as mu-law."""
    names = [n for n in os.listdir(directory) if number.strip("+") in n]
    assert len(names) == 1, os.listdir(directory)
    with wave.open(os.path.join(directory, names[0]), "rb") as file:
        assert file.getframerate() == 8000 and file.getsampwidth() == 2
        samples = struct.unpack(f"<{file.getnframes()}h", file.readframes(file.getnframes()))
    return bytes(encode(s) for s in samples)

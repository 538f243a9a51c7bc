"""A bot of media.v1 for tests: it says the same sound in whatever codec and rate it has asked for, and writes down what
it is told. And the sound as a telephone should have heard it, and how alike two sounds are."""
import math
import struct

from bot import pack, unpack

RATE = 8000
SPEECH_S = 1.6
PEAK = 6000


def sound(rate, seed=0, late=0.0):
    """A rising tone under a swelling one: no two places of it are alike. Samples at that rate, so many of them late."""
    low, high = 350 + 40 * seed, 2600 - 90 * seed
    def at(t):
        turn = 2 * math.pi * (low * t + (high - low) * t * t / (2 * SPEECH_S))
        return PEAK * (0.6 + 0.4 * math.sin(2 * math.pi * 3 * t)) * math.sin(turn)
    return [round(at((i - late) / rate)) for i in range(round(SPEECH_S * rate))]


def alaw(pcm):
    """ITU-T G.711, one sample."""
    magnitude, sign = (pcm, 0x80) if pcm >= 0 else (-pcm - 1, 0)
    exponent = max(0, magnitude.bit_length() - 8)
    step = magnitude >> (exponent + 3 if exponent else 4) & 15
    return (sign | exponent << 4 | step) ^ 0x55


def from_alaw(code):
    code ^= 0x55
    exponent, step = code >> 4 & 7, code & 15
    magnitude = (step << 4) + 8 if not exponent else (step << 4) + 0x108 << exponent - 1
    return magnitude if code & 0x80 else -magnitude


def ulaw(pcm):
    sign, magnitude = (0x80, -pcm) if pcm < 0 else (0, pcm)
    magnitude = min(magnitude, 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 15) & 0xff


def from_ulaw(code):
    code = ~code & 0xff
    magnitude = ((code & 15) << 3) + 132 << (code >> 4 & 7)
    return 132 - magnitude if code & 0x80 else magnitude - 132


def encode(samples, codec):
    if codec == "l16":
        return struct.pack(f"<{len(samples)}h", *samples)
    return bytes(map(alaw if codec == "pcma" else ulaw, samples))


def decode(data, codec):
    if codec == "l16":
        return list(struct.unpack(f"<{len(data) // 2}h", data))
    return list(map(from_alaw if codec == "pcma" else from_ulaw, data))


FRAME, WINDOW = 160, 800


def correlation(a, b):
    bottom = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b)) / bottom if bottom and len(a) == len(b) else 0.0


def alike(heard, seed=0):
    """For each tenth of a second of that sound, in its order, the correlation with the place in `heard`, samples at
    8,000 Hz, that is most like it. The sound begins with a frame, and a machine that stands still puts whole frames of
    silence anywhere in it; a resampler makes it late by up to a millisecond and by a part of a sample."""
    shifted = [sound(RATE, seed, late / 12) for late in range(12)]
    found, first, last = [], 0, len(heard) - WINDOW - 8
    for start in range(0, len(shifted[0]) - WINDOW + 1, WINDOW):
        piece = shifted[0][start:start + WINDOW:3]
        frames = range(first, max(first, min(last, first + RATE if found else last)) + 1, FRAME)
        rough = max((correlation(heard[lag + d:lag + d + WINDOW:3], piece), lag) for lag in frames for d in (0, 8))[1]
        match = max(correlation(heard[lag:lag + WINDOW], late[start:start + WINDOW])
                    for lag in (rough, rough + 6, rough + 7, rough + 8) for late in shifted)
        found.append(match)
        if match > 0.9:
            first = rough + WINDOW
    return found


def same(heard, seed=0):
    """How alike the three best quarters of its tenths are, at least: 0.998 and more when it is that sound."""
    found = sorted(alike(heard, seed), reverse=True)
    return found[len(found) * 3 // 4 - 1]


class Call:
    def __init__(self, start):
        self.start, self.audio, self.ts, self.sizes = start, bytearray(), [], []
        self.mark = self.key = self.stop = None


def worker(hello, want=1, heard_ms=600, seed=0, after=None):
    """A script for a bot (bot.py) that accepts `want` calls, says its sound on each, in odd pieces, hears the callee for
    so long and hangs up. What it was told is in connection.calls, by the callee's number. after(c): a coroutine that is
    run when all has ended."""
    async def script(c):
        codec, rate = hello.get("codec", "pcmu"), hello.get("rate", RATE)
        speech = encode(sound(rate, seed), codec)
        by_sid, c.calls, at, c.most = {}, {}, 0, 0
        await c.binary(pack([0, 0, {"v": 1, **hello}]))
        while sum(call.stop is not None for call in by_sid.values()) < want:
            await c.until(lambda: len(c.log) > at or c.closed is not None, what="a message")
            assert len(c.log) > at, f"closed ({c.closed}) with calls up"
            while at < len(c.log):
                kind, sid, *rest = unpack(c.log[at][1])[0]
                at += 1
                if kind == 0:
                    c.offer = rest[0]
                elif kind == 1:
                    by_sid[sid] = c.calls[rest[0]["to"]] = Call(rest[0])
                    c.most = max(c.most, sum(call.stop is None for call in by_sid.values()))
                    await c.binary(pack([16, sid]))
                elif kind == 5 and "answered" in rest[0]:
                    pieces = [speech[i:i + 1001] for i in range(0, len(speech), 1001)]  # a sample may be cut in two
                    await c.binary(*(pack([2, sid, 0, piece]) for piece in pieces), pack([4, sid, "said"]))
                elif kind == 2:
                    by_sid[sid].ts.append(rest[1])
                    by_sid[sid].sizes.append(len(rest[2]))
                    by_sid[sid].audio += rest[2]
                elif kind == 3:
                    by_sid[sid].key = rest[0]
                elif kind == 4:
                    by_sid[sid].mark = rest
                elif kind == 6:
                    by_sid[sid].stop = rest
                call = by_sid.get(sid)
                if call and call.mark and kind == 2 and rest[1] >= heard_ms * rate // 1000:
                    await c.binary(pack([6, sid, "bye"]))
        if after:
            await after(c)
    return script

#!/usr/bin/env python3
"""Goal: what a bot may rely on, one requirement a case, where no other test of streams runs a connection for it:
the types of what it is told, sound that never pauses, keys in the sound, who it is asked by, its buffer and its
flow control, a last word that is heard, and an end when it shows no sign of life. Method: a scripted bot; a telephone of our own (ear.py) that
falls silent, loses packets and presses keys without telling; a bot that stands still, by ws:// and by wss://.
(Order, timing, marks, clear, tries, admission, slowness and REST: stream_test.)"""
import base64
import math
import random
import re
import ssl
import struct
import subprocess
import threading
import time

from bot import Bot, SILENCE, pack, stream_agent, tone, unpack
from ear import Call, Ear
from harness import main, wait_until
from stream_scene import call, encode, ended, no_stall, record_to, recording, scene


def media_of(c):
    return [base64.b64decode(m["media"]["payload"]) for m in c.events("media")]


def with_ear(world, kind, script, media=None):
    """One call of a bot to a telephone of ours; media: what the trunk says of it."""
    ear, over = Ear(kind), threading.Event()
    thread = threading.Thread(target=ear.run, args=(over.is_set,), daemon=True)
    thread.start()
    server = world.serve([{"name": "main", "server": ear.address, "cps_limit": 0, **({"media": media} if media else {})}])
    bot = Bot(script)
    view = call(server, stream_agent(bot.url))
    over.set()
    thread.join(10)
    bot.check()
    bot.close()
    assert server.stop() == 0
    assert view["status"] == "completed", view
    return bot.connections[0]


def types_to_the_letter(world):
    """Strings and numbers as in Twilio's examples; SIDs of its form, the same all along."""
    carrier, server = scene(world, {"digits": "7", "digit_delay_ms": "300"})

    async def script(c):
        await c.wait("start")
        await c.play(tone(100), "m")
        await c.wait("mark")
        await c.wait("dtmf")
        await c.send({"event": "hangup", "hangup": {}})
        await c.wait("stop")

    bot = Bot(script)
    call(server, stream_agent(bot.url, additionalData={"n": 5, "b": True, "s": "x", "none": None, "o": {"a": 1}}))
    bot.check()
    messages = bot.connections[0].events()
    assert messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}, messages[0]
    start = messages[1]["start"]
    for name, letters in (("accountSid", "AC"), ("callSid", "CA"), ("streamSid", "MZ")):
        assert re.fullmatch(letters + "[0-9a-f]{32}", start[name]), start
    assert start["tracks"] == ["inbound"]
    form = start["mediaFormat"]
    assert form == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}, form
    assert all(type(v) is str for v in start["customParameters"].values()), start["customParameters"]
    assert start["customParameters"]["from_number"] == "+15550009999", start
    for m in messages[1:]:
        assert re.fullmatch(r"\d+", m["sequenceNumber"]) and m["streamSid"] == start["streamSid"], m
        if m["event"] == "media":
            assert set(m["media"]) == {"track", "chunk", "timestamp", "payload"}, m
            assert all(re.fullmatch(r"\d+", m["media"][k]) for k in ("chunk", "timestamp")), m
            assert m["media"]["track"] == "inbound"
    assert {m["event"] for m in messages} == {"connected", "start", "media", "mark", "dtmf", "stop"}
    assert messages[-1]["stop"] == {"accountSid": start["accountSid"], "callSid": start["callSid"]}, messages[-1]
    bot.close()
    carrier.finish()


class Silent(Call):
    """Speaks for a second, sends nothing for two, and speaks again; of what it sends a fifth is lost."""

    def network(self, packet):
        lost = 50 <= self.sequence < 150 or random.random() < 0.2
        return [] if lost else [packet]


def sound_never_pauses(world):
    """20 ms every 20 ms by media time, silence where nothing came."""
    random.seed(5)

    async def script(c):
        await c.wait("start")
        await c.until(lambda: len(c.events("media")) >= 200)
        await c.close()

    c = with_ear(world, Silent, script)
    stamps = [int(m["media"]["timestamp"]) for m in c.events("media")]
    assert stamps == [20 * i for i in range(len(stamps))], "media time has a gap"
    times = [t for t, m in c.log if m["event"] == "media"]
    assert times[199] - times[0] >= 3.5, "it came in a burst"
    pieces = media_of(c)
    quiet = [set(p) == {SILENCE} for p in pieces]
    longest = max(len(run) for run in "".join("q" if q else "." for q in quiet).split("."))
    assert 80 <= longest <= 110, f"{longest} frames of silence where 100 were not sent"
    assert not all(quiet[-20:]), "the callee was not heard again"


class Beeper(Call):
    """Presses 5, # and 5 again in the sound, 120 ms each, and speaks of no other way to send keys."""
    KEYS = {30: (770, 1336), 50: (941, 1477), 70: (770, 1336)}

    def network(self, packet):
        at = next((k for k in self.KEYS if k <= self.sequence < k + 6), None)
        if at is None:
            return [packet[:12] + b"\xff" * 160]
        tones = self.KEYS[at]
        first = 160 * (self.sequence - at)
        return [packet[:12] + bytes(encode(int(sum(6000 * math.sin(2 * math.pi * hz * (first + i) / 8000)
                                                   for hz in tones))) for i in range(160))]


class Humming(Beeper):
    """Agrees to telephone events and has its keys in the sound all the same."""
    def media(self):
        return Keyed.EVENTS.format(port=self.port)


def pressed_in_the_sound(world, kind, media=None):
    async def script(c):
        await c.wait("start")
        await c.wait("dtmf", 3)
        await c.until(lambda: len(c.events("media")) > 100)
        await c.close()

    c = with_ear(world, kind, script, media)
    keys = [m["dtmf"] for m in c.events("dtmf")]
    assert keys == [{"track": "inbound_track", "digit": d} for d in "5#5"], keys


def keys_in_the_sound(world):
    pressed_in_the_sound(world, Beeper)


def keys_beside_events(world):
    pressed_in_the_sound(world, Humming, {"dtmf": "both"})


class Keyed(Call):
    """Knows telephone events (RFC 4733); keeps the keys that came, each once."""
    EVENTS = "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"

    def __init__(self, number):
        super().__init__(number)
        self.keys = {}  # by the timestamp of their beginning
        Keyed.last = self

    def media(self):
        return self.EVENTS.format(port=self.port)

    def other(self, data):
        if data[1] & 0x7f == 101:
            self.keys[struct.unpack(">I", data[4:8])[0]] = "0123456789*#ABCD"[data[12]]


def keys_to_the_callee(world):
    """What the bot sends arrives as events, each key once and in order, between its words."""
    async def script(c):
        await c.wait("start")
        await c.play(tone(200), "m")
        await c.wait("mark")
        await c.send({"event": "dtmf", "dtmf": {"digits": "12#*0"}})
        await c.until(lambda: len(c.events("media")) > 100)
        await c.close()

    with_ear(world, Keyed, script)
    assert "".join(Keyed.last.keys[at] for at in sorted(Keyed.last.keys)) == "12#*0", Keyed.last.keys


def drained_before_the_bye(world):
    """A bot that says its last word and leaves at once, by closing and by hanging up: all of it is heard."""
    heard = record_to(world)
    carrier, server = scene(world, {}, ["--record", heard])
    words = {"closes": tone(1500, 1), "hangs up": tone(1500, 2)}

    def leaving(how):
        async def script(c):
            await c.wait("start")
            await c.play(words[how])
            if how == "closes":
                await c.close()
            else:
                await c.send({"event": "hangup", "hangup": {}})
        return Bot(script)

    for i, how in enumerate(words):
        bot = leaving(how)
        server.api("POST", "/agents", stream_agent(bot.url, name=f"bot{i}"))
        view = ended(server, server.api("POST", "/calls", {"to": f"+1555000300{i}", "agent": f"bot{i}"})["id"])
        bot.check()
        bot.close()
        assert view["status"] == "completed" and view["duration_ms"] >= 1500, view
    carrier.finish()
    for i, how in enumerate(words):
        assert words[how] in recording(heard, f"+1555000300{i}"), f"a bot that {how} was not heard to its end"


def asked_by_whom(world):
    """Basic credentials of the URL, which stand in no log and not in what is signed; no extension is offered."""
    carrier, server = scene(world)

    async def script(c):
        await c.wait("start")
        await c.close()

    bot = Bot(script)
    url = bot.url.replace("ws://", "ws://me:s3cret%21@")
    call(server, stream_agent(url))
    bot.check()
    _, headers = bot.requests[0]
    assert headers["authorization"] == "Basic " + base64.b64encode(b"me:s3cret!").decode(), headers
    assert "sec-websocket-extensions" not in headers and headers["sec-websocket-version"] == "13", headers
    assert "s3cret" not in server.stderr()
    bot.close()
    carrier.finish()


def a_minute_may_wait(world):
    """What is beyond the buffer is dropped, counted, told once; what is in it is kept in order."""
    carrier, server = scene(world)
    seen = []

    async def script(c):
        await c.wait("start")
        seen.append(time.monotonic())
        for _ in range(3):
            await c.play(tone(30000), "m")
        await c.play(tone(1000), "beyond")
        await c.until(lambda: len(c.events("media")) > 25)
        await c.clear()
        await c.wait("mark", 4)
        await c.close()

    bot = Bot(script)
    call(server, stream_agent(bot.url, agent={"buffer_s": 60}))
    bot.check()
    (c,) = bot.connections
    seen, marks = seen + [at for at, m in c.log if m["event"] == "mark"], c.events("mark")
    waited = [m["outdial"]["of_ms"] for m in marks]
    played_ms = 1000 * (seen[1] - seen[0]) + 40  # at most, and as much of the third
    assert waited[:2] == [30000, 30000] and sum(waited[2:]) <= played_ms, (waited, played_ms)
    assert server.stderr().count("more audio than may wait") == 1
    bot.close()
    carrier.finish()


def flow_control(world):
    """msgpack: credit for the buffer, then for what left it; what was too much or too late is told."""
    carrier, server = scene(world)
    seen = {}

    async def script(c):
        at, sid = 0, None
        await c.binary(pack([0, 0, {"v": 1, "max_calls": 4}]))

        async def next_of(kind, fits=lambda rest: True):
            nonlocal at, sid
            while True:
                await c.until(lambda: len(c.log) > at, what=f"kind {kind}")
                (got, sid, *rest), at = unpack(c.log[at][1])[0], at + 1
                if got == kind and fits(rest):
                    return rest

        await next_of(1)
        await c.binary(pack([16, sid]))
        assert (await next_of(11))[0] == 60000
        await next_of(5, lambda rest: "answered" in rest[0])
        await c.binary(pack([2, sid, 0, tone(1500)]))
        await c.binary(pack([4, sid, "all of it"]))
        assert (await next_of(11))[0] == 1000
        await next_of(4)
        await c.binary(pack([2, sid, 1, tone(200)]))  # and nothing behind it
        seen["underrun"] = (await next_of(5, lambda rest: "underrun" in rest[0]))[0]["underrun"]
        await c.binary(pack([2, sid, 2, tone(70000)]))
        seen["overflow"] = (await next_of(5, lambda rest: "overflow" in rest[0]))[0]["overflow"]
        await c.binary(pack([9, sid]))
        seen["given back"] = 0
        while seen["given back"] < 65000:
            seen["given back"] += (await next_of(11))[0]
        await c.binary(pack([6, sid, "bye"]))
        await next_of(6)

    bot = Bot(script, subprotocol="outdial.media.v1.msgpack")
    view = call(server, stream_agent(bot.url, agent={"format": "msgpack", "buffer_s": 60}))
    bot.check()
    assert view["status"] == "completed", view
    assert seen["underrun"] == {"count": 1}, seen
    assert 9000 <= seen["overflow"]["dropped_ms"] <= 10000, seen
    assert 69000 <= seen["given back"] <= 73000, seen
    bot.close()
    carrier.finish()


def certificate(world):
    """(the file to trust, an SSLContext of localhost)"""
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=30, cwd=world.dir)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "cert", "-subj",
            "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.path("cert"), world.path("key"))
    return world.path("cert"), context


def no_sign_of_life(world):
    """A bot that stands still after its start, by ws:// and by wss://: pinged, then given up after 30 s, and its call ended;
    the call beside them doesn't notice."""
    trust, context = certificate(world)
    carrier, server = scene(world, {"talk": "babble"}, extra={"streams": {"ca_file": trust, "allow_private": True}})
    over = threading.Event()

    async def hung(c):
        await c.wait("start")
        transport = c.writer.transport
        c.reader._transport.pause_reading()  # pylint: disable=protected-access
        await c.until(over.is_set, 60)
        transport.abort()

    async def fine(c):
        await c.wait("start")
        for i in range(330):
            await c.play(tone(100), f"m{i}")
            await c.wait("mark", i + 1)
        assert c.pings >= 3, f"{c.pings} pings in 33 s"
        await c.close()

    bots = {"plain": Bot(hung), "secure": Bot(hung, tls=context), "fine": Bot(fine)}
    made = {}
    for i, (name, bot) in enumerate(bots.items()):
        server.api("POST", "/agents", stream_agent(bot.url, name=name))
        made[name] = server.api("POST", "/calls", {"to": f"+1555000200{i}", "agent": name})["id"]
    views = {name: ended(server, ident, 60) for name, ident in made.items()}
    over.set()
    no_stall(server, "bots that stand still")
    bots["fine"].check()
    assert views["fine"]["status"] == "completed", views["fine"]
    for name in ("plain", "secure"):
        view = views[name]
        assert view["status"] == "agent_failed" and 28000 <= view["duration_ms"] <= 40000, (name, view)
    wait_until(lambda: len(list(carrier.facts("end"))) == 3, 10, "all three telephones hung up")
    for bot in bots.values():
        bot.close()
    carrier.finish()


main(types_to_the_letter, sound_never_pauses, keys_in_the_sound, keys_beside_events, keys_to_the_callee, drained_before_the_bye,
     asked_by_whom, a_minute_may_wait, flow_control, no_sign_of_life)

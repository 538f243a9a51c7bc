#!/usr/bin/env python3
"""Goal: a callee is handed on to somebody else: by a second leg that is dialled like any call, is heard
to ring, and is joined with the first, both ways and with keys; whoever hangs up ends what has to end; a leg that nobody takes
falls back to the agent; a crash leaves neither leg up; and by REFER to a telephone of somebody else's
making. Method: two simulated carriers, one for the callee and one for the desk, whose recordings are
compared with the call's; kill -9 in the middle of a bridge; baresip for the REFER."""
import asyncio
import io
import json
import math
import os
import signal
import wave

from bot import Bot, pack, stream_agent, tone, unpack
from harness import invites, main, wait_until
from stream_scene import CALLEE, encode, ended, record_to, recording

DESK = "+16660000001"
CUSTOMER = "+15550001111"


def scene(world, callee=None, desk=None, args=()):
    """A callee's carrier and a desk's, each behind a trunk of its own."""
    heard = record_to(world)
    one = world.carrier({**CALLEE, "talk": "babble", **(callee or {})}, ["--record", heard, *args])
    two = world.carrier({**CALLEE, "talk": "babble", "seed": "7", **(desk or {})},
                        ["--record", heard, *args], name="desk")
    return one, two, heard


def trunks(one, two, **desk):
    return [{"name": "main", "server": one.address, "cps_limit": 0, "prefixes": ["+1555"]},
            {"name": "desk", "server": two.address, "cps_limit": 0, "prefixes": ["+1666"], **desk}]


def script(*steps, **transfer):
    return {"name": "bot", "number": "+15550009999",
            "outdial": {"record": True,
                        "agent": {"kind": "script",
                                  "steps": [{"transfer": {"to": DESK, "mode": "bridge", **transfer}}, *steps]}}}


def begin(server, agent):
    server.api("POST", "/agents", agent)
    return server.api("POST", "/calls", {"to": CUSTOMER, "agent": "bot"})["id"]


def taped(server, ident):
    """What the callee said and what they heard, as samples."""
    status, body = server.fetch(f"/calls/{ident}/recording")
    assert status == 200, status
    with wave.open(io.BytesIO(body)) as wav:
        both = memoryview(wav.readframes(wav.getnframes())).cast("h")
    return both[0::2].tolist(), both[1::2].tolist()


def the_two_talk(world):
    """Both hear each other to the sample; the callee's key arrives; the desk hangs up and the call ends."""
    one, two, heard = scene(world, {"digits": "5", "digit_delay_ms": "1500"},
                            {"hangup_ms": "4000", "digits": "none"})
    server = world.serve(trunks(one, two))
    view = ended(server, begin(server, script()))
    assert view["status"] == "completed", view
    (note,) = view["media"]["transfers"]
    assert note["to"] == DESK and note["outcome"] == "completed" and note["sip_status"] == 200, note
    assert 3000 <= note["talk_ms"] <= 6000, note
    said, ear = (bytes(encode(s) for s in side) for side in taped(server, view["id"]))
    trace = json.dumps(server.api("GET", f"/calls/{view['id']}/trace")["trace"])
    assert "second leg: ringing -> talking" in trace, trace
    server.stop()
    one.finish()
    two.finish()
    desk_ear, callee_ear = recording(heard, DESK), recording(heard, CUSTOMER)
    for whose, source, sink in (("the callee", said, desk_ear), ("the desk", ear, callee_ear)):
        pieces = [source[i:i + 1600] for i in range(len(source) // 3, len(source) - 8000, 1600)]
        loud = [p for p in pieces if len(set(p)) > 20]
        found = sum(p in sink for p in loud)
        assert len(loud) >= 5 and found >= len(loud) - 2, f"{whose}: {found} of {len(loud)} pieces were heard"


def the_callee_hangs_up(world):
    one, two, _ = scene(world, {"hangup_ms": "2500"})
    server = world.serve(trunks(one, two))
    view = ended(server, begin(server, script()))
    assert view["status"] == "completed", view
    assert view["media"]["transfers"][0]["talk_ms"] > 500, view["media"]
    server.stop()
    one.finish()
    two.finish()


def nobody_takes_it(world):
    """Busy, unanswered, no trunk for the number: the script goes on where it says."""
    one, two, _ = scene(world, {}, {"answer": 0, "no_answer": 100})
    server = world.serve(trunks(one, two))
    agent = script({"hangup": {}}, {"label": "sorry"}, {"pause": 300}, {"hangup": {}}, on_fail="sorry",
                   ring_timeout_s=1)
    view = ended(server, begin(server, agent))
    assert view["status"] == "completed" and view["media"]["transfers"][0]["outcome"] == "no_answer", view
    for name, to, word in (("b2", "+17770000001", "refused"),):
        agent = {**script({"hangup": {}}), "name": name}
        agent["outdial"]["agent"]["steps"][0]["transfer"]["to"] = to
        server.api("POST", "/agents", agent)
        ident = server.api("POST", "/calls", {"to": "+15550001112", "agent": name})["id"]
        view = ended(server, ident)
        assert view["media"]["transfers"][0]["outcome"] == word, view["media"]
    server.stop()
    one.finish()
    two.finish()


def its_own_limits(world):
    """The two may talk for so long; the trunk's cap holds for second legs, too."""
    one, two, _ = scene(world)
    server = world.serve(trunks(one, two, max_calls=1))
    server.api("POST", "/agents", script({"pause": 200}, {"hangup": {}}, max_duration_s=4, ring_timeout_s=2))
    idents = [server.api("POST", "/calls", {"to": f"+1555000111{i}", "agent": "bot"})["id"] for i in range(2)]
    notes = [ended(server, ident)["media"]["transfers"][0] for ident in idents]
    assert sorted(n["outcome"] for n in notes) == ["canceled", "completed"], notes
    talked = next(n for n in notes if n["outcome"] == "completed")
    assert 3800 <= talked["talk_ms"] <= 6000, talked
    assert len(invites(two)) == 1, "an INVITE beyond the trunk's cap"
    server.stop()
    one.finish()
    two.finish()


def a_bot_hands_on_and_goes_on(world):
    """A stream agent orders the bridge, stands back, and goes on after it."""
    one, two, heard = scene(world, {"talk": "silence"}, {"hangup_ms": "1500"})
    server = world.serve(trunks(one, two))
    speech = tone(500)

    async def bot_script(c):
        await c.wait("start")
        await c.play(tone(200, 2), "before")
        await c.send({"event": "transfer", "transfer": {"target": DESK, "mode": "bridge", "on_end": "agent"}})
        joined = await c.wait("transfer")
        assert joined["transfer"] == {"status": 200, "final": False, "bridged": True}, joined
        over = await c.wait("transfer", 2)
        assert over["transfer"]["talked"] and over["transfer"]["outcome"] == "completed", over
        await c.play(speech, "after")
        await c.until(lambda: any(m["mark"]["name"] == "after" for m in c.events("mark")))
        await c.close()

    bot = Bot(bot_script)
    view = ended(server, begin(server, stream_agent(bot.url)))
    bot.check()
    assert view["status"] == "completed", view
    bot.close()

    async def packed(c):
        await c.binary(pack([0, 0, {"v": 1, "max_calls": 1}]))
        at = 0
        while c.closed is None:
            await c.until(lambda: len(c.log) > at or c.closed is not None, what="a message")
            while at < len(c.log):
                kind, sid, *rest = unpack(c.log[at][1])[0]
                at += 1
                if kind == 1:
                    await c.binary(pack([16, sid]))
                elif kind == 5 and "answered" in rest[0]:
                    await c.binary(pack([10, sid, DESK, {"mode": "bridge"}]))
                elif kind == 6:
                    return

    bot = Bot(packed, subprotocol="outdial.media.v1.msgpack")
    agent = stream_agent(bot.url, name="packed", agent={"format": "msgpack"})
    server.api("POST", "/agents", agent)
    view = ended(server, server.api("POST", "/calls", {"to": "+15550001117", "agent": "packed"})["id"])
    bot.check()
    assert view["media"]["transfers"][0]["outcome"] == "completed", view
    bot.close()
    server.stop()
    one.finish()
    two.finish()
    assert speech in recording(heard, CUSTOMER), "what was said after the bridge was not heard"


def a_crash_leaves_no_leg(world):
    """kill -9 while the desk rings, and while the two talk: the next start ends both legs."""
    for moment, desk in (("ringing", {"ring_ms": "60000"}), ("talking", {})):
        one, two, _ = scene_again(world, moment, desk)
        server = world.serve(trunks(one, two), name=f"serve-{moment}",
                             extra={"data_dir": world.path(f"data-{moment}")})
        ident = begin(server, script())
        fact = "ack" if moment == "talking" else "ringing"
        wait_until(lambda: trace_has(server, ident, f"second leg: {'ringing -> talking' if moment == 'talking' else 'dialing -> ringing'}"),
                   20, f"the second leg {fact}")
        wait_until(lambda: server.api("GET", f"/calls/{ident}")["status"] == "talking", 5, "the store")
        server.process.send_signal(signal.SIGKILL)
        server.wait(10)
        server = world.serve(trunks(one, two), name=f"again-{moment}",
                             extra={"data_dir": world.path(f"data-{moment}")})
        for carrier in (one, two):
            wait_until(lambda c=carrier: {f["call"] for f in c.facts("invite")} <=
                       {f["call"] for f in c.facts("end")}, 15, f"{carrier.name}'s leg to end")
        assert ended(server, ident)["status"] == "unknown", server.api("GET", f"/calls/{ident}")
        server.stop()
        one.finish()
        two.finish()


def share(piece, hz):
    """The part of a piece's power that stands at the frequency."""
    power = sum(x * x for x in piece) or 1
    angle = 2 * math.pi * hz / 8000
    re = sum(x * math.cos(angle * i) for i, x in enumerate(piece))
    im = sum(x * math.sin(angle * i) for i, x in enumerate(piece))
    return 2 * (re * re + im * im) / (power * len(piece))


def ringing_ms(heard, *tones):
    """How long those two tones, and little else, are heard in all."""
    samples = [decode(byte) for byte in heard]
    pieces = [samples[i:i + 800] for i in range(0, len(samples) - 800, 800)]  # 10 Hz apart is told apart
    return 100 * sum(max(map(abs, piece)) > 500 and sum(share(piece, hz) for hz in tones) > 0.8 for piece in pieces)


def decode(code):
    code = ~code & 0xff
    magnitude = (((code & 15) << 3) + 132 << (code >> 4 & 7)) - 132
    return -magnitude if code & 0x80 else magnitude


def the_callee_hears_it_ring(world):
    """While the other phone rings: its country's ringback, or what it plays itself; what the agent says goes before."""
    british = "+442071230001"
    for name, desk, tones in (("ours", {}, (400, 450)), ("theirs", {"early_media": 1}, (440, 480))):
        heard = world.path(f"heard-{name}")
        os.mkdir(heard)
        one = world.carrier(CALLEE, ["--record", heard], name=f"one-{name}")
        two = world.carrier({**CALLEE, "ring_ms": "2900", "hangup_ms": "500", **desk}, name=f"two-{name}")
        listed = trunks(one, two)
        listed[1]["prefixes"] = ["+44"]
        server = world.serve(listed, name=f"serve-{name}", extra={"data_dir": world.path(f"data-{name}")})
        agent = script()
        agent["outdial"]["agent"]["steps"][0]["transfer"]["to"] = british
        view = ended(server, begin(server, agent))
        assert view["media"]["transfers"][0]["outcome"] == "completed", view["media"]
        server.stop()
        one.finish()
        two.finish()
        rang = {pair: ringing_ms(recording(heard, CUSTOMER), *pair) for pair in ((400, 450), (440, 480))}
        # 0.4 s, 0.2 s of pause, 0.4 s, 2 s of pause: 0.8 s of 2.9; a carrier's own goes on for 2 s
        least, most = (400, 1000) if name == "ours" else (1400, 2100)
        assert least <= rang.pop(tones) <= most and max(rang.values()) < 200, (name, tones, rang)


def scene_again(world, name, desk):
    one = world.carrier({**CALLEE, "talk": "babble"}, name=f"one-{name}")
    two = world.carrier({**CALLEE, "talk": "babble", **desk}, name=f"two-{name}")
    return one, two, None


def trace_has(server, ident, text):
    return text in json.dumps(server.api("GET", f"/calls/{ident}/trace")["trace"])


main(the_two_talk, the_callee_hangs_up, the_callee_hears_it_ring, nobody_takes_it, its_own_limits, a_bot_hands_on_and_goes_on,
     a_crash_leaves_no_leg)

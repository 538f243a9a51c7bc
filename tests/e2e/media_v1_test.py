#!/usr/bin/env python3
"""Goal: a bot of media.v1 has the codec, the rate and the ptime that it asks for in its HELLO, and the callee hears
what it says; what can't be had is refused with a word that says what can. Method: scripted bots that say the same sound
in each codec, `outdial serve`, and `outdial carrier` recording what its telephones hear."""
from bot import Bot, pack, stream_agent
from harness import main, wait_until
from media_v1 import RATE, decode, from_ulaw, same, worker
from stream_scene import ended, record_to, recording, scene

SUBPROTOCOL = "outdial.media.v1.msgpack"


def codecs(world):
    """One bot for each, all at once; the callees of all speak alike."""
    carrier, server = scene(world, {"talk": "babble", "digits": "5", "digit_delay_ms": "300"},
                            ["--record", record_to(world)])
    asked = {"pcmu": {}, "pcma": {"codec": "pcma", "ptime": 40}, "l16": {"codec": "l16"},
             "wide": {"codec": "l16", "rate": 16000, "ptime": 20}, "widest": {"codec": "l16", "rate": 48000, "ptime": 100}}
    bots, made = {}, {}
    for i, (name, hello) in enumerate(asked.items()):
        bots[name] = Bot(worker(hello, heard_ms=2000, seed=i), subprotocol=SUBPROTOCOL)
        server.api("POST", "/agents", stream_agent(bots[name].url, name=name, agent={"format": "msgpack"}))
        made[name] = server.api("POST", "/calls", {"to": f"+1555000400{i}", "agent": name})["id"]
    views = {name: ended(server, ident) for name, ident in made.items()}
    carrier.finish()
    for i, (name, hello) in enumerate(asked.items()):
        bots[name].check()
        assert views[name]["status"] == "completed", (name, views[name])
        (c,) = bots[name].connections
        wait_until(lambda c=c: c.calls and all(call.stop for call in c.calls.values()), 10, "the bot to see the end")
        codec, rate, ptime = hello.get("codec", "pcmu"), hello.get("rate", RATE), hello.get("ptime", 20)
        assert {codec, rate, ptime} <= {*c.offer["codecs"], *c.offer["rates"], *c.offer["ptimes"]}, c.offer
        call = c.calls[f"+1555000400{i}"]
        told = {key: call.start[key] for key in ("codec", "rate", "ptime")}
        assert told == {"codec": codec, "rate": rate, "ptime": ptime}, told
        whole = ptime * rate // 1000 * (2 if codec == "l16" else 1)
        assert set(call.sizes[:-1]) == {whole} and call.sizes[-1] <= whole, (name, call.sizes)
        assert call.ts == [i * ptime * rate // 1000 for i in range(len(call.ts))], (name, call.ts)
        assert call.key == call.ts[0] or call.key % (rate // 50) == 0, call.key
        said, at, cleared = call.mark
        assert (said, cleared) == ("said", 0) and 1.5 * rate < at < 4 * rate, (name, call.mark)
        heard = list(map(from_ulaw, recording(world.path("heard"), f"+1555000400{i}")))
        match = same(heard, i)
        level = max(map(abs, decode(bytes(call.audio), codec)))
        print(f"     {name}: correlation {match:.4f} in the callee's ear; it spoke at {level}")
        assert match > 0.998, (name, match)
        assert level > 1000, (name, level)
        bots[name].close()


def refused(world):
    """What isn't offered: the connection is closed with a word, the call fails, no INVITE leaves."""
    carrier, server = scene(world)
    hellos = {"opus": ({"codec": "opus"}, 'codec "opus": expected pcmu, pcma or l16'),
              "rate": ({"codec": "l16", "rate": 11025}, "rate 11025: expected 8000, 16000, 24000 or 48000"),
              "ptime": ({"ptime": 30}, "ptime 30: expected 20, 40, 60, 80 or 100"),
              "version": ({"v": 2}, "v 2: expected 1")}

    def stubborn(hello):
        async def script(c):
            await c.binary(pack([0, 0, hello]))
            await c.until(lambda: c.closed is not None, what="the close")
        return script

    async def fickle(c):
        """Another codec, once a call was offered."""
        await c.binary(pack([0, 0, {"codec": "l16", "max_calls": 1}]))
        await c.until(lambda: len(c.log) > 1, what="START")
        await c.binary(pack([0, 0, {"codec": "l16", "max_calls": 5}]))  # this may change
        await c.binary(pack([0, 0, {"codec": "pcmu"}]))
        await c.until(lambda: c.closed is not None, what="the close")

    scripts = {name: (stubborn(hello), why) for name, (hello, why) in hellos.items()}
    scripts["fickle"] = fickle, "expected the first one's codec, rate and ptime"
    for name, (script, why) in scripts.items():
        bot = Bot(script, subprotocol=SUBPROTOCOL)
        server.api("POST", "/agents", stream_agent(bot.url, name=name, agent={"format": "msgpack"}))
        view = ended(server, server.api("POST", "/calls", {"to": "+15550004100", "agent": name})["id"])
        assert view["status"] == "agent_failed" and view["reason"] == f"agent: HELLO: {why}", view
        wait_until(lambda bot=bot: bot.connections[0].closed, 10, "the bot to see the close")
        assert bot.connections[0].closed == 1003, bot.connections[0].closed
        assert bot.connections[0].reason == f"HELLO: {why}", bot.connections[0].reason
        bot.check()
        assert why in server.stderr().replace("\\", ""), name
        bot.close()
    assert not list(carrier.facts("invite")), "a call was dialled"
    carrier.finish()


main(codecs, refused)

#!/usr/bin/env python3
"""Goal: a bot of media.v1 has the codec, the rate and the ptime that it asks for in its HELLO, and the callee hears
what it says; what can't be had is refused with a word that says what can. By TCP and by a Unix socket it is the same as
by WebSocket; who breaks off there, says nonsense or is where none may be does no harm. Method: scripted bots that say
the same sound in each codec, `outdial serve`, and `outdial carrier` recording what its telephones hear."""
import os

from bot import BareBot, Bot, pack, stream_agent, unpack
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


def bare_agent(server, name, bot, **agent):
    server.api("POST", "/agents", stream_agent(bot.url, name=name, agent={"format": "msgpack", **agent}))


def bare(world):
    """By TCP and by a Unix socket: two calls on one connection each, at once, one more than the bot takes waits."""
    os.mkdir(world.path("bots"))
    carrier, server = scene(world, {"talk": "babble"}, ["--record", record_to(world)],
                            extra={"streams": {"unix_dir": world.path("bots")}})
    asked = {"tcp": {"codec": "l16", "rate": 16000, "ptime": 40, "max_calls": 2}, "unix": {"codec": "pcma", "max_calls": 2}}
    bots = {name: BareBot(worker(hello, want=3, seed=seed), path=world.path("bots/one.sock") if name == "unix" else None)
            for seed, (name, hello) in enumerate(asked.items())}
    made = {}
    for i, name in enumerate(asked):
        bare_agent(server, name, bots[name])
        for k in range(3):
            to = f"+155500042{i}{k}"
            made[to] = server.api("POST", "/calls", {"to": to, "agent": name})["id"]
    views = {to: ended(server, ident) for to, ident in made.items()}
    carrier.finish()
    for i, name in enumerate(asked):
        (c,) = bots[name].connections
        wait_until(lambda c=c: len(c.calls) == 3 and all(call.stop for call in c.calls.values()), 10, "the bot to see the ends")
        bots[name].check()
        assert c.most == 2, f"{c.most} calls at once, the bot takes two"
        for k in range(3):
            to = f"+155500042{i}{k}"
            assert views[to]["status"] == "completed", views[to]
            start = c.calls[to].start
            assert (start["codec"], start["rate"]) == (asked[name]["codec"], asked[name].get("rate", RATE)), start
            match = same(list(map(from_ulaw, recording(world.path("heard"), to))), i)
            print(f"     {name} {k}: correlation {match:.4f} in the callee's ear")
            assert match > 0.998, (to, match)
        bots[name].close()


def unpack_raw(entry):
    return unpack(entry[1])[0]


def bare_faults(world):
    """Each call of a bot that ends its connection in its way; the next call makes a new one."""
    carrier, server = scene(world, {"talk": "babble", "hangup_ms": "20000"})

    async def until_answered(c):
        await c.binary(pack([0, 0, {"v": 1}]))
        start = await c.until(lambda: [m for m in map(unpack_raw, c.log) if m[0] == 1], what="START")
        sid = start[0][1]
        await c.binary(pack([16, sid]))
        await c.until(lambda: any(m[0] == 2 for m in map(unpack_raw, c.log)), what="the callee")
        return sid

    async def goodbye(c):
        """In order: what was said is heard."""
        await c.binary(pack([2, await until_answered(c), 0, b"\x55" * 1600]), pack([6, 0, "done here"]))

    async def gone(c):
        await until_answered(c)
        c.writer.close()

    async def midst(c):
        await until_answered(c)
        await c.raw(pack([2, 1, 0, b"\x55" * 1600])[:500])
        c.writer.close()

    async def garbage(c):
        await until_answered(c)
        await c.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def bomb(c):
        await until_answered(c)
        await c.raw(b"\x91\xdd\xff\xff\xff\xff")

    async def nobody(c):
        await c.raw(b"SSH-2.0-x\r\n")

    async def opus(c):
        await c.binary(pack([0, 0, {"codec": "opus"}]))

    want = {goodbye: "completed", gone: "closed without a goodbye", midst: "closed in the middle of a message",
            garbage: "bytes that are no message: an array was expected", bomb: "a message that is too long",
            nobody: "bytes that are no message: an array was expected",
            opus: 'HELLO: codec "opus": expected pcmu, pcma or l16'}
    for script, why in want.items():
        name = script.__name__
        bot = BareBot(script)
        bare_agent(server, name, bot)
        for turn in (1, 2):
            view = ended(server, server.api("POST", "/calls", {"to": "+15550004300", "agent": name})["id"])
            if why == "completed":
                assert view["status"] == "completed", view
            else:
                assert view["status"] == "agent_failed" and view["reason"].startswith("agent: " + why[:50]), view
                assert f"{bot.url}: {why}".replace('"', '\\"') in server.stderr(), (bot.url, why)
            wait_until(lambda c=bot.connections[-1]: c.closed, 10, "the bot to see the end")
            assert len(bot.connections) == turn, (name, len(bot.connections))
        bot.check()
        if script is opus:
            assert [c.reason for c in bot.connections] == [why] * 2
        bot.close()
    assert "Sanitizer" not in server.stderr()
    carrier.finish()


def where_bots_may_be(world):
    """An API key can't name any socket of this machine, nor an address that streams.allow_private forbids."""
    os.mkdir(world.path("bots"))
    bot = BareBot(worker({}), path=world.path("other.sock"))
    tcp = BareBot(worker({}))
    carrier, server = scene(world, extra={"streams": {"unix_dir": world.path("bots"), "allow_private": False}})

    def fault(url, **agent):
        try:
            server.api("POST", "/agents", stream_agent(url, name="x", agent={"format": "msgpack", **agent}))
        except AssertionError as error:
            return str(error)
        raise AssertionError(f"{url} {agent} was taken")

    outside = [bot.url, "unix:///run/docker.sock", f"unix://{world.path('bots')}/../other.sock", f"unix://{world.path('bots')}",
               f"unix://{world.path('bots')}/", f"unix://{world.path('bots')}/..", f"unix://{world.path('bots')}/a/b",
               f"unix://{world.path('bots')}x/a"]
    for url in outside:
        assert "#/outdial/agent/url" in fault(url) and "streams.unix_dir" in fault(url), fault(url)
    for url in ("tcp://host", "tcp://a@host:80", "tcp://host:80/x", "unix://x", "http://x"):
        assert "tcp://host:port; or unix:///path" in fault(url), fault(url)
    for agent, word in (({"format": "twilio"}, "#/outdial/agent/format"), ({"format": None}, "#/outdial/agent/format"),
                        ({"bearer": "s3cret"}, "#/outdial/agent/bearer"), ({"auth_token": "s3cret"}, "#/outdial/agent/auth_token")):
        text = fault("tcp://bot.example.net:4000", **agent)
        assert word in text and "ws://" in text and "s3cret" not in text, text
    bare_agent(server, "private", tcp)
    view = ended(server, server.api("POST", "/calls", {"to": "+15550004400", "agent": "private"})["id"])
    assert view["status"] == "agent_failed" and "loopback" in view["reason"], view
    assert not bot.connections and not tcp.connections

    none = world.serve([], extra={"data_dir": world.path("data-none")}, name="none")
    try:
        none.api("POST", "/agents", stream_agent(f"unix://{world.path('bots')}/a.sock", agent={"format": "msgpack"}))
    except AssertionError as error:
        assert "no streams.unix_dir" in str(error), error
    else:
        raise AssertionError("a socket without streams.unix_dir was taken")
    bot.close()
    tcp.close()
    carrier.finish()


main(codecs, refused, bare, bare_faults, where_bots_may_be)

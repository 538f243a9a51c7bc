#!/usr/bin/env python3
"""Goal: a voice bot at the other end of a media stream talks on a call as Twilio's format says: the order
and the timing of what it is told, its speech in the callee's ear to the byte, marks at true playout, a
barge-in within a frame, keys both ways, its goodbye; and a bot that is down, slow, hung, dead or mad does
no harm. Method: a scripted bot, `outdial serve`, and `outdial carrier` recording what its telephones hear."""
import asyncio
import base64
import hashlib
import hmac
import json
import os
import http.server
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from bot import Bot, SILENCE, frame, pack, stream_agent, tone, unpack
from harness import free_port, main, wait_until
from stream_scene import call, ended, metrics, no_stall, record_to, recording, scene

def talk(world):
    carrier, server = scene(world, {"digits": "7", "digit_delay_ms": "300", "talk": "hello"},
                            ["--record", record_to(world)])
    speech = tone(1000)

    async def script(c):
        await c.wait("start")
        await c.mark("at once")
        await c.play(speech[:3001])        # any size
        await c.play(speech[3001:], "said")
        await c.wait("mark", 2)
        await c.wait("dtmf")
        await c.send({"event": "result", "result": {"confirmed": True, "who": "Ann"}})
        await c.send({"event": "transcript", "transcript": {"role": "agent", "text": "Hello"}})
        await c.until(lambda: len(c.events("media")) >= 50)
        await c.close()

    bot = Bot(script)
    agent = stream_agent(bot.url, agent={"auth_token": "t0ken", "bearer": "b3arer",
                                         "parameters": {"greeting": "Hi {{name}}"}},
                         additionalData={"name": "nobody", "team": "blue"},
                         returns={"properties": {"confirmed": "boolean", "who": "string", "when": "string"},
                                  "required": ["who", "when"]},
                         config={"llmConfig": {"prompt": "You call {{name}}.", "apiKey": "sk-secret"}})
    view = call(server, agent, context={"name": "Ann", "age": 40})
    bot.check()
    assert view["status"] == "completed" and view["result"] == {"confirmed": True, "who": "Ann"}, view
    assert view["media"]["transcript"] == [{"role": "agent", "text": "Hello"}], view
    assert view["media"]["result_error"] == "when is missing", view["media"]
    (c,) = bot.connections
    _, headers = bot.requests[0]
    signature = base64.b64encode(hmac.new(b"t0ken", bot.url.encode(), hashlib.sha1).digest()).decode()
    assert headers["x-twilio-signature"] == signature, headers
    assert headers["authorization"] == "Bearer b3arer" and "sec-websocket-extensions" not in headers

    messages = [m for _, m in c.log]
    assert [m["event"] for m in messages[:2]] == ["connected", "start"]
    start = messages[1]["start"]
    assert start["customParameters"] == {"from_number": "+15550009999", "to_number": "+15550001111",
                                         "greeting": "Hi Ann", "name": "Ann", "team": "blue",
                                         "age": "40"}, start
    assert start["outdial"]["config"]["llmConfig"] == {"prompt": "You call Ann."}, start["outdial"]
    assert "secret" not in json.dumps(messages[1])
    media = c.events("media")
    assert [int(m["media"]["timestamp"]) for m in media] == [20 * i for i in range(len(media))]
    assert [int(m["media"]["chunk"]) for m in media] == list(range(1, len(media) + 1))
    assert all(len(base64.b64decode(m["media"]["payload"])) == 160 for m in media)
    assert any(set(base64.b64decode(m["media"]["payload"])) != {SILENCE} for m in media), "the callee spoke"
    numbers = [int(m["sequenceNumber"]) for m in messages[1:]]
    assert numbers == list(range(1, len(numbers) + 1)), "the sequence has a gap"
    marks = c.events("mark")
    assert [m["mark"] for m in marks] == [{"name": "at once"}, {"name": "said"}], marks
    # as many frames of the callee as of the bot went by between the two
    at = [next(i for i, m in enumerate(messages) if m is mark) for mark in marks]
    between = sum(m["event"] == "media" for m in messages[at[0]:at[1]])
    assert 49 <= between <= 53, f"{between} frames while 50 were played"
    assert c.events("dtmf")[0]["dtmf"] == {"track": "inbound_track", "digit": "7"}
    carrier.finish()
    assert speech in recording(world.path("heard")), "the callee heard something else"
    bot.close()


def barge_in(world):
    carrier, server = scene(world, {}, ["--record", record_to(world)])
    first, second = tone(10000, 1), tone(400, 2)

    async def script(c):
        await c.wait("start")
        for i in range(100):
            await c.play(first[i * 800:(i + 1) * 800], f"n{i}")
        await c.wait("mark", 9)
        # in one piece: what lies between the two is the daemon's
        sid = c.start["streamSid"]
        await c.raw(b"".join(frame(1, json.dumps({"streamSid": sid, **m}).encode()) for m in (
            {"event": "clear"}, {"event": "media", "media": {"payload": base64.b64encode(second).decode()}},
            {"event": "mark", "mark": {"name": "new"}})))
        await c.until(lambda: any(m["mark"]["name"] == "new" for m in c.events("mark")))
        await c.close()

    bot = Bot(script)
    assert call(server, stream_agent(bot.url))["status"] == "completed"
    bot.check()
    marks = bot.connections[0].events("mark")
    assert [m["mark"]["name"] for m in marks] == [f"n{i}" for i in range(100)] + ["new"]
    cleared = [m for m in marks if "outdial" in m]
    played = sum(m["outdial"]["played_ms"] for m in cleared) + 100 * (100 - len(cleared))
    assert len(cleared) >= 50 and cleared[0]["outdial"]["of_ms"] == 100, cleared[:2]
    carrier.finish()
    ear = recording(world.path("heard"))
    begin, again = ear.index(first[:160]), ear.index(second)
    old = ear[begin:again]
    old = old[:len(old.rstrip(bytes([SILENCE])))]
    assert first.startswith(old), "what was heard is not what was said"
    assert len(old) == played * 8, f"{len(old) / 8} ms were heard, {played} ms were told"
    assert again - begin - len(old) <= 160 * 3, "the new speech came late"
    bot.close()


def down(world):
    carrier, server = scene(world)
    nobody = free_port(socket.SOCK_STREAM)
    view = call(server, stream_agent(f"ws://127.0.0.1:{nobody}/"))
    assert view["status"] == "agent_failed" and "refused" in view["reason"], view
    assert not list(carrier.facts("invite")), "the phone rang for a bot that is down"
    for status in (403, 503):
        bot = Bot(status=status)
        server.api("POST", "/agents", stream_agent(bot.url, name=f"bot{status}"))
        made = server.api("POST", "/calls", {"to": "+15550001112", "agent": f"bot{status}"})
        view = ended(server, made["id"])
        assert view["status"] == "agent_failed" and str(status) in view["reason"], view
        assert len(bot.requests) == 1 if status == 403 else len(bot.requests) > 5, bot.requests
        bot.close()
    assert not list(carrier.facts("invite"))
    # it comes up while the call waits for it
    port = free_port(socket.SOCK_STREAM)
    server.api("POST", "/agents", stream_agent(f"ws://127.0.0.1:{port}/", name="late"))
    made = server.api("POST", "/calls", {"to": "+15550001113", "agent": "late"})

    async def goodbye(c):
        await c.wait("start")
        await c.close()

    bot = Bot(goodbye, port=port)
    assert ended(server, made["id"])["status"] == "completed"
    bot.close()
    # who wants the phone to ring all the same: it is tried again at the answer
    server.api("POST", "/agents", stream_agent(f"ws://127.0.0.1:{nobody}/", name="brave",
                                               agent={"if_down": "ring"}))
    made = server.api("POST", "/calls", {"to": "+15550001114", "agent": "brave"})
    view = ended(server, made["id"])
    assert view["status"] == "agent_failed" and view["answered_at"], view
    # a bot that names nothing, and no default
    server.api("POST", "/agents", {"name": "mute"})
    made = server.api("POST", "/calls", {"to": "+15550001115", "agent": "mute"})
    view = ended(server, made["id"])
    assert view["status"] == "agent_failed" and "agent_default" in view["reason"], view
    assert not [f for f in carrier.facts("invite") if f["number"].endswith("1115")], "it rang for nobody"
    carrier.finish()


def default_and_answer(world):
    async def script(c):
        await c.wait("start")
        await c.play(tone(100), "m")
        await c.wait("mark")
        await c.send({"event": "hangup", "hangup": {"reason": "done"}})

    bot = Bot(script, accept_after_s=0.5)
    carrier, server = scene(world, extra={"agent_default": {"kind": "stream", "url": bot.url}})
    view = call(server, {"name": "bot"})
    assert view["status"] == "completed" and not bot.errors, (view, bot.errors)
    c = bot.connections[0]
    wait_until(lambda: c.closed, 5, "the stream to be closed")
    assert c.closed == 1000 and c.events()[-1]["event"] == "stop", c.events()[-1]
    # at the answer: the socket is opened no earlier
    server.api("POST", "/agents", stream_agent(bot.url, name="later", agent={"connect": "answer"}))
    made = server.api("POST", "/calls", {"to": "+15550001112", "agent": "later"})
    view = ended(server, made["id"])
    assert view["status"] == "completed", view
    messages = bot.connections[1].events()
    assert [m["event"] for m in messages[:2]] == ["connected", "start"]
    assert messages[2]["media"]["timestamp"] == "0"
    bot.check()
    bot.close()
    carrier.finish()


def callee_hangs_up(world):
    carrier, server = scene(world, {"hangup_ms": "600"})

    async def script(c):
        await c.wait("start")
        await c.play(tone(5000), "never")
        await c.wait("stop")

    bot = Bot(script)
    assert call(server, stream_agent(bot.url))["status"] == "completed"
    c = bot.connections[0]
    wait_until(lambda: c.closed, 5, "the stream to be closed")
    bot.check()
    assert c.closed == 1000 and c.events()[-1]["event"] == "stop" and not c.events("mark")
    bot.close()
    carrier.finish()


def over_rest(world):
    """A bot reads its call and hangs it up over REST, with the SIDs it was told."""
    carrier, server = scene(world)

    def rest(method, account, tail, body=None, key=None, status=200):
        request = urllib.request.Request(
            f"{server.url}/2010-04-01/Accounts/{account}/{tail}", method=method,
            data=urllib.parse.urlencode(body).encode() if body else None)
        token = base64.b64encode(f"{account}:{key or server.key}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                got, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            got, text = error.code, error.read()
        assert got == status, (method, tail, got, text)
        return json.loads(text)

    orders = [{"Status": "completed"},
              {"Twiml": '<?xml version="1.0" encoding="UTF-8"?>\n<Response>\n  <Hangup/>\n</Response>'}]

    def hang_up(account, sid):
        view = rest("GET", account, f"Calls/{sid}.json")
        assert view["status"] == "in-progress" and view["sid"] == sid and view["to"] == "+15550001111", view
        for refused in ({"Twiml": "<Response><Say>Bye</Say><Hangup/></Response>"}, {"Twiml": "<Response><Hangup/>"},
                        {"Twiml": "<?xml <Response/>"}, {"Status": "ringing", "Twiml": "<Response/>"}):
            assert rest("POST", account, f"Calls/{sid}.json", refused, status=400)["code"] == 20001
        rest("POST", account, f"Calls/{sid}.json", orders.pop(0))

    async def script(c):
        await c.wait("start")
        await c.send({"event": "dtmf", "dtmf": {"digits": "12#"}})
        await c.play(tone(300), "m")
        await c.wait("mark")
        start = c.start["start"]
        await asyncio.get_event_loop().run_in_executor(None, hang_up, start["accountSid"], start["callSid"])
        await c.wait("stop")

    bot = Bot(script)
    view = call(server, stream_agent(bot.url))
    bot.check()
    assert view["status"] == "completed", view
    start = bot.connections[0].start["start"]
    account, sid = start["accountSid"], start["callSid"]
    shown = rest("GET", account, f"Calls/{sid}")
    assert shown["status"] == "completed" and shown["account_sid"] == account and shown["end_time"], shown
    rest("POST", account, f"Calls/{sid}.json", {"Status": "completed"})
    assert shown["from"] == "+15550009999", shown
    second = server.api("POST", "/calls", {"to": "+15550001111", "agent": "bot"})
    ended(server, second["id"])
    bot.check()
    sids = [bot.connections[1].start["start"]["callSid"], sid]
    pages, tail = [], "Calls.json?PageSize=1&Status=completed"
    while tail and len(pages) < 3:
        pages.append(rest("GET", account, tail))
        tail = (pages[-1]["next_page_uri"] or "").partition(f"/{account}/")[2]
    listed = [(c["sid"], c["from"]) for page in pages for c in page["calls"]]
    assert listed == [(one, "+15550009999") for one in sids], pages
    assert [page["page"] for page in pages] == list(range(len(pages))) and pages[0]["page_size"] == 1, pages
    assert rest("GET", account, "Calls.json")["calls"][1]["sid"] == sid
    assert rest("GET", account, "Calls.json?Status=in-progress")["calls"] == []
    for wrong in ("Status=done", "PageSize=0", "PageToken=x"):
        assert rest("GET", account, f"Calls.json?{wrong}", status=400)["code"] == 20001, wrong
    missing = rest("GET", account, "Calls/CA" + "0" * 32 + ".json", status=404)
    assert missing["code"] == 20404 and missing["status"] == 404, missing
    assert rest("GET", "AC" + "0" * 32, f"Calls/{sid}.json", status=404)["code"] == 20404
    assert rest("GET", account, f"Calls/{sid}.json", key="sk_wrong", status=401)["code"] == 20003
    bot.close()
    carrier.finish()
    heard = [f for f in carrier.facts("end")]
    assert heard, "the carrier saw the end"


def tools(world):
    """The bot calls the agent's tools through outdial, and hands the callee on."""
    seen = []

    class Tool(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # pylint: disable=invalid-name
            seen.append(self.rfile.read(int(self.headers["Content-Length"])))
            answer = b'{"free":["10:00"]}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tool)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    carrier, server = scene(world, extra={"webhooks": {"allow_private": True}})

    async def script(c):
        await c.wait("start")
        await c.send({"event": "tool_call", "tool_call": {"id": "t1", "name": "slots", "arguments": {"day": 5}}})
        await c.send({"event": "tool_call", "tool_call": {"id": "t2", "name": "none", "arguments": {}}})
        await c.wait("tool_result", 2)
        await c.send({"event": "transfer", "transfer": {"target": "not a number"}})
        await c.wait("transfer")
        await c.close()

    bot = Bot(script)
    url = f"http://127.0.0.1:{web.server_address[1]}/tool"
    agent = stream_agent(bot.url, config={"tools": [{"name": "slots", "description": "d", "schema": {},
                                                     "webhook": {"url": url}}]})
    assert call(server, agent)["status"] == "completed"
    bot.check()
    c = bot.connections[0]
    results = {m["tool_result"]["id"]: m["tool_result"] for m in c.events("tool_result")}
    assert results["t1"] == {"id": "t1", "ok": True, "result": {"free": ["10:00"]}}, results
    assert not results["t2"]["ok"] and "no such tool" in results["t2"]["result"]["error"], results
    assert seen and b"day" in seen[0], seen
    config = c.start["start"]["outdial"]["config"]
    assert config["tools"] == [{"name": "slots", "description": "d", "schema": {}}], config
    assert c.events("transfer")[0]["transfer"] == {"status": 400, "final": True}, c.events("transfer")
    bot.close()
    web.shutdown()
    carrier.finish()


def many_on_one(world):
    """msgpack: calls share a connection, two at a time; each is offered before it is dialled, one is refused."""
    carrier, server = scene(world, {"digits": "5", "digit_delay_ms": "200"}, ["--record", record_to(world)])
    speech = {f"+1555000300{i}": tone(400, i + 1) for i in range(6)}

    async def script(c):
        """One task per connection, whatever calls it carries."""
        calls, ended_sids, at, refused = {}, set(), 0, set()
        bot.most = 0
        await c.binary(pack([0, 0, {"v": 1, "max_calls": 2}]))
        while len(ended_sids) < 5:
            await c.until(lambda: len(c.log) > at, what="a message")
            while at < len(c.log):
                kind, sid, *rest = unpack(c.log[at][1])[0]
                at += 1
                if kind == 1:
                    calls[sid] = rest[0]
                    told = {name: value for name, value in rest[0].items() if name not in ("call", "to", "params", "outdial")}
                    assert told == {"from": "+15550009999", "campaign": None, "attempt": 1, "codec": "pcmu", "rate": 8000,
                                    "ptime": 20, "amd": {"mode": "async", "kind": "unknown"}}, told
                    assert rest[0]["outdial"]["call_id"] == rest[0]["call"], rest[0]
                    assert rest[0]["outdial"]["amd"] == told["amd"], rest[0]
                    bot.most = max(bot.most, len(calls) - len(ended_sids) - len(refused))
                    refuse = rest[0]["to"].endswith("3005")
                    refused |= {sid} if refuse else set()
                    await c.binary(pack([17, sid, 480, "not this one"] if refuse else [16, sid]))
                elif kind == 5 and "answered" in rest[0]:
                    await c.binary(pack([2, sid, 0, speech[calls[sid]["to"]]]))
                    await c.binary(pack([4, sid, "said"]))
                elif kind == 3:
                    calls[sid]["key"] = rest[1]
                elif kind == 4:
                    calls[sid]["mark"] = (rest[0], rest[2])
                    await c.binary(pack([5, sid, {"result": {"sid": sid}}]))
                elif kind == 6:
                    ended_sids |= set() if sid in refused else {sid}
                if kind in (3, 4) and calls[sid].get("key") == "5" and calls[sid].get("mark") == ("said", 0):
                    await c.binary(pack([6, sid, "bye"]))
        bot.calls = calls

    bot = Bot(script, subprotocol="outdial.media.v1.msgpack")
    server.api("POST", "/agents", stream_agent(bot.url, agent={"format": "msgpack"}, outdial={"amd": {"mode": "async"}}))
    made = {to: server.api("POST", "/calls", {"to": to, "agent": "bot"})["id"] for to in speech}
    views = {to: ended(server, ident) for to, ident in made.items()}
    wait_until(lambda: hasattr(bot, "calls") or bot.errors, 20, "the bot to see all ends")
    bot.check()
    assert bot.most <= 2, f"{bot.most} calls at once, the bot takes two"
    assert len(bot.connections) == 1 and len(bot.calls) == 6, (len(bot.connections), bot.calls)
    refused = views.pop("+15550003005")
    assert refused["status"] == "agent_failed" and refused["reason"] == "not this one", refused
    assert not [f for f in carrier.facts("invite") if f["number"].endswith("3005")]
    for to, view in views.items():
        assert view["status"] == "completed" and view["result"]["sid"], view
    carrier.finish()
    for to in views:
        assert speech[to] in recording(world.path("heard"), to), to
    bot.close()


def faults(world):
    """Each bot on a call of its own, all at once; beside them one that is in order and must not notice."""
    carrier, server = scene(world, {"talk": "babble", "hangup_ms": "9000"})

    async def fine(c):
        await c.wait("start")
        for i in range(20):
            await c.play(tone(100), f"m{i}")
            await c.wait("mark", i + 1)
        await c.close()

    async def slow(c):
        await c.wait("start")
        c.reader._transport.pause_reading()  # pylint: disable=protected-access
        await asyncio.sleep(3)
        c.reader._transport.resume_reading()  # pylint: disable=protected-access
        await c.wait("stop")

    async def hung(c):
        await c.wait("start")
        await c.play(tone(300))
        c.reader._transport.pause_reading()  # pylint: disable=protected-access
        await asyncio.sleep(12)
        c.writer.transport.abort()

    async def dead(c):
        await c.wait("start")
        c.writer.transport.abort()

    random_bytes = frame(2, os.urandom(1000000))

    async def garbage(c):
        await c.wait("start")
        for junk in (b"{", b"[]", b'{"event":"media","media":{"payload":"!!"}}', b'{"event":7}', b"null"):
            await c.raw(frame(1, junk))
        await c.binary(os.urandom(4000))
        await c.raw(random_bytes)
        await c.raw(frame(1, b'{"event":"media","media":{"payload":"' + b"!" * 1000000 + b'"}}'))
        await c.raw(frame(1, b"[" * 1000000))
        await c.play(tone(200), "after")
        await c.wait("mark")
        await c.close()

    async def no_frames(c):
        await c.wait("start")
        await c.raw(b"\xff" * 100)

    much = frame(1, b'{"event":"media","media":{"payload":"' + base64.b64encode(tone(600 * 1000)) + b'"}}')

    async def ten_minutes(c):
        await c.wait("start")
        await c.raw(much)
        await c.mark("all")
        await c.until(lambda: len(c.events("media")) > 25)
        await c.clear()
        await c.wait("mark")
        await c.close()

    want = {"fine": "completed", "slow": "completed", "hung": "completed", "dead": "agent_failed", "garbage": "completed",
            "no_frames": "agent_failed", "ten_minutes": "completed"}
    bots, made = {}, {}
    for name in want:
        bots[name] = Bot(locals()[name])
        server.api("POST", "/agents", stream_agent(bots[name].url, name=name))
    for i, name in enumerate(want):
        made[name] = server.api("POST", "/calls", {"to": f"+1555000200{i}", "agent": name})["id"]
    views = {name: ended(server, made[name]) for name in want}
    no_stall(server, "each bot broken in its way")
    for name, status in want.items():
        assert views[name]["status"] == status, (name, views[name])
        bots[name].check()
        bots[name].close()
    marks = bots["fine"].connections[0].events("mark")
    assert len(marks) == 20
    (cleared,) = bots["ten_minutes"].connections[0].events("mark")
    assert cleared["outdial"]["of_ms"] == 600000, cleared
    media = bots["slow"].connections[0].events("media")
    stamps = [int(m["media"]["timestamp"]) for m in media]
    assert stamps == sorted(set(stamps)), "media time went back"
    assert views["hung"]["duration_ms"] > 5000, views["hung"]  # the callee's hanging up ended it
    assert "Sanitizer" not in server.stderr()
    carrier.finish()


def far_behind(world):
    """A bot that reads nothing for some seconds misses the oldest of them, not its connection, and is then at the
    present again; what it missed shows in the time of what it is told, in its call and in the metrics."""
    carrier, server = scene(world, {"talk": "babble"})

    async def script(c):
        await c.wait("media")
        begun = time.monotonic()
        c.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.reader._transport.pause_reading()  # pylint: disable=protected-access
        while "it reads too slowly" not in server.stderr():
            assert time.monotonic() - begun < 20, "a bot that reads nothing gets all there was, later"
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)  # that it misses
        c.reader._transport.resume_reading()  # pylint: disable=protected-access
        await c.mark("here")
        await c.wait("mark")

        def late_ms():
            return 1000 * (time.monotonic() - begun) - int(c.events("media")[-1]["media"]["timestamp"])
        await c.until(lambda: late_ms() < 500, what="the present")
        await c.close()

    bot = Bot(script)
    view = call(server, stream_agent(bot.url), 60)
    bot.check()
    assert view["status"] == "completed", view
    messages = [m for _, m in bot.connections[0].log][1:]
    numbers = [int(m["sequenceNumber"]) for m in messages]
    assert numbers == list(range(1, len(numbers) + 1)), "the sequence has a gap"
    media = [m["media"] for m in messages if m["event"] == "media"]
    assert [int(m["chunk"]) for m in media] == list(range(1, len(media) + 1))
    stamps = [int(m["timestamp"]) for m in media]
    steps = [after - before for before, after in zip(stamps, stamps[1:])]
    missed_ms = sum(step - 20 for step in steps)
    assert min(steps) == 20 and missed_ms >= 500, (min(steps), missed_ms)
    assert view["media"]["stream"] == {"missed_ms": missed_ms, "dropped_ms": 0}, (view["media"], missed_ms)
    assert round(1000 * metrics(server)("stream_missed_seconds_total")) == missed_ms
    bot.close()
    carrier.finish()


def floods(world):
    """Several bots of each kind say as much as they can at once: it is done little by little, to the end."""
    carrier, server = scene(world, {"hangup_ms": "90000"})
    speech = tone(600 * 1000)
    media = b'{"event":"media","media":{"payload":"' + base64.b64encode(speech) + b'"}}'
    said = {
        "audio": frame(1, media),
        "escaped": frame(1, media.replace(b"/", b"\\/")),
        "pieces": frame(1, media[:100], fin=False) + b"".join(
            frame(0, media[i:i + 50000], fin=False) for i in range(100, len(media), 50000)) + frame(0, b""),
        "wide": frame(2, bytes(15 << 20)),  # linear, at 16,000 Hz
        "packed": frame(2, b"\x94\x02\x01\x00\xc6" + len(speech).to_bytes(4, "big") + speech),
        "pings": frame(9, b"") * 200000,
        "nothings": frame(1, b"{}") * 100000,
        "brackets": frame(1, b"[" * 200000) * 10,
        "marks": frame(1, b'{"event":"mark","mark":{"name":"m"}}') * 10000,
        # all of them are due at the same time
        "cleared": frame(1, b'{"event":"media","media":{"payload":"' + base64.b64encode(speech[:80000]) + b'"}}')
                   + (frame(1, b'{"event":"mark","mark":{"name":"m"}}') * 4000 + frame(1, b'{"event":"clear"}')) * 2,
    }
    formats = {"wide": {"format": "vonage"}, "packed": {"format": "msgpack"}}

    def bot(kind):
        async def script(c):
            if kind == "packed":
                await c.binary(pack([0, 0, {"v": 1, "max_calls": 1}]))
                await c.until(lambda: c.log)
                await c.binary(pack([16, 1]))
                await c.until(lambda: any(unpack(m)[0][0] == 5 for _, m in c.log if m[1] == 5))
            else:
                await c.until(lambda: len(c.log) > 2)
            await c.raw(said[kind])
            if kind == "packed":
                await c.binary(pack([4, 1, "done"]))
                await c.binary(pack([9, 1]))
                await c.until(lambda: any(m[1] == 4 for _, m in c.log), 60)
            elif kind == "wide":
                await c.send({"action": "clear"})
                await c.until(lambda: any("cleared" in m.get("event", "") for m in c.events()), 60)
            else:
                await c.mark("done")
                await c.clear()
                await c.until(lambda: any(m["mark"]["name"] == "done" for m in c.events("mark")), 60)
            await c.close()
        return Bot(script, subprotocol="outdial.media.v1.msgpack" if kind == "packed" else None)

    bots = [(f"{kind}{i}", kind, bot(kind)) for kind in said for i in range(2)]
    made = {}
    for name, kind, one in bots:
        server.api("POST", "/agents", stream_agent(one.url, name=name, agent=formats.get(kind, {})))
    for i, (name, _, _) in enumerate(bots):
        made[name] = server.api("POST", "/calls", {"to": f"+1555000{4000 + i}", "agent": name})["id"]
    views = {name: ended(server, made[name], 120) for name in made}
    no_stall(server, "bots that say all they can at once")
    for name, kind, one in bots:
        assert views[name]["status"] == "completed", (name, views[name])
        one.check()
        (c,) = one.connections
        if kind in ("audio", "escaped", "pieces"):
            (mark,) = c.events("mark")
            assert mark["outdial"]["of_ms"] == 600000, (name, mark)
        elif kind in ("marks", "cleared"):
            names = [m["mark"]["name"] for m in c.events("mark")]
            assert names == ["m"] * (10000 if kind == "marks" else 8000) + ["done"], (name, len(names))
        one.close()
    carrier.finish()


main(talk, barge_in, down, default_and_answer, callee_hangs_up, over_rest, tools, many_on_one, faults, far_behind, floods)

#!/usr/bin/env python3
"""Goal: an agent's own transfer (Dasha's features.transfer) is done: a route by its name, cold by REFER, warm
with a briefing before the two are joined, http by asking a URL; and where it can't be, the agent is told and
goes on. Method: two simulated carriers, the callee's and the desk's, whose recordings tell who heard what; a bot;
a receiver that answers well, badly, late or not at all; documents that are refused with their place."""
import base64
import http.server
import json
import threading
import urllib.error
import urllib.request

from bot import Bot, stream_agent, tone
from harness import invites, main
from stream_scene import CALLEE, ended, record_to, recording

DESK, SALES, CUSTOMER = "+16660000001", "+16660000002", "+15550001111"
OPEN = {"webhooks": {"allow_private": True}}


class Router(http.server.ThreadingHTTPServer):
    """Says whom a callee goes to: say(payload) is (status, text), or None for never."""

    daemon_threads = True

    def __init__(self, say):
        router = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                router.got.append((self.path, dict(self.headers), payload))
                answer = router.say(payload)
                if answer is None:
                    router.over.wait(60)
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                self.send_header("Content-Length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1].encode())

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.got, self.say, self.over = [], say, threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.over.set()
        self.shutdown()


def scene(world, desk=None, callee=None, extra=None):
    heard = record_to(world)
    one = world.carrier({**CALLEE, **(callee or {})}, ["--record", heard])
    two = world.carrier({**CALLEE, "talk": "babble", "seed": "7", **(desk or {})}, ["--record", heard], name="desk")
    server = world.serve([{"name": "main", "server": one.address, "cps_limit": 0, "prefixes": ["+1555"]},
                          {"name": "desk", "server": two.address, "cps_limit": 0, "prefixes": ["+1666"]}],
                         extra=extra)
    return one, two, server, heard


def agent(bot, plan, name="bot", **outdial):
    return stream_agent(bot.url, name=name, config={"features": {"transfer": plan}}, outdial=outdial)


def routes(kind, **more):
    return {"version": "v1", "type": kind, "description": "When they ask for a person.", "endpointDestination": DESK,
            "transferRoutes": [{"name": "Sales", "description": "Prices", "endpointDestination": SALES}], **more}


def talk(server, bot, document, number=CUSTOMER):
    server.api("POST", "/agents", document)
    made = server.api("POST", "/calls", {"to": number, "agent": document["name"]})
    view = ended(server, made["id"])
    bot.check()
    bot.close()
    return view


def end(server, *carriers):
    server.stop()
    for carrier in carriers:
        carrier.finish()


async def order(c, **transfer):
    await c.send({"event": "transfer", "transfer": transfer})


async def final(c, count=1):
    """The count-th last word of a transfer."""
    def found():
        last = [m["transfer"] for m in c.events("transfer") if m["transfer"]["final"]]
        return last[count - 1] if len(last) >= count else None
    return await c.until(found, what="a transfer's last word")


def loudest(messages):
    """How many different bytes a piece of what was heard has: silence has one or two."""
    return max((len(set(base64.b64decode(m["media"]["payload"]))) for m in messages), default=0)


def warm_after_a_briefing(world):
    """The desk hears the bot, and the bot the desk, while the callee hears nothing; then the two are joined."""
    one, two, server, heard = scene(world, {"hangup_ms": "6000"}, {"talk": "babble"})
    brief, more = tone(600, 3), tone(400, 4)

    async def script(c):
        start = await c.wait("start")
        told = start["start"]["outdial"]["config"]["features"]["transfer"]
        assert told["transferRoutes"][0]["name"] == "Sales" and told["description"], told
        await c.play(more, "before")
        await c.wait("mark")
        await order(c, route="SALES")
        word = await c.wait("transfer")
        assert word["transfer"] == {"status": 200, "final": False, "bridged": False, "briefing": True}, word
        at = len(c.log)
        await c.play(brief, "brief")
        await c.wait("mark", 2)
        await c.until(lambda: loudest([m for _, m in c.log[at:] if m.get("event") == "media"]) > 20,
                      what="the desk's voice")
        await order(c, join=True)
        word = await c.wait("transfer", 2)
        assert word["transfer"] == {"status": 200, "final": False, "bridged": True}, word
        over = await final(c)
        assert over["talked"] and over["outcome"] == "completed", over
        await c.wait("stop")

    bot = Bot(script)
    view = talk(server, bot, agent(bot, routes("warm")))
    assert view["status"] == "completed", view
    (note,) = view["media"]["transfers"]
    assert note["to"] == SALES and note["outcome"] == "completed" and note["talk_ms"] > 1000, note
    end(server, one, two)
    desk_ear, callee_ear = recording(heard, SALES), recording(heard, CUSTOMER)
    assert more in callee_ear and brief in desk_ear, "the bot was not heard"
    assert brief not in callee_ear and brief[800:2400] not in callee_ear, "the callee heard the briefing"
    behind = desk_ear[desk_ear.index(brief) + len(brief):]
    assert len(set(behind[-8000:])) > 20, "the desk did not hear the callee afterwards"


def a_briefing_that_lasts(world):
    """A bot that never joins them: they are joined when it has had its time."""
    one, two, server, _ = scene(world, {"hangup_ms": "3000"})

    async def script(c):
        await c.wait("start")
        await order(c, brief_max_s=1)
        word = await c.wait("transfer", 2)
        assert word["transfer"] == {"status": 200, "final": False, "bridged": True}, word
        assert (await final(c))["talked"]
        await c.wait("stop")

    bot = Bot(script)
    view = talk(server, bot, agent(bot, routes("warm")))
    assert 1000 <= view["media"]["transfers"][0]["talk_ms"] <= 2500, view["media"]
    end(server, one, two)


def a_desk_that_declines(world):
    """The desk hangs up on the briefing, or its phone rings too long and the bot thinks again: the callee is still there."""
    one, two, server, heard = scene(world, {"hangup_ms": "700"})
    sorry = tone(500, 5)

    async def script(c):
        await c.wait("start")
        await order(c)
        await c.wait("transfer")
        over = await final(c)
        assert over == {"status": 200, "final": True, "bridged": False, "talked": False, "outcome": "completed"}, over
        await order(c, join=True)
        assert (await final(c, 2))["status"] == 481
        await c.play(sorry, "sorry")
        await c.wait("mark")
        await c.close()

    bot = Bot(script)
    view = talk(server, bot, agent(bot, routes("warm")))
    assert view["media"]["transfers"][0] == {"mode": "bridge", "to": DESK, "outcome": "completed", "sip_status": 200,
                                             "talk_ms": 0}, view["media"]
    end(server, one)
    two.finish()
    assert sorry in recording(heard, CUSTOMER), "the callee did not hear the bot afterwards"


def what_fails_is_told(world):
    """No such route; busy; a REFER that is refused; one at a time; an order taken back while it rings."""
    one, two, server, _ = scene(world, {"answer": 0, "busy": 100})

    async def script(c):
        await c.wait("start")
        await order(c, route="Support")
        assert (await final(c))["status"] == 404
        await order(c, target="not a number")
        assert (await final(c, 2))["status"] == 404
        await order(c, route="sales")  # cold: by REFER, which this carrier refuses
        assert 400 <= (await final(c, 3))["status"] < 600
        await order(c, route="sales", mode="bridge")
        over = await final(c, 4)
        assert over["status"] == 486 and over["outcome"] == "busy" and not over["talked"], over
        await order(c, cancel=True)
        assert (await final(c, 5))["status"] == 481
        await c.close()

    bot = Bot(script)
    view = talk(server, bot, agent(bot, routes("cold")))
    assert view["status"] == "completed", view
    trace = json.dumps(server.api("GET", f"/calls/{view['id']}/trace")["trace"])
    assert trace.count('"REFER ') == 1, trace
    end(server, one, two)


def taken_back(world):
    """Nobody takes the phone; a second order has to wait; the first is taken back, and its leg is canceled."""
    one, two, server, _ = scene(world, {"answer": 0, "no_answer": 100, "ring_ms": "100"})

    async def script(c):
        await c.wait("start")
        await order(c)
        await c.until(lambda: any(two.facts("ringing")) or any(two.facts("invite")), what="the desk's phone")
        await order(c, route="sales")
        assert (await final(c))["status"] == 491
        await order(c, cancel=True)
        over = await final(c, 2)
        assert over["outcome"] == "canceled" and not over["talked"], over
        await c.close()

    bot = Bot(script)
    view = talk(server, bot, agent(bot, routes("warm"), ring_timeout_s=45))
    assert view["status"] == "completed" and view["media"]["transfers"][0]["outcome"] == "canceled", view
    assert len(invites(two)) == 1
    end(server, one, two)


def a_url_says_whom(world):
    """Its answer; with a fallback when it fails, and a word to the bot when there is none."""
    one, two, server, _ = scene(world, {"hangup_ms": "500"}, extra=OPEN)
    answers = {"good": (200, json.dumps({"type": "cold", "endpointDestination": SALES})), "broken": (500, "no"),
               "garbage": (200, "<html>"), "late": None}
    router = Router(lambda payload: answers[payload["transfer"]["reason"]])

    def asking(**more):
        return {"type": "http", "description": "Skills", "webhook": {
            "url": router.url + "/route", "headers": {"X-Key": "k-1"}}, **more}

    def ask_for(reason, status=None, to=None, **more):
        async def script(c):
            start = await c.wait("start")
            told = start["start"]["outdial"]["config"]["features"]["transfer"]
            assert "webhook" not in told and "k-1" not in json.dumps(start), told
            await order(c, reason=reason, on_end="agent")
            over = await final(c)
            assert over["talked"] if to else over == {"status": status, "final": True}, over
            await c.close()
        bot = Bot(script)
        number = f"+1555000{len(router.got):04d}"
        wait_s = 1 if reason == "late" else 20
        view = talk(server, bot, agent(bot, asking(timeout=wait_s, **more), name=f"bot{len(router.got)}",
                                       transfer={"mode": "bridge", "brief": False}), number)
        assert view["status"] == "completed", view
        assert [t["to"] for t in view["media"].get("transfers", [])] == ([to] if to else []), view["media"]

    fallback = {"type": "cold", "endpointDestination": DESK}
    ask_for("good", to=SALES)
    path, headers, payload = router.got[0]
    assert path == "/route" and headers["X-Key"] == "k-1", headers
    assert payload["type"] == "TransferWebHookPayload" and payload["status"] == "Running", payload
    assert payload["transfer"]["reason"] == "good" and payload["endpoint"].startswith("+1555000"), payload
    for reason in ("broken", "garbage", "late"):
        ask_for(reason, to=DESK, fallback=fallback)
        ask_for(reason, status=502)
    assert len(router.got) == 7, "it is asked once"
    said = server.stderr()
    assert said.count("asked in vain") == 6 and said.count("the answer names nobody") == 2, said[-3000:]
    router.end()
    end(server, one, two)


def a_url_that_is_not_for_us(world):
    """Private addresses are refused as for every webhook; the bot is told, and goes on."""
    one, two, server, _ = scene(world, extra={"webhooks": {"allow_private": False}})
    router = Router(lambda payload: (200, json.dumps({"endpointDestination": SALES})))

    async def script(c):
        await c.wait("start")
        await order(c)
        assert await final(c) == {"status": 502, "final": True}
        await c.close()

    bot = Bot(script)
    view = talk(server, bot, agent(bot, {"type": "http", "webhook": router.url + "/route"}))
    assert view["status"] == "completed" and not router.got, (view, router.got)
    router.end()
    end(server, one, two)


def the_callee_leaves_while_it_is_asked(world):
    """The question is dropped with the call, and what it is answered with moves nobody."""
    one, two, server, _ = scene(world, callee={"hangup_ms": "4000"}, extra=OPEN)
    router = Router(lambda payload: None)

    async def script(c):
        await c.wait("start")
        await order(c)
        await c.until(lambda: router.got, what="the question")
        await c.wait("stop")

    bot = Bot(script)
    view = talk(server, bot, agent(bot, {"type": "http", "webhook": router.url, "timeout": 60,
                                         "endpointDestination": DESK}))
    assert view["status"] == "completed" and "transfers" not in view["media"], view
    router.end()
    assert not any(two.facts("invite"))
    end(server, one, two)


def a_script_names_a_route(world):
    one, two, server, _ = scene(world, {"hangup_ms": "500"})
    for name, kind, to in (("warm", "warm", SALES), ("bridged", "cold", SALES), ("nobody", "warm", None)):
        step = {"to": "Sales" if to else "Support", "on_fail": "sorry"}
        if name == "bridged":
            step["mode"] = "bridge"
        server.api("POST", "/agents", {
            "name": name, "number": "+15550009999", "config": {"features": {"transfer": routes(kind)}},
            "outdial": {"agent": {"kind": "script", "steps": [
                {"transfer": step}, {"label": "sorry"}, {"pause": 100}, {"hangup": {}}]}}})
        view = ended(server, server.api("POST", "/calls", {"to": CUSTOMER, "agent": name})["id"])
        assert view["status"] == "completed", view
        notes = [(t["to"], t["outcome"]) for t in view["media"].get("transfers", [])]
        assert notes == ([(to, "completed")] if to else []), view["media"]
    end(server, one, two)


def what_cant_be_done_is_refused(world):
    """When the agent is written, by either API, with the place that is wrong."""
    one, two, server, _ = scene(world)
    place = "/config/features/transfer"
    for transfer, where in (({"type": "blind"}, "/type"), ({"type": "cold"}, "/endpointDestination"),
                            ({"type": "http"}, "/webhook"),
                            (routes("warm", transferRoutes=[{"name": "a", "endpointDestination": "desk"}]),
                             "/transferRoutes/0/endpointDestination")):
        document = {"name": "x", "config": {
            "primaryLanguage": "en-US", "ttsConfig": {"voiceId": "a", "vendor": "b"},
            "llmConfig": {"model": "a", "vendor": "b", "prompt": "c"}, "features": {"transfer": transfer}}}
        for prefix in ("/outdial/v1", "/api/v1"):
            request = urllib.request.Request(server.url + prefix + "/agents", data=json.dumps(document).encode(),
                                             method="POST")
            request.add_header("Authorization", f"Bearer {server.key}")
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    raise AssertionError(f"{transfer}: {answer.status}")
            except urllib.error.HTTPError as error:
                status, problem = error.code, json.loads(error.read())
            assert status in (400, 422), (status, problem)
            assert problem["errors"][0]["pointer"] in (f"#{place}{where}", place + where), problem
    end(server, one, two)


main(warm_after_a_briefing, a_briefing_that_lasts, a_desk_that_declines, what_fails_is_told, taken_back, a_url_says_whom,
     a_url_that_is_not_for_us, the_callee_leaves_while_it_is_asked, a_script_names_a_route,
     what_cant_be_done_is_refused)

#!/usr/bin/env python3
"""Goal: a client of either vendor's API takes a call through its whole life, and what one dialect says of
it the other says in its own words at the same time. Method: agents, numbers and calls made over HTTP,
`outdial carrier` as the telephones, one trunk for each kind of callee."""
import calendar
import json
import pathlib
import threading
import time
import urllib.error
import urllib.request

from harness import main, wait_until

SCRIPT = {"agent": {"kind": "script", "steps": [
    {"say": "Hello, press one."},
    {"gather": {"digits": 1, "timeout_ms": 5000, "into": "confirmed", "map": {"1": True}}},
    {"hangup": {}}]}}
# Our phases, as each dialect names them.
PAIRS = {"Created": {"queued"}, "Queued": {"queued"}, "Pending": {"initiated", "ringing"},
         "InProgress": {"in_progress"}, "Completed": {"completed"},
         "Failed": {"busy", "no_answer", "failed"}, "Canceled": {"canceled"}}
CALLEES = {
    "answers": {"answer": 1, "ring_ms": "400", "digits": "1", "digit_delay_ms": "turn"},
    "talks": {"answer": 1, "ring_ms": "100", "digits": "none"},
    "rings": {"no_answer": 1, "ring_ms": "60000"},
    "busy": {"busy": 1},
    "declines": {"decline": 1, "ring_ms": "100"},
    "fails": {"fail": 1, "fail_codes": "404:1"},
    "slow": {"answer": 1, "pdd_ms": "20000-20000"},  # a 100, and no ringing for long
    "one": {"no_answer": 1, "ring_ms": "60000"},
}


class Api:
    def __init__(self, server):
        self.server = server

    def ask(self, method, path, body=None, status=None, key=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.server.url + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {key or self.server.key}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                got, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            got, text = error.code, error.read()
        good = got == status if status else 200 <= got < 300
        assert good, f"{method} {path}: {got} {text[:500]!r}"
        return json.loads(text) if text else None

    def dasha(self, method, path, body=None, **more):
        return self.ask(method, "/api/v1" + path, body, **more)

    def box(self, method, path, body=None, **more):
        return self.ask(method, "/v1" + path, body, **more)

    def both(self, call):
        """The call in both dialects, the one between two equal readings of the other."""
        for _ in range(20):
            first = self.dasha("GET", f"/calls/{call}")
            box = self.box("GET", f"/calls/{call}")
            if self.dasha("GET", f"/calls/{call}")["status"] == first["status"]:
                break
        assert box["status"] in PAIRS[first["status"]], (first["status"], box["status"])
        return first, box

    def wait(self, call, *statuses, limit_s=30):
        """Until Dasha's status is one of those; every step on the way agrees in both dialects."""
        def there():
            dasha, box = self.both(call)
            return (dasha, box) if dasha["status"] in statuses else None
        return wait_until(there, limit_s, f"the call to be {' or '.join(statuses)}")


def begin(world, extra=None, **callees):
    """callees: of these alone, where other manners than theirs above are wanted."""
    trunks = []
    for name, town in (callees or CALLEES).items():
        weights = {key: 0 for key in ("answer", "no_answer", "busy", "decline", "fail")}
        carrier = world.carrier({**weights, "pdd_ms": "20-50", **town}, name=name)
        trunks.append({"name": name, "server": carrier.address, "cps_limit": 20,
                       "ring_timeout_s": 3 if name == "rings" else 60, **({"max_calls": 1} if name == "one" else {})})
    return Api(world.serve(trunks, extra=extra))


def number_for(api, server="127.0.0.1:5999", number="+15550001111"):
    credentials = api.dasha("POST", "/sip-credentials", {"server": server})
    return api.dasha("POST", "/sip-phone-numbers",
                     {"phoneNumber": number, "credentialsId": credentials["id"]})


def dasha_agent(api, number, trunk, **more):
    agent = api.dasha("POST", "/agents", {
        "name": f"calls who {trunk}", "config": {"primaryLanguage": "en-US"},
        "outdial": {**SCRIPT, "trunks": [trunk]}, **more})
    api.dasha("PUT", f"/sip-phone-numbers/{number['id']}/agent-link",
              {"agentId": agent["agentId"], "mode": "replaceOutbound"})
    return agent["agentId"]


def box_agent(api, number, trunk, **more):
    return api.box("POST", "/agents", {
        "name": f"calls who {trunk}", "type": "outbound", "number_ids": [number["id"]],
        "primary_number_id": number["id"], "persona": "You are kind.",
        "instructions": "Ask {{name}}.", "returns": {"confirmed": "boolean"},
        "outdial": {**SCRIPT, "trunks": [trunk]}, **more}, status=201)["id"]


def create(api, dialect, agent, to="+15551230001", **more):
    if dialect == "dasha":
        call = api.dasha("POST", f"/calls?agentId={agent}", {"endpoint": to, **more})
        assert call["status"] == "Created" and call["endpoint"] == to, call
        return call["callId"]
    call = api.box("POST", "/calls", {"agent_id": agent, "to": to, **more}, status=201)
    assert call["status"] == "queued" and call["to_number"] == to, call
    return call["id"]


def a_life_in_each_dialect(world):
    api = begin(world, answers={**CALLEES["answers"], "ring_ms": "2000"})  # so that nobody misses it
    number = number_for(api)
    for dialect, make in MAKERS:
        agent = make(api, number, "answers")
        more = ({"additionalData": {"name": "Ann"}, "priority": 5} if dialect == "dasha"
                else {"context": {"name": "Ann"}, "metadata": {"order": 7}})
        call = create(api, dialect, agent, **more)
        api.wait(call, "Pending")
        api.wait(call, "InProgress")
        dasha, box = api.wait(call, "Completed")
        assert dasha["result"]["confirmed"] is True and box["result"] == {"confirmed": True}, (dasha, box)
        assert box["result_status"] == "completed" and box["hangup_cause"] == "normal", box
        assert box["started_at"] and box["answered_at"] and box["ended_at"], box
        assert box["from_number"] == number["phoneNumber"], box
        assert dasha["additionalData"] == box["context"] == {"name": "Ann"}, (dasha, box)
        if dialect == "box":
            assert box["metadata"] == {"order": 7} and box["persona"] == "You are kind.", box
            assert box["prompt"] == "You are kind.\n\nAsk Ann.", box["prompt"]
            assert box["returns"] == {"confirmed": "boolean"}, box
        api.dasha("DELETE", f"/calls/{call}", status=409)
        api.box("POST", f"/calls/{call}/cancel", status=409)
        ended = api.ask("POST", f"/outdial/v1/calls/{call}/hangup", status=409)
        assert ended["detail"] == "the call has ended", ended


def results_are_held_against_what_was_promised(world):
    """What the agent's `returns` promises and the result isn't: it comes as it is, and has failed."""
    api = begin(world, answers=CALLEES["answers"])
    number = number_for(api)
    for returns, status, error in (({"confirmed": "string"}, "failed", "confirmed: expected string"),
                                   ({"confirmed": "boolean", "day": "string"}, "completed", None),
                                   ({"type": "object", "properties": {"confirmed": {"type": "boolean"}, "day": {}},
                                    "required": ["day"]}, "failed", "day is missing"), ({}, "completed", None)):
        call = create(api, "box", box_agent(api, number, "answers", returns=returns))
        dasha, box = api.wait(call, "Completed")
        assert box["result"] == {"confirmed": True} and dasha["result"]["confirmed"] is True, (box, dasha)
        assert (box["status"], box["result_status"], box["result_error"]) == ("completed", status, error), box


MAKERS = (("dasha", dasha_agent), ("box", box_agent))


def begin_with_number(world, extra=None, **callees):
    api = begin(world, extra, **callees)
    return api, number_for(api)


def endings(world):
    """Made in either dialect, told in both."""
    api, number = begin_with_number(world)
    for dialect, make in MAKERS:
        for trunk, error, status, cause, code in (("busy", "busy", "busy", "busy", "486"),
                                                  ("rings", "no answer", "no_answer", "no_answer", None),
                                                  ("declines", "declined", "busy", "declined", "603"),
                                                  ("fails", None, "failed", None, "404")):
            call = create(api, dialect, make(api, number, trunk))
            if trunk == "rings":
                _, box = api.wait(call, "Pending")
                wait_until(lambda c=call: api.both(c)[1]["status"] == "ringing", 10, "a ring")
                assert api.both(call)[1]["started_at"], box
            dasha, box = api.wait(call, "Failed")
            assert dasha["errorMessage"] == error or (not error and dasha["errorMessage"]), dasha
            assert box["status"] == status and (not cause or box["hangup_cause"] == cause), box
            assert box["error_code"] == code or trunk == "rings", box
            assert box["duration_seconds"] == 0 and box["answered_at"] is None and box["ended_at"], box
            assert box["result_status"] != "completed" and dasha["result"]["finishReason"], (dasha, box)


def cancel_in_each_state(world):
    """Every state, in every pair of the dialect that made the call and the one that cancels it."""
    api, number = begin_with_number(world)
    states = (("rings", "waiting", {"isEnabled": False}), ("one", "queued", {}), ("slow", "dialing", {}),
              ("rings", "ringing", {}))
    for trunk, state, more in states:
        dasha_made = dasha_agent(api, number, trunk, **more)
        box_made = box_agent(api, number, trunk)
        if more:
            api.dasha("PUT", f"/agents/{box_made}", more)
        if state == "queued":  # its trunk takes one call at a time, and has one
            busy = create(api, "dasha", dasha_made, to="+15551249999")
            wait_until(lambda c=busy: api.both(c)[1]["status"] == "ringing", 10, "a ring")
        for made_in, agent in (("dasha", dasha_made), ("box", box_made)):
            for canceled_in in ("dasha", "box"):
                call = create(api, made_in, agent)
                wait_until(lambda c=call, s=state: api.ask("GET", f"/outdial/v1/calls/{c}")["status"] == s, 10, state)
                assert (api.both(call)[0]["status"], api.both(call)[1]["status"]) == {
                    "waiting": ("Created", "queued"), "queued": ("Queued", "queued"),
                    "dialing": ("Pending", "initiated"), "ringing": ("Pending", "ringing")}[state], state
                cancel(api, canceled_in, call)
                dasha, box = api.wait(call, "Canceled")
                assert box["status"] == box["hangup_cause"] == "canceled" and dasha["completedTime"], (dasha, box)
                assert (box["started_at"] is not None) == (state == "ringing"), box
                for dialect in ("dasha", "box"):  # once is all
                    cancel(api, dialect, call, 409)

    # in progress: 409, and it goes on
    for dialect, make in MAKERS:
        call = create(api, dialect, make(api, number, "talks"))
        api.wait(call, "InProgress")
        cancel(api, "dasha", call, 409)
        cancel(api, "box", call, 409)
        assert api.both(call)[0]["status"] in ("InProgress", "Completed")
        api.wait(call, "Completed")


def cancel(api, dialect, call, status=200):
    if dialect == "dasha":
        api.dasha("DELETE", f"/calls/{call}", status=status)
    else:
        api.box("POST", f"/calls/{call}/cancel", status=status)


def what_waits(world):
    """A disabled agent holds calls of either dialect; a deadline ends them; enabled, they have their lives."""
    api, number = begin_with_number(world, answers=CALLEES["answers"])
    for dialect, make in MAKERS:
        agent = make(api, number, "answers")
        api.dasha("PUT", f"/agents/{agent}", {"isEnabled": False})
        shown = api.ask("GET", f"/outdial/v1/agents/{agent}")
        assert shown["live"]["state"] == "disabled", shown
        call = create(api, dialect, agent)
        late = create(api, "dasha", agent, callDeadline=rfc3339(time.time() + 4))
        queue = api.dasha("GET", f"/calls/queue/list?agentId={agent}")
        assert queue["totalCount"] == 2 and {c["callId"] for c in queue["items"]} == {call, late}, queue
        dasha, box = api.wait(late, "Canceled")
        assert (box["status"], box["hangup_cause"]) == ("canceled", "deadline") and dasha["callDeadline"], (dasha, box)
        dasha, box = api.both(call)
        assert (dasha["status"], dasha["waitReason"]) == ("Created", "disabled agent"), dasha
        assert (box["status"], box["wait_reason"]) == ("queued", "disabled agent"), box
        why = api.ask("GET", f"/outdial/v1/calls/{call}/why")
        assert (why["status"], why["reason"]) == ("waiting", "disabled agent"), why
        assert why["status"] == api.ask("GET", f"/outdial/v1/calls/{call}")["status"]
        api.dasha("PUT", f"/agents/{agent}", {"isEnabled": True})
        assert api.ask("GET", f"/outdial/v1/agents/{agent}")["live"]["state"] == "active"
        api.wait(call, "Completed")
    api.box("DELETE", f"/agents/{agent}")
    assert api.ask("GET", f"/outdial/v1/agents/{agent}")["live"]["state"] == "archived"


def closed_week(open_now):
    """Every day a block of an hour, in UTC: around now, or some hours from now."""
    hour = (time.gmtime().tm_hour + (0 if open_now else 3)) % 24
    block = {"start": {"hour": 0 if open_now else hour, "minute": 0},
             "end": {"hour": 23 if open_now else hour, "minute": 59}}
    return {"timezone": "UTC", **{day: [block] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}}


def outside_hours(world):
    """What the schedule holds is told in both dialects, with the time; opened, the call has its life."""
    api = begin(world, answers=CALLEES["answers"])
    number = number_for(api)
    for dialect, make in MAKERS:
        agent = make(api, number, "answers")
        api.dasha("PUT", f"/agents/{agent}", {"schedule": closed_week(False)})
        call = create(api, dialect, agent)

        def held(call=call):
            dasha, box = api.both(call)
            return (dasha, box) if box["wait_reason"] == "schedule" else None
        dasha, box = wait_until(held, 10, "the schedule to hold it")
        assert (dasha["status"], box["status"]) == ("Created", "queued"), (dasha, box)
        assert dasha["nextScheduleTime"] and dasha["nextScheduleTime"] == box["next_attempt_at"], (dasha, box)
        seconds = calendar.timegm(time.strptime(dasha["nextScheduleTime"][:19], "%Y-%m-%dT%H:%M:%S")) - time.time()
        assert 0 < seconds < 4 * 3600, dasha["nextScheduleTime"]
        for query, found in (("", 1), ("&status=Created", 1), ("&status=Queued", 0), ("&status=Queued,Created", 1)):
            queue = api.dasha("GET", f"/calls/queue/list?agentId={agent}{query}")
            assert [(c["callId"], c["status"]) for c in queue["items"]] == [(call, "Created")] * found, (query, queue)
            assert queue["totalCount"] == found, (query, queue)
        search = {"agentIds": [agent], "callStatuses": ["Created"], "includeAggregations": True}
        counts = api.dasha("POST", "/callresults/search", search)["aggregations"]["statusCounts"]
        assert counts == {"Created": 1}, counts
        assert not api.dasha("POST", "/callresults/search", {**search, "callStatuses": ["Queued"]})["results"]
        for query, found in (("state=waiting", True), ("state=queued", False)):
            listed = api.ask("GET", f"/outdial/v1/calls?{query}")["data"]
            assert (call in [c["id"] for c in listed]) is found, (query, listed)
        canceled = create(api, dialect, agent, to="+15551230009")
        cancel(api, dialect, canceled)
        api.wait(canceled, "Canceled")
        api.dasha("PUT", f"/agents/{agent}", {"schedule": closed_week(True)})
        api.wait(call, "Completed")


def calls_choose_their_way(world):
    """The credentials a call names, or those of the number it shows, are the trunk it goes out on."""
    weights = {"no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "answer": 1, "ring_ms": "50", "pdd_ms": "20-50",
               "digits": "1", "digit_delay_ms": "turn"}
    first, second, third = (world.carrier(weights, name=name) for name in ("first", "second", "third"))
    api = Api(world.serve([{"name": "third", "server": third.address}]))
    one, two = number_for(api, first.address, "+15550000001"), number_for(api, second.address, "+15550000002")
    three = api.ask("POST", "/outdial/v1/numbers", {"number": "+15550000003", "trunk": "third"}, 201)
    agent = api.box("POST", "/agents", {"name": "a", "type": "outbound", "outdial": SCRIPT, "primary_number_id": one["id"],
                                        "number_ids": [one["id"], two["id"], three["id"]]}, status=201)["id"]
    ways = [("+15551110001", first, "+15550000001", create(api, "box", agent, to="+15551110001")),
            ("+15551110002", second, "+15550000002",
             create(api, "box", agent, to="+15551110002", from_number="+15550000002")),
            ("+15551110003", third, "+15550000003",
             create(api, "box", agent, to="+15551110003", from_number="+15550000003")),
            ("+15551110004", second, "+15550000001",
             create(api, "dasha", agent, to="+15551110004", overrideOutboundConfig={
                 "credentialsId": two["credentialsId"], "displayName": "Dr. Who"})),
            ("+15551110005", third, "+15550000003",
             create(api, "dasha", agent, to="+15551110005", overrideOutboundConfig={"phoneNumber": "+15550000003"})),
            ("+15551110006", second, "+15550000002",
             api.ask("POST", "/outdial/v1/calls", {"to": "+15551110006", "agent": agent, "from": "+15550000002"},
                     201)["id"])]
    bulk = api.dasha("POST", f"/calls/bulk?agentId={agent}", {"calls": [
        {"endpoint": "+15551110007"},
        {"endpoint": "+15551110008", "overrideOutboundConfig": {"credentialsId": two["credentialsId"]}},
        {"endpoint": "+15551110009", "overrideOutboundConfig": {"credentialsId": agent}}]})
    assert bulk["successCount"] == 2 and bulk["errors"][0]["index"] == 2, bulk
    ways += [("+15551110007", first, "+15550000001", bulk["calls"][0]["callId"]),
             ("+15551110008", second, "+15550000001", bulk["calls"][1]["callId"])]
    for to, carrier, shown, call in ways:
        _, box = api.wait(call, "Completed")
        assert box["from_number"] == shown, (to, box)
        wait_until(lambda c=carrier, n=to: [f for f in c.facts("invite") if f["number"] == n], 10, f"{to} at its carrier")
    refused = api.dasha("POST", f"/calls?agentId={agent}", {
        "endpoint": "+15551110001", "overrideOutboundConfig": {"credentialsId": agent}}, status=400)
    assert refused["errors"][0]["pointer"] == "#/overrideOutboundConfig/credentialsId", refused


def secrets_stay_in(world):
    """No dialect shows a secret or stores one as it is; who sends back what was shown changes none."""
    api = Api(world.serve([]))
    secrets = {"bearer": "bearer-word", "auth_token": "token-word"}
    stream = {"agent": {"kind": "stream", "url": "wss://user:pass-word@bot.example/ws", **secrets}}
    config = {"llmConfig": {"vendor": "v", "model": "m", "prompt": "p", "apiKey": "api-word"},
              "resultWebhook": {"url": "https://a:b-word@h.example/",
                                "headers": {"X": "header-word"}}}
    native = api.ask("POST", "/outdial/v1/agents", {"name": "native", "outdial": stream, "config": config}, 201)
    dasha = api.dasha("POST", "/agents", {"name": "dasha", "outdial": stream, "config": config})
    at = f"/outdial/v1/agents/{native['id']}"
    shown = native["outdial"]["agent"]
    assert (shown["url"], shown["bearer"]) == ("wss://***@bot.example/ws", None), shown
    api.ask("PUT", at, api.ask("GET", at))
    api.ask("PATCH", at, {"outdial": {"agent": {"url": shown["url"]}}})
    api.dasha("PUT", f"/agents/{dasha['agentId']}", dasha)
    # The same in the URLs that webhooks go to.
    hook = "https://user:hook-pass@hook.example/x"
    boxed = api.box("POST", "/agents", {"name": "box", "type": "outbound", "webhook_url": hook}, status=201)
    number_for(api, number="+15550001119")
    agent = dasha_agent(api, number_for(api, number="+15550001118"), "any", isEnabled=False)
    api.box("PATCH", f"/agents/{agent}", {"webhook_url": hook})
    told = [boxed, create_all(api, agent, hook)]
    point = api.box("POST", "/webhook_endpoints", {"url": hook}, status=201)
    refused = api.box("PATCH", f"/webhook_endpoints/{point['id']}", {"url": point["url"]}, status=400)
    assert "***" in refused["error"], refused
    everything = json.dumps([api.ask("GET", "/outdial/v1/agents"), api.dasha("GET", "/agents"),
                             api.box("GET", "/agents"), told, point, api.box("GET", "/calls"),
                             api.box("GET", "/webhook_endpoints"), api.ask("GET", "/outdial/v1/calls"),
                             api.ask("GET", "/outdial/v1/campaigns"), api.ask("GET", "/outdial/v1/webhook_deliveries"),
                             api.dasha("GET", f"/calls/queue/list?agentId={agent}")])
    assert "-word" not in everything and "-pass" not in everything, everything
    assert everything.count("https://***@hook.example/x") >= 12, everything
    for number in range(2):  # what is linked is read, changed and stored again
        number = number_for(api, number=f"+1555000111{number}")
        api.dasha("PUT", f"/sip-phone-numbers/{number['id']}/agent-link", {"agentId": dasha["agentId"]})
    on_disk = b"".join(f.read_bytes() for f in pathlib.Path(api.server.data_dir).rglob("*") if f.is_file())
    assert b"-word" not in on_disk and b"ob1." in on_disk


def create_all(api, agent, hook):
    """A call of each dialect, and a campaign, whose webhook has credentials in its URL. What a create says
    of its time is what is told later."""
    call = api.dasha("POST", f"/calls?agentId={agent}", {"endpoint": "+15551230001", "completedWebHook": hook,
                                                         "failedWebHook": hook})
    assert api.dasha("GET", f"/calls/{call['callId']}")["createdTime"] == call["createdTime"], call
    boxed = api.box("POST", "/calls", {"agent_id": agent, "to": "+15551230002", "webhook_url": hook}, status=201)
    assert api.box("GET", f"/calls/{boxed['id']}")["created_at"] == boxed["created_at"], boxed
    campaign = api.ask("POST", "/outdial/v1/campaigns", {"name": "c", "agent": "native", "webhook_url": hook}, 201)
    return [call, boxed, campaign]


def what_is_read_may_be_sent_back(world):
    """An agent that is read, changed and sent back goes on calling from its number, by the number's way."""
    carrier = world.carrier({"answer": 1, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "ring_ms": "50",
                             "digits": "1", "auth": "ann:secret-of-ann:MD5"})
    other = world.carrier({"answer": 1, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "ring_ms": "50"},
                          name="other")
    api = Api(world.serve([{"name": "other", "server": other.address}]))
    credentials = api.dasha("POST", "/sip-credentials", {"server": carrier.address, "authUser": "ann",
                                                         "authPassword": "secret-of-ann"})
    number = api.dasha("POST", "/sip-phone-numbers", {"phoneNumber": "+15550001111",
                                                      "credentialsId": credentials["id"]})
    trunked = api.ask("POST", "/outdial/v1/numbers", {"number": "+15550002222", "trunk": "other"}, 201)
    for linked, server, asked in ((number, carrier, "ann"), (trunked, other, "")):
        agent = api.dasha("POST", "/agents", {"name": "a", "config": {}, "outdial": SCRIPT})["agentId"]
        api.dasha("PUT", f"/sip-phone-numbers/{linked['id']}/agent-link", {"agentId": agent, "mode": "replaceOutbound"})
        shown = api.dasha("GET", f"/agents/{agent}")
        way = shown["config"]["outboundSipConfig"]
        assert (way["server"], way["authUser"], way["transport"]) == (server.address, asked, "udp"), way
        assert way["fromUser"] == linked.get("phoneNumber", linked.get("number")) and way["password"] is None, way
        shown["description"] = "changed"
        again = api.dasha("PUT", f"/agents/{agent}", shown)
        assert again["description"] == "changed" and again["config"]["outboundSipConfig"] == way, again
        kept = api.ask("GET", f"/outdial/v1/agents/{agent}")
        assert not kept["config"].get("outboundSipConfig"), kept["config"]
        api.wait(create(api, "dasha", agent, to="+15551230123"), "Completed")
        assert [f for f in server.facts("invite") if f["number"] == "+15551230123"], "another way was taken"


def mistakes_are_told_with_their_place(world):
    """Whatever is wrong in a document: where, what was expected, and what came."""
    api = Api(world.serve([]))
    agent = dasha_agent(api, number_for(api), "any", isEnabled=False)
    calls = f"/api/v1/calls?agentId={agent}"
    box = {"agent_id": agent, "to": "+15551230001"}
    rows = [  # method, path, body, pointer, in the detail
        ("POST", calls, {"endpoint": 5}, "#/endpoint", "found 5"),
        ("POST", calls, {"endpoint": "+15551230001", "priority": "5"}, "#/priority", "integer of 32 bits, found \"5\""),
        ("POST", calls, {"endpoint": "+15551230001", "callDeadline": "soon"}, "#/callDeadline", "found \"soon\""),
        ("POST", calls, {"endpoint": "+15551230001", "additionalData": []}, "#/additionalData", "object, found an array"),
        ("POST", "/api/v1/calls", {"endpoint": "+15551230001"}, "#/agentId", "is required"),
        ("POST", "/api/v1/agents", {"name": "a", "config": {}, "schedule": {"timezone": "Mars"}}, "#/schedule/timezone",
         "found \"Mars\""),
        ("POST", "/api/v1/agents", {"name": "a", "config": {"outboundSipConfig": {"server": "a.b", "transport": "sctp"}}},
         "#/config/outboundSipConfig/transport", "udp, tcp or tls, found \"sctp\""),
        ("POST", "/api/v1/sip-credentials", {"server": "a b"}, "#/server", "found \"a b\""),
        ("GET", "/api/v1/agents?take=0", None, "query/take", "found \"0\""),
        ("GET", "/api/v1/calls/queue/list?status=gone", None, "query/status", "found \"gone\""),
        ("POST", "/api/v1/callresults/search", {"size": "x"}, "#/size", "found \"x\""),
        ("POST", "/api/v1/webhooks/test", {"webHook": {"url": "http://2130706433/"}, "webhookType": "Tool"},
         "#/webHook", "the URL's host or port"),
        ("POST", "/outdial/v1/calls", {"to": "+15551230001", "agent": 7}, "#/agent", "string, found 7"),
        ("POST", "/outdial/v1/campaigns", {"name": "c", "agent": agent, "cps": -1}, "#/cps", "found -1"),
        ("GET", "/outdial/v1/calls?state=gone", None, "query/state", "found \"gone\""),
    ]
    for method, path, body, pointer, told in rows:
        answer = api.ask(method, path, body, status=400)
        assert answer["errors"][0]["pointer"] == pointer, (path, body, answer)
        assert told in answer["errors"][0]["detail"] and told in answer["detail"], (path, body, answer)
    draft = api.ask("POST", "/outdial/v1/campaigns", {"name": "c", "agent": agent}, status=201)["id"]
    halted = api.ask("POST", f"/outdial/v1/campaigns/{draft}/pause", status=409)
    assert "only a campaign that was started" in halted["detail"], halted
    deep = {"a": 1}
    for _ in range(90):
        deep = {"a": deep}
    bulk = api.dasha("POST", f"/calls/bulk?agentId={agent}", {"calls": [
        {"endpoint": "+15551230001", "additionalData": deep}, {"endpoint": "+15551230002"}]})
    assert (bulk["successCount"], bulk["failedCount"]) == (1, 1), bulk
    assert bulk["errors"][0]["index"] == 0 and "deeper" in bulk["errors"][0]["error"], bulk
    for body, told in (({**box, "to": 7}, "to: "), ({**box, "context": "x"}, "context: must be an object, found \"x\""),
                       ({"to": "+15551230001"}, "agent_id: is required"), ({**box, "webhook_url": 1}, "found 1")):
        assert told in api.box("POST", "/calls", body, status=400)["error"], (body, told)
    for path in ("/api/v1/calls/17", "/v1/calls/17", "/outdial/v1/campaigns/17", "/outdial/v1/calls/17/why"):
        assert "ids are UUIDs" in json.dumps(api.ask("GET", path, status=404)), path
    assert "UUID" not in json.dumps(api.ask("GET", "/v1/nowhere", status=404))
    assert api.ask("GET", "/outdial/v1/calls?state=busy")["data"] == []


def endpoints_are_changed_by_halves(world):
    """PATCH changes what is there; null takes a description away."""
    api = Api(world.serve([]))
    made = api.box("POST", "/webhook_endpoints", {"url": "https://hook.example/", "description": "d"}, status=201)
    at = f"/webhook_endpoints/{made['id']}"
    assert api.box("PATCH", at, {"enabled_events": ["call.busy"]})["description"] == "d"
    assert api.box("PATCH", at, {"description": None})["description"] is None
    assert api.box("GET", at)["enabled_events"] == ["call.busy"]


def unknown_zones_are_refused(world):
    api = Api(world.serve([]))
    refused = api.dasha("POST", "/agents", {"name": "a", "config": {}, "schedule": {
        "timezone": "Mars/Olympus", "mon": [{"start": {"hour": 9, "minute": 0}, "end": {"hour": 17, "minute": 0}}]}},
        status=400)
    assert refused["errors"][0]["pointer"] == "#/schedule/timezone", refused
    agent = dasha_agent(api, number_for(api), "any")
    refused = api.dasha("POST", f"/calls?agentId={agent}", {"endpoint": "+15551230001", "timezone": "Mars/Olympus"},
                        status=400)
    assert refused["errors"][0]["pointer"] == "#/timezone", refused
    answer = api.dasha("POST", f"/calls/bulk?agentId={agent}", {"calls": [
        {"endpoint": "+15551230001", "timezone": "Mars/Olympus"}, {"endpoint": "+15551230002", "timezone": "UTC"}]})
    assert (answer["successCount"], answer["failedCount"]) == (1, 1) and "time" in answer["errors"][0]["error"], answer


def only_a_hosted_vendor_can(world):
    """What buys, imports or speaks in a browser is refused with a sentence, by its documented request."""
    api = Api(world.serve([]))
    for method, path, body in (("GET", "/api/v1/ws/webCall?token=t", None), ("GET", "/api/v1/ws/dev?authorization=a", None),
                               ("POST", "/api/v1/providers/twilio/a/import-numbers", {"phoneNumberSids": ["PN1"]}),
                               ("GET", "/v1/numbers/available?country_code=US&limit=1", None),
                               ("POST", "/v1/numbers/purchase", {"phone_number": "+15551112222"})):
        assert "hosted service" in json.dumps(api.ask(method, path, body, status=501)), path
    number = number_for(api)
    agent = box_agent(api, number, "any")
    assert api.box("GET", f"/agents/{agent}")["numbers"][0]["outbound_agent_ids"] == [agent]


def numbers_lead_to_carriers(world):
    """With no trunk in the configuration, stored SIP credentials are the way out, at run time; an
    agent's own SIP server is another. A change of either is the next call's way."""
    weights = {"no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "answer": 1, "ring_ms": "50",
               "pdd_ms": "20-50", "digits": "1", "digit_delay_ms": "turn"}
    first = world.carrier({**weights, "auth": "acme:secret"}, name="first")
    second = world.carrier(weights, name="second")
    api = Api(world.serve([]))
    credentials = api.dasha("POST", "/sip-credentials", {
        "server": first.address, "domain": "pbx.example", "authUser": "acme",
        "authPassword": "secret", "cpsLimit": 5})
    assert credentials["authPassword"] is None and credentials["domain"] == "pbx.example"
    number = api.dasha("POST", "/sip-phone-numbers", {
        "phoneNumber": "+15550002222", "credentialsId": credentials["id"]})
    api.dasha("POST", "/sip-phone-numbers", {"phoneNumber": "+15550002222",
                                             "credentialsId": credentials["id"]}, status=409)
    agent = api.dasha("POST", "/agents", {"name": "a", "config": {}, "outdial": SCRIPT})["agentId"]
    api.dasha("POST", f"/calls?agentId={agent}", {"endpoint": "+15551110001"}, status=400)
    api.dasha("PUT", f"/sip-phone-numbers/{number['id']}/agent-link", {"agentId": agent})
    shown = api.dasha("GET", f"/agents/{agent}")["config"]["outboundSipConfig"]
    assert shown["server"] == first.address and shown["fromUser"] == "+15550002222", shown
    assert shown["password"] is None and "secret" not in json.dumps(shown)
    call = create(api, "dasha", agent, to="+15551110001")
    dasha, box = api.wait(call, "Completed")
    assert box["from_number"] == "+15550002222", box
    assert any(f["number"] == "+15551110001" for f in first.facts("invite"))

    api.dasha("DELETE", f"/sip-credentials/{credentials['id']}", status=409)
    api.dasha("DELETE", f"/sip-phone-numbers/{number['id']}", status=409)
    api.dasha("PUT", f"/sip-credentials/{credentials['id']}", {"server": second.address})
    call = create(api, "dasha", agent, to="+15551110002")
    api.wait(call, "Completed")
    assert any(f["number"] == "+15551110002" for f in second.facts("invite"))

    own = api.dasha("POST", "/agents", {"name": "own", "outdial": SCRIPT, "config": {
        "outboundSipConfig": {"server": first.address, "authUser": "acme", "password": "secret",
                              "fromUser": "+15550003333"}}})
    assert own["config"]["outboundSipConfig"]["password"] is None, own["config"]
    api.dasha("PUT", f"/agents/{own['agentId']}", own)  # null where the secret was keeps it
    call = create(api, "dasha", own["agentId"], to="+15551110003")
    api.wait(call, "Completed")
    assert any(f["number"] == "+15551110003" for f in first.facts("invite"))


def numbers_and_agents_of_the_configuration(world):
    """They are there in both dialects, linked; "Running" where the operator wants the word."""
    weights = {"no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "answer": 1, "ring_ms": "50"}
    carrier = world.carrier({**weights, "digits": "none"}, name="c")
    api = Api(world.serve(
        [{"name": "main", "server": carrier.address}],
        extra={"numbers": [{"number": "+15550001111", "trunk": "main", "display_name": "Clinic"}],
               "agents": [{"name": "reminders", "type": "outbound", "number": "+15550001111",
                           "outdial": SCRIPT}],
               "compat": {"dasha_running_status": True}}))
    number = wait_until(lambda: api.box("GET", "/numbers"), 10, "the number")[0]
    assert number["e164"] == "+15550001111" and number["friendly_name"] == "Clinic", number
    agent = wait_until(lambda: api.box("GET", "/agents")["data"], 10, "the agent")[0]
    assert agent["primary_number_id"] == number["id"] and agent["numbers"][0]["id"] == number["id"]
    call = create(api, "box", agent["id"], from_number="+15550001111")
    wait_until(lambda: api.dasha("GET", f"/calls/{call}")["status"] == "Running", 20, "Running")
    found = api.dasha("POST", "/callresults/search", {"callStatuses": ["InProgress"]})
    assert [c["callStatus"] for c in found["results"]] == ["Running"], found
    answer = api.box("POST", "/calls", {"agent_id": agent["id"], "to": "+15551230001",
                                        "from_number": "+15559999999"}, status=400)
    assert "from_number" in answer["error"], answer
    wait_until(lambda: api.dasha("GET", f"/calls/{call}")["status"] == "Completed", 30, "the end")


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


def bulk_of_10000(world):
    """In one request, as an object and as a bare array; one bad item fails alone."""
    api = begin(world, rings=CALLEES["rings"])
    agent = dasha_agent(api, number_for(api), "rings", isEnabled=False)
    calls = [{"endpoint": f"+1555{i:07d}", "priority": i % 3, "additionalData": {"row": i, "note": "word " * 300}}
             for i in range(10000)]
    calls[77] = {"endpoint": "not a number"}
    calls[5000] = 17
    answer = api.dasha("POST", f"/calls/bulk?agentId={agent}", {"calls": calls})
    assert (answer["successCount"], answer["failedCount"]) == (9998, 2), answer["errors"]
    assert [e["index"] for e in answer["errors"]] == [77, 5000], answer["errors"]
    assert answer["errors"][0]["endpoint"] == "not a number", answer["errors"]
    assert [c["endpoint"] for c in answer["calls"][:3]] == [c["endpoint"] for c in calls[:3]]
    for told in (answer["calls"][0], answer["calls"][-1]):
        later = api.dasha("GET", f"/calls/{told['callId']}")
        assert told["createdTime"] and told["createdTime"] == later["createdTime"], (told, later)
    queue = api.dasha("GET", f"/calls/queue/list?agentId={agent}&take=3")
    assert queue["totalCount"] == 9998 and len(queue["items"]) == 3, queue["totalCount"]

    array = api.dasha("POST", f"/calls/bulk?agentId={agent}", calls[70:80])
    assert len(array) == 10 and array[7]["status"] == 400 and array[8]["status"] == "Created", array
    found = api.dasha("POST", "/callresults/search",
                      {"agentIds": [agent], "size": 5, "additionalDataFilters": {"row": 75},
                       "includeAggregations": True})
    assert found["totalCount"] == 2 and len(found["results"]) == 2, found
    assert found["aggregations"]["agentCounts"] == {agent: 2}, found["aggregations"]


def long_agents_are_listed_whole(world):
    """The store hands them over by the half megabyte; whoever asks for all gets all, in order."""
    api = Api(world.serve([{"name": "main", "server": "127.0.0.1:9"}]))
    made = [api.dasha("POST", "/agents", {"name": f"long {i}", "description": f"the {i}th", "config": {}, "additionalData": {"t": str(i) * 180000}})
            for i in range(10)]
    listed = api.dasha("GET", "/agents?take=1000")
    assert [(a["agentId"], a["name"], a["description"], a["additionalData"]["t"]) for a in listed] == \
        [(a["agentId"], a["name"], a["description"], a["additionalData"]["t"]) for a in made]
    part = api.dasha("GET", "/agents?skip=2&take=5")
    assert [a["name"] for a in part] == [f"long {i}" for i in range(2, 7)], [a["name"] for a in part]
    names, cursor, pages = [], "", 0
    while cursor is not None:
        page = api.ask("GET", f"/outdial/v1/agents?limit=1000{cursor and '&cursor=' + str(cursor)}")
        names += [a["name"] for a in page["data"]]
        cursor, pages = page.get("next_cursor"), pages + 1
    assert names == [f"long {i}" for i in range(10)] and pages >= 3, (names, pages)
    assert len(api.box("GET", "/agents")["data"]) == 10


if __name__ == "__main__":
    main(a_life_in_each_dialect, results_are_held_against_what_was_promised, endings, cancel_in_each_state, what_waits, outside_hours,
         calls_choose_their_way, what_is_read_may_be_sent_back, mistakes_are_told_with_their_place,
         endpoints_are_changed_by_halves, secrets_stay_in,
         unknown_zones_are_refused, only_a_hosted_vendor_can, numbers_lead_to_carriers, numbers_and_agents_of_the_configuration,
         long_agents_are_listed_whole, bulk_of_10000)

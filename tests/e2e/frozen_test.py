"""What was so at an event is what its webhooks tell, whatever has been changed since: agents edited, moved
and deleted, endpoints moved, between the event and a delivery that another process makes after a kill -9.
What lets us in at the receiver is not frozen, nor what an endpoint wants.
"""
import json
import os
import signal
import subprocess
import threading

from harness import Redis, main, wait_until
from webhooks_test import ALWAYS, OPEN, SECRET, Receiver, ended, raw_api, trunk, verify_callingbox

CONNECTIONS = 32  # to one receiver at a time
KEY = {"secrets": {"key": "one key for all processes on one Redis"}}
PATIENT = {"webhooks": {**OPEN["webhooks"], "timeout_ms": 25000}, **KEY}


class Door(Receiver):
    """A receiver that holds each request until it is opened, and does not answer those it held."""

    def __init__(self):
        self.open = threading.Event()
        super().__init__(self.hold)

    def hold(self, got):
        got["held"] = not self.open.is_set()
        self.open.wait(60)
        return None if got["held"] else 200

    def arrived(self, path):
        return [got for got in self.of(path) if not got["held"]]


def agent_of(name, receiver, place, key, **more):
    """An agent that speaks of `place` in all that its webhooks show of it."""
    return {"name": name, "type": "outbound", "number": "+15550009999",
            "outdial": {"agent": {"kind": "script", "steps": [{"hangup": {}}]}, "trunks": ["main"]},
            "webhook_url": f"{receiver.url}/{place}/box", "persona": f"persona {place}",
            "additionalData": {"place": place},
            "config": {"resultWebhook": {
                "url": f"{receiver.url}/{place}/result/{{{{agentAdditionalData.place}}}}", "headers": {"X-Key": key},
                "customSettings": {"httpMethod": "PUT", "bodyFormat": {"type": "Text", "template":
                                   f'{{"{place}":{{{{agentAdditionalData}}}},"id":"{{{{callId}}}}"}}'}}}}, **more}


def put(server, agent, document):
    return raw_api(server, "PUT", f"/outdial/v1/agents/{agent}", document, status=200)


def new_call(server, name, number):
    return server.api("POST", "/calls", {"to": number, "agent": name})["id"]


def told_as_it_was(world):
    """Three agents and an endpoint, everything of four calls' lives waits at a shut door; then one agent is
    edited with another key for the same receiver, one moves to another receiver, one is deleted, and the
    endpoint moves. The process is killed, another one delivers."""
    carrier, door, elsewhere = world.carrier(ALWAYS), Door(), Receiver()
    redis = Redis(world)
    first = redis.serve(0, [trunk(carrier)], **PATIENT)
    agents = {name: raw_api(first, "POST", "/outdial/v1/agents", agent_of(name, door, name, "key-1"), status=201)["id"]
              for name in ("edited", "moved", "deleted")}
    point = raw_api(first, "POST", "/outdial/v1/webhook_endpoints", {"url": door.url + "/own"}, status=201)
    calls = {name: new_call(first, name, f"+1555000{i:04d}") for i, name in enumerate(agents)}
    for call in calls.values():
        ended(first, call)
    wait_until(lambda: len(door.got) >= 9, 20, "the first of each chain")
    put(first, agents["edited"], agent_of("edited", door, "new", "key-2"))
    put(first, agents["moved"], agent_of("moved", elsewhere, "new", "key-2"))
    raw_api(first, "DELETE", f"/outdial/v1/agents/{agents['deleted']}")
    raw_api(first, "PATCH", f"/outdial/v1/webhook_endpoints/{point['id']}", {"url": elsewhere.url + "/new"}, status=200)
    first.kill()
    door.open.set()
    second = redis.serve(1, [trunk(carrier)], **PATIENT)

    def all_told():
        return all(len(door.arrived(f"/{name}/box")) >= 4 and door.arrived(f"/{name}/result/{name}")
                   for name in agents) and len(door.arrived("/own")) >= 12
    wait_until(all_told, 60, "everything at the places of the event")
    for name, agent in agents.items():
        for got in door.arrived(f"/{name}/box"):
            shown = json.loads(got["body"])["data"]["call"]
            assert shown["agent_id"] == agent and shown["persona"] == f"persona {name}", shown
            assert shown["webhook_url"] == f"{door.url}/{name}/box" and verify_callingbox(SECRET, got), shown
        got = door.arrived(f"/{name}/result/{name}")[0]
        assert got["method"] == "PUT" and json.loads(got["body"]) == {name: {"place": name}, "id": calls[name]}, got
        # the present key, and to no other receiver than the one it is for
        assert got["headers"]["X-Key"] == ("key-2" if name == "edited" else "key-1"), (name, got["headers"]["X-Key"])
    assert not elsewhere.got and not [g for g in door.got if "new" in g["path"]], elsewhere.got

    # delivered again by hand, the agent long gone: the same event, the same bytes
    def delivered():
        rows = raw_api(second, "GET", "/outdial/v1/webhook_deliveries?limit=200&status=delivered")["data"]
        return len(rows) == 27 and rows
    rows = wait_until(delivered, 20, "all rows to be stored")
    row = [r for r in rows if r["url"].endswith("/deleted/result/deleted")][0]
    before = door.arrived("/deleted/result/deleted")
    raw_api(second, "POST", f"/outdial/v1/webhook_deliveries/{row['id']}/redeliver")
    got = wait_until(lambda: door.arrived("/deleted/result/deleted")[len(before):], 20, "it again")[0]
    assert got["body"] == before[0]["body"] and got["headers"]["webhook-id"] == before[0]["headers"]["webhook-id"]
    assert got["headers"]["X-Key"] == "key-1"

    # and what happens from here on is told as things are now
    call = new_call(second, "edited", "+15550009001")
    wait_until(lambda: door.arrived("/new/result/new"), 20, "the end at the new place")
    assert json.loads(door.arrived("/new/result/new")[0]["body"]) == {"new": {"place": "new"}, "id": call}
    wait_until(lambda: len(elsewhere.of("/new")) >= 4, 20, "the endpoint's events at its new place")
    assert second.stop() == 0


def a_failed_one_keeps_its_request(world):
    """The first attempt fails, then the agent is deleted: the second says the same with the same headers, and
    the headers are not to be read in Redis."""
    carrier, receiver = world.carrier(ALWAYS), Receiver(500)
    redis = Redis(world)
    server = redis.serve(0, [trunk(carrier)], **OPEN)
    agent = raw_api(server, "POST", "/outdial/v1/agents", agent_of("short", receiver, "old", "a-secret-key"),
                    status=201)["id"]
    new_call(server, "short", "+15550001234")

    def tried():
        rows = raw_api(server, "GET", "/outdial/v1/webhook_deliveries?status=pending")["data"]
        return [r for r in rows if r["attempt_count"] and r["url"].endswith("/result/old")]
    wait_until(tried, 20, "the first attempt's failure")
    raw_api(server, "DELETE", f"/outdial/v1/agents/{agent}")
    stored = b""
    for name in os.listdir(world.path("appendonlydir")):
        with open(os.path.join(world.path("appendonlydir"), name), "rb") as file:
            stored += file.read()
    assert b"/old/result/old" in stored and b"a-secret-key" not in stored
    receiver.say = 200
    got = wait_until(lambda: len(receiver.of("/old/result/old")) >= 2 and receiver.of("/old/result/old"), 30,
                     "the second attempt")
    for one in got:
        assert one["headers"]["X-Key"] == "a-secret-key" and one["method"] == "PUT"
        assert one["headers"]["Content-Type"] == "application/json"
        assert one["body"] == got[0]["body"] and one["headers"]["webhook-id"] == got[0]["headers"]["webhook-id"]
    assert server.stop() == 0


def who_stood_still_tells_nothing_more(world):
    """More calls than there are connections to their receiver, which holds what comes; the process stands still
    until another one has told all of it. What waited for a connection is not sent when it goes on."""
    carrier, door = world.carrier(ALWAYS), Door()
    redis = Redis(world)
    first = redis.serve(0, [trunk(carrier)], **PATIENT)
    raw_api(first, "POST", "/outdial/v1/agents", agent_of("short", Receiver(), "old", "key"), status=201)

    def call(server, number):
        made = server.api("POST", "/calls", {"to": number, "agent": "short",
                                             "webhook_url": f"{door.url}/{number[1:]}"})
        return made["id"]
    numbers = [f"+1555000{i:04d}" for i in range(2 * CONNECTIONS)]
    for ident in [call(first, number) for number in numbers]:
        ended(first, ident)
    wait_until(lambda: len(door.got) >= CONNECTIONS, 20, "every connection to be taken")
    first.process.send_signal(signal.SIGSTOP)
    assert len(door.got) == CONNECTIONS, len(door.got)
    door.open.set()
    second = redis.serve(1, [trunk(carrier)], **PATIENT)

    def told(number):
        return any(json.loads(got["body"])["type"] == "call.completed" for got in door.arrived(f"/{number[1:]}"))
    wait_until(lambda: all(told(number) for number in numbers), 60, "the other process to tell it all")
    before = len(door.got)
    first.process.send_signal(signal.SIGCONT)
    ended(first, call(first, "+15550009999"))
    wait_until(lambda: told("+15550009999"), 30, "what stands behind all that waited")
    late = [got["path"] for got in door.got[before:] if got["path"] != "/15550009999"]
    assert not late, late
    assert first.stop() == second.stop() == 0


def a_closed_endpoint_is_told_nothing(world):
    """Disabled or deleted while deliveries wait: they are dead with the reason; one that is enabled again can
    have them again."""
    carrier, door, done = world.carrier(ALWAYS), Door(), Receiver()
    server = world.serve([trunk(carrier)], extra=PATIENT)
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}], webhook_url=done.url + "/box"), server=server)
    points = {name: raw_api(server, "POST", "/outdial/v1/webhook_endpoints", {"url": f"{door.url}/{name}"},
                            status=201)["id"] for name in ("off", "gone")}
    server.api("POST", "/calls", {"to": "+15550001234", "agent": "short"})
    wait_until(lambda: len(done.of("/box")) == 4 and len(door.got) == 2, 20, "the call's end, and two that hang")
    raw_api(server, "PATCH", f"/outdial/v1/webhook_endpoints/{points['off']}", {"status": "disabled"}, status=200)
    raw_api(server, "DELETE", f"/outdial/v1/webhook_endpoints/{points['gone']}")
    door.open.set()

    def dead():
        rows = raw_api(server, "GET", "/outdial/v1/webhook_deliveries?status=exhausted")["data"]
        return len(rows) == 8 and rows
    rows = wait_until(dead, 60, "what waited to be given up")
    for row in rows:
        assert row["last_error"] == ("the endpoint is disabled" if row["endpoint_id"] == points["off"] else
                                     "the endpoint was deleted"), row
    assert not door.arrived("/off") and not door.arrived("/gone"), door.got
    raw_api(server, "PATCH", f"/outdial/v1/webhook_endpoints/{points['off']}", {"status": "enabled"}, status=200)
    shown = raw_api(server, "GET", f"/outdial/v1/webhook_endpoints/{points['off']}", status=200)
    assert shown["failure_count"] == 0, shown
    raw_api(server, "POST", "/outdial/v1/webhook_deliveries/replay", {"endpoint_id": points["off"]})
    wait_until(lambda: len(door.arrived("/off")) == 4, 20, "all of it after all")
    assert not door.arrived("/gone")
    assert server.stop() == 0


CHANGE_UNTOLD = """
local key = redis.call('KEYS', 'od:{default}:ag:*')[1]
local doc, n = string.gsub(redis.call('HGET', key, 'doc'), '/old/', '/new/')
redis.call('HSET', key, 'doc', doc, 'updated', redis.call('HGET', key, 'updated') + 1)
return n"""
TELL_CHANGE = """
local uid = string.sub(redis.call('KEYS', 'od:{default}:ag:*')[1], -16)
return redis.call('ZADD', 'od:{default}:cha', redis.call('INCR', 'od:{default}:rev'), uid)"""


def one_that_is_behind_waits(world):
    """Another process changes the agent, and this one, which delivers, hears of that late: it waits until then
    and tells what is so, not what it knew."""
    carrier, receiver = world.carrier(ALWAYS), Receiver()
    redis = Redis(world)
    server = redis.serve(0, [trunk(carrier)], **OPEN)
    raw_api(server, "POST", "/outdial/v1/agents", agent_of("short", receiver, "old", "k"), status=201)

    def run(script):
        return int(subprocess.run(["redis-cli", "-s", redis.path, "EVAL", script, "0"], check=True,
                                  capture_output=True, text=True).stdout)
    assert run(CHANGE_UNTOLD) == 2
    ended(server, new_call(server, "short", "+15550001234"))
    run(TELL_CHANGE)
    wait_until(lambda: len(receiver.of("/new/box")) == 4 and receiver.of("/new/result/old"), 20,
               "everything at the new place")
    assert not [g for g in receiver.got if g["path"].startswith("/old")], receiver.got
    assert server.stop() == 0


def stopped_amid_deliveries(world):
    """Hundreds of deliveries that come due all the time, and a stop: nothing is read that is gone by then. (It
    takes a sanitizer to see that.)"""
    carrier, receiver = world.carrier(ALWAYS), Receiver(500)
    extra = {"webhooks": {**OPEN["webhooks"], "retry_s": [1] * 16}}
    server = world.serve([trunk(carrier)], extra=extra)
    agent = raw_api(server, "POST", "/outdial/v1/agents", agent_of("short", receiver, "old", "k"), status=201)["id"]
    raw_api(server, "POST", "/outdial/v1/webhook_endpoints", {"url": receiver.url + "/own"}, status=201)
    raw_api(server, "POST", f"/api/v1/calls/bulk?agentId={agent}",
            {"calls": [{"endpoint": f"+1555000{i:04d}", "callDeadline": "2199-01-01T00:00:00Z"} for i in range(400)]})
    for _ in range(3):
        before = len(receiver.got)
        wait_until(lambda: len(receiver.got) > before + 300, 30, "some deliveries")
        assert server.stop() == 0
        server = world.serve([trunk(carrier)], extra=extra)
    assert server.stop() == 0


if __name__ == "__main__":
    main(told_as_it_was, a_failed_one_keeps_its_request, a_closed_endpoint_is_told_nothing,
         one_that_is_behind_waits, stopped_amid_deliveries,
         who_stood_still_tells_nothing_more)

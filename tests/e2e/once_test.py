#!/usr/bin/env python3
"""Goal: a POST with an Idempotency-Key is done once: by a hundred copies at a time, in every dialect, and
across a server that is killed in the middle. Method: threads with connections of their own; kill -9 and a
new server on the same data; what was made is counted in the lists afterwards."""
import concurrent.futures
import json
import urllib.error
import urllib.request

from harness import main

SCRIPT = {"outdial": {"agent": {"kind": "script", "steps": [{"hangup": {}}]}}}
LATER = "2099-01-01T00:00:00Z"


def post(server, path, body, key, limit_s=30):
    """Status, document and whether it was replayed; None when the server was away."""
    request = urllib.request.Request(server.url + path, data=json.dumps(body).encode(), method="POST", headers={
        "Authorization": f"Bearer {server.key}", "Content-Type": "application/json", "Idempotency-Key": key})
    try:
        answer = urllib.request.urlopen(request, timeout=limit_s)
    except urllib.error.HTTPError as error:
        answer = error
    except (OSError, TimeoutError):
        return None
    try:
        with answer:
            text = answer.read().decode()
    except OSError:
        return None
    return answer.status, json.loads(text) if text else None, answer.headers.get("Idempotent-Replayed") == "true"


def settled(server, path, body, key):
    """The answer once there is one: 409 (still running) and 503 are asked again."""
    while True:
        got = post(server, path, body, key)
        if got and got[0] not in (409, 429, 503, 504):
            return got


def singles(server):
    found, cursor = [], ""
    while True:
        page = server.api("GET", f"/calls?limit=1000{cursor}")
        found += [call["id"] for call in page["data"]]
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def prepare(server):
    number = "+15550009999"
    server.api("POST", "/agents", {"name": "demo", "number": number, **SCRIPT}, status=201)


def a_hundred_copies(world):
    server = world.serve([])
    prepare(server)
    body = {"to": "+15550001111", "agent": "demo", "not_before": LATER}
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda i: post(server, "/outdial/v1/calls", body, "one"), range(100)))
        assert all(answers), f"{answers.count(None)} were not answered"
        statuses = [answer[0] for answer in answers]
        assert set(statuses) <= {201, 409}, statuses
        ids = {answer[1]["id"] for answer in answers if answer[0] == 201}
        assert len(ids) == 1, ids
        assert sum(answer[0] == 201 and not answer[2] for answer in answers) == 1
        again = list(pool.map(lambda i: settled(server, "/outdial/v1/calls", body, "one"), range(100)))
    assert {answer[1]["id"] for answer in again} == ids and all(answer[2] for answer in again)
    assert singles(server) == list(ids)
    other = post(server, "/outdial/v1/calls", {**body, "to": "+15550001112"}, "one")
    assert other[0] == 422, other
    assert post(server, "/v1/agents", {"name": "x"}, "one")[0] == 422


def a_server_is_killed(world):
    """Storms of creates, each key twice at a time; killed in the middle of them; then every key once more."""
    server = world.serve([])
    prepare(server)
    keys = [f"key-{i}" for i in range(400)]

    def ask(i):
        key = keys[i % len(keys)]
        return key, post(server, "/outdial/v1/calls",
                         {"to": f"+1555{i % len(keys):07d}", "agent": "demo", "not_before": LATER}, key, 10)

    answered = {}
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        waiting = [pool.submit(ask, i) for i in range(2 * len(keys))]
        for done, future in enumerate(concurrent.futures.as_completed(waiting)):
            key, got = future.result()
            if got and got[0] == 201:
                answered.setdefault(key, got[1]["id"])
                assert answered[key] == got[1]["id"]
            if done == 150:
                server.kill()
    assert 0 < len(answered) < len(keys), len(answered)
    server = world.serve([])
    made = {}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        def repeat(i):
            return keys[i], settled(server, "/outdial/v1/calls",
                                    {"to": f"+1555{i:07d}", "agent": "demo", "not_before": LATER}, keys[i])
        for key, got in pool.map(repeat, range(len(keys))):
            assert got[0] == 201, got
            made[key] = got[1]["id"]
    for key, call in answered.items():
        assert made[key] == call, f"{key} was answered with {call}, then with {made[key]}"
    calls = singles(server)
    assert len(calls) == len(set(calls)) == len(keys), f"{len(calls)} calls for {len(keys)} keys"
    assert set(calls) == set(made.values())
    print(f"     {len(answered)} answered before the kill, {len(calls)} calls for {len(keys)} keys")


main(a_hundred_copies, a_server_is_killed)

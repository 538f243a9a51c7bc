#!/usr/bin/env python3
"""Goal: nothing of one org is seen or touched by another. Method: an org with one of everything; then every
operation of the server's own document (which a test holds equal to its routes) is asked with another org's
key, with every id of the first org in every place of its path: 404 where an id is named, nothing of the
first org in any answer; and afterwards the first org's things are as they were."""
import json
import re
import urllib.error
import urllib.request

from harness import main

KEYS = {}  # by org
MARK = "MARKED-FOR-ONE"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SCRIPT = {"outdial": {"agent": {"kind": "script", "steps": [{"hangup": {}}]}}}
# What a body must at least be for the route to look for its ids at all; otherwise an empty object.
BODIES = {"put /outdial/v1/agents/{id}": {"name": "taken", **SCRIPT},
          "patch /outdial/v1/agents/{id}": {"note": 1},
          "patch /outdial/v1/numbers/{id}": {"display_name": "taken"},
          "patch /outdial/v1/campaigns/{id}": {"cps": 1},
          "post /outdial/v1/campaigns/{id}/contacts": "number\n+15550001234\n"}
# Ids that are the server's and not an org's: the trunks of the node are everybody's.
NODE_WIDE = ("/outdial/v1/trunks",)


def ask(server, org, method, path, body=None, content_type="application/json"):
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(server.url + path, data=data, method=method.upper(),
                                     headers={"Authorization": f"Bearer {KEYS[org]}"})
    if data is not None:
        request.add_header("Content-Type", "text/csv" if isinstance(body, str) else content_type)
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.read().decode()


def made(server, path, body):
    status, text = ask(server, "one", "post", path, body)
    assert status in (200, 201), f"{path}: {status} {text}"
    return json.loads(text)


def one_of_everything(server):
    v = "/outdial/v1"
    agent = made(server, f"{v}/agents", {"name": MARK, "number": "+15550009999", **SCRIPT})
    made(server, f"{v}/calls", {"to": "+15550001111", "agent": MARK, "not_before": "2099-01-01T00:00:00Z",
                                "context": {"note": MARK}})
    campaign = made(server, f"{v}/campaigns", {"name": MARK, "agent": agent["id"]})
    made(server, f"{v}/campaigns/{campaign['id']}/contacts", f"number,note\n+15550002222,{MARK}\n")
    made(server, f"{v}/keys", {"name": MARK, "scopes": "read"})
    made(server, f"{v}/webhook_endpoints", {"url": f"https://hooks.example.net/{MARK}"})
    credentials = made(server, "/api/v1/sip-credentials", {"server": "sip.example.net", "description": MARK})
    made(server, "/api/v1/sip-phone-numbers", {"phoneNumber": "+15550008888", "credentialsId": credentials["id"],
                                               "description": MARK})
    number = json.loads(ask(server, "one", "get", "/v1/numbers")[1])[0]
    made(server, "/v1/agents", {"name": MARK, "type": "outbound", "instructions": MARK,
                                "number_ids": [number["id"]]})
    return campaign["id"], agent["id"], credentials["id"], number["id"]


def named_in_bodies(server, agent, credentials, number):
    """Ids of another org are as good as none wherever a body or a query names one."""
    for method, path, body, statuses in (
            ("post", "/outdial/v1/calls", {"to": "+15550001111", "agent": agent}, (400,)),
            ("post", "/outdial/v1/campaigns", {"name": "x", "agent": agent}, (400,)),
            ("post", f"/api/v1/calls?agentId={agent}", {"endpoint": "+15550001111"}, (404,)),
            ("post", f"/api/v1/calls/bulk?agentId={agent}", {"calls": [{"endpoint": "+15550001111"}]}, (404,)),
            ("post", "/api/v1/sip-phone-numbers", {"phoneNumber": "+15550001111", "credentialsId": credentials},
             (400, 404)),
            ("post", "/outdial/v1/numbers", {"number": "+15550001111", "credentials_id": credentials}, (400,)),
            ("post", "/v1/calls", {"agent_id": agent, "to": "+15550001111"}, (404,)),
            ("post", "/v1/agents", {"name": "x", "type": "outbound", "number_ids": [number]}, (400, 404))):
        status, text = ask(server, "two", method, path, body)
        assert status in statuses and MARK not in text, f"{method} {path}: {status} {text}"


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path != "/outdial/v1/events":
                yield path, method, operation


def belongings(server, document, campaign):
    """Every answer of every list and thing of the first org that can be read without its changing by itself."""
    found = {}
    for path, method, _ in operations(document):
        if method == "get" and "{" not in path and path not in ("/metrics", "/livez", "/readyz", "/openapi.json",
                                                                "/outdial/v1/limits", "/outdial/v1/trunks",
                                                                "/outdial/v1/config"):
            answer = ask(server, "one", "get", path)
            if answer[0] != 501:
                found[path] = answer
    found["contacts"] = ask(server, "one", "get", f"/outdial/v1/campaigns/{campaign}/contacts")
    return found


def filled(path, ids):
    """The path with the ids in its places: each alone, and each behind the others where there are two."""
    places = re.findall(r"\{[^}]+\}", path)
    if not places:
        return [path]
    if len(places) == 1:
        return [path.replace(places[0], one) for one in ids]
    return [path.replace(places[0], one).replace(places[1], two) for one in ids for two in ids]


def nothing_leaks(world):
    server = world.serve([])
    KEYS.update({org: server.api("POST", "/keys", {"org": org})["key"] for org in ("one", "two", "default")})
    document = json.loads(ask(server, "one", "get", "/openapi.json")[1])
    campaign, agent, credentials, number = one_of_everything(server)
    before = belongings(server, document, campaign)
    ids = sorted(set(UUID.findall(json.dumps(before))))
    assert len(ids) >= 5 and MARK in json.dumps(before), ids
    asked = not_found = 0
    for path, method, operation in operations(document):
        if path.startswith(NODE_WIDE):
            continue
        body = BODIES.get(f"{method} {path}", {} if "requestBody" in operation else None)
        for at in filled(path, ids):
            status, text = ask(server, "two", method, at, body)
            asked += 1
            # a problem names the path that was asked for, which is the asker's own word
            shown = re.sub(r'"(instance|detail|message)":"[^"]*"', "", text)
            assert MARK not in text, f"{method} {at}: {status} {text}"
            assert path == "/openapi.json" or not set(UUID.findall(shown)) & set(ids), f"{method} {at}: {text}"
            if "{" in path:
                assert status in (404, 400, 415, 422, 501), f"{method} {at}: {status} {text}"
                not_found += status == 404
    assert not_found > 100, f"{not_found} of {asked}"
    named_in_bodies(server, agent, credentials, number)
    for org, expected in (("two", 403), ("default", 404)):  # trunks are the operator's to change
        for order in ("pause", "resume", "drain"):
            status, _ = ask(server, org, "post", f"/outdial/v1/trunks/none/{order}")
            assert status == expected, f"{order} by {org}: {status}"
    assert [ask(server, org, "get", "/outdial/v1/config")[0] for org in ("two", "default")] == [403, 200]
    after = belongings(server, document, campaign)
    for path, was in before.items():
        assert after[path] == was, f"{path} has changed:\n{was}\n{after[path]}"
    # and the ids are good for their owner
    status, _ = ask(server, "one", "get", f"/outdial/v1/campaigns/{campaign}")
    assert status == 200
    print(f"     {asked} requests of another org, {not_found} times 404")


main(nothing_leaks)

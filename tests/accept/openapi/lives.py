"""A life in each dialect, asked through a proxy that holds requests and answers against the document.
Each function takes a client whose ask() fails on any violation."""
import time

SCRIPT = {"outdial": {"agent": {"kind": "script", "steps": [{"say": "Hello {{name}}."}, {"hangup": {}}]}}}
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
V = "/outdial/v1"

# What a validating proxy can't do.
NOT_WALKED = {(f"{V}/events", "get"),  # a stream without an end
              ("/console", "get")}     # the proxy follows redirections itself


def until(client, path, wanted, limit_s=30, field="status"):
    end = time.monotonic() + limit_s
    while True:
        thing = client.ask("GET", path)
        if thing[field] in wanted:
            return thing
        assert time.monotonic() < end, f"{path}: {field} is {thing[field]} for {limit_s} s"
        time.sleep(0.1)


def native(client):
    ask = client.ask
    ask("GET", "/livez")
    ask("GET", "/readyz")
    ask("GET", "/metrics")
    ask("GET", "/openapi.json")
    ask("GET", "/console/")
    ask("GET", "/console/console.js")
    ask("GET", "/console/console.css")
    ask("GET", "/console/none.js", status=404)
    agent = ask("POST", f"{V}/agents", {"name": "native", "number": "+15550009999", **SCRIPT}, 201)
    ask("POST", f"{V}/agents", {"outdial": 5}, 400)
    ask("POST", f"{V}/agents", {"name": "native", **SCRIPT}, 409)
    ask("GET", f"{V}/agents?limit=1")
    ask("GET", f"{V}/agents/{agent['id']}")
    ask("GET", f"{V}/agents/{NOBODY}", status=404)
    ask("PUT", f"{V}/agents/{agent['id']}", {"name": "native", "number": "+15550009999", "note": 1, **SCRIPT})
    ask("PATCH", f"{V}/agents/{agent['id']}", {"note": 2}, content_type="application/merge-patch+json")

    call = ask("POST", f"{V}/calls", {"to": "+15550001111", "agent": "native", "context": {"name": "Ann"}}, 201,
               headers={"Idempotency-Key": "native-1"})
    again = ask("POST", f"{V}/calls", {"to": "+15550001111", "agent": "native", "context": {"name": "Ann"}}, 201,
                headers={"Idempotency-Key": "native-1"})
    assert call["id"] == again["id"]
    ask("POST", f"{V}/calls", {"to": "+15550001112", "agent": "native"}, 422, headers={"Idempotency-Key": "native-1"})
    ask("GET", f"{V}/calls?limit=10&status=queued")
    until(client, f"{V}/calls/{call['id']}",
          {"completed", "busy", "no_answer", "declined", "failed", "rejected", "machine"}, 60)
    ask("GET", f"{V}/calls/{call['id']}/why")
    ask("GET", f"{V}/calls/{call['id']}/trace")
    ask("GET", f"{V}/calls/{call['id']}/recording", status=404)
    ask("POST", f"{V}/calls/{call['id']}/cancel", status=409)
    later = ask("POST", f"{V}/calls", {"to": "+15550001113", "agent": "native", "not_before": "2099-01-01T00:00:00Z",
                                       "priority": 5, "from": "+15550009999"}, 201)
    ask("GET", f"{V}/calls/{later['id']}/why")
    ask("POST", f"{V}/calls/{later['id']}/hangup")
    ask("GET", f"{V}/calls/{NOBODY}", status=404)

    campaign = ask("POST", f"{V}/campaigns", {"name": "spring", "agent": agent["id"], "cps": 5}, 201)
    at = f"{V}/campaigns/{campaign['id']}"
    rows = ask("POST", f"{at}/contacts", "number,name\n+15550002001,Ann\n+15550002002,Bob\nnonsense,Cyd\n",
               content_type="text/csv")
    assert (rows["imported"], rows["rejected"]) == (2, 1), rows
    rows = ask("POST", f"{at}/contacts", '{"number":"+15550002003","context":{"name":"Dan"}}\n',
               content_type="application/x-ndjson")
    assert rows["imported"] == 1, rows
    contacts = ask("GET", f"{at}/contacts?limit=2")
    assert contacts["next_cursor"]
    ask("GET", f"{at}/contacts/{contacts['data'][0]['id']}")
    ask("GET", f"{at}/contacts/{contacts['data'][0]['id']}/why")
    ask("GET", f"{V}/contacts/{contacts['data'][0]['id']}/why")
    ask("GET", f"{V}/contacts/{NOBODY}/why", status=404)
    ask("PATCH", at, {"cps": 50, "max_calls": 7})
    ask("POST", f"{at}/start")
    ask("POST", f"{at}/pause")
    ask("POST", f"{at}/resume")
    ask("POST", f"{at}/drain")
    ask("POST", f"{at}/resume")
    ask("GET", f"{V}/campaigns?limit=5")
    ask("DELETE", at)
    ask("POST", f"{at}/start", status=409)
    ask("GET", at)

    for trunk in ask("GET", f"{V}/trunks")["data"]:
        ask("GET", f"{V}/trunks/{trunk['name']}")
    ask("GET", f"{V}/trunks/none", status=404)
    ask("GET", f"{V}/limits")
    ask("GET", f"{V}/config")
    key = ask("POST", f"{V}/keys", {"scopes": "read", "name": "reader"}, 201)
    ask("GET", f"{V}/keys")
    mine, client.key = client.key, key["key"]
    ask("GET", f"{V}/limits")
    ask("POST", f"{V}/calls", {"to": "+15550001111", "agent": "native"}, 403)
    client.key = mine
    ask("DELETE", f"{V}/keys/{key['id']}", status=204)
    client.key = key["key"]
    ask("GET", f"{V}/limits", status=401)
    client.key = mine
    ask("DELETE", f"{V}/agents/{agent['id']}", status=204)


def numbers(client):
    ask, at = client.ask, f"{V}/numbers"
    number = ask("POST", at, {"number": "+15550007777", "trunk": "main", "display_name": "Desk"}, 201)
    ask("POST", at, {"number": "+15550007777", "trunk": "main"}, 409)
    ask("POST", at, {"number": "+15550007777", "trunk": "nowhere"}, 400)
    ask("POST", at, {"number": "+15550007777", "credentials_id": NOBODY}, 400)
    ask("GET", f"{at}?limit=5")
    ask("GET", f"{at}/{number['id']}")
    ask("GET", f"{at}/{NOBODY}", status=404)
    credentials = ask("POST", "/api/v1/sip-credentials", {"server": "sip.example.net"})
    changed = ask("PATCH", f"{at}/{number['id']}", {"credentials_id": credentials["id"], "display_name": None},
                  content_type="application/merge-patch+json")
    assert (changed["trunk"], changed["credentials_id"], changed["display_name"]) == (None, credentials["id"], None)
    ask("PATCH", f"{at}/{number['id']}", {"number": "+15550001234"}, 400)
    agent = ask("POST", "/v1/agents", {"name": "desk", "type": "outbound", "number_ids": [number["id"]]}, 201)
    ask("DELETE", f"{at}/{number['id']}", status=409)
    ask("DELETE", f"/v1/agents/{agent['id']}/numbers/{number['id']}")
    ask("DELETE", f"{at}/{number['id']}", status=204)
    ask("DELETE", f"{at}/{number['id']}", status=404)


def trunks_and_lists(client):
    ask, trunk = client.ask, f"{V}/trunks/main"
    ask("PATCH", trunk, {"cps": 5})
    ask("PATCH", trunk, {"cps": "many"}, 400)
    ask("POST", f"{trunk}/pause")
    ask("POST", f"{trunk}/resume")
    ask("POST", f"{trunk}/drain")
    ask("POST", f"{trunk}/resume")
    ask("POST", f"{V}/trunks/nowhere/pause", status=404)
    ask("POST", f"{V}/suppressions", {"number": "+15550004444", "reason": "asked us to"}, 201)
    ask("POST", f"{V}/suppressions", {"number": "nobody"}, 400)
    ask("GET", f"{V}/suppressions?limit=5")
    ask("GET", f"{V}/suppressions/+15550004444")
    ask("DELETE", f"{V}/suppressions/+15550004444", status=204)
    ask("GET", f"{V}/suppressions/+15550004444", status=404)
    ask("GET", f"{V}/dead?limit=5")
    ask("POST", f"{V}/dead/q:7/requeue", status=404)
    ask("DELETE", f"{V}/dead/q:7", status=404)
    agent = ask("POST", f"{V}/agents", {"name": "held", "number": "+15550009999", **SCRIPT}, 201)
    for change in ("pause", "resume", "drain", "resume"):
        ask("POST", f"{V}/agents/{agent['id']}/{change}")
    ask("POST", f"{V}/agents/{NOBODY}/pause", status=404)
    assert ask("GET", f"{V}/audit?limit=5")["data"], "nothing was recorded"
    ask("GET", f"{V}/breakers")
    ask("POST", f"{V}/breakers/00112233aabbccdd/reset", status=404)


def twilio(client):
    ask, account = client.ask, "ACc257d3087b9a26b3fa7b708f38197759"  # of the org "default"
    at = f"/2010-04-01/Accounts/{account}/Calls"
    listed = ask("GET", f"{at}.json?PageSize=5")
    assert listed["calls"][0]["account_sid"] == account, listed
    ask("GET", at)
    call = listed["calls"][0]["sid"]
    ask("GET", f"{at}/{call}")
    ask("GET", f"{at}/CA{'0' * 32}", status=404)
    ask("POST", f"{at}/CA{'0' * 32}", "Status=completed", 404, content_type="application/x-www-form-urlencoded")


def callingbox(client):
    ask = client.ask
    credentials = ask("POST", "/api/v1/sip-credentials", {"server": client.trunk})
    ask("POST", "/api/v1/sip-phone-numbers", {"phoneNumber": "+15550009999", "credentialsId": credentials["id"]})
    number = ask("GET", "/v1/numbers")[0]
    ask("GET", f"/v1/numbers/{number['id']}")
    ask("GET", f"/v1/numbers/{NOBODY}", status=404)
    ask("GET", "/v1/numbers/available", status=501)
    ask("POST", "/v1/numbers/purchase", {"phone_number": "+15550001111"}, 501)
    agent = ask("POST", "/v1/agents", {"name": "box", "type": "outbound", "persona": "p", "instructions": "i",
                                       "number_ids": [number["id"]], "primary_number_id": number["id"]}, 201)
    at = f"/v1/agents/{agent['id']}"
    ask("POST", "/v1/agents", {"name": "x", "type": "sideways"}, 400)
    ask("GET", "/v1/agents")
    ask("GET", at)
    ask("GET", f"/v1/agents/{NOBODY}", status=404)
    ask("PATCH", at, {"instructions": "other"})
    ask("DELETE", f"{at}/numbers/{number['id']}")
    ask("POST", f"{at}/numbers", {"number_id": number["id"]})
    ask("PUT", f"{at}/primary-number", {"number_id": number["id"]})
    call = ask("POST", "/v1/calls", {"agent_id": agent["id"], "to": "+15550001111", "context": {"a": 1},
                                     "metadata": {"b": 2}}, 201, headers={"Idempotency-Key": "box-1"})
    ask("POST", "/v1/calls", {"agent_id": agent["id"], "to": "5550001111"}, 400)
    ask("POST", "/v1/calls", {"agent_id": NOBODY, "to": "+15550001111"}, 404)
    ask("GET", "/v1/calls?limit=5&status=queued")
    ask("GET", f"/v1/calls/{call['id']}")
    ask("GET", f"/v1/calls/{NOBODY}", status=404)
    ask("GET", f"/v1/calls/{call['id']}/transcript")
    until(client, f"/v1/calls/{call['id']}", {"completed", "busy", "no_answer", "failed", "canceled"}, 60)
    ask("POST", f"/v1/calls/{call['id']}/cancel", status=409)
    ask("DELETE", at)
    hooks(client, "/v1", "rotate_secret")


def hooks(client, base, rotate):
    ask = client.ask
    made = ask("POST", f"{base}/webhook_endpoints", {"url": "https://hooks.example.net/x"}, 201)
    at = f"{base}/webhook_endpoints/{made['id']}"
    ask("POST", f"{base}/webhook_endpoints", {"url": "gopher://x"}, 400)
    ask("GET", f"{base}/webhook_endpoints")
    ask("GET", at)
    ask("PATCH", at, {"description": "d"})
    ask("POST", f"{at}/{rotate}")
    ask("GET", f"{base}/webhook_deliveries?limit=5")
    ask("POST", f"{base}/webhook_deliveries/{NOBODY}/redeliver", status=404)
    ask("DELETE", at, status=204)
    ask("GET", at, status=404)


def webhooks(client):
    hooks(client, V, "rotate")
    client.ask("POST", f"{V}/webhook_deliveries/replay", {"limit": 10})
    told = client.ask("POST", "/api/v1/webhooks/test", {"webHook": {"url": "http://127.0.0.1:1/x"},
                                                        "webhookType": "CompletedWebHookPayload"})
    assert told["success"] is False, told


def dasha(client):
    ask, d = client.ask, "/api/v1"
    ask("GET", f"{d}/misc/agent-initial-data")
    ask("GET", f"{d}/misc/concurrency")
    ask("GET", f"{d}/ws/webCall", status=501)
    ask("GET", f"{d}/ws/dev", status=501)
    ask("POST", f"{d}/providers/twilio/any/import-numbers", {"phoneNumberSids": ["PN1"]}, 501)
    credentials = ask("POST", f"{d}/sip-credentials", {"server": "sip.example.net:5060", "authUser": "u",
                                                       "authPassword": "secret-word"})
    assert "secret-word" not in str(credentials)
    ask("GET", f"{d}/sip-credentials")
    ask("GET", f"{d}/sip-credentials/{credentials['id']}")
    ask("PUT", f"{d}/sip-credentials/{credentials['id']}", {"server": "sip.example.net:5060", "authUser": "v"})
    number = ask("POST", f"{d}/sip-phone-numbers", {"phoneNumber": "+15550008888",
                                                    "credentialsId": credentials["id"]})
    ask("GET", f"{d}/sip-phone-numbers")
    ask("GET", f"{d}/sip-phone-numbers/{number['id']}")
    ask("PUT", f"{d}/sip-phone-numbers/{number['id']}", {"phoneNumber": "+15550008888", "displayName": "x",
                                                                  "credentialsId": credentials["id"]})
    agent = ask("POST", f"{d}/agents", {"name": "dasha", "config": {"primaryLanguage": "en-US"}})
    id = agent["agentId"]
    link = f"{d}/sip-phone-numbers/{number['id']}/agent-link"
    ask("POST", link, {"agentId": id, "mode": "outbound"})
    ask("PUT", link, {"agentId": id, "mode": "outbound"})
    ask("GET", f"{d}/agents?skip=0&take=10")
    ask("GET", f"{d}/agents/{id}")
    ask("GET", f"{d}/agents/{NOBODY}", status=404)
    ask("PUT", f"{d}/agents/{id}", {"description": "d"})
    twin = ask("POST", f"{d}/agents/{id}/clone", {"name": "twin"})
    call = ask("POST", f"{d}/calls?agentId={id}", {"endpoint": "+15550001111", "priority": 5,
                                                   "additionalData": {"a": 1}})
    ask("POST", f"{d}/calls?agentId={id}", {"endpoint": "123"}, 400)
    ask("POST", f"{d}/calls?agentId={NOBODY}", {"endpoint": "+15550001111"}, 404)
    ask("POST", f"{d}/calls/bulk?agentId={id}", {"calls": [{"endpoint": "+15550001112"}, {"endpoint": "x"}]})
    ask("GET", f"{d}/calls/queue/list?take=5")
    ask("GET", f"{d}/calls/{call['callId']}")
    ask("DELETE", f"{d}/calls/{NOBODY}", status=404)
    ask("POST", f"{d}/callresults/search", {"page": 0, "size": 10, "includeAggregations": True})
    ask("DELETE", f"{d}/agents/{twin['agentId']}")
    ask("DELETE", f"{link}?mode=replaceOutbound&agentId={id}")
    ask("DELETE", f"{d}/sip-phone-numbers/{number['id']}")
    ask("DELETE", f"{d}/sip-credentials/{credentials['id']}")
    ask("DELETE", f"{d}/agents/{id}")


ALL = [native, numbers, trunks_and_lists, twilio, callingbox, dasha, webhooks]

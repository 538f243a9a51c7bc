"""A life in each dialect, asked through a proxy that holds requests and answers against the document.
Each function takes a client whose ask() fails on any violation."""
import time

SCRIPT = {"outdial": {"agent": {"kind": "script", "steps": [{"say": "Hello {{name}}."}, {"hangup": {}}]}}}
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
V = "/outdial/v1"

# Server-sent events never end, which a validating proxy can't wait for.
NOT_WALKED = {(f"{V}/events", "get")}


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
    agent = ask("POST", f"{V}/agents", {"name": "native", "number": "+15550009999", **SCRIPT}, 201)
    ask("POST", f"{V}/agents", {"name": "native"}, 400)
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
    ask("PATCH", at, {"cps": 50, "max_calls": 7})
    ask("POST", f"{at}/start")
    ask("POST", f"{at}/pause")
    ask("POST", f"{at}/resume")
    ask("GET", f"{V}/campaigns?limit=5")
    ask("DELETE", at)
    ask("POST", f"{at}/start", status=409)
    ask("GET", at)

    for trunk in ask("GET", f"{V}/trunks")["data"]:
        ask("GET", f"{V}/trunks/{trunk['name']}")
    ask("GET", f"{V}/trunks/none", status=404)
    ask("GET", f"{V}/limits")
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


ALL = [native]

#!/usr/bin/env python3
"""Goal: a client written to the two vendors' pages does not notice the difference. Method: every request
of the pages, verbatim but for host, key and ids, by curl and by Node's fetch; every answer against the
page's own example, field by field: no field missing, types equal. The pages are quoted where they are
used; the two long examples are the JSON files beside this one.

    OUTDIAL_BIN=build/outdial python3 tests/accept/seeds/run.py [NAME ...]
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))

from harness import main, wait_until  # noqa: E402

SCRIPT = {"agent": {"kind": "script", "steps": [
    {"gather": {"digits": 1, "timeout_ms": 4000, "into": "confirmed", "map": {"1": True}}},
    {"hangup": {}}]}, "trunks": ["main"]}


FETCHER = """
import { createInterface } from 'node:readline';
for await (const line of createInterface({ input: process.stdin })) {
  const [url, options] = JSON.parse(line);
  const r = await fetch(url, options);
  console.log(JSON.stringify([r.status, r.headers.get('content-type'), await r.text()]));
}
"""


def example(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return json.load(file)


class Client:
    """The same request by curl and by Node; both must be answered alike."""

    fetcher = None

    def __init__(self, server):
        self.server = server

    def __del__(self):
        if self.fetcher:
            self.fetcher.kill()
            self.fetcher.wait()

    def curl(self, command, status):
        """A page's command line, its host and key replaced."""
        command = command.replace("https://api.callingbox.io", self.server.url)
        command = command.replace("https://blackbox.dasha.ai", self.server.url)
        command = command.replace("<token>", self.server.key)
        done = subprocess.run(["bash", "-c", command.replace("curl ", "curl -sS -w '\\n%{http_code} %{content_type}' ", 1)],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        body, told = done.stdout.rsplit("\n", 1)
        got, kind = told.split(" ", 1)
        assert int(got) == status, f"curl: {got}, expected {status}: {body[:400]}"
        return (json.loads(body) if body.strip() else None), kind

    def node(self, program, **values):
        """A page's JavaScript as it stands, its host, key and names replaced; what it printed."""
        program = program.replace("https://blackbox.dasha.ai", self.server.url)
        program = program.replace("https://api.callingbox.io", self.server.url)
        for name in ("YOUR_API_KEY", "<token>"):
            program = program.replace(name, self.server.key)
        for name, value in values.items():
            program = program.replace(name, value)
        done = subprocess.run(["node", "--input-type=module", "-e", program], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr[-1500:]
        return done.stdout

    def fetch(self, method, path, body):
        """By one Node that lives as long as the client."""
        if not self.fetcher:
            self.fetcher = subprocess.Popen(["node", "--input-type=module", "-e", FETCHER], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        options = {"method": method, "headers": {"Authorization": f"Bearer {self.server.key}"}}
        if body is not None:
            options["headers"]["Content-Type"] = "application/json"
            options["body"] = json.dumps(body)
        self.fetcher.stdin.write(json.dumps([self.server.url + path, options]) + "\n")
        self.fetcher.stdin.flush()
        return self.fetcher.stdout.readline()

    def ask(self, method, path, body=None, status=200, kind="application/json"):
        """By both; the answer that Node got. A create is made twice."""
        data = "" if body is None else f"--header 'Content-Type: application/json' --data @- <<'EOF'\n{json.dumps(body)}\nEOF"
        by_curl, got = self.curl(f"curl --request {method} --url '{self.server.url}{path}' "
                                 f"--header 'Authorization: Bearer <token>' {data}", status)
        assert got.startswith(kind), f"{method} {path}: {got}"
        text = self.fetch(method, path, body)
        code, got, answer = json.loads(text)
        assert code == status and (got or "").startswith(kind), f"{method} {path}: {code} {got} {answer[:400]}"
        by_node = json.loads(answer) if answer.strip() else None
        assert type(by_curl) is type(by_node), (by_curl, by_node)
        if isinstance(by_node, dict):
            assert set(by_curl) == set(by_node), (by_curl, by_node)
        return by_node


def same_shape(page, answer, where="", nullable=()):
    """Every field of the page is in the answer, with the page's type. null on the page: of any type."""
    if page is None:
        return
    if answer is None and where in nullable:
        return
    if isinstance(page, bool) or isinstance(answer, bool):
        assert isinstance(page, bool) and isinstance(answer, bool), (where, page, answer)
    elif isinstance(page, (int, float)):
        assert isinstance(answer, (int, float)), (where, page, answer)
    else:
        assert type(page) is type(answer), (where, page, answer)
    if isinstance(page, dict):
        for name, value in page.items():
            assert name in answer, f"{where}.{name} is missing"
            same_shape(value, answer[name], f"{where}.{name}".lstrip("."), nullable)
    elif isinstance(page, list) and page and answer:
        for item in answer:
            same_shape(page[0], item, f"{where}[]", nullable)


def begin(world, **extra):
    carrier = world.carrier({"answer": 1, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0,
                             "ring_ms": "300", "digits": "1", "digit_delay_ms": "500"})
    server = world.serve([{"name": "main", "server": carrier.address}], extra={
        "numbers": [{"number": "+15550001111", "trunk": "main"},
                    {"number": "+15557654321", "trunk": "main"}], **extra})
    return Client(server)


def numbers(client):
    return {n["e164"]: n for n in wait_until(lambda: client.ask("GET", "/v1/numbers"), 10, "the numbers")}


def dasha_agent(client, **more):
    """An agent with the page's whole config and a linked number."""
    agent = client.ask("POST", "/api/v1/agents", {"name": "seed", "config": plain_config(),
                                                  "outdial": SCRIPT, **more})
    number = numbers(client)["+15550001111"]["id"]
    client.ask("PUT", f"/api/v1/sip-phone-numbers/{number}/agent-link",
               {"agentId": agent["agentId"], "mode": "replaceOutbound"})
    return agent["agentId"]


def plain_config():
    """The page's config; what would dial somewhere else is left out."""
    config = example("dasha_agents.json")[0]["config"]
    del config["outboundSipConfig"], config["resultWebhook"], config["startWebhook"]
    return config


# ---- Dasha: List agents ----

LIST_AGENTS = """
const options = {method: 'GET', headers: {Authorization: 'Bearer <token>'}};

fetch('https://blackbox.dasha.ai/api/v1/agents', options)
  .then(res => res.json())
  .then(res => console.log(JSON.stringify(res)))
  .catch(err => console.error(err));
"""


def dasha_agents(world):
    client = begin(world)
    page = example("dasha_agents.json")
    sent = {name: page[0][name] for name in ("name", "config", "schedule", "isEnabled", "description",
                                             "additionalData")}
    config = json.loads(json.dumps(sent["config"]))
    config["resultWebhook"]["url"] = "https://example.com/result"
    config["startWebhook"]["webhook"]["url"] = "https://example.com/start"
    config["tools"][0]["name"] = "look_up"
    config["tools"][0]["webhook"]["url"] = "https://example.com/tool"
    config["outboundSipConfig"]["server"] = "sip.example.com"
    config["outboundSipConfig"]["password"] = "p4ssw0rd-of-the-trunk"
    config["llmConfig"]["apiKey"] = "k3y-of-the-model"
    sent["config"] = config
    sent["schedule"] = {**sent["schedule"], "timezone": "Europe/Berlin"}
    page[0]["config"]["mcpConnections"][0]["authentication"]["apiKey"] = None  # a secret
    made = client.ask("POST", "/api/v1/agents", sent)
    same_shape(page[0], made)

    listed = json.loads(client.node(LIST_AGENTS))
    assert isinstance(listed, list) and len(listed) == 2
    same_shape(page, listed)
    for text in ("p4ssw0rd-of-the-trunk", "k3y-of-the-model", '"<string>"]'):
        assert text not in json.dumps(listed), f"{text} came back"
    # Kept as it was sent: only secrets are null now.
    config["outboundSipConfig"]["password"] = config["llmConfig"]["apiKey"] = None
    config["mcpConnections"][0]["authentication"]["apiKey"] = None
    assert listed[0]["config"] == config, (listed[0]["config"], config)
    assert listed[0]["schedule"] == sent["schedule"] and list(listed[0])[:2] == ["name", "config"]

    # skip int32 0..2147483647 default 0, take int32 1..1000 default 20
    assert len(client.ask("GET", "/api/v1/agents?skip=1&take=1")) == 1
    assert client.ask("GET", "/api/v1/agents?skip=2147483647") == []
    for query in ("take=0", "take=1001", "skip=-1", "skip=2147483648", "take=x"):
        client.ask("GET", f"/api/v1/agents?{query}", status=400, kind="application/problem+json")

    # name: required string length 1 - 100; config required
    for body in ({"config": {}}, {"name": "", "config": {}}, {"name": "x" * 101, "config": {}},
                 {"name": "x"}, {"name": "x", "config": "y"}):
        problem = client.ask("POST", "/api/v1/agents", body, 400, "application/problem+json")
        same_shape({"type": "", "title": "", "status": 400, "detail": "", "instance": ""}, problem)
    client.ask("POST", "/api/v1/agents", {"name": "\u00fc" * 100, "config": {}})

    # A full PUT, a partial one, a clone, the template, the end.
    agent = made["agentId"]
    assert client.ask("PUT", f"/api/v1/agents/{agent}", {"isEnabled": False})["isEnabled"] is False
    put = client.ask("PUT", f"/api/v1/agents/{agent}", {"name": "renamed", "config": config})
    assert put["name"] == "renamed" and put["isEnabled"] is True and put["config"] == config
    clone = client.ask("POST", f"/api/v1/agents/{agent}/clone", {"name": "a clone"})
    assert client.ask("GET", f"/api/v1/agents/{clone['agentId']}")["config"] == config
    template = client.ask("GET", "/api/v1/misc/agent-initial-data")
    same_shape(page[0]["config"]["features"], template["config"]["features"])
    client.curl(f"curl --request DELETE --url '{client.server.url}/api/v1/agents/{agent}' "
                "--header 'Authorization: Bearer <token>'", 200)
    client.ask("GET", f"/api/v1/agents/{agent}", status=404, kind="application/problem+json")


# ---- Dasha: Outbound calls ----

SCHEDULE = """
const response = await fetch(
  'https://blackbox.dasha.ai/api/v1/calls?agentId=YOUR_AGENT_ID',
  {
    method: 'POST',
    headers: {
      'Authorization': 'Bearer YOUR_API_KEY',
      'Content-Type': 'application/json'
    },
    body: JSON.stringify({
      endpoint: '+15551234567',
      priority: 5,
      additionalData: {
        customerId: 'cust_123',
        campaignId: 'spring_promo'
      }
    })
  }
);

const call = await response.json();
console.log('Call scheduled:', call.callId);
"""
BULK = """
const response = await fetch(
  'https://blackbox.dasha.ai/api/v1/calls/bulk?agentId=YOUR_AGENT_ID',
  {
    method: 'POST',
    headers: {
      'Authorization': 'Bearer YOUR_API_KEY',
      'Content-Type': 'application/json'
    },
    body: JSON.stringify({
      calls: [
        { endpoint: '+15551234567', priority: 5, additionalData: { name: 'John' } },
        { endpoint: '+15559876543', priority: 5, additionalData: { name: 'Jane' } },
        { endpoint: '+15555555555', priority: 5, additionalData: { name: 'Bob' } }
      ]
    })
  }
);

const result = await response.json();
console.log(`Scheduled: ${result.successCount}, Failed: ${result.failedCount}`);
"""
CHECK = """
const callId = 'CALL_ID';
const call = await fetch(
  `https://blackbox.dasha.ai/api/v1/calls/${callId}`,
  { headers: { 'Authorization': 'Bearer YOUR_API_KEY' } }
).then(r => r.json());

console.log('Status:', call.status);
// Created → Queued → Pending → InProgress → Completed/Failed
"""
QUEUE = """
const agentId = 'YOUR_AGENT_ID';
const queue = await fetch(
  `https://blackbox.dasha.ai/api/v1/calls/queue/list?agentId=${agentId}`,
  { headers: { 'Authorization': 'Bearer YOUR_API_KEY' } }
).then(r => r.json());

console.log(`Calls in queue: ${queue.totalCount}`);
queue.items.forEach(call => {
  console.log(`  ${call.endpoint} - Priority ${call.priority}`);
});
"""
CANCEL = """
const callId = 'CALL_ID';
await fetch(
  `https://blackbox.dasha.ai/api/v1/calls/${callId}`,
  {
    method: 'DELETE',
    headers: { 'Authorization': 'Bearer YOUR_API_KEY' }
  }
);
"""
# "Receive webhooks": when scheduling the call
HOOKS = {"endpoint": "+15551234567", "completedWebHook": "https://your-server.com/call-completed",
         "failedWebHook": "https://your-server.com/call-failed"}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
DASHA_CALL = {"callId": "", "orgId": "", "agentId": "", "endpoint": "", "status": "",
              "createdTime": "", "nextScheduleTime": None, "additionalData": {}, "priority": 1,
              "callDeadline": None, "timezone": None, "overrideOutboundConfig": None}


def dasha_calls(world):
    client = begin(world)
    agent = dasha_agent(client, isEnabled=False)  # calls stay in the queue

    printed = client.node(SCHEDULE, YOUR_AGENT_ID=agent)
    call = re.fullmatch(f"Call scheduled: ({UUID})\n", printed).group(1)
    shown = client.ask("GET", f"/api/v1/calls/{call}")
    same_shape(DASHA_CALL, shown)
    assert (shown["endpoint"], shown["priority"], shown["agentId"]) == ("+15551234567", 5, agent)
    assert shown["additionalData"] == {"customerId": "cust_123", "campaignId": "spring_promo"}
    assert client.node(CHECK, CALL_ID=call) in ("Status: Created\n", "Status: Queued\n")

    assert client.node(BULK, YOUR_AGENT_ID=agent) == "Scheduled: 3, Failed: 0\n"
    printed = client.node(QUEUE, YOUR_AGENT_ID=agent).splitlines()
    assert printed[0] == "Calls in queue: 4" and len(printed) == 5, printed
    assert set(printed[1:]) == {f"  {e} - Priority 5" for e in
                                ("+15551234567", "+15559876543", "+15555555555")}, printed

    client.node(CANCEL, CALL_ID=call)
    assert client.node(CHECK, CALL_ID=call) == "Status: Canceled\n"
    client.ask("DELETE", f"/api/v1/calls/{call}", status=409, kind="application/problem+json")

    hooked = client.ask("POST", f"/api/v1/calls?agentId={agent}", HOOKS)
    assert hooked["completedWebHook"] == HOOKS["completedWebHook"], hooked
    assert hooked["failedWebHook"] == HOOKS["failedWebHook"], hooked

    # The documented spellings of the input
    more = {"endpoint": "+15551234567", "priority": None, "callDeadLine": "2099-01-01T00:00:00Z",
            "timezone": "America/New_York", "additionalData": None, "agentId": agent,
            "overrideOutboundConfig": {"phoneNumber": "+15550001111", "displayName": "Clinic"}}
    shown = client.ask("POST", "/api/v1/calls", more)
    assert shown["callDeadline"] == "2099-01-01T00:00:00.000Z" and shown["priority"] == 1, shown
    assert shown["timezone"] == "America/New_York" and shown["additionalData"] == {}, shown
    assert shown["overrideOutboundConfig"] == more["overrideOutboundConfig"], shown
    array = client.ask("POST", f"/api/v1/calls/bulk?agentId={agent}", [more, {"endpoint": "x"}])
    assert isinstance(array, list) and array[0]["status"] == "Created" and array[1]["status"] == 400
    for status in ("Queued", "Created", "status"):
        client.ask("GET", f"/api/v1/calls/queue/list?status={status}&status=InProgress&status=Running",
                   status=400 if status == "status" else 200,
                   kind="application/problem+json" if status == "status" else "application/json")


def dasha_troubles(world):
    """| 400 Bad Request | Verify phone number format (E.164: +15551234567) |
    | 404 Agent Not Found | Check agentId is correct |
    | "No outbound config" | Link a phone number to the agent for outbound |"""
    client = begin(world)
    agent = dasha_agent(client)
    problem = "application/problem+json"
    for endpoint in ("5551234567", "15551234567", "+1 555 123 4567", "+0555123456", "+1555", "", 7, None):
        answer = client.ask("POST", f"/api/v1/calls?agentId={agent}", {"endpoint": endpoint}, 400, problem)
        assert "endpoint" in answer["detail"] and "E.164" in answer["detail"], answer
    for wrong in ("00000000-0000-4000-8000-000000000000", "YOUR_AGENT_ID"):
        answer = client.ask("POST", f"/api/v1/calls?agentId={wrong}", {"endpoint": "+15551234567"}, 404,
                            problem)
        assert "gent not found" in answer["detail"], answer
    lonely = client.ask("POST", "/api/v1/agents", {"name": "n", "config": {}, "outdial": SCRIPT})
    answer = client.ask("POST", f"/api/v1/calls?agentId={lonely['agentId']}",
                        {"endpoint": "+15551234567"}, 400, problem)
    assert "No outbound config" in answer["detail"], answer
    client.ask("GET", "/api/v1/calls/00000000-0000-4000-8000-000000000000", status=404, kind=problem)
    client.ask("POST", "/api/v1/providers/twilio/x/import-numbers", {"phoneNumberSids": ["PN1"]}, 501,
               problem)


# ---- CallingBox: Dispatch an outbound call ----

CREATE = """
curl --request POST \\
  --url https://api.callingbox.io/v1/calls \\
  --header 'Authorization: Bearer <token>' \\
  --header 'Content-Type: application/json' \\
  --data @- <<EOF
{
  "agent_id": "b5a1c9f2-6d2d-4a7f-9f3a-5a2b1c3d4e5f",
  "to": "+15551234567",
  "instructions": "Confirm the patient's appointment tomorrow at 2pm. If they want to reschedule, ask for a preferred date and time.",
  "context": {
    "patient": "Maria Lopez",
    "doctor": "Dr. Chen"
  }
}
EOF
"""
AGENT_ID = "b5a1c9f2-6d2d-4a7f-9f3a-5a2b1c3d4e5f"
# The page's fields that are "| null".
NULLABLE = ("agent_id", "persona", "instructions", "result_error", "webhook_url", "webhook_error",
            "started_at", "answered_at", "ended_at", "duration_seconds", "billed_duration_seconds",
            "billing_amount_milli_cents", "error_code", "error_message", "hangup_cause")
# The guide's bodies, one by one.
GUIDE = [
    {"agent_id": "agent-uuid-here", "to": "+15551234567"},
    {"agent_id": "agent-uuid-here", "to": "+15551234567",
     "instructions": "Call to confirm a dental appointment tomorrow at 2pm for Maria Lopez. If she wants to "
                     "reschedule, ask for her preferred date and time."},
    {"agent_id": "agent-uuid-here", "to": "+15551234567",
     "context": {"patient": "Maria Lopez", "doctor": "Dr. Chen", "appointment_date": "2026-04-22",
                 "appointment_time": "2:00 PM"}},
    {"agent_id": "agent-uuid-here", "to": "+15551234567", "from_number": "+15557654321"},
    {"agent_id": "agent-uuid-here", "to": "+15551234567",
     "webhook_url": "https://your-server.com/callingbox-webhook"},
    {"agent_id": "agent-uuid-here", "to": "+15551234567",
     "instructions": "Confirm the patient's appointment tomorrow at 2pm.",
     "context": {"patient": "Maria Lopez", "doctor": "Dr. Chen"}},
    {"agent_id": "agent-uuid-here", "to": "+15559876543",
     "instructions": "Qualify this lead for the enterprise plan. Ask about team size, current tools, and "
                     "timeline.",
     "context": {"lead": "Sarah Kim", "company": "Acme Corp"}},
    {"agent_id": "agent-uuid-here", "to": "+15554567890",
     "instructions": "Follow up on overdue balance. Offer a payment plan if needed.",
     "context": {"customer": "Roberto M\u00e9ndez", "balance": 4850.00, "days_overdue": 45}},
]


def box_agent(client, **more):
    """agent = client.agents.create(name="Appointment reminders", type="outbound", instructions=...,
    returns={"confirmed": "boolean", "reschedule_to": "string"}, number_ids=["pn_abc123"],
    primary_number_id="pn_abc123")"""
    found = numbers(client)
    ids = [found["+15550001111"]["id"], found["+15557654321"]["id"]]
    return client.ask("POST", "/v1/agents", {
        "name": "Appointment reminders", "type": "outbound",
        "instructions": "Confirm dental appointments. Offer to reschedule if needed.",
        "returns": {"confirmed": "boolean", "reschedule_to": "string"},
        "number_ids": [f"pn_{ids[0]}", ids[1]], "primary_number_id": f"pn_{ids[0]}",
        "outdial": SCRIPT, **more}, 201)


def callingbox_calls(world):
    client = begin(world)
    agent = box_agent(client)
    page = example("callingbox_call.json")
    created, kind = client.curl(CREATE.strip().replace(AGENT_ID, agent["id"]), 201)
    assert kind.startswith("application/json"), kind
    same_shape(page, created, nullable=NULLABLE)
    assert created["status"] == "queued" and created["direction"] == "outbound", created
    assert created["to_number"] == "+15551234567" and created["from_number"] == "+15550001111"
    assert created["instructions"].startswith("Confirm the patient's appointment"), created
    assert created["context"] == {"patient": "Maria Lopez", "doctor": "Dr. Chen"}, created
    assert created["returns"] == agent["returns"] and created["metadata"] == {}, created

    for body in GUIDE:
        call = client.ask("POST", "/v1/calls", {**body, "agent_id": agent["id"]}, 201)
        same_shape(page, call, nullable=NULLABLE)
        assert call["context"] == body.get("context", {}), (call, body)
        assert call["instructions"] == body.get("instructions", agent["instructions"]), (call, body)
        assert call["from_number"] == body.get("from_number", "+15550001111"), (call, body)
        assert call["webhook_url"] == body.get("webhook_url"), (call, body)

    done = wait_until(lambda: (lambda c: c if c["status"] == "completed" else None)(
        client.ask("GET", f"/v1/calls/{created['id']}")), 60, "the call to complete")
    same_shape(page, done, nullable=NULLABLE)
    for name in ("started_at", "answered_at", "ended_at", "duration_seconds", "hangup_cause"):
        assert done[name] is not None, (name, done)
    assert done["result"] == {"confirmed": True} and done["result_status"] == "completed", done

    listed = client.ask("GET", "/v1/calls?limit=3")
    assert isinstance(listed, list) and len(listed) == 3
    assert [c["created_at"] for c in listed] == sorted((c["created_at"] for c in listed), reverse=True)
    assert all(c["status"] == "completed" for c in client.ask("GET", "/v1/calls?status=completed"))
    transcript = client.ask("GET", f"/v1/calls/{created['id']}/transcript")
    assert transcript["call_id"] == created["id"] and isinstance(transcript["segments"], list)


def callingbox_troubles(world):
    """"persona, voice, language, returns, tools, and voicemail_action are not accepted on POST /v1/calls."
    "If you pass a number that isn't attached to the agent, the request fails with 400." """
    client = begin(world)
    agent = box_agent(client)
    good = {"agent_id": agent["id"], "to": "+15551234567"}
    bodies = [({**good, name: value}, name) for name, value in (
        ("persona", "x"), ("voice", "x"), ("language", "en"), ("returns", {}), ("tools", []),
        ("voicemail_action", "hangup"), ("prompt", "x"))]
    bodies += [({**good, "from_number": "+15559999999"}, "from_number"),
               ({**good, "to": "5551234567"}, "to"), ({"agent_id": agent["id"]}, "to"),
               ({"to": "+15551234567"}, "agent_id"), ({**good, "context": []}, "context"),
               ({**good, "metadata": 1}, "metadata"), ({**good, "webhook_url": "x"}, "webhook_url")]
    for body, name in bodies:
        answer = client.ask("POST", "/v1/calls", body, 400)
        assert list(answer) == ["error"] and name in answer["error"], (answer, body)
    answer = client.ask("POST", "/v1/calls", {**good, "agent_id": AGENT_ID}, 404)
    assert list(answer) == ["error"], answer
    answer = client.ask("GET", f"/v1/calls/{AGENT_ID}", status=404)
    assert list(answer) == ["error"], answer
    inbound = client.ask("POST", "/v1/agents", {"name": "in", "type": "inbound"}, 201)
    answer = client.ask("POST", "/v1/calls", {**good, "agent_id": inbound["id"]}, 400)
    assert "outbound" in answer["error"], answer
    for method, path in (("GET", "/v1/numbers/available?country_code=US"), ("POST", "/v1/numbers/purchase")):
        answer = client.ask(method, path, {"phone_number": "+15550001111"} if method == "POST" else None, 501)
        assert list(answer) == ["error"], answer


AGENT = {"id": "", "org_id": "", "user_id": None, "name": "", "type": "", "persona": None,
         "instructions": "", "voice": None, "language": "", "returns": {}, "tools": [],
         "webhook_url": None, "voicemail_action": "", "number_ids": [""], "primary_number_id": "",
         "archived_at": None, "created_at": "", "updated_at": "",
         "numbers": [{"id": "", "e164": "", "friendly_name": "", "country_code": "",
                      "number_type": "", "status": "", "monthly_cost_cents": 0, "purchased_at": "",
                      "inbound_agent_id": None, "outbound_agent_ids": []}]}


def callingbox_agents(world):
    client = begin(world)
    agent = box_agent(client)
    same_shape(AGENT, agent)
    same_shape({"data": [AGENT]}, client.ask("GET", "/v1/agents"))
    ids = agent["number_ids"]
    number = next(n for n in client.ask("GET", "/v1/numbers") if n["id"] == ids[0])
    assert agent["id"] in number["outbound_agent_ids"], number
    one = f"/v1/agents/{agent['id']}"
    patched = client.ask("PATCH", one, {"persona": "A friendly receptionist.", "language": "en-GB"})
    assert patched["persona"].startswith("A friendly") and patched["name"] == agent["name"], patched
    client.ask("PATCH", one, {"type": "inbound"}, 400)
    primary = client.ask("PUT", f"{one}/primary-number", {"number_id": ids[1]})
    assert primary["primary_number_id"] == ids[1], primary
    client.curl(f"curl --request DELETE --url {client.server.url}{one}/numbers/{ids[0]} "
                "--header 'Authorization: Bearer <token>'", 200)
    back = client.ask("POST", f"{one}/numbers", {"number_id": ids[0]})
    assert set(back["number_ids"]) == set(ids), back
    client.ask("POST", "/v1/agents", {"name": "x", "type": "outbound", "number_ids": ["pn_abc123"]}, 400)
    archived = client.ask("DELETE", one)
    assert archived["archived_at"], archived
    assert agent["id"] not in [a["id"] for a in client.ask("GET", "/v1/agents")["data"]]
    client.ask("POST", "/v1/calls", {"agent_id": agent["id"], "to": "+15551234567"}, 404)


if __name__ == "__main__":
    main(dasha_agents, dasha_calls, dasha_troubles, callingbox_calls, callingbox_troubles,
         callingbox_agents)

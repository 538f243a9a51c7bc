"""Goal: whoever verifies our webhooks with the library of Standard Webhooks (npm standardwebhooks)
accepts every one, before, during and after a rotation, and none with another secret or another body.
Method: a real daemon calls a simulated carrier and tells a receiver; what came is given to the library.

WEBHOOK_CALLS: calls for each of the three phases (4).
"""
import base64
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))
import runpy  # noqa: E402

from harness import main, wait_until  # noqa: E402

shared = runpy.run_path(os.path.join(HERE, "..", "..", "e2e", "webhooks_test.py"), run_name="shared")
Receiver, raw_api, trunk = shared["Receiver"], shared["raw_api"], shared["trunk"]
ALWAYS, OPEN, SECRET, new_call = (shared[name] for name in ("ALWAYS", "OPEN", "SECRET", "new_call"))


def verify(cases):
    """What the library says of each (secret, request)."""
    lines = "".join(json.dumps({
        "secret": secret, "headers": {name.lower(): value for name, value in got["headers"].items()},
        "body": base64.b64encode(got["body"]).decode()}) + "\n" for secret, got in cases)
    done = subprocess.run(["node", os.path.join(HERE, "verify.mjs")], input=lines, text=True,
                          capture_output=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def the_library_accepts_ours(world):
    calls = int(os.environ.get("WEBHOOK_CALLS", "4"))
    carrier, receiver = world.carrier(ALWAYS), Receiver()
    server = world.serve([trunk(carrier)], extra=OPEN)
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    point = raw_api(server, "POST", "/outdial/v1/webhook_endpoints", {"url": receiver.url + "/own"},
                    status=201)

    def phase(first):
        del receiver.got[:]
        for i in range(calls):
            new_call(server, f"+1555{first + i:07d}", webhook_url=receiver.url + "/inline",
                     context={"name": "Søren \U0001f4de"})
        wait_until(lambda: len(receiver.of("/own")) >= 4 * calls and
                   len(receiver.of("/inline")) >= 4 * calls, 30 + calls, "all events")
        return receiver.of("/own"), receiver.of("/inline")

    old = point["signing_secret"]
    own, inline = phase(0)
    said = verify([(old, g) for g in own] + [(SECRET, g) for g in inline])
    assert all(one["ok"] for one in said), said
    new = raw_api(server, "POST", f"/outdial/v1/webhook_endpoints/{point['id']}/rotate")["signing_secret"]
    own, _ = phase(1000)
    said = verify([(old, g) for g in own] + [(new, g) for g in own])
    assert all(one["ok"] for one in said), said
    last = raw_api(server, "POST",
                   f"/outdial/v1/webhook_endpoints/{point['id']}/rotate?overlap_s=0")["signing_secret"]
    own, _ = phase(2000)
    assert all(one["ok"] for one in verify([(last, g) for g in own]))
    wrong = verify([(new, g) for g in own] + [(last, {**g, "body": g["body"] + b" "}) for g in own])
    assert not any(one["ok"] for one in wrong), wrong
    print(f"     {3 * 8 * calls} webhooks verified by standardwebhooks")
    assert server.stop() == 0


subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=HERE,
               check=True, timeout=300)
main(the_library_accepts_ours)

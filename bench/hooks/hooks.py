#!/usr/bin/env python3
"""Deliveries of webhooks a second, and what one costs: outdial from its outbox in Redis to a fast
receiver on keep-alive connections, signed, plain and over TLS, beside wrk posting the same body to the
same receiver. The events are there before the clock starts: calls are queued for an agent that is not
enabled, then an endpoint's backlog is delivered.

usage: hooks.py [--events N] [--json FILE]     OUTDIAL_BIN: the command; needs redis-server, wrk
"""
import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "e2e"))
from harness import OUTDIAL, World, wait_until  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Receiver:
    def __init__(self, *tls):
        build = os.path.dirname(OUTDIAL)
        self.process = subprocess.Popen([os.path.join(build, "bench", "hooks", "bench_hook_receiver"),
                                         *tls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.base = 0

    def count(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def certificate(world):
    key, cert = world.path("k.pem"), world.path("c.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True,
                   capture_output=True)
    return cert, key


def deliver(world, events, tls):
    """{ per_s, cpu_us, redis_us } of the middle of the backlog."""
    cert = certificate(world) if tls else None
    receiver = Receiver(*cert) if tls else Receiver()
    if tls:
        os.environ["SSL_CERT_FILE"] = cert[0]
    server = world.serve([], extra={"webhooks": {"allow": ["127.0.0.0/8"]}})
    world.write("a.json", json.dumps({"name": "idle", "number": "+15550009999", "enabled": False,
                                      "outdial": {"agent": {"kind": "script",
                                                            "steps": [{"hangup": {}}]}}}))
    world.cli("agent", "put", world.path("a.json"), server=server)
    agent = server.api("GET", "/agents")["data"][0]["id"]
    for _ in range(16):  # sixteen events a call: making the calls costs little beside
        server.api("POST", "/webhook_endpoints",
                   {"url": f"http{'s' if tls else ''}://127.0.0.1:{receiver.port}/hook"})
    calls = events // 16
    body = json.dumps({"calls": [{"endpoint": f"+1555{i:07d}", "additionalData": {"name": f"Ann {i}"}}
                                 for i in range(calls)]}).encode()
    request = urllib.request.Request(f"{server.url}/api/v1/calls/bulk?agentId={agent}", data=body,
                                     headers={"Authorization": f"Bearer {server.key}",
                                              "Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=60).read()

    def reached(count):
        return wait_until(lambda: (lambda n: n if n >= count else None)(receiver.count()), 120,
                          f"{count} deliveries", 0.002)
    pids = (server.pid, server.redis_pid())
    first, began, cpu = reached(events // 10), time.monotonic(), [cpu_s(pid) for pid in pids]
    last = reached(events * 9 // 10)
    took, used = time.monotonic() - began, [cpu_s(pid) - b for pid, b in zip(pids, cpu)]
    reached(calls * 16)
    assert server.stop() == 0
    receiver.process.kill()
    os.environ.pop("SSL_CERT_FILE", None)
    done = last - first
    return {"per_s": round(done / took), "cpu_us": round(1e6 * used[0] / done, 1),
            "redis_us": round(1e6 * used[1] / done, 1),
            "per_s_on_one_core": round(done / used[0])}


def wrk(world, seconds=4):
    """What posting costs wrk, on one thread."""
    receiver = Receiver()
    script = world.write("post.lua", "wrk.method = 'POST'\nwrk.body = string.rep('x', 700)\n"
                         "wrk.headers['Content-Type'] = 'application/json'\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", script,
                           f"http://127.0.0.1:{receiver.port}/hook"], capture_output=True, text=True,
                          check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    count = receiver.count()
    receiver.process.kill()
    assert re.search(r"requests in", done.stdout), done.stdout
    return {"per_s": round(count / seconds), "cpu_us": round(1e6 * used / count, 1),
            "per_s_on_one_core": round(count / used)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=32000)
    parser.add_argument("--json")
    asked = parser.parse_args()
    figures = {"events": asked.events}
    for name, run in (("plain", lambda w: deliver(w, asked.events, False)),
                      ("tls", lambda w: deliver(w, asked.events, True)), ("wrk", wrk)):
        world = World(f"hooks-{name}")
        try:
            figures[name] = run(world)
        finally:
            world.end()
        print(name, figures[name], flush=True)
    figures["plain_to_wrk"] = round(figures["plain"]["cpu_us"] / figures["wrk"]["cpu_us"], 1)
    if asked.json:
        with open(asked.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()

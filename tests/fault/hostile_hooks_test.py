#!/usr/bin/env python3
"""Goal: a receiver that does everything wrong harms nobody but itself. Three of ten calls name a webhook of
it, each in another way; the rest of the events reach a good receiver, in order; each of the hostile ones is
dead with a reason, none waits for ever; nobody follows a redirect; what a delivery holds in memory is
bounded; and calls are set up as fast as without it.

Method: two daemons make the same calls side by side, so that a busy machine is as busy for both, one with the
hostile destinations and one without; carriers and receivers are processes of their own. What outdial takes of
a call's setup is seen by the carrier: how late an INVITE is after the one before, by the pace, and an ACK
after its 200. Memory is a third daemon's resident size when a thousand deliveries hang at once, over that after
as many were taken well, by the deliveries in hand (/metrics).

    hostile_hooks_test.py [--events 2000] [--cps 50] [--timeout-ms 1000] [--within-ms MS] [--within-kib KIB]

--within-ms and --within-kib make the two figures an assertion: for a quiet machine, and for a plain build
(the sanitizers' is bounded, too, but by what they need).
"""
import argparse
import collections
import concurrent.futures
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import books  # noqa: E402
from harness import Process, World, wait_until  # noqa: E402
from servers import start_receiver  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOWN = {"answer": 1, "busy": 0, "no_answer": 0, "decline": 0, "fail": 0, "pdd_ms": "5-10", "ring_ms": "20-40",
        "digits": "none:1"}
EVENTS = ["call.queued", "call.ringing", "call.answered", "call.completed"]
HOSTILE_OF_TEN = 3


class Hostile:
    def __init__(self, world):
        pem = world.path("wrong.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", pem, "-out", pem + ".c", "-days", "2", "-subj", "/CN=elsewhere.example"],
                       check=True, capture_output=True)
        with open(pem, "a", encoding="ascii") as both, open(pem + ".c", encoding="ascii") as cert:
            both.write(cert.read())
        process = Process(world, "hostile", [sys.executable, os.path.join(HERE, "hostile.py"), pem])
        self.ports = json.loads(wait_until(process.stdout, 60, "the hostile receiver's ports"))
        self.names = sorted(set(self.ports) - {"control", "trap"})

    def url(self, i):
        name = self.names[i % len(self.names)]
        return f"{'https' if name == 'wrong_certificate' else 'http'}://127.0.0.1:{self.ports[name]}/{name}"

    def counts(self):
        with socket.create_connection(("127.0.0.1", self.ports["control"]), 10) as s:
            return json.loads(s.makefile("rb").read())


class Watch(threading.Thread):
    """The daemon's resident size and deliveries in hand, while it runs."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over, self.in_hand = server, threading.Event(), 0
        self.peak = self.idle = self.rss_kib()

    def rss_kib(self):
        with open(f"/proc/{self.server.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])

    def metric(self, name):
        return int(re.search(rf"^{name} (\d+)$", self.text(), re.M)[1])

    def text(self):
        link = http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=30)
        link.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.server.key}"})
        text = link.getresponse().read().decode()
        link.close()
        return text

    def run(self):
        while not self.over.wait(0.1):
            try:
                self.in_hand = max(self.in_hand, self.metric("outdial_webhooks_in_hand"))
                self.peak = max(self.peak, self.rss_kib())
            except (OSError, http.client.HTTPException):
                return


def percentile(values, share):
    values = sorted(values)
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


class Run:
    def __init__(self, world, args, name, hostile):
        self.args, self.name, self.hostile = args, name, hostile
        self.calls = args.events // len(EVENTS)
        self.carrier = world.carrier(TOWN, ["--no-rtp"], name=f"carrier-{name}")
        self.ledger = world.path(f"receiver-{name}.jsonl")
        self.good = f"http://127.0.0.1:{start_receiver(world, self.ledger)}/"
        self.server = world.serve(
            [{"name": "main", "server": self.carrier.address, "cps_limit": args.cps, "max_calls": 2000}], name=name,
            extra={"data_dir": world.path(f"data-{name}"), "http": {"listen": "127.0.0.1:0", "rate": {"per_key": 0, "per_address": 0}},
                   "webhooks": {"allow": ["127.0.0.0/8"], "timeout_ms": args.timeout_ms, "retry_s": [1]}})
        world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=self.server)
        self.own = {}  # call: whether its receiver is a hostile one

    def make_calls(self):
        """At the pace at which they are dialled, so that no queue hides what is slow."""
        link = http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=30)
        begun = time.monotonic()
        for i in range(self.calls):
            time.sleep(max(0.0, begun + i / self.args.cps - time.monotonic()))
            bad = self.hostile and i % 10 < HOSTILE_OF_TEN
            url = self.hostile.url(i // 10 * HOSTILE_OF_TEN + i % 10) if bad else self.good
            link.request("POST", "/outdial/v1/calls", json.dumps({"to": f"+1555{i:07d}", "agent": "short",
                                                                  "webhook_url": url}),
                         {"Authorization": f"Bearer {self.server.key}", "Content-Type": "application/json"})
            answer = link.getresponse()
            body = json.loads(answer.read())
            assert answer.status == 201, body
            self.own[body["id"]] = url.rsplit("/", 1)[1] if bad else ""

    def rows(self, status):
        """All deliveries in that state, from the newest on."""
        cursor = ""
        while cursor is not None:
            page = self.server.api("GET", f"/webhook_deliveries?limit=200&status={status}{cursor}")
            yield from page["data"]
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None

    def told(self):
        events = collections.defaultdict(list)
        for fact in books.Tail(self.ledger).facts():
            events[fact["call"]].append((fact["type"], fact["id"]))
        return events

    def go(self):
        watch = Watch(self.server)
        watch.start()
        begun = time.monotonic()
        self.make_calls()
        good = [call for call, bad in self.own.items() if not bad]

        def good_over():
            told = self.told()
            return all(any(kind == EVENTS[-1] for kind, _ in told[call]) for call in good) and told
        told = wait_until(good_over, 60 + self.calls / self.args.cps, "every end at the good receiver", 0.5)
        wait_until(lambda: next(self.rows("pending"), None) is None, 60 + self.args.events / 10,
                   "everything to be delivered or given up", 0.5)
        took = time.monotonic() - begun
        watch.over.set()
        watch.join()
        for call in good:  # the first of each, repeats aside
            assert list(dict.fromkeys(told[call])) == list(zip(EVENTS, dict(told[call]).values())), told[call]
        assert not told.keys() - set(good), "an event of a hostile call's reached another's receiver"
        self.check_dead()
        gaps, acks = self.setup()
        return {"calls": self.calls, "events": self.args.events, "took_s": round(took, 1), "idle_kib": watch.idle,
                "peak_kib": watch.peak, "in_hand": watch.in_hand,
                "attempts": watch.metric("outdial_webhooks_attempts_total"),
                "delivered": watch.metric("outdial_webhooks_delivered_total"),
                "dead": watch.metric("outdial_webhooks_dead_total"),
                "put_off": watch.metric("outdial_webhooks_put_off_total"),
                "invite_late_p99_ms": round(percentile(gaps, 0.99), 2), "ack_p99_ms": round(percentile(acks, 0.99), 2)}

    def check_dead(self):
        """Each event of a hostile call's is dead, with a reason; by way, which reasons."""
        dead, why = collections.Counter(), collections.defaultdict(collections.Counter)
        for row in self.rows("exhausted"):
            assert row["last_error"] and self.own[row["call_id"]], row
            dead[row["call_id"]] += 1
            why[self.own[row["call_id"]]][row["last_error"]] += 1
        for call, bad in self.own.items():
            assert dead[call] == (len(EVENTS) if bad else 0), (call, bad, dead[call])
        for way, reasons in sorted(why.items()):
            print(f"     {way}: " + ", ".join(f"{n} {text}" for text, n in reasons.most_common(3)))

    def setup(self):
        """(ms by which INVITEs were later than the pace after those before, ms from a 200 to its ACK)"""
        invites, answered, acks = [], {}, []
        for fact in self.carrier.facts():
            if fact["fact"] == "invite":
                invites.append(fact["t"])
            elif fact["fact"] == "response" and fact["method"] == "INVITE" and fact["code"] == 200:
                answered.setdefault(fact["call"], fact["t"])
            elif fact["fact"] == "ack" and fact["call"] in answered:
                acks.append((fact["t"] - answered.pop(fact["call"])) * 1000)
        invites.sort()
        return [max(0.0, (b - a - 1 / self.args.cps) * 1000) for a, b in zip(invites, invites[1:])], acks


def memory_of_a_delivery(world, hostile, count=1000):
    """KiB for each of the deliveries that hang at the same time, and how many did."""
    good = f"http://127.0.0.1:{start_receiver(world, world.path('receiver-memory.jsonl'))}/"
    server = world.serve([], name="memory", extra={
        "data_dir": world.path("data-memory"), "webhooks": {"allow": ["127.0.0.0/8"], "timeout_ms": 5000}})
    watch = Watch(server)

    def calls(name, url):
        """So many calls that are not dialled, each with one event for that receiver."""
        agent = server.api("POST", "/agents", {"name": name, "number": "+15550009999", "enabled": False, "webhook_url": url,
                                               "outdial": {"agent": {"kind": "script", "steps": [{"hangup": {}}]}}})["id"]
        link = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        link.request("POST", f"/api/v1/calls/bulk?agentId={agent}",
                     json.dumps({"calls": [{"endpoint": f"+1555{i:07d}"} for i in range(count)]}),
                     {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"})
        answer = link.getresponse().read()
        assert json.loads(answer)["successCount"] == count, answer[:300]
    calls("good", good)
    wait_until(lambda: watch.metric("outdial_webhooks_delivered_total") >= count, 60, "the good ones' deliveries")
    before = watch.rss_kib()
    watch.peak = before
    watch.start()
    calls("bad", f"http://127.0.0.1:{hostile.ports['hang']}/")
    wait_until(lambda: watch.metric("outdial_webhooks_failed_total") >= count // 2, 60, "the others' failures")
    watch.over.set()
    watch.join()
    assert watch.in_hand >= count // 2, f"only {watch.in_hand} deliveries were in hand at a time"
    assert server.stop() == 0
    return (watch.peak - before) / watch.in_hand, watch.in_hand


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--cps", type=float, default=50)
    parser.add_argument("--timeout-ms", type=int, default=1000)
    parser.add_argument("--within-ms", type=float)
    parser.add_argument("--within-kib", type=float)
    args = parser.parse_args()
    world = World("hostile-hooks")
    try:
        hostile = Hostile(world)
        runs = {"plain": Run(world, args, "plain", None), "hostile": Run(world, args, "hostile", hostile)}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            figures = dict(zip(runs, pool.map(Run.go, runs.values())))
        for name, run in runs.items():
            print(name, json.dumps(figures[name]), flush=True)
            assert run.server.stop() == 0
            run.carrier.finish()
        counts = hostile.counts()
        print("connections", json.dumps(counts["seen"]), flush=True)
        assert counts["trap"] == 0, "a redirect was followed"
        assert all(counts["seen"].get(name) for name in set(hostile.names) - {"refuse", "wrong_certificate"}), counts
        plain, bad = figures["plain"], figures["hostile"]
        kib, hanging = memory_of_a_delivery(world, hostile)
        moved = max(bad[what] - plain[what] for what in ("invite_late_p99_ms", "ack_p99_ms"))
        print(f"ok   {kib:.1f} KiB for each of {hanging} deliveries that hang, call setup's p99 moved by {moved:.2f} ms",
              flush=True)
        assert kib <= (args.within_kib or 256), kib
        assert args.within_ms is None or moved <= args.within_ms, moved
        assert bad["peak_kib"] - plain["peak_kib"] <= 65536 + 64 * bad["in_hand"], "memory is not bounded"
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(f"FAIL {error}", flush=True)
        world.tell(8)
        return 1
    finally:
        world.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

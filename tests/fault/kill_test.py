#!/usr/bin/env python3
"""Goal: never dialled twice, never lost, nobody left off the hook, one end each, whatever is killed.

Method: a campaign runs over a simulated carrier while `outdial serve` (or its Redis) is killed with
SIGKILL, or stopped for a while, at random moments with calls in flight. Three ledgers, each kept by a
process of its own: what was submitted and acknowledged, what the carrier saw, what the webhook receiver
got; with the store's own event stream they are joined at the end:

    I1  no number reached the carrier under two Call-IDs
    I2  every acknowledged contact has exactly one end in the store, one terminal event, one webhook id
    I3  every INVITE was for a contact that was submitted
    I4  every leg of a killed process was ended at the carrier within 5 s of the next start

    kill_test.py [--kills 200] [--redis-kills 0] [--redis-hangs 0] [--pauses 0] [--workers 1]
                 [--in-flight 100] [--cps 150] [--seed 1]

--pauses stops a process (SIGSTOP) beyond its lease while another worker takes over; it wants --workers 2
or more. Prints the seed first; the same seed kills at the same phases. Exit 1 when an invariant is broken.
"""
import argparse
import collections
import http.server
import json
import os
import random
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import World, alive, free_port, wait_until  # noqa: E402

TOWN = {"answer": 60, "no_answer": 10, "busy": 20, "decline": 10, "fail": 0, "pdd_ms": "20-100",
        "ring_ms": "100-700", "ring_max_ms": 4000, "digits": "none:1"}
LEG_LIMIT_S = 5
TERMINAL = {"call.completed", "call.no_answer", "call.busy", "call.failed", "call.canceled"}


class Receiver:
    """The webhook receiver's ledger: (webhook id, call, type), written before it answers."""

    def __init__(self, path):
        self.port = free_port(socket.SOCK_STREAM)
        file = open(path, "a", encoding="utf-8")
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                call = (body.get("data", {}).get("call") or body.get("call") or body.get("data") or {})
                with lock:
                    file.write(json.dumps({"id": self.headers["webhook-id"], "type": body.get("type"),
                                           "to": call.get("to")}) + "\n")
                    file.flush()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.path = path
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.handle_error = lambda *_: None  # whoever was connected has been killed
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ids(self):
        """Terminal webhook ids by number."""
        found = collections.defaultdict(set)
        with open(self.path, encoding="utf-8") as file:
            for line in file:
                fact = json.loads(line)
                if fact["type"] in TERMINAL:
                    found[fact["to"]].add(fact["id"])
        return found


class Ledger:
    """The carrier's ledger, read as it grows."""

    def __init__(self, carrier):
        self.file = open(carrier.ledger_path, encoding="utf-8")
        self.rest = ""
        self.call_ids = collections.defaultdict(set)
        self.begun, self.ended, self.off_hook = {}, {}, []

    def read(self):
        lines = (self.rest + self.file.read()).split("\n")
        self.rest = lines.pop()
        for line in lines:
            fact = json.loads(line)
            if fact["fact"] == "invite" and not fact["retransmission"]:
                self.call_ids[fact["number"]].add(fact["call_id"])
                self.begun.setdefault(fact["call"], time.time())
            elif fact["fact"] == "response" and fact["method"] == "INVITE" and fact["code"] >= 300:
                self.ended[fact["call"]] = fact["t"]  # its ACK may be due to a port that is dead
            elif fact["fact"] == "end":
                self.ended[fact["call"]] = fact["t"]
                if fact.get("off_hook_at_end"):
                    self.off_hook.append(fact["call"])
        return self

    def up(self):
        return set(self.begun) - set(self.ended)


class Events:
    """The store's event stream, read over and over: terminal events by call, across restarts."""

    def __init__(self, path):
        self.path, self.after, self.ends = path, b"0", collections.Counter()

    @staticmethod
    def answer(file):
        line = file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [Events.answer(file) for _ in range(max(int(rest), 0))]
        if kind == b"$":
            if int(rest) < 0:
                return None
            return file.read(int(rest) + 2)[:-2]
        if kind == b"-":
            raise OSError(rest.decode())
        return rest

    def poll(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(self.path)
                file = s.makefile("rb")
                while True:
                    args = [b"XRANGE", b"od:{default}:ev", b"(" + self.after, b"+", b"COUNT", b"2000"]
                    s.sendall(b"*%d\r\n" % len(args) +
                              b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args))
                    got = self.answer(file)
                    for name, fields in got:
                        self.after = name
                        if fields[1][0] == 4:  # EV_ENDED
                            self.ends[fields[1][10:26]] += 1
                    if len(got) < 2000:
                        return
        except OSError:
            pass  # away just now


class Run:
    def __init__(self, world, args):
        self.world, self.args = world, args
        self.rng = random.Random(args.seed)
        self.carrier = world.carrier(TOWN)
        self.ledger = Ledger(self.carrier)
        self.receiver = Receiver(world.path("receiver.jsonl"))
        self.sip_ports = [free_port() for _ in range(args.workers)]  # a restart keeps its address
        self.servers = []
        for number in range(args.workers):
            self.servers.append(self.start(number))
        first = self.servers[0]
        self.events = Events(self.redis_socket())
        world.cli("agent", "put", world.agent("short", [{"pause": 1500}, {"hangup": {}}]), server=first)
        self.campaign = first.api("POST", "/campaigns", {
            "name": "kills", "agent": "short",
            "webhook_url": f"http://127.0.0.1:{self.receiver.port}/"})["id"]
        self.submitted = []
        self.submit(4 * args.in_flight + 2 * args.cps)
        first.api("POST", f"/campaigns/{self.campaign}/start")
        self.slowest_leg_s = 0.0

    def redis_socket(self):
        return os.path.join(self.world.path("data-0"), "redis", "redis.sock")

    def start(self, number):
        """A worker; the second and further ones use the first one's private Redis."""
        extra = {"data_dir": self.world.path(f"data-{number}"), "hours": {"legal": ""},
                 "webhooks": {"allow_private": True},
                 "sip": {"listen": [f"udp:127.0.0.1:{self.sip_ports[number]}"]}}
        if number:
            extra["redis"] = {"url": f"unix://{self.redis_socket()}"}
        each = max(self.args.cps // self.args.workers, 1)
        server = self.world.serve([{"name": "main", "server": self.carrier.address, "cps_limit": each,
                                    "max_calls": 1000, "ring_timeout_s": 3}],
                                  name=f"serve-{number}", extra=extra)
        return server

    def submit(self, count):
        first = len(self.submitted)
        numbers = [f"+1555{i:07d}" for i in range(first, first + count)]
        body = ("number\n" + "\n".join(numbers) + "\n").encode()
        for server in self.servers:
            try:
                server.api("POST", f"/campaigns/{self.campaign}/contacts", body, "text/csv")
                break
            except (AssertionError, OSError):
                continue
        else:
            return False
        self.submitted += numbers  # acknowledged
        return True

    def stock_up(self):
        for server in self.servers:
            try:
                counts = server.campaign(self.campaign)["counts"]
            except (AssertionError, OSError):
                continue
            left = counts["total"] - counts["ended"] - counts["active"]
            return left >= 3 * self.args.cps or self.submit(4 * self.args.cps)
        return False

    def keep_busy(self):
        """Calls in flight, and enough contacts for the next while."""
        wait_until(self.stock_up, 30, "an import")
        wait_until(lambda: len(self.ledger.read().up()) >= self.args.in_flight, 40,
                   f"{self.args.in_flight} calls in flight")
        self.events.poll()
        time.sleep(self.rng.random() * 0.3)

    def legs_must_end(self, before, what):
        begin = time.monotonic()
        wait_until(lambda: not before & self.ledger.read().up(), LEG_LIMIT_S,
                   f"the legs to end at the carrier after {what}: "
                   f"{sorted(before & self.ledger.read().up())[:5]} of {len(before)}", 0.02)
        self.slowest_leg_s = max(self.slowest_leg_s, time.monotonic() - begin)

    def kill(self):
        number = self.rng.randrange(len(self.servers))
        victim = self.servers[number]
        self.keep_busy()
        victim.process.send_signal(signal.SIGKILL)
        victim.wait(10)
        # of this process or, with several, of any: the others' end by themselves within the limit
        before = self.ledger.read().up()
        victim.close()
        self.servers[number] = self.start(number)
        if len(self.servers) == 1:
            self.legs_must_end(before, "a kill")

    def kill_redis(self):
        self.keep_busy()
        pid = self.servers[0].redis_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), 10, "Redis to die")
        time.sleep(self.rng.random())
        wait_until(lambda: self.servers[0].redis_pid() != pid, 20, "another Redis")

    def hang_redis(self):
        self.keep_busy()
        pid = self.servers[0].redis_pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.rng.random() * 4)
        os.kill(pid, signal.SIGCONT)

    def pause(self):
        victim = self.rng.choice(self.servers)
        self.keep_busy()
        victim.process.send_signal(signal.SIGSTOP)
        time.sleep(10 + self.rng.random() * 5)  # the lease is 10 s
        victim.process.send_signal(signal.SIGCONT)

    def check(self):
        server = self.servers[0]
        view = server.wait_campaign(self.campaign, 120)
        counts = view["counts"]
        contacts = server.contacts(self.campaign)
        uids = [bytes.fromhex(c["id"].replace("-", "")) for c in contacts]
        wait_until(lambda: self.events.poll() or sum(self.events.ends.values()) >= len(contacts), 20,
                   "the last events")
        ledger = self.ledger.read()
        wait_until(lambda: not self.ledger.read().up(), 40, "the last legs to end")
        called = ledger.call_ids
        wait_until(lambda: len(self.receiver.ids()) >= len(contacts), 60, "the last webhooks")
        hooks, submitted = self.receiver.ids(), set(self.submitted)
        wrong = {
            "dialled twice": [n for n, ids in called.items() if len(ids) > 1],
            "never submitted": [n for n in called if n not in submitted],
            "lost": sorted(submitted - {c["to"] for c in contacts}),
            "not ended": [c["to"] for c in contacts if c["status"] in ("created", "waiting", "queued",
                                                                       "dialing", "ringing", "talking")],
            "not one terminal event": [u.hex() for u in uids if self.events.ends[u] != 1],
            "not one webhook": [c["to"] for c in contacts if len(hooks[c["to"]]) != 1],
            "an outcome but no call": [c["to"] for c in contacts if c["to"] not in called and
                                       c["status"] != "unknown"],
            "left off the hook": ledger.off_hook,
        }
        assert counts["total"] == counts["ended"] == len(self.submitted), counts
        print(f"{len(contacts)} contacts: {dict(sorted(counts['outcomes'].items()))}; slowest leg "
              f"{self.slowest_leg_s:.2f} s after a restart")
        broken = {what: (len(which), which[:3]) for what, which in wrong.items() if which}
        assert not broken, broken


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("OUTDIAL_KILLS", "200")))
    for name in ("redis-kills", "redis-hangs", "pauses"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--cps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    world = World("kill")
    begin = time.monotonic()
    try:
        run = Run(world, args)
        plan = [run.kill] * args.kills + [run.kill_redis] * args.redis_kills + \
            [run.hang_redis] * args.redis_hangs + [run.pause] * args.pauses
        run.rng.shuffle(plan)
        for number, step in enumerate(plan, 1):
            step()
            if number % 100 == 0:
                print(f"{number} of {len(plan)} after {time.monotonic() - begin:.0f} s", flush=True)
        run.check()
        print(f"ok   {args.kills} kills, {args.redis_kills} of Redis, {args.redis_hangs} hangs, "
              f"{args.pauses} pauses, {args.workers} workers ({time.monotonic() - begin:.0f} s)")
    except AssertionError as error:
        print(f"FAIL {error}", flush=True)
        world.tell()
        return 1
    finally:
        world.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

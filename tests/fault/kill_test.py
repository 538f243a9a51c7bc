#!/usr/bin/env python3
"""Goal: never dialled twice, never lost, nobody left off the hook, one end each, whatever is killed.

Method: two campaigns (one with retries) run over a simulated carrier while contacts are imported and
`outdial serve` (or its Redis) is killed with SIGKILL, or stopped for a while, at random moments with calls
in flight; one kill in four is followed by another in the middle of the recovery. Three ledgers, each kept
by a process of its own, are joined at the end by books.py, which says what must hold; beside them the
store's own event stream must have one end of each call.

    kill_test.py [--kills 200] [--redis-kills 0] [--redis-hangs 0] [--failovers 0] [--pauses 0]
                 [--redial] [--workers 1] [--in-flight 100] [--cps 1000] [--seed 1] [--keep DIRECTORY]

--pauses stops a process (SIGSTOP) beyond its lease while another worker takes over; it wants --workers 2
or more. With --redial the second campaign's own rule has attempts whose end nobody knows dialled again, once;
the minute between the two is made ten seconds. Prints the seed first; the same seed kills at the same phases. Exit 1 when an invariant is broken.
"""
import argparse
import collections
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import books  # noqa: E402
from harness import LANE, Server, World, alive, free_port, wait_until  # noqa: E402
from servers import Pair, Redis, start_receiver  # noqa: E402

TOWN = {"answer": 60, "no_answer": 10, "busy": 20, "decline": 10, "fail": 0, "pdd_ms": "20-100",
        "ring_ms": "100-700", "ring_max_ms": 4000, "digits": "none:1"}
RETRY = {"retry": {"max_attempts": 2, "on": {"busy": "1s", "no_answer": "1s"}}}
REDIAL = {"retry": {"max_attempts": 2, "on": {"unknown": "1m"}}}
HURRY = """local t = redis.call('TIME')
local now = t[1] * 1000
local due = redis.call('ZRANGEBYSCORE', 'od:{default}:later', now, now + 50000)
for _, uid in ipairs(due) do redis.call('ZADD', 'od:{default}:later', 1, uid) end
return #due"""


class Events:
    """The store's event stream, read over and over: ends by call, across restarts."""

    def __init__(self, path):
        self.path, self.after, self.ends = path, b"0", collections.Counter()
        self.redials = 0

    @staticmethod
    def answer(file):
        line = file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [Events.answer(file) for _ in range(max(int(rest), 0))]
        if kind == b"$":
            return file.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        if kind == b"-":
            raise OSError(rest.decode())
        return rest

    def ask(self, *args):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(self.path)
            s.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args))
            return self.answer(s.makefile("rb"))

    def hurry(self):
        try:
            self.ask(b"EVAL", HURRY.encode(), b"0")
        except OSError:
            pass  # away just now

    def poll(self):
        try:
            while True:
                got = self.ask(b"XRANGE", b"od:{default}:ev", b"(" + self.after, b"+", b"COUNT", b"2000")
                for name, fields in got:
                    self.after = name
                    if fields[1][0] == 4:  # EV_ENDED
                        self.ends[fields[1][10:26]] += 1
                    self.redials += fields[1][:2] == b"\x05\x0e"  # EV_RETRY, unknown
                if len(got) < 2000:
                    return
        except (OSError, ValueError, IndexError):
            pass  # away just now


class Submitter(threading.Thread):
    """Keeps the campaigns stocked through whichever server lives, to a total if there is one; what was not
    acknowledged is sent again."""

    def __init__(self, run, path, total=None):
        super().__init__(daemon=True)
        self.run_, self.ledger, self.total = run, books.Writer(path), total
        least = 100 if run.args.redial else 400
        self.piece = max(4 * run.args.in_flight, least) if total is None else 5000
        self.count, self.over, self.stocked = 0, threading.Event(), threading.Event()
        self.gate = threading.Lock()

    def short(self):
        """The campaigns in which too little waits."""
        views = [self.run_.any("GET", f"/campaigns/{c}")["counts"] for c in self.run_.campaigns]
        return [i for i, v in enumerate(views) if v["total"] - v["ended"] - v["active"] < self.piece]

    def send(self, which):
        piece = self.piece if self.total is None else min(self.piece, self.total - self.count)
        numbers = [f"+1555{which}{i:06d}" for i in range(self.count, self.count + piece)]
        self.count += piece
        self.ledger.note("sent", numbers=numbers, attempts=1 + which)
        body = ("number\n" + "\n".join(numbers) + "\n").encode()
        while True:
            try:
                with self.gate:
                    self.run_.any("POST", f"/campaigns/{self.run_.campaigns[which]}/contacts", body, "text/csv")
                break
            except (AssertionError, OSError):
                time.sleep(0.02)
        self.ledger.note("acknowledged", numbers=numbers)

    def run(self):
        while not self.over.is_set():
            try:
                short = self.short()
            except (AssertionError, OSError):
                time.sleep(0.02)
                continue
            for which in short:
                self.send(which)
            if not short:
                self.stocked.set()
                time.sleep(0.1)
            if self.count == self.total:
                self.stocked.set()
                return


class Run:
    def __init__(self, world, args):
        self.world, self.args = world, args
        self.rng = random.Random(args.seed)
        self.carrier = world.carrier(args.town, ["--no-rtp"])
        self.legs = books.Carrier(self.carrier.ledger_path)
        self.hooks_port = start_receiver(world, world.path("receiver.jsonl"))
        self.faults = books.Writer(world.path("faults.jsonl"))
        self.redis = None
        if args.failovers:
            self.redis = Pair(world)
        elif args.redis_kills + args.redis_hangs or args.workers > 1:
            self.redis = Redis(world)
        self.ports = [free_port() for _ in range(args.workers)]  # a restart keeps its address
        self.servers, self.begun = [], [0.0] * args.workers
        for number in range(args.workers):
            self.servers.append(self.start(number))
        self.events = Events(self.redis.path if self.redis else
                             os.path.join(world.path("data-0"), "redis", "redis.sock"))
        self.campaigns = self.campaign_list()
        self.singles, self.unsure = {}, 0
        self.submitter = Submitter(self, world.path("submitted.jsonl"), args.contacts)
        self.submitter.start()
        wait_until(self.submitter.stocked.is_set, 30, "the first import")

    def campaign_list(self):
        return [self.campaign("plain", {}), self.campaign("again", {}, own=REDIAL) if self.args.redial
                else self.campaign("again", RETRY)]

    def campaign(self, name, more, talk_ms=4000, own=None):
        first = self.servers[0]
        steps = [{"pause": talk_ms}, {"hangup": {}}]
        self.world.cli("agent", "put", self.world.agent(name, steps, outdial={
            "agent": {"kind": "script", "steps": steps}, **more}), server=first)
        made = first.api("POST", "/campaigns", {"name": name, "agent": name, **(own or {}),
                                                "webhook_url": f"http://127.0.0.1:{self.hooks_port}/"})["id"]
        first.api("POST", f"/campaigns/{made}/start")
        return made

    def any(self, *request):
        """Asks whichever server answers."""
        for server in self.servers[1:]:
            try:
                return server.api(*request)
            except (AssertionError, OSError):
                continue
        return self.servers[0].api(*request)

    def source(self, number):
        return f"127.0.0.1:{self.ports[number]}"

    def start(self, number, ready_s=40):
        extra = {"data_dir": self.world.path(f"data-{number}"), "hours": {"legal": ""},
                 "webhooks": {"allow_private": True},
                 "sip": {"listen": [f"udp:{self.source(number)}"]}}
        if self.args.workers > 1:  # each may have nearly all calls for a while; the carrier needs no ports
            first = (12000 if number % 4 < 2 else 20000) + 2000 * LANE + 1000 * (number % 2)
            extra["rtp"] = {"ports": f"{first}-{first + 999}", "address": "127.0.0.1"}
        if self.redis:
            extra["redis"] = {"url": f"unix://{self.redis.path}"}
        most = int(1.3 * self.args.in_flight) + 1  # of all workers together
        self.begun[number] = time.time()
        server = Server(self.world, [{
            "name": "main", "server": self.carrier.address, "max_calls": most, "ring_timeout_s": 3,
            "cps_limit": max(self.args.cps // self.args.workers, 1), "cps_key": str(number)}],
            name=f"serve-{number}", extra=extra, ready_s=ready_s)
        self.faults.note("start", source=self.source(number))
        return server

    def keep_busy(self):
        """Calls in flight of those who live."""
        since = min(self.begun)
        wait_until(lambda: self.legs.read().up(since) >= self.args.in_flight, 120,
                   f"{self.args.in_flight} calls in flight", 0.01)
        self.events.poll()
        time.sleep(self.rng.random() * 0.1)

    def end(self, number, victim):
        victim.process.send_signal(signal.SIGKILL)
        victim.wait(60)
        self.faults.note("kill", source=self.source(number))
        victim.close()

    def kill(self):
        number = self.rng.randrange(len(self.servers))
        self.keep_busy()
        self.end(number, self.servers[number])
        if self.rng.random() < 0.25:  # whoever would put things right is killed too
            try:
                self.start(number, self.rng.random() * 0.5)
            except AssertionError:
                pass  # not ready yet: so much the better
            self.end(number, self.world.children[-1])
        self.servers[number] = self.start(number)

    def kill_redis(self):
        self.keep_busy()
        self.redis.kill()
        time.sleep(self.rng.random() * 0.5)
        self.redis.start()

    def failover(self):
        """To a replica without the last writes. No campaign is filled meanwhile; single calls are made, and
        those that are lost with the writes must be those that the workers name."""
        self.keep_busy()
        with self.submitter.gate:
            self.redis.failover(self.rng.random() * 0.7, self.make_singles)
        self.faults.note("failover")
        self.begun = [time.time()] * len(self.begun)  # the next one comes when it is at work again

    def make_singles(self, until):
        while time.monotonic() < until:
            number = f"+15559{len(self.singles) + self.unsure:06d}"
            self.submitter.ledger.note("sent", numbers=[number])
            try:
                made = self.servers[0].api("POST", "/calls", {
                    "to": number, "agent": "plain", "webhook_url": f"http://127.0.0.1:{self.hooks_port}/"})
                self.singles[made["id"]] = number
            except (AssertionError, OSError):
                self.unsure += 1
            time.sleep(0.02)

    def check_singles(self):
        """Acknowledged calls that are gone are those that were named, no more and no fewer."""
        named = set()
        for child in self.world.children:
            if child.name.startswith("serve"):
                for line in child.stderr().splitlines():
                    if "forgotten calls that were acknowledged" in line:
                        named.update(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", line))
        gone = {call for call in self.singles if self.servers[0].fetch(f"/calls/{call}")[0] == 404}
        print(f"{len(self.singles)} single calls acknowledged, {len(gone)} lost, {len(named)} named", flush=True)
        for call, number in self.singles.items():
            if call not in gone:
                self.submitter.ledger.note("acknowledged", numbers=[number])
        return gone ^ named

    def hang_redis(self):
        self.keep_busy()
        self.redis.signal(signal.SIGSTOP)
        time.sleep(self.rng.random() * 2)
        self.redis.signal(signal.SIGCONT)

    def pause(self):
        number = self.rng.randrange(len(self.servers))
        self.keep_busy()
        self.servers[number].process.send_signal(signal.SIGSTOP)
        self.faults.note("pause", source=self.source(number))
        time.sleep(10 + self.rng.random() * 5)  # the lease is 10 s
        self.servers[number].process.send_signal(signal.SIGCONT)

    def check(self):
        self.submitter.over.set()
        wait_until(lambda: not self.submitter.is_alive(), 60, "the last import")
        submitted = books.Submitted(self.world.path("submitted.jsonl"))
        receiver = books.Receiver(self.world.path("receiver.jsonl"))
        uids = []
        for campaign in self.campaigns:
            wait_until(lambda c=campaign: self.over(c), 600, "the campaign to end", 0.5)
            uids += [bytes.fromhex(c["id"].replace("-", "")) for c in self.servers[0].contacts(campaign)]
        torn = self.check_singles() if self.singles else ()
        wait_until(lambda: not self.legs.read().open, 40, "the last legs to end")
        wait_until(lambda: submitted.read().acknowledged <= receiver.read().ends.keys(), 120,
                   "an end told of everybody")
        broken, figures = books.join(submitted, self.legs, receiver,
                                     list(books.Tail(self.world.path("faults.jsonl")).facts()),
                                     self.args.workers == 1)
        if torn:
            broken["lost and named are not the same"] = (len(torn), sorted(torn)[:3])
        torn = []
        if not self.args.failovers:  # whose stream forgets what was read of it
            wait_until(lambda: self.events.poll() or sum(self.events.ends.values()) >= len(uids), 20,
                       "the last events")
            torn = [u.hex() for u in uids if self.events.ends[u] != 1]
        if torn or len(uids) != len(submitted.sent) - len(self.singles) - self.unsure:
            broken["not one end in the store"] = (len(torn), len(uids), torn[:3])
        if self.args.redial:
            figures["redialled"] = self.events.redials
            if not self.events.redials:
                broken["nothing was dialled again"] = (0, [])
        print(figures, flush=True)
        assert not broken, broken

    def over(self, campaign):
        self.events.poll()
        if self.args.redial:
            self.events.hurry()
        try:
            counts = self.servers[0].campaign(campaign)["counts"]
        except (AssertionError, OSError):
            return False
        return counts["total"] == counts["ended"] and not counts["active"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("OUTDIAL_KILLS", "200")))
    for name in ("redis-kills", "redis-hangs", "failovers", "pauses"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--redial", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--cps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="copy the books there")
    args = parser.parse_args()
    args.town, args.contacts = TOWN, None

    def go(world):
        run = Run(world, args)
        plan = [run.kill] * args.kills + [run.kill_redis] * args.redis_kills + \
            [run.hang_redis] * args.redis_hangs + [run.failover] * args.failovers + \
            [run.pause] * args.pauses
        run.rng.shuffle(plan)
        begin = time.monotonic()
        for number, step in enumerate(plan, 1):
            step()
            if number % 100 == 0:
                print(f"{number} of {len(plan)} after {time.monotonic() - begin:.0f} s", flush=True)
        run.check()
        return (f"{args.kills} kills, {args.redis_kills} of Redis, {args.redis_hangs} hangs, "
                f"{args.failovers} failovers, {args.pauses} pauses, {args.workers} workers")
    return judge("kill", args, go)


def judge(name, args, go):
    """Runs go(world); the exit code."""
    print(f"seed {args.seed}", flush=True)
    world = World(name)
    begin = time.monotonic()
    try:
        done = go(world)
        print(f"ok   {done} ({time.monotonic() - begin:.0f} s)")
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(f"FAIL {error}", flush=True)
        world.tell(6)
        return 1
    finally:
        if args.keep:
            os.makedirs(args.keep, exist_ok=True)
            for entry in os.scandir(world.dir):
                if entry.name.endswith((".jsonl", ".err")):
                    shutil.copy(entry.path, args.keep)
        world.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Goal: it does not matter at which moment `outdial serve` dies. Method: one scenario after another is run
once under strace to count its I/O system calls; then once for each of them, the process being killed as it
is about to make that call (strace's injection of SIGKILL). After each kill it is started again, the client
repeats what was not acknowledged under the same Idempotency-Key, and the call must come to its one end.
The main thread's calls are counted apart from those of the worker threads. The books are those of
books.py.

    syscall_test.py [--scenarios answered,busy,...] [--stride 1] [--seed 1] [--keep DIRECTORY]

--stride N kills at every N-th call only, from one that the seed chooses.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import kill_test
from kill_test import Redis, Server, books, free_port, start_receiver, wait_until
from harness import OUTDIAL, Process

IO = ("read,readv,pread64,preadv,recvfrom,recvmsg,recvmmsg,write,writev,pwrite64,pwritev,sendto,sendmsg,sendmmsg,"
      "fsync,fdatasync,ftruncate,openat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,socket,bind,"
      "connect,accept,accept4")
QUICK = {"answer": 0, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "pdd_ms": "10", "ring_ms": "30",
         "digits": "none:1", "early_media": 0}
HANGUP = [{"pause": 60}, {"hangup": {}}]
LIMIT_S = 30


class Scenario:
    """What a client does, the telephones' manners, and the agent. `do` may fail at any point: it is called
    again with the next server until it has returned."""

    town, trunks, steps, agent, attempts, rtp = {"answer": 1}, 1, HANGUP, {}, 1, False
    first_town = None  # of a second carrier, which comes first

    def numbers(self, number):
        return [number]

    def do(self, stage, server, number):
        stage.post(server, "/calls", {"to": number, "agent": "a", "webhook_url": stage.hook}, number)

    def while_running(self, stage, server, number):
        pass


class Answered(Scenario):
    pass


class CalleeHangsUp(Scenario):
    town, steps = {"answer": 1, "hangup_ms": "60"}, [{"pause": 5000}, {"hangup": {}}]


class Busy(Scenario):
    town = {"busy": 1}


class NoAnswer(Scenario):
    town = {"no_answer": 1}


class Cancelled(Scenario):
    town = {"no_answer": 1, "ring_ms": "20000"}

    def while_running(self, stage, server, number):
        """Gives up what rings; what is over by then can't be."""
        if number in stage.canceled or not stage.legs.read().call_ids.get(number):
            return
        stage.post(server, f"/calls/{stage.made[number]}/hangup", {}, f"hangup-{number}")
        stage.canceled.add(number)


class Challenged(Scenario):
    town = {"answer": 1, "auth": "ann:secret"}


class Retried(Scenario):
    town, agent, attempts = {"busy": 1}, {"retry": {"max_attempts": 2, "on": {"busy": "1s"}}}, 2


class StartHook(Scenario):
    pass  # its agent is made by the stage, which knows the receiver


class Imported(Scenario):
    town = {"busy": 1}
    EACH = 10

    def numbers(self, number):
        return [f"{number}{i}" for i in range(self.EACH)]

    def do(self, stage, server, number):
        campaign = stage.made.get(number)
        if not campaign:
            stage.post(server, "/campaigns", {"name": number, "agent": "a", "webhook_url": stage.hook}, number)
            campaign = stage.made[number]
        rows = ("number\n" + "\n".join(self.numbers(number)) + "\n").encode()
        server.api("POST", f"/campaigns/{campaign}/contacts", rows, "text/csv")
        server.api("POST", f"/campaigns/{campaign}/start")


class FailedOver(Scenario):
    first_town, attempts = {"fail": 1, "fail_codes": "503:1"}, 2


class Transferred(Scenario):
    steps = [{"transfer": "+15550001234"}, {"hangup": {}}]


class Recorded(Scenario):
    agent, rtp, steps = {"record": True}, True, [{"pause": 120}, {"hangup": {}}]


class PostedTwice(Scenario):
    def do(self, stage, server, number):
        """The same request on two connections at a time."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            ask = [pool.submit(Scenario.do, self, stage, server, number) for _ in range(2)]
            errors = [a.exception() for a in ask if a.exception()]
        if len(errors) == 2:
            raise errors[0]


class Recovered(Scenario):
    """The process that is killed is the one that puts right what another one left: it is traced from its
    very start."""
    steps = [{"pause": 20000}, {"hangup": {}}]


SCENARIOS = {"answered": Answered, "callee_hangs_up": CalleeHangsUp, "busy": Busy, "no_answer": NoAnswer,
             "cancelled": Cancelled, "challenged": Challenged, "retried": Retried, "start_hook": StartHook,
             "imported": Imported, "failed_over": FailedOver, "transferred": Transferred, "recorded": Recorded,
             "posted_twice": PostedTwice, "recovered": Recovered}


def calls_of(path, threads):
    """[(name, which of that name)] in a trace; of several threads, as many as any one of them made."""
    with open(path, encoding="latin-1") as file:
        found = [re.match(r"(?:(\d+) +)?(\w+)\(", line) for line in file]
    counts = collections.Counter((m.group(1) if threads else "", m.group(2)) for m in found if m)
    most = collections.Counter()
    for (_, name), count in counts.items():
        most[name] = max(most[name], count)
    return [(name, which) for name, count in sorted(most.items()) for which in range(1, count + 1)]


class Stage:
    """One scenario's processes and books."""

    def __init__(self, world, name, index, ledgers):
        self.world, self.name, self.index, self.kind = world, name, index, SCENARIOS[name]()
        self.redis, self.hook = ledgers.redis, ledgers.hook
        self.submitted, self.faults, self.receiver = ledgers.submitted, ledgers.faults, ledgers.receiver
        quiet = [] if self.kind.rtp else ["--no-rtp"]
        towns = ([self.kind.first_town] if self.kind.first_town else []) + [self.kind.town]
        self.carriers = [world.carrier({**QUICK, **town}, quiet, name=f"carrier-{name}-{i}")
                         for i, town in enumerate(towns)]
        self.legs = books.Carrier(*(c.ledger_path for c in self.carriers))
        ledgers.paths += [c.ledger_path for c in self.carriers]
        self.source = f"127.0.0.1:{free_port()}"
        self.made, self.canceled = {}, set()
        self.org_data = world.path(f"data-{name}")
        self.server = self.start()
        self.put_agent()

    def config(self):
        trunks = [{"name": f"t{i}", "server": c.address, "cps_limit": 500, "max_calls": 1000, "priority": i + 1,
                   "ring_timeout_s": 1 if self.name == "no_answer" else 20,
                   **({"auth_user": "ann", "password": "secret"} if "auth" in self.kind.town else {})}
                  for i, c in enumerate(self.carriers)]
        return trunks, {"data_dir": self.org_data, "hours": {"legal": ""}, "webhooks": {"allow_private": True},
                        "redis": {"url": f"unix://{self.redis.path}"},
                        "sip": {"listen": [f"udp:{self.source}"]}}

    def start(self):
        trunks, extra = self.config()
        server = Server(self.world, trunks, name=f"serve-{self.name}", extra=extra)
        self.faults.note("start", source=self.source)
        return server

    def put_agent(self):
        more = {"config": {"startWebhook": {"webhook": {"url": self.hook + "start"}, "isEnabledForOutbound": True,
                                            "timeout": 5}}} if self.name == "start_hook" else {}
        self.world.cli("agent", "put", self.world.agent("a", self.kind.steps, **more, outdial={
            "agent": {"kind": "script", "steps": self.kind.steps}, **self.kind.agent,
            "trunks": [f"t{i}" for i in range(len(self.carriers))]}), server=self.server)

    def post(self, server, path, body, key):
        """The status; what was made is kept under its key."""
        request = urllib.request.Request(f"{server.url}/outdial/v1{path}", data=json.dumps(body).encode(),
                                         method="POST", headers={
            "Authorization": f"Bearer {server.key}", "Content-Type": "application/json",
            "Idempotency-Key": key.replace("+", "")})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                made = json.loads(answer.read() or b"{}")
                self.made.setdefault(key, made.get("id"))
                assert self.made[key] == made.get("id"), f"{key} was made twice: {self.made[key]}, {made}"
                return answer.status
        except urllib.error.HTTPError as error:
            if error.code in (409, 503) and not path.endswith("hangup"):
                raise OSError(f"{error.code}, to be asked again") from error
            assert error.code == 409, f"{path}: {error.code} {error.read()[:300]}"
            return error.code

    def trace(self, pid, kill_at, worker_threads, out):
        """strace on the main thread, or on the others; None when there are none. kill_at: the call's name,
        and which of those of its name (so strace counts)."""
        tasks = [int(t) for t in os.listdir(f"/proc/{pid}/task") if (int(t) != pid) == worker_threads]
        if not tasks:
            return None
        argv = ["strace", "-o", out, "-e", f"trace={IO}"]
        argv += [f"--inject={kill_at[0]}:signal=KILL:when={kill_at[1]}"] if kill_at else []
        for task in tasks:
            argv += ["-p", str(task)]
        tracer = Process(self.world, f"strace-{self.name}", argv)
        wait_until(lambda: tracer.stderr().count("attached") >= len(tasks) or not tracer.running(), 20,
                   "strace to be attached", 0.002)
        return tracer

    def ended(self, number):
        return all(n in self.receiver.read().ends for n in self.kind.numbers(number))

    def go_on(self, number, asked):
        """One round of the client's; true once all is over."""
        if not self.server.running():
            return True
        try:
            if not asked:
                self.kind.do(self, self.server, number)
                self.submitted.note("acknowledged", numbers=self.kind.numbers(number))
                asked.append(True)
            self.kind.while_running(self, self.server, number)
        except (OSError, json.JSONDecodeError):
            return False
        except AssertionError as error:  # of the harness: an answer that says "not now"
            if not re.search(r" (409|503|429) ", str(error)):
                raise
        return bool(asked) and self.ended(number)

    def count(self):
        """The calls of a run that nothing disturbs: [(of a worker thread, name, which of that name)]."""
        points = []
        for threads in (False, True):
            out = self.world.path(f"count-{self.name}-{threads}")
            tracer = self.trace(self.server.pid, None, threads, out)
            number = f"+1555{self.index:02d}9999{int(threads)}"
            self.submitted.note("sent", numbers=self.kind.numbers(number), attempts=self.kind.attempts)
            asked = []
            wait_until(lambda n=number, a=asked: self.go_on(n, a), LIMIT_S, f"{self.name} to end", 0.01)
            if tracer:
                tracer.stop(10, signal.SIGINT)
                points += [(threads, *at) for at in calls_of(out, threads)]
        return points

    def traced_start(self, kill_at, out="/dev/null"):
        """A server that is killed at one of its calls."""
        argv = ["strace", "-f", "-o", out, "-e", f"trace={IO}",
                *([f"--inject={kill_at[0]}:signal=KILL:when={kill_at[1]}"] if kill_at else []), OUTDIAL, "serve",
                "--config", self.world.path(f"serve-{self.name}.yaml")]
        return Process(self.world, f"strace-{self.name}", argv)

    def point(self, threads, kill_at, number):
        """Kills at one call; true when it came."""
        self.submitted.note("sent", numbers=self.kind.numbers(number), attempts=self.kind.attempts)
        asked = []
        if self.name == "recovered":
            return self.recover(kill_at, number, asked)
        tracer = self.trace(self.server.pid, kill_at, threads, "/dev/null")
        wait_until(lambda: self.go_on(number, asked), LIMIT_S, f"{self.name} at {kill_at}", 0.01)
        died = not self.server.running()
        self.restart()
        if tracer:
            tracer.close()
        self.to_the_end(number, asked, f"{self.name} after a kill at {kill_at}")
        return died

    def recover(self, kill_at, number, asked, out="/dev/null"):
        def talking():
            self.go_on(number, asked)
            return any(leg.number == number for leg in self.legs.read().legs.values())
        wait_until(talking, LIMIT_S, "a call", 0.01)
        self.server.kill()
        self.faults.note("kill", source=self.source)
        tracer = self.traced_start(kill_at, out)
        wait_until(lambda: not tracer.running() or "ready:" in tracer.stderr(), LIMIT_S, "a start", 0.01)
        try:
            tracer.wait(1.0)
        except subprocess.TimeoutExpired:
            pass
        children = subprocess.run(["pgrep", "-P", str(tracer.pid)], capture_output=True, text=True,
                                  check=False).stdout.split()
        died = not children
        for child in children:
            with contextlib.suppress(ProcessLookupError):  # killed this very moment: strace ends after it
                os.kill(int(child), signal.SIGKILL)
        tracer.wait(10)
        tracer.close()
        self.restart()
        self.to_the_end(number, asked, f"a recovery after a kill at {kill_at}")
        return died

    def restart(self):
        self.server.kill()
        self.faults.note("kill", source=self.source)
        self.server.close()
        self.server = self.start()

    def to_the_end(self, number, asked, what):
        wait_until(lambda: self.go_on(number, asked), LIMIT_S, what, 0.01)
        assert self.server.running(), f"the server ended in {what}"

    def count_recovery(self):
        out = self.world.path("count-recovered")
        number = f"+1555{self.index:02d}99990"
        self.submitted.note("sent", numbers=[number], attempts=1)
        self.recover(None, number, [], out)
        return [(False, *at) for at in calls_of(out, False)]

    def run(self, stride, rng):
        all_points = self.count_recovery() if self.name == "recovered" else self.count()
        points = all_points[rng.randrange(min(stride, len(all_points)))::stride]
        died = 0
        for at, (threads, *kill_at) in enumerate(points):
            died += self.point(threads, kill_at, f"+1555{self.index:02d}{at:05d}")
        wait_until(lambda: not self.legs.read().open, 60, f"the last legs of {self.name} to end")
        self.server.kill()
        self.server.close()
        for carrier in self.carriers:
            carrier.close()
        print(f"{self.name}: {len(all_points)} calls, {len(points)} points, {died} deaths", flush=True)
        assert died > len(points) // 3, f"{self.name}: hardly anything was killed"
        return len(points), died


class Ledgers:
    def __init__(self, world):
        self.redis = Redis(world)
        self.hook = f"http://127.0.0.1:{start_receiver(world, world.path('receiver.jsonl'))}/"
        self.receiver = books.Receiver(world.path("receiver.jsonl"))
        self.submitted = books.Writer(world.path("submitted.jsonl"))
        self.faults = books.Writer(world.path("faults.jsonl"))
        self.paths = []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep")
    args = parser.parse_args()
    rng = random.Random(args.seed)

    def go(world):
        ledgers, points, died = Ledgers(world), 0, 0
        names = args.scenarios.split(",")
        for name in names:
            more = Stage(world, name, list(SCENARIOS).index(name), ledgers).run(args.stride, rng)
            points, died = points + more[0], died + more[1]
        broken, figures = books.join(books.Submitted(world.path("submitted.jsonl")),
                                     books.Carrier(*ledgers.paths),
                                     books.Receiver(world.path("receiver.jsonl")),
                                     list(books.Tail(world.path("faults.jsonl")).facts()))
        print(figures)
        assert not broken, broken
        return f"{len(names)} scenarios, killed at {died} of {points} system calls"
    return kill_test.judge("syscall", args, go)


if __name__ == "__main__":
    sys.exit(main())

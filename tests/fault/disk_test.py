#!/usr/bin/env python3
"""Goal: a disk that is full while calls are answered costs no call: the answer is acknowledged at once, as
Redis has what ends the leg, the call talks to its end, its outcome is stored once, and nothing new is dialled
until the disk takes the journal again. Method: calls that ring for a while; meanwhile no file of the daemon's
may grow any more (RLIMIT_FSIZE in the place of a full disk), and then the phones are answered. In the first
round the calls end while that is so, in the second one the daemon is killed then: there the journal has
not even heard of a phone that rings, and what it tells its successor is of no use for an answered leg.

    disk_test.py [--calls 5]
"""
import argparse
import collections
import json
import os
import resource
import signal
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import wait_until  # noqa: E402
from servers import Redis, trial  # noqa: E402

RING_MS, TALK_MS = 4000, 6000
TOWN = {"answer": 1, "busy": 0, "no_answer": 0, "decline": 0, "fail": 0, "pdd_ms": "2000",
        "ring_ms": str(RING_MS), "ring_max_ms": 20000, "early_media": 0, "digits": "none:1"}
REPEATS_MAX = 1  # an answer that may not be acknowledged is heard four times before it is, all the same


class Scene:
    def __init__(self, world, args):
        self.world, self.args = world, args
        self.redis = Redis(world)
        self.carrier = world.carrier(TOWN, ["--no-rtp"])
        self.starts = 0

    def start(self):
        self.starts += 1
        server = self.world.serve([{"name": "main", "server": self.carrier.address, "cps_limit": 0}],
                                  name=f"serve-{self.starts}", extra={
                                      "data_dir": self.world.path("data"), "hours": {"legal": ""},
                                      "redis": {"url": f"unix://{self.redis.path}"}})
        steps = [{"pause": TALK_MS}, {"hangup": {}}]
        self.world.cli("agent", "put", self.world.agent("short", steps), server=server)
        return server

    def facts(self, kind, numbers):
        """Of the legs of these numbers."""
        ours = {f["call"] for f in self.carrier.facts("invite") if f["number"] in numbers}
        return [f for f in self.carrier.facts(kind) if f.get("call") in ours]

    def invites(self, numbers):
        return collections.Counter(f["number"] for f in self.facts("invite", numbers) if not f["retransmission"])

    def ringing(self, numbers):
        return len({f["call"] for f in self.facts("response", numbers) if f["code"] == 180})

    def answered_on_a_full_disk(self, prefix, rings):
        """Calls that are up with a disk that was full before, or after they rang, and one that waits for a
        better one."""
        server = self.start()
        numbers = [f"+1555{prefix}{i:04d}" for i in range(self.args.calls)]
        ids = {n: server.api("POST", "/calls", {"to": n, "agent": "short"})["id"] for n in numbers}
        wait_until(lambda: len(self.invites(numbers)) == len(numbers), 30, "the INVITEs", 0.01)
        if rings:
            wait_until(lambda: self.ringing(numbers) == len(numbers), 30, "the phones to ring", 0.01)
        fill_disk(server)
        assert rings or not self.ringing(numbers), "they ring already: a longer delay is needed"
        assert not self.facts("ack", numbers), "answered before the disk was full: a longer ring is needed"
        wait_until(lambda: len({f["call"] for f in self.facts("ack", numbers)}) == len(numbers), 30, "the ACKs", 0.01)
        assert any("journal" in why for why in readiness(server)), readiness(server)
        repeats = collections.Counter(f["call"] for f in self.facts("response", numbers)
                                      if f["method"] == "INVITE" and f["code"] == 200 and f["retransmission"])
        assert all(n <= REPEATS_MAX for n in repeats.values()), f"not acknowledged for long: {repeats}"
        waiting = f"+1555{prefix}9999"
        ids[waiting] = server.api("POST", "/calls", {"to": waiting, "agent": "short"})["id"]
        return server, ids, waiting

    def over(self, server, ids):
        """Their calls as they are stored, once all have ended."""
        def views():
            got = {n: server.api("GET", f"/calls/{ident}") for n, ident in ids.items()}
            return got if all(v["ended_at"] for v in got.values()) else None
        return wait_until(views, 60, "the calls to end")

    def once_each(self, ids):
        assert self.invites(ids) == collections.Counter(list(ids)), self.invites(ids)
        wait_until(lambda: len(self.facts("end", ids)) == len(ids), 15, "the legs' ends at the carrier")
        assert not [f for f in self.facts("end", ids) if f.get("off_hook_at_end")]

    def to_their_end(self):
        server, ids, waiting = self.answered_on_a_full_disk("01", True)
        early = [n for n in ids if n != waiting]
        wait_until(lambda: len(self.facts("end", early)) == len(early), 30, "the calls to end at the carrier")
        ends = self.facts("end", early)
        assert all(f["outcome"] == "answered" and f["hung_up_by"] == "caller" for f in ends), ends
        assert not self.invites([waiting]), "dialled on a full disk"
        fill_disk(server, False)
        views = self.over(server, ids)
        assert all(v["status"] == "completed" for v in views.values()), views
        assert all(v["duration_ms"] >= TALK_MS - 500 for v in views.values()), views
        self.once_each(ids)
        assert not readiness(server) and server.stop() == 0

    def killed(self):
        server, ids, waiting = self.answered_on_a_full_disk("02", False)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(30)
        server = self.start()
        views = self.over(server, ids)
        assert {n for n, v in views.items() if v["status"] == "unknown"} == set(ids) - {waiting}, views
        assert views[waiting]["status"] == "completed", views[waiting]
        self.once_each(ids)
        late = [f for f in self.facts("end", set(ids) - {waiting}) if f["t"] > server.ready_at + 5]
        assert not late, late
        assert server.stop() == 0


def fill_disk(server, full=True):
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1 if full else hard, hard))


def readiness(server):
    """What is wrong."""
    try:
        with urllib.request.urlopen(f"{server.url}/readyz", timeout=10) as answer:
            return json.load(answer)["reasons"]
    except urllib.error.HTTPError as error:
        return json.load(error)["reasons"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5)
    args = parser.parse_args()

    def go(world):
        scene = Scene(world, args)
        scene.to_their_end()
        scene.killed()
        return f"{args.calls} calls answered on a full disk, twice"
    return trial("disk", go)


if __name__ == "__main__":
    sys.exit(main())

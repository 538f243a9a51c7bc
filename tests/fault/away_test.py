#!/usr/bin/env python3
"""Goal: a worker that dies in a failover, which loses what it had just dialled, costs nobody a second call
as long as it is started again within redis.await_s, however long after its lease; and what is known in each case.
Method: two workers on a master and its replica. The replica is cut off, the first worker dials some more, is
killed, and the replica becomes the master. Then

  - what the new master knows of the dead worker is ended at the carrier by the other one, at the end of the lease;
  - of what it doesn't know only the dead worker's journal tells: nothing is dialled meanwhile, and readiness says why;
  - started again, it ends those legs and has them stored as unknown: everybody is dialled once;
  - in the second round nobody waits for it any more: the other worker dials them again. Started again after
    that, it ends its legs all the same and says how many were dialled twice, no more and no fewer.

    away_test.py [--contacts 60]
"""
import argparse
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import books  # noqa: E402
from harness import Server, free_port, wait_until  # noqa: E402
from servers import Pair, start_receiver, trial  # noqa: E402

TOWN = {"answer": 1, "busy": 0, "no_answer": 0, "decline": 0, "fail": 0, "pdd_ms": "20", "ring_ms": "100",
        "early_media": 0, "digits": "none:1"}
TALK_MS, LEASE_S, LOST = 20000, 10, 5
AHEAD = 3  # INVITEs whose intents are written before their turn comes: one or two, at this pace


class Scene:
    def __init__(self, world, args, name, await_s):
        self.world, self.await_s, self.name = world, await_s, name
        self.redis = Pair(world)
        self.carrier = world.carrier(TOWN, ["--no-rtp"], name=f"carrier-{name}")
        self.hooks = start_receiver(world, world.path(f"{name}.receiver.jsonl"))
        self.submitted = books.Writer(world.path(f"{name}.submitted.jsonl"))
        self.faults = books.Writer(world.path(f"{name}.faults.jsonl"))
        self.ports = [free_port(), free_port()]
        self.first, self.other = self.start(0), self.start(1)
        steps = [{"pause": TALK_MS}, {"hangup": {}}]
        world.cli("agent", "put", world.agent("long", steps), server=self.first)
        self.numbers = [f"+15551{i:06d}" for i in range(args.contacts)]
        self.campaign = self.first.api("POST", "/campaigns", {
            "name": name, "agent": "long", "webhook_url": f"http://127.0.0.1:{self.hooks}/"})["id"]
        self.submitted.note("sent", numbers=self.numbers, attempts=1)
        self.first.api("POST", f"/campaigns/{self.campaign}/contacts",
                       ("number\n" + "\n".join(self.numbers) + "\n").encode(), "text/csv")
        self.submitted.note("acknowledged", numbers=self.numbers)
        self.first.api("POST", f"/campaigns/{self.campaign}/start")

    def source(self, number):
        return f"127.0.0.1:{self.ports[number]}"

    def start(self, number):
        server = Server(self.world, [{"name": "main", "server": self.carrier.address, "cps_limit": 5,
                                      "cps_key": str(number)}],
                        name=f"{self.name}-{number}", extra={
                            "data_dir": self.world.path(f"{self.name}-data-{number}"), "hours": {"legal": ""},
                            "webhooks": {"allow_private": True}, "sip": {"listen": [f"udp:{self.source(number)}"]},
                            "redis": {"url": f"unix://{self.redis.path}", "await_s": self.await_s}})
        self.faults.note("start", source=self.source(number))
        return server

    def dialled(self, number):
        """The INVITEs of a worker, by whom they are for."""
        return {f["number"]: f for f in self.carrier.facts("invite")
                if not f["retransmission"] and f["source"] == self.source(number)}

    def answered(self):
        """Whom a webhook told of, which is stored with the answer."""
        told = books.Tail(self.world.path(f"{self.name}.receiver.jsonl")).facts()
        return {f["to"] for f in told if f["type"] == "call.answered"}

    def open_legs(self, invites):
        ended = {f["call"] for f in self.carrier.facts("end")}
        return {n for n, f in invites.items() if f["call"] not in ended}

    def failover(self):
        """Whom the first worker dialled before the replica was cut off, and after; not those whose intents may
        have been written just before, as they are some time ahead of their INVITEs."""
        wait_until(lambda: len(self.dialled(0)) >= 5 and len(self.dialled(1)) >= 5, 30, "calls of both", 0.01)
        known, ahead = self.dialled(0), {}
        # an answer that the replica hasn't heard of is one that only the dead worker's journal tells of
        wait_until(lambda: known.keys() <= self.answered(), 30, "their answers to be stored")
        self.redis.in_step()

        def lose(_):
            cut = len(self.dialled(0))
            wait_until(lambda: len(self.dialled(0)) >= cut + AHEAD, 30, "those under way", 0.01)
            ahead.update(self.dialled(0))
            wait_until(lambda: len(self.dialled(0)) >= len(ahead) + LOST, 30, "calls that will be lost", 0.01)
            self.first.kill()
            self.faults.note("kill", source=self.source(0))
        self.redis.failover(0, lose)
        self.faults.note("failover")
        self.first.close()
        lost = self.dialled(0)
        return known, {n: f for n, f in lost.items() if n not in ahead}

    def readiness(self):
        try:
            with urllib.request.urlopen(f"{self.other.url}/readyz", timeout=10) as answer:
                return json.load(answer)["reasons"]
        except urllib.error.HTTPError as error:
            return json.load(error)["reasons"]

    def books(self):
        counts = wait_until(lambda: (lambda c: c if c["total"] == c["ended"] else None)(
            self.other.campaign(self.campaign)["counts"]), 120, "the campaign to end", 0.5)
        assert counts["total"] == len(self.numbers), counts
        receiver = books.Receiver(self.world.path(f"{self.name}.receiver.jsonl"))
        wait_until(lambda: len(receiver.read().ends) == len(self.numbers), 60, "an end told of everybody")
        wait_until(lambda: not self.open_legs(self.dialled(0)) and not self.open_legs(self.dialled(1)), 30, "the legs")
        broken, figures = books.join(
            books.Submitted(self.world.path(f"{self.name}.submitted.jsonl")), books.Carrier(self.carrier.ledger_path),
            receiver, list(books.Tail(self.world.path(f"{self.name}.faults.jsonl")).facts()), False)
        print(f"{self.name}: {figures} {broken}", flush=True)
        return broken, figures

    def again(self):
        """The first worker is back: its legs are over within 5 s of its being ready."""
        self.first = self.start(0)
        mine = self.dialled(0)
        wait_until(lambda: not self.open_legs(mine), 15, "the legs of the first worker")
        calls = {f["call"] for f in mine.values()}
        late = [f for f in self.carrier.facts("end") if f["call"] in calls and
                f["t"] > self.first.ready_at + books.LEG_LIMIT_S]
        assert not late, late

    def end(self):
        for server in (self.first, self.other):
            assert server.stop() == 0


def started_again_in_time(world, args):
    scene = Scene(world, args, "in-time", 60)
    known, lost = scene.failover()
    wait_until(lambda: any("other workers" in why for why in scene.readiness()), 20, "the other worker to say that it waits")
    since = time.time()
    wait_until(lambda: not scene.open_legs(known), 3 * LEASE_S, "the legs that are known of")
    assert scene.open_legs(lost) == set(lost), "legs that nobody can know of have ended"
    assert any("other workers" in why for why in scene.readiness()), scene.readiness()
    # what had its intent by then may have waited for its turn in the pace
    late = [f for f in scene.dialled(1).values() if f["t"] > since + LEASE_S / 2]
    assert not late, f"dialled before the first worker has told what it dialled: {late}"
    scene.again()
    broken, figures = scene.books()
    assert not broken, broken
    assert figures["unknown"] >= len(known) + len(lost), figures
    scene.end()


def started_again_too_late(world, args):
    scene = Scene(world, args, "too-late", LEASE_S)
    _, lost = scene.failover()
    wait_until(lambda: set(lost) <= set(scene.dialled(1)), 60, "those that are lost to be dialled by the other worker")
    assert scene.open_legs(lost), "their first legs are over: a longer talk is needed"
    scene.again()
    broken, _ = scene.books()
    twice = broken.pop("dialled twice", (0, []))[0]
    assert not broken and twice >= len(lost), (broken, twice, lost)
    said = re.findall(r"(\d+) calls that were dialled here were forgotten by Redis", scene.first.stderr())
    assert [int(n) for n in said] == [twice], (said, twice)
    scene.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=60)
    args = parser.parse_args()

    def of(scene):
        def go(world):
            scene(world, args)
            return scene.__name__
        return trial("away", go)
    return of(started_again_in_time) or of(started_again_too_late)


if __name__ == "__main__":
    sys.exit(main())

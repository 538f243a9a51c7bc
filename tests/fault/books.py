#!/usr/bin/env python3
"""The books of a fault run: three ledgers, each written by a process of its own, the list of the faults,
and the checker that joins them.

    submitted.jsonl  the submitter's: what was sent, what was acknowledged
    carrier*.jsonl   the carriers': every INVITE, response, ACK, CANCEL, BYE
    receiver.jsonl   the webhook receiver's: every event, its id, in order of arrival
    faults.jsonl     when which process was killed, and when the next one in its place was ready

    I1  a number reached the carriers under at most as many Call-IDs as its attempts allow (one)
    I2  whoever was acknowledged has one terminal event, under one webhook id, and nothing after it; a Redis
        that has forgotten what was delivered (a fault `failover`) has it delivered once more, under the ids
        under which it was heard before the end
    I3  every INVITE was for somebody who was submitted
    I4  every leg of a killed process ended at the carrier within 5 s of the process's successor being ready
    and no event tells of an outcome that the carrier has not seen

    books.py DIRECTORY [--workers N]   joins the books of a directory; exit 1 when an invariant is broken
"""
import argparse
import bisect
import collections
import glob
import json
import math
import os
import sys
import time

LEG_LIMIT_S = 5
TERMINAL = {"call.completed", "call.no_answer", "call.busy", "call.failed", "call.canceled"}
SEEN_AS = {"call.completed": {"answered"}, "call.busy": {"busy", "declined"}}


class Tail:
    """A ledger's lines, read as it grows."""

    def __init__(self, path):
        self.file, self.rest = open(path, encoding="utf-8"), ""

    def facts(self):
        lines = (self.rest + self.file.read()).split("\n")
        self.rest = lines.pop()
        return map(json.loads, lines)


class Writer:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, fact, **more):
        os.write(self.fd, (json.dumps({"t": time.time(), "fact": fact, **more}) + "\n").encode())


class Submitted:
    def __init__(self, path):
        self.tail, self.sent, self.acknowledged = Tail(path), {}, set()

    def read(self):
        for fact in self.tail.facts():
            if fact["fact"] == "sent":
                self.sent.update(dict.fromkeys(fact["numbers"], fact.get("attempts", 1)))
            else:
                self.acknowledged.update(fact["numbers"])
        return self


class Leg:
    def __init__(self, fact):
        self.number, self.source, self.begun, self.ended = fact["number"], fact["source"], fact["t"], None


class Carrier:
    """One or several carriers' ledgers. A leg is over with its `end`, or with the final answer that
    refuses it: its ACK may be due to a port that is dead."""

    def __init__(self, *paths):
        self.tails = [(path, Tail(path)) for path in paths]
        self.call_ids, self.outcomes = collections.defaultdict(set), collections.defaultdict(set)
        self.legs, self.open, self.off_hook = {}, set(), []

    def read(self):
        for path, tail in self.tails:
            for fact in tail.facts():
                self.take(path, fact)
        return self

    def take(self, path, fact):
        key = (path, fact.get("call"))
        if fact["fact"] == "invite" and not fact["retransmission"]:
            self.call_ids[fact["number"]].add(fact["call_id"])
            if key not in self.legs:
                self.legs[key] = Leg(fact)
                self.open.add(key)
        elif fact["fact"] == "end" or (fact["fact"] == "response" and fact["method"] == "INVITE" and
                                       fact["code"] >= 300 and key in self.legs):
            if self.legs[key].ended is None:
                self.legs[key].ended = fact["t"]
            self.open.discard(key)
            if fact["fact"] == "end":
                self.outcomes[fact["number"]].add(fact["outcome"])
                if fact.get("off_hook_at_end"):
                    self.off_hook.append(fact["number"])

    def up(self, since=0):
        """How many legs are up that began after a moment."""
        return sum(self.legs[key].begun >= since for key in self.open)


class Receiver:
    def __init__(self, path):
        self.tail = Tail(path)
        self.ends, self.kinds = collections.defaultdict(set), collections.defaultdict(set)
        self.unknown, self.late, self.repeats, self.events = set(), [], [], 0
        self.heard = set()

    def read(self):
        for fact in self.tail.facts():
            if not str(fact["type"]).startswith("call."):
                continue
            self.events += 1
            if fact["type"] in TERMINAL:
                self.ends[fact["to"]].add(fact["id"])
                self.kinds[fact["to"]].add(fact["type"])
                if fact["status"] == "unknown" or fact["cause"] == "unknown_outcome":
                    self.unknown.add(fact["to"])
            elif fact["to"] in self.ends:
                again = (fact["to"], fact["id"]) in self.heard
                (self.repeats if again else self.late).append((fact["to"], fact["type"]))
            self.heard.add((fact["to"], fact["id"]))
        return self


def lives(faults):
    """By a process's SIP address: its times of death, and of its starts."""
    deaths, starts = collections.defaultdict(list), collections.defaultdict(list)
    for fact in faults:
        if fact["fact"] in ("kill", "start"):
            (deaths if fact["fact"] == "kill" else starts)[fact["source"]].append(fact["t"])
    return deaths, starts


def first_after(times, t):
    at = bisect.bisect_left(times, t)
    return times[at] if at < len(times) else math.inf


def legs_left(carrier, faults):
    """[(seconds, number)] of the legs whose process was killed: how long after the next start they ended;
    a start that is killed within the limit hands them on to the next one. Infinite: they did not."""
    deaths, starts = lives(faults)
    found = []
    for leg in carrier.legs.values():
        ended = math.inf if leg.ended is None else leg.ended
        death = first_after(deaths[leg.source], leg.begun)
        while ended > death:
            start = first_after(starts[leg.source], death)
            death = first_after(deaths[leg.source], start)
            if start == math.inf or ended < death or death - start > LEG_LIMIT_S:
                found.append((max(ended - start, 0), leg.number) if start < math.inf else (0, leg.number))
                break
    return found


def join(submitted, carrier, receiver, faults, one_worker=True):
    """{what is broken: whom}, empty when all is well; and the figures."""
    submitted.read(), carrier.read(), receiver.read()
    sent, ends, called = submitted.sent, receiver.ends, carrier.call_ids
    # others end the legs of a worker that stays away, within its lease: only one alone is held to 5 s
    legs = legs_left(carrier, faults) if one_worker else []
    forgot = any(fact["fact"] == "failover" for fact in faults)
    wrong = {
        "dialled twice": [n for n, ids in called.items() if len(ids) > sent.get(n, 1)],
        "never submitted": [n for n in set(called) | set(ends) if n not in sent],
        "lost": sorted(submitted.acknowledged - set(ends)),
        "not one terminal event": [n for n, ids in ends.items() if len(ids) != 1],
        "told after the end": receiver.late + ([] if forgot else receiver.repeats),
        "an outcome the carrier has not seen": [
            (n, kind) for n, kinds in receiver.kinds.items() for kind in kinds
            if kind in SEEN_AS and not SEEN_AS[kind] & carrier.outcomes[n]],
        "left up": [(n, s) for s, n in legs if s > LEG_LIMIT_S] + list(carrier.off_hook),
        "still up": [carrier.legs[key].number for key in carrier.open],
    }
    figures = {"submitted": len(sent), "acknowledged": len(submitted.acknowledged), "called": len(called),
               "legs": len(carrier.legs), "events": receiver.events, "ended": len(ends),
               "unknown": len(receiver.unknown), "repeats": len(receiver.repeats),
               "slowest_leg_s": round(max((s for s, _ in legs), default=0), 2)}
    return {what: (len(who), who[:3]) for what, who in wrong.items() if who}, figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()

    def at(name):
        return os.path.join(args.directory, name)
    broken, figures = join(Submitted(at("submitted.jsonl")), Carrier(*glob.glob(at("carrier*.jsonl"))),
                           Receiver(at("receiver.jsonl")), list(Tail(at("faults.jsonl")).facts()),
                           args.workers == 1)
    print(json.dumps({"broken": broken, **figures}))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

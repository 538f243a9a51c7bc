#!/usr/bin/env python3
"""Judges a carrier's ledger from outside: rates, spacing, double dials, callees left off the hook.

    ledger_check.py run.jsonl
    ledger_check.py run.jsonl --max-per-second 10 --spacing-ms 20
    ledger_check.py run.jsonl --outcomes expected.json --once

Prints one JSON object. Exit: 0 every bound given held, 1 one was broken, 2 the ledger or the
arguments can't be used. Without any bound it still exits 1 when a callee was left off the hook or an
answered call was never acknowledged.

expected.json maps outcomes to a count, or to [lowest, highest]: {"answered": [55, 65], "busy": 10}.
"""
import argparse
import collections
import json
import sys


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ledger", help="JSON lines written by `outdial carrier --ledger`; - is stdin")
    parser.add_argument("--max-per-second", type=int, metavar="N",
                        help="most INVITEs (first transmissions) in any rolling second")
    parser.add_argument("--rate", type=float, metavar="CPS",
                        help="the ideal rate of the spacing figures (default: the one measured)")
    parser.add_argument("--spacing-ms", type=float, metavar="MS",
                        help="bound on the p99 of |interval - ideal interval|")
    parser.add_argument("--outcomes", metavar="FILE", help="expected counts by outcome, as JSON")
    parser.add_argument("--once", action="store_true",
                        help="any second Call-ID for a number that was let through is a double dial")
    return parser.parse_args()


def facts(path):
    """Yields the facts of the ledger. A torn last line (a killed carrier) is passed over."""
    with (sys.stdin if path == "-" else open(path, encoding="utf-8")) as lines:
        torn = None
        for number, line in enumerate(lines, 1):
            if torn:
                raise ValueError(f"line {torn}: not JSON")
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                torn = number


class Calls:
    """What the ledger says of every call, by the carrier's run and its own call number in it."""

    def __init__(self):
        self.run = 0  # a carrier started again on the same ledger counts from 1 again
        self.invites = []  # monotonic ns of first transmissions
        self.retransmissions = 0
        self.number = {}
        self.begin = {}
        self.refused = set()
        self.answered = set()
        self.acked = set()
        self.ended = {}
        self.byes = set()
        self.stray = collections.Counter()
        self.rtp = collections.Counter()

    def invite(self, fact):
        if fact["retransmission"]:
            self.retransmissions += 1
            return
        call = (self.run, fact["call"])
        if call in self.begin:  # a re-INVITE inside the call
            return
        self.invites.append(fact["mono_ns"])
        self.begin[call] = fact["mono_ns"]
        self.number[call] = (fact["number"], fact["call_id"])

    def take(self, fact):
        kind = fact["fact"]
        call = (self.run, fact["call"]) if "call" in fact else None
        if kind == "start":
            self.run += 1
        elif fact.get("matched") is False:
            self.stray[kind] += 1
        elif kind == "invite":
            self.invite(fact)
        elif kind == "refused":
            self.refused.add(call)
        elif kind == "response" and call and fact["code"] == 200 and fact["method"] == "INVITE":
            self.answered.add(call)
        elif kind == "ack":
            self.acked.add(call)
        elif kind == "bye":
            self.byes.add(call)
        elif kind == "end":
            self.ended[call] = fact
        elif kind == "rtp":
            for name in ("packets_in", "packets_out", "lost", "wrong_place", "after_bye"):
                self.rtp[name] += fact[name]


def most_per_second(stamps):
    most = first = 0
    for last, stamp in enumerate(stamps):
        while stamp - stamps[first] >= 1_000_000_000:
            first += 1
        most = max(most, last - first + 1)
    return most


def percentile(values, share):
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else 0.0


def spacing(stamps, rate):
    """Deviation of consecutive intervals from the ideal one, in ms."""
    if len(stamps) < 2 or stamps[-1] == stamps[0]:
        return {"rate_cps": 0.0, "ideal_ms": 0.0, "p50_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0}
    rate = rate or (len(stamps) - 1) * 1e9 / (stamps[-1] - stamps[0])
    ideal = 1000 / rate
    off = [abs((b - a) / 1e6 - ideal) for a, b in zip(stamps, stamps[1:])]
    return {"rate_cps": round(rate, 3), "ideal_ms": round(ideal, 3),
            "p50_ms": round(percentile(off, 0.5), 3), "p99_ms": round(percentile(off, 0.99), 3),
            "max_ms": round(max(off), 3)}


def double_dials(calls, once):
    """Calls to a number while another call (another Call-ID) to it lasts; with once, ever."""
    found = []
    latest = {}  # number -> (call id, end)
    for call in sorted(calls.begin, key=calls.begin.get):
        if call in calls.refused:
            continue
        number, call_id = calls.number[call]
        end = calls.ended[call]["mono_ns"] if call in calls.ended else float("inf")
        if number in latest and latest[number][0] != call_id:
            if once or calls.begin[call] < latest[number][1]:
                found.append(call_id)
            end = max(end, latest[number][1])
        latest[number] = (call_id, end)
    return found


def check_outcomes(path, counts):
    with open(path, encoding="utf-8") as file:
        expected = json.load(file)
    broken = []
    for outcome, bound in expected.items():
        low, high = bound if isinstance(bound, list) else (bound, bound)
        if not low <= counts.get(outcome, 0) <= high:
            broken.append(f"outcome {outcome}: {counts.get(outcome, 0)}, expected {low} to {high}")
    return broken


def judge(args, calls):
    off_hook = [c for c in calls.answered
                if calls.ended.get(c, {}).get("off_hook_at_end", c not in calls.byes)]
    never_acked = calls.answered - calls.acked
    outcomes = collections.Counter(end["outcome"] for end in calls.ended.values())
    doubles = double_dials(calls, args.once)
    stamps = sorted(calls.invites)
    most = most_per_second(stamps)
    gaps = spacing(stamps, args.rate)
    broken = []
    if off_hook:
        broken.append(f"{len(off_hook)} callees left off the hook")
    if never_acked:
        broken.append(f"{len(never_acked)} answered calls never acknowledged")
    if args.once and doubles:
        broken.append(f"{len(doubles)} double dials")
    if args.max_per_second is not None and most > args.max_per_second:
        broken.append(f"{most} INVITEs in a second, allowed {args.max_per_second}")
    if args.spacing_ms is not None and gaps["p99_ms"] > args.spacing_ms:
        broken.append(f"spacing off by {gaps['p99_ms']} ms at p99, allowed {args.spacing_ms}")
    if args.outcomes:
        broken += check_outcomes(args.outcomes, outcomes)
    return {
        "good": not broken, "broken": broken,
        "invites": len(stamps), "retransmissions": calls.retransmissions,
        "most_per_second": most, "spacing": gaps,
        "numbers": len({number for number, _ in calls.number.values()}),
        "double_dials": len(doubles), "double_dial_call_ids": doubles[:20],
        "answered": len(calls.answered), "off_hook": len(off_hook),
        "never_acked": len(never_acked), "refused": len(calls.refused),
        "unfinished": len(set(calls.begin) - set(calls.ended)),
        "outcomes": dict(sorted(outcomes.items())), "strays": dict(calls.stray),
        "rtp": dict(calls.rtp),
    }


def main():
    args = arguments()
    calls = Calls()
    try:
        for fact in facts(args.ledger):
            if fact.get("fact") != "summary":
                calls.take(fact)
        verdict = judge(args, calls)
    except (OSError, ValueError, KeyError) as error:
        print(f"ledger_check.py: {args.ledger}: {error}", file=sys.stderr)
        return 2
    print(json.dumps(verdict))
    return 0 if verdict["good"] else 1


if __name__ == "__main__":
    sys.exit(main())

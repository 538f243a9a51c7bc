#!/usr/bin/env python3
"""Goal: the checker finds what it is there to find. Method: small books with one thing wrong in each, as
files; and books in which nothing is."""
import json
import os
import subprocess
import sys
import tempfile

BOOKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "books.py")
SOURCE = "127.0.0.1:5060"


def invite(t, number="+1", call=1, call_id="a"):
    return {"t": t, "fact": "invite", "call": call, "call_id": call_id, "number": number, "source": SOURCE,
            "retransmission": False}


def end(t, number="+1", call=1, outcome="answered", off=False):
    return {"t": t, "fact": "end", "call": call, "number": number, "outcome": outcome, "off_hook_at_end": off}


def event(kind="call.completed", ident="e1", number="+1"):
    return {"type": kind, "id": ident, "to": number, "status": "completed", "cause": None}


def fault(t, what):
    return {"t": t, "fact": what, "source": SOURCE}


SENT = [{"fact": "sent", "numbers": ["+1"], "attempts": 1}, {"fact": "acknowledged", "numbers": ["+1"]}]
GOOD = {"submitted": SENT, "carrier": [invite(1), end(2)], "receiver": [event()], "faults": []}
CASES = {
    None: [
        {},
        {"receiver": [event("call.ringing", "e0"), event(), event()]},  # again, under the same id
        {"submitted": SENT[:1], "carrier": [], "receiver": []},  # not acknowledged
        # heard before the end, and again from a Redis that has forgotten it
        {"receiver": [event("call.answered", "e0"), event(), event("call.answered", "e0")],
         "faults": [{"t": 1, "fact": "failover"}]},
        {"carrier": [invite(1), end(8)], "faults": [fault(2, "kill"), fault(4, "start")]},
        # whoever came first was killed too: the next one has its own five seconds
        {"carrier": [invite(1), end(11)],
         "faults": [fault(2, "kill"), fault(4, "start"), fault(8, "kill"), fault(9, "start")]},
        {"submitted": [{**SENT[0], "attempts": 2}, SENT[1]],
         "carrier": [invite(1), end(2, outcome="busy"), invite(3, call=2, call_id="b"), end(4, call=2)]},
    ],
    "dialled twice": [{"carrier": [invite(1), end(2), invite(3, call=2, call_id="b"), end(4, call=2)]}],
    "never submitted": [{"carrier": GOOD["carrier"] + [invite(1, "+2", 2, "b"), end(2, "+2", 2)]},
                        {"receiver": [event(), event("call.failed", "e2", "+2")]}],
    "lost": [{"receiver": []}, {"receiver": [event("call.ringing")]}],
    "not one terminal event": [{"receiver": [event(), event(ident="e2")]},
                               {"receiver": [event(), event("call.busy", "e2")]}],
    "told after the end": [
        {"receiver": [event(), event("call.answered", "e0")]},
        {"receiver": [event("call.answered", "e0"), event(), event("call.answered", "e0")]},
        {"receiver": [event(), event("call.answered", "e0")], "faults": [{"t": 1, "fact": "failover"}]}],
    "an outcome the carrier has not seen": [{"carrier": []}, {"receiver": [event("call.busy")]}],
    "left up": [{"carrier": [invite(1), end(9.1)], "faults": [fault(2, "kill"), fault(4, "start")]},
                {"carrier": [invite(1), end(12)],
                 "faults": [fault(2, "kill"), fault(4, "start"), fault(11, "kill"), fault(11.5, "start")]},
                {"carrier": [invite(1), end(2, off=True)]}],
    "still up": [{"carrier": [invite(1)], "receiver": [event("call.failed")]}],
}


def verdict(change):
    with tempfile.TemporaryDirectory() as at:
        for name, facts in {**GOOD, **change}.items():
            with open(os.path.join(at, f"{name}.jsonl"), "w", encoding="utf-8") as file:
                file.writelines(json.dumps(fact) + "\n" for fact in facts)
        done = subprocess.run([sys.executable, BOOKS, at], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        found = json.loads(done.stdout)["broken"]
        assert bool(found) == bool(done.returncode)
        return set(found)


def main():
    wrong = [(what, change, found) for what, changes in CASES.items() for change in changes
             for found in [verdict(change)] if (what not in found if what else found)]
    for what, change, found in wrong:
        print(f"FAIL {what or 'nothing'} expected in {change}, found {found or 'nothing'}")
    print(f"{sum(map(len, CASES.values()))} books read")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Goal: several workers on one queue dial each contact once, whatever befalls them. Method: one campaign of
many contacts and short calls at a high rate; while it runs, workers chosen at random are killed, told to
end and started again, or stand still (SIGSTOP) until their lease is over and others have what they held.
The books are those of kill_test.py.

    crowd_test.py [--contacts 100000] [--workers 4] [--cps 1200] [--every-s 2] [--seed 1] [--keep DIRECTORY]

--every-s: from one fault to the next, on average. A worker stands still for 10 to 15 s (a lease is 10 s).
"""
import argparse
import signal
import sys
import time

import kill_test
from kill_test import Run, books, wait_until

TOWN = {"answer": 30, "no_answer": 5, "busy": 50, "decline": 15, "fail": 0, "pdd_ms": "5-40",
        "ring_ms": "20-100", "ring_max_ms": 2000, "digits": "none:1"}


class Crowd(Run):
    def __init__(self, world, args):
        self.asleep, self.counts, self.kinds = {}, {"killed": 0, "stopped": 0, "restarted": 0}, []
        super().__init__(world, args)

    def campaign_list(self):
        return [self.campaign("plain", {}, 200)]

    def wake(self, number, all_of_them=False):
        if number in self.asleep and (all_of_them or time.monotonic() > self.asleep[number]):
            del self.asleep[number]
            self.servers[number].process.send_signal(signal.SIGCONT)

    def fault(self):
        for number in list(self.asleep):
            self.wake(number)
        number = self.rng.randrange(len(self.servers))
        if number in self.asleep:
            return
        if not self.kinds:  # each kind once, in any order, however few faults there is time for
            self.kinds = self.rng.sample(list(self.counts), len(self.counts))
        kind = self.kinds[-1]
        if kind == "stopped" and len(self.asleep) + 1 == len(self.servers):
            return  # somebody has to go on
        self.kinds.pop()
        self.counts[kind] += 1
        server = self.servers[number]
        if kind == "stopped":
            server.process.send_signal(signal.SIGSTOP)
            self.asleep[number] = time.monotonic() + 10 + 5 * self.rng.random()
        elif kind == "killed":
            self.end(number, server)
            self.servers[number] = self.start(number)
        else:
            assert server.stop(60) == 0
            server.close()
            self.servers[number] = self.start(number)

    def alive(self):
        return next(s for n, s in enumerate(self.servers) if n not in self.asleep)

    def run(self):
        begin, total = time.monotonic(), self.args.contacts
        receiver = books.Receiver(self.world.path("receiver.jsonl"))
        last = 0.0
        while len(receiver.read().ends) < total:
            self.fault()
            self.legs.read()
            assert time.monotonic() - begin < self.args.limit_s, \
                f"only {len(receiver.ends)} of {total} ended in {self.args.limit_s} s"
            if time.monotonic() - last > 20:
                last = time.monotonic()
                print(f"{len(receiver.ends)} of {total} ended after {last - begin:.0f} s {self.counts}", flush=True)
            until = time.monotonic() + self.rng.expovariate(1 / self.args.every_s)
            while time.monotonic() < until:
                self.events.poll()  # the stream keeps no more than some seconds' events of so many calls
                time.sleep(0.2)
            if len(receiver.ends) >= 0.99 * total:
                break
        for number in list(self.asleep):
            self.wake(number, True)
        wait_until(lambda: len(receiver.read().ends) >= total, self.args.limit_s, "the last events")
        print(f"{total} contacts in {time.monotonic() - begin:.0f} s, {self.counts}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=100000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--cps", type=int, default=1200)
    parser.add_argument("--every-s", type=float, default=2)
    parser.add_argument("--limit-s", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep")
    args = parser.parse_args()
    args.in_flight, args.failovers, args.redis_kills, args.redis_hangs = 100 * args.workers, 0, 0, 0
    args.redial = False
    args.town = TOWN

    def go(world):
        run = Crowd(world, args)
        run.run()
        run.check()
        assert all(run.counts.values()), f"not every kind of fault came: {run.counts}"
        return f"{run.counts}"
    return kill_test.judge("crowd", args, go)


if __name__ == "__main__":
    sys.exit(main())

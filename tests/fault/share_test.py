#!/usr/bin/env python3
"""Goal: processes on one Redis keep one rate and one cap on calls together: never above them at the
carrier, and nearly all of the rate used, whatever is killed.

Method: a campaign over three `outdial serve` with one cps_key; one is killed with SIGKILL in the middle
and started again two seconds later. The carrier's ledger has the kernel's time of every INVITE. Then calls that talk for a while, through a trunk
that takes --max-calls of them, for an agent that takes half as many.

    share_test.py [--cps 60] [--seconds 12] [--kills 1] [--least 95] [--quiet-least 95] [--max-calls 20]

Exit 1 when a second had more than --cps INVITEs, or when less than --least percent of the rate was used
outside of the two seconds after a kill, or less than --quiet-least of that in which the machine let the
workers run (a busy one wakes processes too late for some of their slots).
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Redis, Watch, World, most_at_once, wait_until  # noqa: E402

TOWN = {"answer": 30, "no_answer": 0, "busy": 60, "decline": 10, "fail": 0, "pdd_ms": "10-100",
        "ring_ms": "50-300"}
AFTER_KILL_S, QUIET_S = 2, 2


def start(redis, carrier, number, trunk):
    return redis.serve(number, [{"name": "line", "server": carrier.address, **trunk}])


def invites(carrier):
    return sorted(f["mono_ns"] / 1e9 for f in carrier.facts("invite") if not f["retransmission"])


def most_in_a_second(times):
    most = first = 0
    for i, at in enumerate(times):
        while times[first] <= at - 1:
            first += 1
        most = max(most, i - first + 1)
    return most


def used(times, kills, cps, steps=None):
    """The share of the rate that was used outside of the seconds after the kills, while work
    waited; and in how many seconds. steps: in those alone."""
    begin, end = times[0] + 2, times[-1] - 1  # the first shares are being found, the last calls few
    away = sorted((max(k, begin), min(k + AFTER_KILL_S, end)) for k in kills)
    if steps is None:
        edges = [begin, *(t for pair in away for t in pair), end]
        steps = list(zip(edges[::2], edges[1::2]))
    else:
        steps = [(a, b) for a, b in steps
                 if begin <= a and b <= end and not any(c < b and a < d for c, d in away)]
    seconds = sum(max(0, b - a) for a, b in steps)
    inside = sum(any(a <= t < b for a, b in steps) for t in times)
    return inside / (seconds * cps) if seconds else 0, seconds


def one_rate(world, args):
    redis = Redis(world)
    carrier = world.carrier(TOWN, ["--no-rtp"])
    trunk = {"cps_key": "one", "cps_limit": args.cps, "max_calls": 500}
    servers = [start(redis, carrier, i, trunk) for i in range(3)]
    watch = Watch()
    watch.pids = {redis.pid, *(server.pid for server in servers)}
    watch.start()
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=servers[0])
    campaign = begin(world, servers[0], "short", args.cps * args.seconds)
    wait_until(lambda: len(invites(carrier)) > 2 * args.cps, 30, "the first calls")
    kills, between = [], (args.seconds - 4) / (args.kills + 1)
    for i in range(args.kills):
        goal = int(args.cps * (3 + between * i))
        wait_until(lambda g=goal: len(invites(carrier)) > g, 60, f"{goal} calls")
        victim = 1 + i % 2
        kills.append(time.monotonic())
        servers[victim].kill()
        wait_until(lambda k=kills[-1]: time.monotonic() > k + AFTER_KILL_S, 5, "two seconds")
        servers[victim] = start(redis, carrier, victim, trunk)
        watch.pids = {redis.pid, *(server.pid for server in servers)}
    servers[0].wait_campaign(campaign, 90)
    steps = watch.stop()
    times = invites(carrier)
    most, (share, _) = most_in_a_second(times), used(times, kills, args.cps)
    quiet, quiet_s = used(times, kills, args.cps, steps)
    for server in servers:
        server.stop()
    print(f"     {len(times)} INVITEs, most in a second {most} of {args.cps}, "
          f"{100 * share:.1f} % used; {100 * quiet:.1f} % in the {quiet_s:.1f} s in which the machine let "
          "the workers run", flush=True)
    assert most <= args.cps, f"{most} INVITEs in a second, {args.cps} allowed"
    assert 100 * share >= args.least, f"only {100 * share:.1f} % of the rate was used"
    if quiet_s >= QUIET_S:
        assert 100 * quiet >= args.quiet_least, f"only {100 * quiet:.1f} % of the rate was used in {quiet_s:.1f} s"


def one_cap(world, args, max_calls, agent_calls):
    redis = Redis(world)
    carrier = world.carrier({"answer": 100, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0,
                             "pdd_ms": "10-50", "ring_ms": "50-100", "digits": "none:1"},
                            ["--no-rtp"])
    trunk = {"cps_limit": 100, "max_calls": max_calls}
    servers = [start(redis, carrier, i, trunk) for i in range(3)]
    agent = world.agent("long", [{"pause": 800}, {"hangup": {}}], outdial={
        "agent": {"kind": "script", "steps": [{"pause": 800}, {"hangup": {}}]},
        "max_calls": agent_calls})
    world.cli("agent", "put", agent, server=servers[0])
    most_allowed = min(n for n in (max_calls, agent_calls) if n)
    campaign = begin(world, servers[0], "long", 5 * most_allowed)
    view = servers[0].wait_campaign(campaign, 120)
    assert view["counts"]["outcomes"].get("completed", 0) == 5 * most_allowed, view["counts"]
    for server in servers:
        server.stop()
    carrier.finish()
    most, _ = most_at_once(carrier.facts())
    print(f"     most at once {most} of {most_allowed}", flush=True)
    assert most <= most_allowed, f"{most} calls at once, {most_allowed} allowed"
    assert most > most_allowed // 2, f"never more than {most} of {most_allowed} calls at once"


def live_changes_are_everybodys(world):
    redis = Redis(world)
    carrier = world.carrier(TOWN, ["--no-rtp"])
    trunk = {"cps_limit": 10, "max_calls": 50}
    first, second = (start(redis, carrier, i, trunk) for i in range(2))

    def seen(**expected):
        view = second.api("GET", "/trunks/line")
        return view if all(view[k] == v for k, v in expected.items()) else None

    slowest = 0
    for method, path, body, expected in (
            ("PATCH", "/trunks/line", {"cps": 25, "max_calls": 7}, {"cps": 25, "max_calls": 7}),
            ("POST", "/trunks/line/pause", None, {"usable": False, "reason": "paused"})):
        first.api(method, path, body)
        begun = time.monotonic()
        view = wait_until(lambda e=expected: seen(**e), 10, f"{expected} in the other process", 0.02)
        slowest = max(slowest, time.monotonic() - begun)
    print(f"     told within {1000 * slowest:.0f} ms", flush=True)
    changes = wait_until(lambda: seen(usable=False)["changes"][1:] and seen(usable=False)["changes"],
                         10, "who did it")
    assert changes[0]["what"] == "pause" and changes[0]["who"] and changes[0]["at"], changes
    second.stop()
    second = start(redis, carrier, 1, trunk)
    view = seen(cps=25, max_calls=7, usable=False, reason="paused")
    assert view and view["changes"] == changes, second.api("GET", "/trunks/line")
    second.api("POST", "/trunks/line/resume")
    wait_until(lambda: first.api("GET", "/trunks/line")["usable"], 10, "the trunk to be usable")
    first.stop()
    second.stop()


def begin(world, server, agent, count):
    campaign = world.cli("campaign", "create", "shared", "--agent", agent,
                         server=server).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(count), server=server)
    world.cli("campaign", "start", campaign, server=server)
    return campaign


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cps", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--least", type=float, default=95)
    parser.add_argument("--quiet-least", type=float, default=95)
    parser.add_argument("--max-calls", type=int, default=20)
    args = parser.parse_args()
    scenes = {"one rate over three processes": lambda w: one_rate(w, args),
              "one cap of a trunk": lambda w: one_cap(w, args, args.max_calls, 0),
              "live changes are everybody's": live_changes_are_everybodys,
              "one cap of an agent": lambda w: one_cap(w, args, 500, args.max_calls // 2)}
    failed = 0
    for name, scene in scenes.items():
        world = World("share")
        try:
            scene(world)
            print(f"ok   {name}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAIL {name}: {error}", flush=True)
            world.tell()
        finally:
            world.end()
    return 1 if failed else 0


sys.exit(main())

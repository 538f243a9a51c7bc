#!/usr/bin/env python3
"""Goal: nobody is called twice, whatever dies; what was under way ends as `unknown`; the rest is dialled
by the next start. Method: kill -9 of the daemon, and of its Redis, in the middle of a campaign; the
carrier's ledger counts the calls to every number."""
import collections
import os
import signal

from harness import main, wait_until

TOWN = {"answer": 50, "no_answer": 10, "busy": 30, "decline": 10, "fail": 0, "pdd_ms": "20-200",
        "ring_ms": "200-1500", "digits": "none:1"}
COUNT = 120


def trunks(carrier):
    return [{"name": "main", "server": carrier.address, "cps_limit": 20, "max_calls": 100,
             "ring_timeout_s": 4}]


def begin(world, carrier):
    server = world.serve(trunks(carrier))
    world.cli("agent", "put", world.agent("short", [{"pause": 4000}, {"hangup": {}}]), server=server)
    campaign = world.cli("campaign", "create", "c", "--agent", "short", server=server).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(COUNT), server=server)
    world.cli("campaign", "start", campaign, server=server)
    return server, campaign


def dialled(carrier):
    return len(carrier.calls_by_number())


def check_books(server, carrier, campaign):
    view = server.wait_campaign(campaign, 60)
    counts = collections.Counter(c["status"] for c in server.contacts(campaign))
    assert sum(counts.values()) == view["counts"]["ended"] == COUNT, (counts, view)
    assert dict(counts) == view["counts"]["outcomes"], (counts, view)
    twice = {n: k for n, k in carrier.calls_by_number().items() if k > 1}
    assert not twice, f"called twice: {twice}"
    # Whoever was never called can't have an outcome of the callee's, and nobody is left out.
    called = set(carrier.calls_by_number())
    for contact in server.contacts(campaign):
        if contact["to"] not in called:
            assert contact["status"] == "unknown", f"{contact['to']} was never called: {contact}"
    return counts


def no_leg_is_left(carrier, server):
    """The calls of the process that died end at the carrier, though its SIP port died with it."""
    before = {fact["call"] for fact in carrier.facts("invite")}
    new = {fact["call"] for fact in carrier.facts("invite")
           if fact["t"] > server.ready_at}

    def left():
        return (before - new) - {fact["call"] for fact in carrier.facts("end")}
    wait_until(lambda: not left(), 5, "the dead daemon's calls to end at the carrier")


def kill_of_the_daemon(world):
    carrier = world.carrier(TOWN)
    server, campaign = begin(world, carrier)
    for part in (1, 2):
        wait_until(lambda p=part: dialled(carrier) >= p * COUNT // 3, 30, "a part of the calls")
        server.process.send_signal(signal.SIGKILL)
        server.wait(10)
        server = world.serve(trunks(carrier))
        no_leg_is_left(carrier, server)
    counts = check_books(server, carrier, campaign)
    print(f"     {dict(counts)}")
    assert 0 < counts["unknown"] <= COUNT // 2, counts
    assert server.stop() == 0


def kill_of_redis(world):
    carrier = world.carrier(TOWN)
    server, campaign = begin(world, carrier)
    wait_until(lambda: dialled(carrier) >= COUNT // 3, 30, "a part of the calls")
    first = server.redis_pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: server.redis_pid() != first, 20, "another Redis")
    counts = check_books(server, carrier, campaign)
    print(f"     {dict(counts)}")
    assert counts["unknown"] == 0, counts
    assert server.stop() == 0


def term_in_the_middle(world):
    """An ordered end lets calls under way end, hands the rest back, and the next start goes on."""
    carrier = world.carrier(TOWN)
    server, campaign = begin(world, carrier)
    wait_until(lambda: dialled(carrier) >= COUNT // 3, 30, "a part of the calls")
    assert server.stop() == 0
    before = dialled(carrier)
    assert before < COUNT, "the whole campaign went out during the drain"
    server = world.serve(trunks(carrier))
    counts = check_books(server, carrier, campaign)
    print(f"     {before} dialled before the end, then {dict(counts)}")
    assert counts["unknown"] == 0, counts
    server.stop()
    carrier.finish()


main(kill_of_the_daemon, kill_of_redis, term_in_the_middle)

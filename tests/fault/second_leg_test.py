#!/usr/bin/env python3
"""Goal: a callee who is handed on by a second leg, and whoever that rings, are both hung up whatever befalls Redis and
us meanwhile, nobody is dialled twice, and the call has the one end that is true of it. Method: two carriers, the
callee's and the desk's; while the desk rings, and while the two talk, Redis is killed and started again, or its replica takes
over without what was written since before the second leg was ordered; each with outdial left alive, and killed too.

    second_leg_test.py [CASE...]    a case is ringing|talking, then redis|failover, then alive|killed: ringing-redis-alive
"""
import itertools
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import invites, main, wait_until  # noqa: E402
from servers import Pair, Redis  # noqa: E402

CALLEE = {"answer": 100, "busy": 0, "no_answer": 0, "decline": 0, "fail": 0, "pdd_ms": "10", "ring_ms": "100",
          "early_media": 0, "digits": "none"}
CUSTOMER, DESK = "+15550001111", "+16660000001"
LIVE = ("created", "queued", "waiting", "start_hook", "dialing", "ringing", "talking")


def serve(world, redis, one, two):
    server = world.serve([{"name": "main", "server": one.address, "cps_limit": 0, "prefixes": ["+1555"]},
                          {"name": "desk", "server": two.address, "cps_limit": 0, "prefixes": ["+1666"]}],
                         extra={"data_dir": world.path("data"), "redis": {"url": f"unix://{redis.path}"}})
    return server


def facts(carrier, kind):
    return [f for f in carrier.facts() if f["fact"] == kind]


def is_at(two, moment):
    """The desk's phone rings, or the two are joined."""
    return facts(two, "ack" if moment == "talking" else "invite")


def shown(server, ident):
    try:
        return server.api("GET", f"/calls/{ident}")
    except (AssertionError, OSError):
        return None  # Redis is away


def case(world, moment, fault, worker):
    # The desk hangs up by itself, long after all that is done to us; its phone rings for as long.
    long_ms = "7000" if worker == "alive" else "30000"
    one = world.carrier(CALLEE, ["--no-rtp"])
    two = world.carrier({**CALLEE, **({"ring_ms": long_ms} if moment == "ringing" else {}), "ring_max_ms": 30000,
                         "hangup_ms": long_ms}, ["--no-rtp"], name="desk")
    redis = Pair(world) if fault == "failover" else Redis(world)
    server = serve(world, redis, one, two)
    server.api("POST", "/agents", {"name": "bot", "number": "+15550009999", "outdial": {
        "agent": {"kind": "script", "steps": [{"pause": 3000}, {"transfer": {
            "to": DESK, "mode": "bridge", "ring_timeout_s": 40}}]}}})
    ident = server.api("POST", "/calls", {"to": CUSTOMER, "agent": "bot"})["id"]
    wait_until(lambda: shown(server, ident)["status"] == "talking", 20, "the callee to talk")
    if fault == "failover":
        redis.in_step()
        assert not facts(two, "invite"), "the second leg was ordered before the replica left its master"
        redis.failover(0, lambda until: wait_until(lambda: is_at(two, moment), 20, f"the desk to be {moment}"))
    else:
        wait_until(lambda: is_at(two, moment), 20, f"the desk to be {moment}")
        redis.kill()
    if worker == "killed":
        server.process.send_signal(signal.SIGKILL)
        server.wait(10)
    if fault == "redis":
        redis.start()
    if worker == "killed":
        server = serve(world, redis, one, two)
    else:
        assert not facts(one, "end") and not facts(two, "end"), "a fault of Redis's ended a call"
    for carrier in (one, two):
        wait_until(lambda c=carrier: {f["call"] for f in facts(c, "invite")} == {f["call"] for f in facts(c, "end")},
                   60, f"{carrier.name}'s leg to end")
        assert len(invites(carrier)) == 1, "dialled twice"
    view = wait_until(lambda: (shown(server, ident) or {"status": LIVE[0]})["status"] not in LIVE and
                      shown(server, ident), 40, "the call to end")
    if worker == "killed":
        assert view["status"] == "unknown", view
        (end,) = facts(two, "end")
        assert end["cancelled"] if moment == "ringing" else end["hung_up_by"] == "caller", end
    else:
        assert view["status"] == "completed", view
        (note,) = view["media"]["transfers"]
        assert note["outcome"] == "completed" and note["to"] == DESK and note["talk_ms"] > 6000, note
    assert "Sanitizer" not in server.stderr()
    assert server.stop() == 0


def named(moment, fault, worker):
    def run(world):
        case(world, moment, fault, worker)
    run.__name__ = f"{moment}-{fault}-{worker}"
    return run


main(*(named(*how) for how in itertools.product(("ringing", "talking"), ("redis", "failover"), ("alive", "killed"))))

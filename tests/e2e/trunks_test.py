#!/usr/bin/env python3
"""Goal: a trunk that dies costs nobody their call, a callee's verdict is never dialled again through
another trunk, and a carrier's hidden limit is found. Method: the whole command against two simulated
carriers, one of which is killed, stopped, or slower than it was said to be; their ledgers have every
INVITE. OUTDIAL_E2E_DRIFT_S: seconds for which a hidden limit stays what it is (24 and more)."""
import datetime
import os
import signal
import time

from harness import Redis, Watch, invites, main, numbers, wait_until
from harness import start_campaign as start

COUNT, CPS = 100, 30
# A hidden limit stays for so long: 20 s to be found, and some more to be seen kept.
DRIFT_S, FOUND_S = int(os.environ.get("OUTDIAL_E2E_DRIFT_S", "26")), 20
QUIET_S = 1.5  # of which the machine must have let us run in so many, for what was sent to say anything
CALLEES = {"answer": 0, "no_answer": 0, "busy": 60, "decline": 40, "fail": 0, "pdd_ms": "20-60",
           "ring_ms": "50-200"}
PATIENCE_MS = 1000
TOLD_NS = 1_000_000_000  # 150 ms, and what a busy machine adds
BUSY = 10  # a machine shared with others may be so much later
VERDICTS = {"busy", "declined"}


def two_trunks(world, first=None, second=None, **more):
    carriers = [world.carrier({**CALLEES, **(first or {})}, ["--no-rtp"], name="first"),
                world.carrier({**CALLEES, **(second or {})}, ["--no-rtp"], name="second")]
    server = world.serve([{"name": f"t{i + 1}", "server": carrier.address, "cps_limit": CPS,
                           "max_calls": 100, "priority": i + 1, "ring_timeout_s": 3,
                           "setup_timeout_s": 3, **more}
                          for i, carrier in enumerate(carriers)])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    return *carriers, server


def every_outcome_is_a_callees(server, campaign, count, rang=()):
    """rang: the numbers whose phones may have rung when their carrier fell silent."""
    contacts = server.contacts(campaign)
    assert len(contacts) == count
    wrong = [c for c in contacts if c["status"] not in VERDICTS and
             not (c["status"] == "no_answer" and c["to"] in rang)]
    assert not wrong, f"{len(wrong)} not by the callee: {wrong[:2]}"
    return contacts


def gap_ms(server, contact):
    """Between the two INVITEs of a call whose first trunk was unreachable, by its own ladder; None
    for one that the trunk had taken before it died, or that was armed for it and never sent there."""
    trace = server.api("GET", f"/calls/{contact['id']}/trace")["trace"]
    sent = [i for i, line in enumerate(trace) if line["text"].startswith("INVITE")]
    if len(sent) < 2 or any("100 Trying" in line["text"] for line in trace[sent[0]:sent[1]]):
        return None
    first, second = (datetime.datetime.fromisoformat(trace[i]["at"].rstrip("Z")) for i in sent[:2])
    return (second - first).total_seconds() * 1000


def failover_ms(first, second, since=0):
    """Milliseconds from a number's last INVITE at the first carrier (since then) to its first at the
    second, by the kernel's time of each datagram, sorted."""
    last, then = {}, {}
    for fact in sorted(invites(first), key=lambda f: f["mono_ns"]):
        if fact["mono_ns"] >= since:
            last[fact["number"]] = fact["mono_ns"]
    for fact in sorted(invites(second), key=lambda f: f["mono_ns"]):
        then.setdefault(fact["number"], fact["mono_ns"])
    return sorted((then[n] - last[n]) / 1e6 for n in last if n in then)


def tell_failover(what, gaps):
    print(f"     {what}: {len(gaps)} calls over to the other trunk after {gaps[0]:.0f} to {gaps[-1]:.0f} ms, "
          f"median {gaps[len(gaps) // 2]:.0f} ms")


def an_unreachable_trunk(world):
    first, second, server = two_trunks(world)
    campaign = start(world, server, COUNT)
    wait_until(lambda: len(invites(first)) >= COUNT // 4, 30, "the first trunk to be at work")
    first.kill()
    server.wait_campaign(campaign, 60)
    contacts = every_outcome_is_a_callees(server, campaign, COUNT, numbers(first))
    over = [c for c in contacts if c["attempts"] > 1]
    gaps = [gap for gap in (gap_ms(server, c) for c in over) if gap is not None]
    trunk = server.api("GET", "/trunks/t1")
    assert trunk["health"] in ("down", "probing") and trunk["health_reason"], trunk
    assert gaps, "nobody was dialled by the dead trunk"
    tell_failover(f"unreachable ({len(over)} tried again; {trunk['health_reason']})", sorted(gaps))
    assert max(gaps) < 200 * BUSY, gaps
    server.stop()
    second.finish()


def a_silent_trunk_and_its_return(world):
    first, second, server = two_trunks(world, patience_ms=PATIENCE_MS)
    campaign = start(world, server, COUNT)
    wait_until(lambda: len(invites(first)) >= COUNT // 4, 30, "the first trunk to be at work")
    stopped = time.monotonic_ns()
    first.process.send_signal(signal.SIGSTOP)
    server.wait_campaign(campaign, 90)
    every_outcome_is_a_callees(server, campaign, COUNT, numbers(first))
    assert invites(second)
    first.process.send_signal(signal.SIGCONT)
    back = time.monotonic_ns()
    # What was sent to it meanwhile it reads now, with the time at which it came.
    seen = []
    wait_until(lambda: seen.append(len(invites(first))) or seen[-5:] == 5 * [seen[-1]], 20,
               "the ledger of what fell silent", 0.2)
    gaps = failover_ms(first, second, stopped)
    tell_failover(f"silent, patience {PATIENCE_MS} ms", gaps)
    assert gaps[0] >= PATIENCE_MS - 100 and gaps[-1] < PATIENCE_MS + 200 * BUSY, gaps
    seen = len(invites(first))
    again = start(world, server, COUNT, "again", COUNT)
    server.wait_campaign(again, 90)
    every_outcome_is_a_callees(server, again, COUNT)
    wait_until(lambda: server.api("GET", "/trunks/t1")["health"] != "down", 60, "the trunk's return")
    print(f"     it takes calls again {(time.monotonic_ns() - back) / 1e9:.1f} s after its return")
    third = start(world, server, COUNT, "third", 2 * COUNT)
    server.wait_campaign(third, 60)
    wait_until(lambda: len(invites(first)) > seen + COUNT // 4, 10, "calls by the first trunk again")
    assert server.api("GET", "/trunks/t1")["health"] == "up"
    server.stop()
    first.finish()
    second.finish()


def a_trunk_that_refuses_everything(world):
    first, second, server = two_trunks(world, {"busy": 0, "decline": 0, "fail": 1,
                                               "fail_codes": "503"})
    campaign = start(world, server, COUNT)
    server.wait_campaign(campaign, 60)
    every_outcome_is_a_callees(server, campaign, COUNT)
    tell_failover(f"503 ({len(invites(first))} INVITEs at the trunk that refuses)",
                  failover_ms(first, second))
    assert len(numbers(second)) == len(invites(second)) == COUNT
    server.stop()
    first.finish()
    second.finish()


def a_callees_verdict_stays(world):
    verdicts = {"fail": 20, "fail_codes": "480,600"}
    first, second, server = two_trunks(world, verdicts, verdicts)
    campaign = start(world, server, COUNT)
    server.wait_campaign(campaign, 60)
    assert not numbers(first) & numbers(second)
    assert len(invites(first)) + len(invites(second)) == COUNT
    server.stop()
    first.finish()
    second.finish()


def a_hidden_limit_that_drifts(world):
    drift = [(0, 20), (DRIFT_S, 35), (2 * DRIFT_S, 20)]  # after so many seconds, so many a second
    carrier = world.carrier({**CALLEES, "cps_limit": 20,
                             "cps_drift": ",".join(f"{at}:{to}" for at, to in drift[1:])},
                            ["--no-rtp"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 100,
                           "max_calls": 200}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    watch = Watch()
    watch.pids = {server.pid, server.redis_pid(), carrier.pid}
    watch.start()
    campaign = start(world, server, 30 * 3 * DRIFT_S)
    begin = wait_until(lambda: invites(carrier), 20, "the first call")[0]["mono_ns"]
    seen = []  # working rates: seconds after the first INVITE, calls a second
    while not seen or seen[-1][0] < 3 * DRIFT_S:
        rate = server.api("GET", "/trunks/main")["working_cps"]
        seen.append(((time.monotonic_ns() - begin) / 1e9, rate))
        time.sleep(0.25)
    end = begin + seen[-1][0] * 1e9
    reason = server.api("GET", "/trunks/main")["rate_reason"]
    steps = [((a * 1e9 - begin) / 1e9, (b * 1e9 - begin) / 1e9) for a, b in watch.stop()]
    world.cli("campaign", "cancel", campaign, server=server)
    refused = {fact["call_id"] for fact in carrier.facts("refused") if fact["code"] == 503}
    all_of = [fact for fact in invites(carrier) if fact["mono_ns"] <= end]
    later = [fact for fact in all_of if fact["mono_ns"] >= begin + 10_000_000_000]
    bad = [fact for fact in later if fact["call_id"] in refused]
    print(f"     after 10 s {len(bad)} of {len(later)} refused; {reason}")
    assert len(bad) < 0.03 * len(later), (len(bad), len(later))
    for (at, limit), until in zip(drift, [at for at, _ in drift[1:]] + [seen[-1][0]]):
        settled = at + FOUND_S
        rates = [rate or 100 for when, rate in seen if settled <= when < until]
        accepted = [(fact["mono_ns"] - begin) / 1e9 for fact in all_of if fact["call_id"] not in refused]
        taken = sum(settled <= when < until for when in accepted) / (until - settled)
        quiet = [(a, b) for a, b in steps if settled <= a and b <= until]
        quiet_s = sum(b - a for a, b in quiet)
        by_us = sum(any(a <= when < b for a, b in quiet) for when in accepted) / quiet_s if quiet_s else 0
        print(f"     limit {limit}: from {settled - at:.0f} s on {taken:.1f} taken a second, {by_us:.1f} in the "
              f"{quiet_s:.1f} s in which the machine let us run, working rate {min(rates):.1f} to {max(rates):.1f}")
        assert taken <= 1.15 * limit, (limit, taken)
        assert taken >= 0.85 * limit or by_us >= 0.85 * limit or quiet_s < QUIET_S, (limit, taken, by_us)
        assert 0.85 * limit <= min(rates) and max(rates) <= 1.15 * limit, (limit, rates)
    server.stop()
    carrier.finish()


def heard_refusals(carrier):
    """By Call-ID: when a 503 was heard, which is when its ACK left."""
    refused = {fact["call_id"] for fact in carrier.facts("refused") if fact["code"] == 503}
    heard = {}
    for fact in carrier.facts("ack"):
        if fact["call_id"] in refused:
            heard.setdefault(fact["call_id"], fact["mono_ns"])
    return heard


def retry_after_is_obeyed(world):
    carrier = world.carrier({**CALLEES, "cps_limit": 5, "retry_after_s": 2}, ["--no-rtp"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 100,
                           "max_calls": 200}], extra={"failover": {"tries": 8}})
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    campaign = start(world, server, 15)
    server.wait_campaign(campaign, 60)
    every_outcome_is_a_callees(server, campaign, 15)
    refused = heard_refusals(carrier)
    assert refused, "nothing was refused"
    for at in refused.values():  # what left in the same turn apart
        early = [fact for fact in invites(carrier)
                 if at + 50_000_000 < fact["mono_ns"] < at + 2_000_000_000]
        assert not early, (at, early)
    server.stop()
    carrier.finish()


def retry_after_is_everybodys(world):
    """What one process hears, another on the same Redis keeps as well, as soon as it has been told."""
    carrier = world.carrier({**CALLEES, "cps_limit": 100, "cps_drift": "2:5", "retry_after_s": 2}, ["--no-rtp"])
    redis = Redis(world)
    trunk = {"name": "main", "server": carrier.address, "cps_limit": 20, "max_calls": 200}
    servers = [redis.serve(i, [trunk], failover={"tries": 8}) for i in range(2)]
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=servers[0])
    campaign = start(world, servers[0], 60)
    servers[0].wait_campaign(campaign, 90)
    every_outcome_is_a_callees(servers[0], campaign, 60)
    source = {fact["call_id"]: fact["source"] for fact in invites(carrier)}
    refused = sorted((at, source[call_id]) for call_id, at in heard_refusals(carrier).items())
    early, told = [], 0
    for at, by in refused:
        for fact in invites(carrier):
            after = fact["mono_ns"] - at
            if 50_000_000 < after < 2_000_000_000:
                told = max(told, after)
                if fact["source"] == by or after > TOLD_NS:
                    early.append((by, fact["source"], after))
    print(f"     {len(refused)} refusals, by {len({by for _, by in refused})} processes; the last INVITE before "
          f"its time left {told / 1e6:.0f} ms after one")
    assert refused and len(set(source.values())) == 2, source
    assert not early, early
    for server in servers:
        server.stop()
    carrier.finish()


def changes_take_effect_while_it_runs(world):
    first, second, server = two_trunks(world)
    campaign = start(world, server, 2 * COUNT)
    wait_until(lambda: len(invites(first)) >= 10 and len(invites(second)) >= 10, 20, "both at work")
    world.cli("trunks", "pause", "t1", server=server)
    paused = time.monotonic_ns()
    trunk = server.api("GET", "/trunks/t1")
    assert not trunk["usable"] and trunk["reason"] == "paused", trunk
    assert trunk["changes"][0]["what"] == "pause" and trunk["changes"][0]["who"], trunk
    seen = len(invites(second))
    wait_until(lambda: len(invites(second)) >= seen + 40, 20, "calls by the other trunk")
    late = [fact for fact in invites(first) if fact["mono_ns"] > paused + 1_000_000_000]
    assert not late, f"{len(late)} INVITEs a second and more after the pause"
    world.cli("trunks", "set", "t2", "--cps", "2", "--max-calls", "7", server=server)
    trunk = server.api("GET", "/trunks/t2")
    assert trunk["cps"] == 2 and trunk["max_calls"] == 7, trunk
    slow = time.monotonic_ns() + 1_000_000_000
    since = lambda: [fact for fact in invites(second) if fact["mono_ns"] > slow]
    wait_until(lambda: time.monotonic_ns() > slow + 2_000_000_000 and len(since()) >= 3, 20, "calls at the new rate")
    early = [fact for fact in since() if fact["mono_ns"] < slow + 2_000_000_000]
    assert len(early) <= 5, "the new rate is not kept"
    world.cli("trunks", "set", "t2", "--configured-cps", server=server)
    world.cli("trunks", "resume", "t1", server=server)
    server.wait_campaign(campaign, 60)
    every_outcome_is_a_callees(server, campaign, 2 * COUNT)
    world.cli("trunks", "drain", "t2", server=server)
    assert server.api("GET", "/trunks/t2")["reason"] == "drained"
    server.api("PATCH", "/trunks/t2", {"cps": -1}, status=400)
    server.api("POST", "/trunks/none/pause", status=404)
    server.stop()
    first.finish()
    second.finish()


main(changes_take_effect_while_it_runs, an_unreachable_trunk, a_silent_trunk_and_its_return, a_trunk_that_refuses_everything,
     a_callees_verdict_stays, a_hidden_limit_that_drifts, retry_after_is_obeyed, retry_after_is_everybodys)

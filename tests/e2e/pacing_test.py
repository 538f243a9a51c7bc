#!/usr/bin/env python3
"""Goal: a trunk's rate is kept in every window and used almost fully. Method: 300 contacts at 50 a
second against the carrier (OUTDIAL_E2E_CONTACTS: as many); its ledger has the time of every INVITE."""
import os
import statistics

from harness import main, wait_until

COUNT, CPS = int(os.environ.get("OUTDIAL_E2E_CONTACTS", "300")), 50


def evenly_and_never_above(world):
    carrier = world.carrier({"answer": 0, "no_answer": 0, "busy": 80, "decline": 20, "fail": 0,
                             "pdd_ms": "20-300", "ring_ms": "100-800"}, ["--no-rtp", "--once"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": CPS,
                           "max_calls": 300}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    world.cli("campaign", "run", world.contacts(COUNT), "--agent", "short", "--yes", server=server,
              limit_s=COUNT / CPS + 60)
    server.stop()
    verdict = carrier.check("--once", "--max-per-second", str(CPS), "--rate", str(CPS))
    assert verdict["invites"] == COUNT, verdict
    invites = sorted(f["mono_ns"] for f in carrier.facts("invite") if not f["retransmission"])
    rate = (COUNT - 1) * 1e9 / (invites[-1] - invites[0])
    usual = 1e9 / statistics.median(b - a for a, b in zip(invites, invites[1:]))
    print(f"     {rate:.2f} calls/s of {CPS}, usually {usual:.2f}, most in a second {verdict['most_per_second']}, "
          f"spacing p99 {verdict['spacing']['p99_ms']} ms, max {verdict['spacing']['max_ms']} ms")
    # 98 % and more on a machine of its own (printed above); a busy one may wake us late, and what is
    # late is never caught up: there the usual distance is the rate's. tests/unit/core_limit_test.c holds the
    # limiter itself to 98 %.
    assert usual >= 0.9 * CPS and rate >= 0.6 * CPS, f"only {rate:.2f} calls/s of {CPS}, usually {usual:.2f}"
    carrier.finish()


def limits_change_while_it_runs(world):
    carrier = world.carrier({"answer": 0, "no_answer": 0, "busy": 1, "decline": 0, "fail": 0,
                             "pdd_ms": "10-20"}, ["--no-rtp", "--once"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": CPS}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    campaign = world.cli("campaign", "create", "slow", "--agent", "short", "--cps", "5",
                         server=server).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(60), server=server)
    run = world.start_cli("run", "campaign", "start", campaign, "--watch", server=server)
    wait_until(lambda: len(list(carrier.facts("invite"))) >= 10, 20, "ten calls")
    world.cli("campaign", "limits", campaign, "--cps", "40", server=server)
    assert run.wait(20) == 0, run.stderr()
    invites = sorted(f["mono_ns"] for f in carrier.facts("invite") if not f["retransmission"])
    assert len(invites) == 60
    six = min((b - a) / 1e9 for a, b in zip(invites, invites[5:10]))
    last = (invites[-1] - invites[-31]) / 1e9
    assert six >= 0.97, f"six calls at 5/s took {six:.2f} s"
    assert 0.7 <= last <= 3, f"the last 30 calls at 40/s took {last:.2f} s"  # 6 s at 5/s
    carrier.finish()


main(evenly_and_never_above, limits_change_while_it_runs)

#!/usr/bin/env python3
"""Goal: Ctrl-C in `campaign run` pauses the campaign, says how to go on, and going on finishes it.
Method: SIGINT to the command in the middle of a campaign, as a terminal sends it."""
import re
import signal
import time

from harness import main, wait_until

COUNT = 60


def pause_and_resume(world):
    carrier = world.carrier({"answer": 0, "no_answer": 0, "busy": 1, "decline": 0, "fail": 0,
                             "pdd_ms": "20-200"}, ["--no-rtp", "--once"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 10}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    run = world.start_cli("run", "campaign", "run", world.contacts(COUNT), "--agent", "short", "--yes",
                          server=server)
    wait_until(lambda: len(carrier.calls_by_number()) >= 10, 20, "ten calls")
    assert run.stop(20, signal.SIGINT) == 1, run.stderr()
    told = re.search(r"outdial (campaign resume (\S+) --watch)", run.stderr())
    assert told, run.stderr()
    campaign = told.group(2)
    assert server.campaign(campaign)["state"] == "paused"

    # Paused is paused: once the calls under way are over, nothing more goes out.
    wait_until(lambda: server.campaign(campaign)["counts"]["active"] == 0, 20, "no call under way")
    before = len(carrier.calls_by_number())
    assert before < COUNT
    time.sleep(1)  # a second at this pace would be ten calls
    assert len(carrier.calls_by_number()) == before

    world.cli(*told.group(1).split(), server=server, limit_s=60)
    view = server.campaign(campaign)
    assert view["state"] == "completed" and view["counts"]["outcomes"] == {"busy": COUNT}, view
    server.stop()
    carrier.check("--once", "--max-per-second", "10")
    carrier.finish()


def before_it_starts(world):
    """Nothing is left to run when the campaign was never started: it is canceled."""
    carrier = world.carrier({"answer": 0, "busy": 1, "no_answer": 0, "decline": 0, "fail": 0})
    server = world.serve([{"name": "main", "server": carrier.address}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    empty = world.write("none.csv", "number\nnonsense\n")
    done = world.cli("campaign", "run", empty, "--agent", "short", "--yes", server=server, code=1)
    assert "no row can be dialled" in done.stderr and "canceled" in done.stderr, done.stderr
    assert [c["state"] for c in server.api("GET", "/campaigns")["data"]] == ["canceled"]
    assert not carrier.calls_by_number()


main(pause_and_resume, before_it_starts)

#!/usr/bin/env python3
"""Goal: Ctrl-C in `campaign run` pauses the campaign, says how to go on, and going on finishes it.
Method: SIGINT to the command in the middle of a campaign, as a terminal sends it."""
import os
import pty
import re
import signal
import subprocess
import time

from harness import OUTDIAL, main, wait_until

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


def on_a_terminal(world, server, args, answer):
    """Runs the command on a terminal of its own and types the answer. Exit code and what was shown."""
    master, slave = pty.openpty()
    process = subprocess.Popen([OUTDIAL, *args], stdin=slave, stdout=slave, stderr=slave,
                               env={**os.environ, **server.env(), "TERM": "xterm"}, cwd=world.dir,
                               start_new_session=True)
    os.close(slave)
    shown, answered, end = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < end:
            try:
                piece = os.read(master, 4096)
            except OSError:  # EIO: the last end of the terminal was closed
                break
            if not piece:
                break
            shown += piece
            if not answered and b"[y/N]" in shown:
                os.write(master, answer)
                answered = True
        return process.wait(timeout=10), shown.decode(errors="replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)


def asks_before_phones_ring(world):
    carrier = world.carrier({"answer": 0, "no_answer": 0, "busy": 1, "decline": 0, "fail": 0,
                             "pdd_ms": "300-400"}, ["--no-rtp"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 10}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    run = ("campaign", "run", world.contacts(5), "--agent", "short", "--cps", "7")

    code, shown = on_a_terminal(world, server, run, b"\n")
    assert code == 1 and "Dial 5 contacts through trunk(s) main at up to 7 calls/s? [y/N]" in shown, shown
    assert "nothing was dialled" in shown and not carrier.calls_by_number(), shown

    code, shown = on_a_terminal(world, server, run, b"y\n")
    assert code == 0 and len(carrier.calls_by_number()) == 5, shown
    assert "\r\033[K[" in shown and "5 of 5" in shown, shown  # a live line, then the table
    assert "\033[33mbusy" in shown, shown
    code, shown = on_a_terminal(world, server, ("campaign", "list", "--no-color"), b"")
    assert code == 0 and "\033" not in shown, shown


main(pause_and_resume, before_it_starts, asks_before_phones_ring)

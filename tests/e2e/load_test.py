#!/usr/bin/env python3
"""Goal: `outdial load` calls at the pace it was told, tells every call's end, and what it tells is what
the other side saw. Method: the simulated carrier, whose summary is the other side's book, with lost
datagrams, challenges, standstills and a limit; sipp's built-in callee as a foreign stack."""
import csv
import json
import os
import signal
import socket
import subprocess

from harness import OUTDIAL, free_port, main, wait_until

QUICK = {"answer": 1, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "pdd_ms": "5-10",
         "ring_ms": "5-20"}


def load(world, target, *args, code=0, env=None, limit_s=60):
    """The result's document."""
    done = world.cli("load", f"sip:+15550000000@{target}", "--json", "--quiet", *args, code=code,
                     env=env, limit_s=limit_s)
    result = json.loads(done.stdout)
    assert sum(result["outcomes"].values()) == result["due"], result
    return result


def each_end_is_told(world):
    """Lost and doubled datagrams change nothing but the number of repeats."""
    carrier = world.carrier({**QUICK, "answer": 70, "no_answer": 5, "busy": 10, "decline": 10,
                             "fail": 5, "fail_codes": "404:1,503:1", "lose": 0.03,
                             "lose_sent": 0.03, "duplicate": 0.05})
    files = [world.path(f"report.{end}") for end in ("html", "json", "csv")]
    result = load(world, carrier.address, "--cps", "50", "--calls", "200", "--numbers", "200",
                  "--hold", "0.1-0.5", "--ring-timeout", "4", "--arrivals", "poisson",
                  *(word for file in files for word in ("--out", file)))
    summary = carrier.finish()
    ours, theirs = result["outcomes"], summary["outcomes"]
    assert result["due"] == summary["calls"] == 200, (result, summary)
    for word, carrier_word in (("answered", "answered"), ("busy", "busy"), ("declined", "declined"),
                               ("refused", "failed")):
        assert ours[word] == theirs[carrier_word], (word, ours, theirs)
    # nothing repeats a lost 180 after the 100 (RFC 3261 section 17.1.1.2): that phone rang unheard
    assert ours["no_answer"] + ours["silent"] == theirs["no_answer"], (ours, theirs)
    assert ours["answered"] > 100 and ours["no_answer"] and ours["refused"], ours
    assert result["statuses"]["486"] == ours["busy"], result
    assert result["retransmits"] > 0, result
    page, text, rows = (open(file, encoding="utf-8").read() for file in files)
    assert page.startswith("<!DOCTYPE html>") and page.count("<svg") == 4, page[:300]
    assert "NaN" not in page and "-nan" not in page and "inf" not in page.lower().split("<body>")[1]
    assert json.loads(text) == result
    table = list(csv.DictReader(rows.splitlines()))
    assert sum(int(row["due"]) for row in table) == 200
    assert sum(int(row["answered"]) for row in table) == ours["answered"]


def a_stall_is_not_hidden(world):
    """While the other side stands still calls go on being due, and each counts its whole wait."""
    carrier = world.carrier({**QUICK, "ring_ms": "1"})
    child = world.start("load", [OUTDIAL, "load", f"sip:1@{carrier.address}", "--cps", "50",
                                 "--duration", "4", "--hold", "0", "--json"])
    wait_until(lambda: " 1 s " in child.stderr(), 20, "the first second")
    os.kill(carrier.pid, signal.SIGSTOP)
    wait_until(lambda: " 3 s " in child.stderr(), 20, "the third second")
    os.kill(carrier.pid, signal.SIGCONT)
    assert child.wait(60) == 0
    result = json.loads(child.stdout())
    setup = result["metrics_ms"]["setup"]
    assert result["due"] == result["outcomes"]["answered"] == 200, result
    # half of the calls were due in the standstill of two seconds: a quarter waited a second or more
    assert setup["p95"] > 1000 and setup["max"] > 1500, setup
    carrier.finish()


def challenges_are_answered(world):
    carrier = world.carrier({**QUICK, "auth": "ann:secret:SHA-256"})
    args = ("--cps", "50", "--calls", "20", "--hold", "0.1")
    good = load(world, carrier.address, *args, "--user", "ann",
                env={"OUTDIAL_LOAD_PASSWORD": "secret"})
    assert good["outcomes"]["answered"] == good["challenged"] == 20, good
    wrong = load(world, carrier.address, *args, "--user", "ann", "--password-file",
                 world.write("password", "guess\n"))
    assert wrong["outcomes"]["refused"] == wrong["statuses"]["401"] == 20, wrong
    without = load(world, carrier.address, *args)
    assert without["outcomes"]["refused"] == 20 and without["challenged"] == 0, without


def audio_goes_both_ways(world):
    carrier = world.carrier({**QUICK, "talk": "babble"})
    result = load(world, carrier.address, "--cps", "20", "--calls", "20", "--hold", "2", "--rtp",
                  "--slo", "loss<=0%,asr>=100%")
    rtp, summary = result["rtp"], carrier.finish()
    assert rtp["calls"] == 20 and rtp["mute"] == 0 and rtp["lost"] == 0, rtp
    assert rtp["sent"] == summary["rtp_in"] and rtp["sent"] >= 20 * 95, (rtp, summary)
    assert rtp["received"] >= 20 * 95, rtp
    assert result["metrics_ms"]["jitter"]["count"] == 20, result
    assert all(goal["met"] for goal in result["objectives"]), result


def the_other_side_hangs_up(world):
    carrier = world.carrier({**QUICK, "hangup_ms": "100-200"})
    result = load(world, carrier.address, "--cps", "50", "--calls", "30", "--hold", "30")
    assert result["ended_by_peer"] == result["outcomes"]["answered"] == 30, result
    carrier.finish()


def interrupted(world):
    """Ctrl-C hangs up and cancels; nobody is left off the hook, no call is left out."""
    carrier = world.carrier({**QUICK, "answer": 1, "no_answer": 1})
    child = world.start("load", [OUTDIAL, "load", f"sip:1@{carrier.address}", "--cps", "50",
                                 "--hold", "60", "--json"])
    wait_until(lambda: " 2 s " in child.stderr(), 20, "two seconds")
    assert child.stop(20, signal.SIGINT) == 0
    result, summary = json.loads(child.stdout()), carrier.finish()
    assert result["interrupted"] and result["outcomes"]["aborted"], result
    assert sum(result["outcomes"].values()) == result["due"] == summary["calls"], (result, summary)
    assert summary["cancels"] == result["outcomes"]["aborted"], (result, summary)


def the_knee_is_found(world):
    """Of a carrier that takes 20 calls in any second."""
    carrier = world.carrier({**QUICK, "cps_limit": 20})
    result = load(world, carrier.address, "--knee", "1000", "--cps", "10", "--duration", "2",
                  "--hold", "0", "--slo", "failed<1%", limit_s=120)
    knee = result["knee"]
    assert 17 <= knee["held_cps"] <= 21 and knee["missed_cps"] <= knee["held_cps"] * 1.06, knee
    missed = load(world, carrier.address, "--cps", "60", "--duration", "1", "--hold", "0", "--slo",
                  "failed<1%", code=1)
    assert missed["statuses"]["503"] and not missed["objectives"][0]["met"], missed
    skipped = load(world, carrier.address, "--cps", "15", "--calls", "10", "--hold", "1",
                   "--max-calls", "4")
    assert skipped["outcomes"]["skipped"] > 0 and skipped["alive_most"] == 4, skipped


def a_foreign_stack(world):
    port = free_port()
    sipp = world.start("sipp", ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin",
                                "-m", "300"])
    result = load(world, f"127.0.0.1:{port}", "--cps", "100", "--calls", "300", "--hold", "0.1")
    assert result["outcomes"]["answered"] == 300, result
    assert sipp.wait(30) == 0


def by_tcp(world):
    """One connection, nothing repeated; one that is lost is made again, and the calls go on by it."""
    port = free_port(socket.SOCK_STREAM)
    callee = ["sipp", "-sn", "uas", "-t", "t1", "-i", "127.0.0.1", "-p", str(port), "-nostdin"]

    def listens():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    first = world.start("sipp", callee)
    wait_until(listens, 20, "sipp to listen")
    result = load(world, f"127.0.0.1:{port};transport=tcp", "--cps", "100", "--calls", "300", "--hold", "0.1")
    assert result["outcomes"]["answered"] == 300 and result["retransmits"] == 0, result
    child = world.start("load", [OUTDIAL, "load", f"sip:1@127.0.0.1:{port};transport=tcp", "--cps", "50",
                                 "--duration", "6", "--hold", "0.1", "--json"])
    wait_until(lambda: " 1 s " in child.stderr(), 20, "the first second")
    first.kill()
    wait_until(lambda: "was lost" in child.stderr(), 20, "the loss to be told")
    world.start("sipp", callee)
    wait_until(listens, 20, "sipp to listen again")
    before = len(child.stderr().splitlines())
    wait_until(lambda: len(child.stderr().splitlines()) > before + 2, 20, "two more seconds", 0.05)
    child.process.send_signal(signal.SIGINT)
    wait_until(lambda: "ending the calls" in child.stderr(), 20, "Ctrl-C to be heard")
    child.process.send_signal(signal.SIGINT)
    assert child.process.wait(30) in (0, 1)
    seconds = [line for line in child.stderr().splitlines() if " s " in line]
    assert len(seconds) > 3, child.stderr()
    outcomes = json.loads(child.stdout())["outcomes"]
    assert outcomes["answered"] > 100, outcomes


def mistakes(world):
    for args, says in ((("sip:1@127.0.0.1", "--cps", "fast"), "--cps: expected a number"),
                       (("sip:1@127.0.0.1", "--cpz", "1"), "did you mean --cps?"),
                       ((), "the target is missing"),
                       (("1@127.0.0.1",), "expected sip:[USER@]HOST[:PORT]"),
                       (("sip:1@127.0.0.1;transport=sctp",), "expected transport=udp, transport=tcp"),
                       (("sip:1@127.0.0.1", "--ca-file", "x"), "a target with transport=tls"),
                       (("sip:1@127.0.0.1", "--slo", "setup_p99<1"), "expected a value in us, ms"),
                       (("sip:1@127.0.0.1", "--knee", "10"), "an --slo that tells"),
                       (("sip:1@127.0.0.1", "--out", "a.txt"), ".html, .json or .csv"),
                       (("sip:1@127.0.0.1", "--user", "a"), "OUTDIAL_LOAD_PASSWORD"),
                       (("sip:ann@127.0.0.1", "--numbers", "5"), "a number of at most 15"),
                       (("sip:1@127.0.0.1", "--header", "Bad"), "NAME: VALUE")):
        done = world.cli("load", *args, code=2)
        assert says in done.stderr and len(done.stderr.splitlines()) == 1, (args, done.stderr)
    assert "--slo" in world.cli("load", "--help").stdout
    busy = free_port()
    taken = subprocess.Popen([OUTDIAL, "carrier", "--listen", f"udp:127.0.0.1:{busy}", "--ready-fd",
                              "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        taken.stdout.readline()
        done = world.cli("load", "sip:1@127.0.0.1", "--listen", f"udp:127.0.0.1:{busy}", code=1)
        assert f"can't listen on udp:127.0.0.1:{busy}" in done.stderr, done.stderr
    finally:
        taken.terminate()
        taken.communicate(timeout=20)


main(each_end_is_told, a_stall_is_not_hidden, challenges_are_answered, audio_goes_both_ways,
     the_other_side_hangs_up, interrupted, the_knee_is_found, a_foreign_stack, by_tcp, mistakes)

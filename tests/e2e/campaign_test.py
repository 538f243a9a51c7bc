#!/usr/bin/env python3
"""Goal: a campaign from a CSV file ends with the outcome that the callee gave, for each contact; what
keys were pressed is the call's result. Method: `outdial campaign run` against the simulated carrier,
whose ledger is the other side's book."""
import collections
import http.server
import json
import os
import pty
import select
import threading

from harness import OUTDIAL, compare_books, main, wait_until

STEPS = [{"say": "Hello {{name}}, press one or two."},
         {"gather": {"digits": 1, "timeout_ms": 3000, "into": "confirmed",
                     "map": {"1": True, "2": False}}},
         {"hangup": {}}]
TOWN = {"answer": 60, "no_answer": 10, "busy": 12, "decline": 10, "fail": 8, "fail_codes": "404:1,410:1",
        "pdd_ms": "20-200", "ring_ms": "200-1500", "digits": "1:0.6,2:0.3,none:0.1",
        "digit_delay_ms": "turn"}


def trunk(carrier, **more):
    return {"name": "main", "server": carrier.address, "cps_limit": 20, "max_calls": 100,
            "ring_timeout_s": 4, **more}


def campaign_of_100(world):
    carrier = world.carrier(TOWN, ["--once"])
    server = world.serve([trunk(carrier)])
    world.cli("agent", "put", world.agent("reminder", STEPS), server=server)
    done = world.cli("campaign", "run", world.contacts(100), "--agent", "reminder", "--yes", "--json",
                     server=server, limit_s=120)
    summary = json.loads(done.stdout)
    assert summary["total"] == summary["imported"] == summary["ended"] == 100, summary
    assert sum(summary["outcomes"].values()) == 100, summary

    counts = compare_books(server, carrier, summary["campaign"])
    assert dict(counts) == summary["outcomes"], (counts, summary)
    assert len(counts) >= 4, f"a town with fewer kinds of endings than expected: {counts}"

    wait_until(lambda: len(list(carrier.facts("rtp"))) >= counts["completed"], 10,
               "the carrier's account of each call's audio")
    pressed = {fact["call_id"]: fact["digits_sent"] for fact in carrier.facts("rtp")}
    by_number = {fact["number"]: pressed.get(fact["call_id"], "") for fact in carrier.facts("end")}
    answered = [c for c in server.contacts(summary["campaign"]) if c["status"] == "completed"]
    wrong = []
    for contact in answered:
        expected = {"1": True, "2": False}.get(by_number[contact["to"]])
        if (contact["result"] or {}).get("confirmed") is not expected:
            wrong.append(f"{contact['to']}: {contact['result']}, pressed {by_number[contact['to']]!r}")
    assert not wrong, "; ".join(wrong[:5])
    assert any((c["result"] or {}).get("confirmed") is True for c in answered)

    assert server.stop() == 0
    carrier.check("--once")
    books = carrier.finish()
    assert books["answered"] == counts["completed"] and books["off_hook"] == 0, books


def rows_that_cannot_be_dialled(world):
    carrier = world.carrier({"answer": 0, "busy": 1, "no_answer": 0, "decline": 0, "fail": 0})
    server = world.serve([trunk(carrier)])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    rows = world.write("rows.csv", "\ufeffName;Phone\r\nAnn;+1 (555) 000-1111\r\nBob;12\r\n"
                                   "\"C;c\";0015550002222\r\nDan;+15550001111\r\n;\r\nEve;\r\n")
    done = world.cli("campaign", "run", rows, "--agent", "short", "--yes", "--json", server=server)
    summary = json.loads(done.stdout)
    assert (summary["imported"], summary["duplicates"]) == (2, 1), summary
    assert "line 3" in done.stderr and "'12'" in done.stderr, done.stderr
    assert summary["outcomes"] == {"busy": 2}, summary
    wait_until(lambda: set(carrier.outcome_by_number()) == {"+15550001111", "+15550002222"}, 10,
               "both numbers' ends in the carrier's ledger")


def single_call_and_its_trace(world):
    carrier = world.carrier({"answer": 1, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0,
                             "digits": "1:1", "ring_ms": "600-800", "pdd_ms": "20-50"})
    server = world.serve([trunk(carrier)])
    world.cli("agent", "put", world.agent("reminder", STEPS), server=server)
    done = world.cli("call", "new", "+15550001234", "--agent", "reminder", "--context",
                     '{"name":"Ann"}', "--watch", "--json", server=server)
    call = json.loads(done.stdout)
    assert call["status"] == "completed" and call["result"] == {"confirmed": True}, call
    for word in ("ringing", "talking", "completed"):
        assert word in done.stderr, done.stderr
    trace = world.cli("call", "trace", call["id"], server=server).stdout
    for word in ("INVITE", "180", "200", "BYE"):
        assert word in trace, trace
    assert "completed" in world.cli("call", "show", call["id"], server=server).stdout
    assert "main" in world.cli("trunks", server=server).stdout
    assert "talking" in world.cli("queue", server=server).stdout


def a_live_view(world):
    """What top shows, as text, as JSON, and on a terminal: repainted until Ctrl-C, then left as it was."""
    carrier = world.carrier({"answer": 0, "no_answer": 1, "busy": 0, "decline": 0, "fail": 0})
    server = world.serve([trunk(carrier, ring_timeout_s=60)])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    call = world.cli("call", "new", "+15550001234", "--agent", "short", server=server).stdout.strip()
    wait_until(lambda: server.api("GET", f"/calls/{call}")["status"] == "ringing", 10, "ringing")
    text = world.cli("top", "--count", "2", "--every", "0.05", server=server).stdout
    assert text.count("ringing 1 ") == 2 and "INVITEs 0.0" in text and "main" in text, text
    sample = json.loads(world.cli("top", "--count", "1", "--json", server=server).stdout)
    assert sample["limits"]["calls"]["ringing"] == 1, sample
    assert sample["trunks"]["data"][0]["name"] == "main", sample

    child, terminal = pty.fork()
    if child == 0:
        os.execve(OUTDIAL, [OUTDIAL, "top", "--every", "0.1"],
                  {**os.environ, **server.env(), "TERM": "xterm"})
    seen = b""

    def screen():
        nonlocal seen
        if select.select([terminal], [], [], 0)[0]:
            seen += os.read(terminal, 65536)
        return seen

    wait_until(lambda: screen().count(b"\x1b[H") >= 3, 20, "three pictures")
    os.write(terminal, b"\x03")
    wait_until(lambda: screen().endswith(b"\x1b[?1049l"), 10, "the screen's end")
    assert os.waitpid(child, 0)[1] == 0
    assert seen.startswith(b"\x1b[?1049h") and b"ringing 1 " in seen, seen
    os.close(terminal)
    world.cli("call", "cancel", call, server=server)


def call_canceled_while_it_rings(world):
    carrier = world.carrier({"answer": 0, "no_answer": 1, "busy": 0, "decline": 0, "fail": 0})
    server = world.serve([trunk(carrier, ring_timeout_s=60)])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    call = world.cli("call", "new", "+15550001234", "--agent", "short", server=server).stdout.strip()
    wait_until(lambda: server.api("GET", f"/calls/{call}")["status"] == "ringing", 10, "ringing")
    world.cli("call", "cancel", call, server=server)
    wait_until(lambda: server.api("GET", f"/calls/{call}")["status"] == "canceled", 10, "canceled")
    wait_until(lambda: list(carrier.facts("end")), 10, "the carrier's end of the call")
    assert carrier.finish()["cancels"] == 1


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what is posted to it."""

    def __init__(self, status):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.headers, json.loads(body)))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.got, self.status = [], status
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def webhooks_tell_each_end(world):
    carrier = world.carrier({"answer": 1, "busy": 2, "no_answer": 0, "decline": 1, "fail": 0,
                             "digits": "none:1", "pdd_ms": "10-50", "ring_ms": "50-100"})
    server = world.serve([trunk(carrier, cps_limit=40)], extra={"webhooks": {"allow_private": True}})
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    receiver = Receiver(204)
    done = world.cli("campaign", "run", world.contacts(20), "--agent", "short", "--yes", "--json",
                     "--webhook", receiver.url, server=server)
    summary = json.loads(done.stdout)
    steps = ("call.queued", "call.ringing", "call.answered")
    ends = lambda: [body for _, body in receiver.got if body["type"] not in steps]
    wait_until(lambda: len(ends()) >= 20, 20, "twenty ends")
    assert server.stop() == 0
    told = collections.Counter(body["data"]["status"] for body in ends())
    assert dict(told) == summary["outcomes"], (told, summary)
    numbers = collections.Counter(body["data"]["to"] for body in ends())
    assert set(numbers.values()) == {1} and len(numbers) == 20, numbers
    for number in numbers:  # the steps of a call in their order, numbered, its end last
        of = [body for _, body in receiver.got if body["data"]["to"] == number]
        assert [body["sequence"] for body in of] == list(range(1, len(of) + 1)), of
        assert of[-1]["type"] not in steps and len({body["id"] for body in of}) == len(of)
    assert all(headers["User-Agent"].startswith("outdial/") for headers, _ in receiver.got)
    receiver.shutdown()


def webhooks_stay_outside(world):
    """Unless it is allowed, a webhook never goes to an address of our own network."""
    carrier = world.carrier({"answer": 0, "busy": 1, "no_answer": 0, "decline": 0, "fail": 0})
    server = world.serve([trunk(carrier)])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    receiver = Receiver(204)
    world.cli("campaign", "run", world.contacts(3), "--agent", "short", "--yes", "--webhook",
              receiver.url, server=server)
    wait_until(lambda: "webhook" in server.stderr(), 20, "the log to tell that it was refused")
    assert server.stop() == 0
    assert not receiver.got
    receiver.shutdown()


main(campaign_of_100, rows_that_cannot_be_dialled, single_call_and_its_trace,
     a_live_view, call_canceled_while_it_rings, webhooks_tell_each_end, webhooks_stay_outside)

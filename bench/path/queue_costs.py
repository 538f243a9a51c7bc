#!/usr/bin/env python3
"""What the queue costs: contacts stored per second over the API (one by one and as CSV), Redis memory per
waiting contact, how long a daemon that was killed takes from its start to the first INVITE; and of the store
alone (od_store_bench): calls per second through claim, intent, progress and finish, round trips per call at
1,000 calls/s and at saturation.

    OUTDIAL_BIN=build/outdial bench/path/queue_costs.py [--contacts 1000000] [--rows 200000] [--json FILE]

Prints one JSON object, with each goal beside its figure. Everything is on one machine, over the loopback interface; the private Redis
fsyncs its append-only file on every write.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "e2e"))
from harness import OUTDIAL, World, wait_until  # noqa: E402


RTP = {"ports": "46000-59999", "address": "127.0.0.1"}


def redis_info(path, name):
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b"INFO memory\r\n")
        s.settimeout(5)
        text = s.recv(65536).decode()
    return int(re.search(rf"{name}:(\d+)", text).group(1))


def singles(server, count):
    """Calls made one by one over 16 connections, per second."""
    body = json.dumps({"to": "+15550001111", "agent": "short",
                       "not_before": "2100-01-01T00:00:00Z"}).encode()
    host = server.url.split("//")[1]
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}

    def work(_):
        link = http.client.HTTPConnection(host)
        for _ in range(count // 16):
            link.request("POST", "/outdial/v1/calls", body, headers)
            answer = link.getresponse()
            text = answer.read()
            assert answer.status == 201, text
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    return round(count / (time.monotonic() - begin))


GOALS = {"round_trips_per_call_1000": 0.1, "round_trips_per_call_saturation": 0.03,
         "restart_to_first_invite_s": 1.0}


def store_alone(rows):
    """The figures of od_store_bench, which stands beside the binary."""
    program = os.path.join(os.path.dirname(OUTDIAL), "tests", "od_store_bench")
    text = subprocess.run([program, "--rows", str(rows)], capture_output=True, text=True, check=True).stdout

    def of(line, what):
        return float(re.search(rf"^{line} .*?([0-9.]+) {re.escape(what)}", text, re.M).group(1))
    return {"store_rows_per_s": round(of("import", "rows/s")),
            "store_calls_per_s_saturation": round(of("saturation", "calls/s")),
            "round_trips_per_call_1000": of("paced", "round trips/call"),
            "round_trips_per_call_saturation": of("saturation", "round trips/call")}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1000000)
    parser.add_argument("--rows", type=int, default=200000, help="of od_store_bench; more than 10,000")
    parser.add_argument("--json", help="write it there too")
    args = parser.parse_args()
    world = World("queue")
    try:
        carrier = world.carrier({"answer": 0, "no_answer": 0, "busy": 100, "decline": 0, "fail": 0,
                                 "pdd_ms": "20"})
        trunks = [{"name": "main", "server": carrier.address, "cps_limit": 50}]
        server = world.serve(trunks, extra={"rtp": RTP})
        world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
        figures = {"singles_per_s": singles(server, 4000)}
        campaign = server.api("POST", "/campaigns", {"name": "long", "agent": "short"})["id"]
        redis = os.path.join(server.data_dir, "redis", "redis.sock")
        before, spent, done = redis_info(redis, "used_memory"), 0.0, 0
        while done < args.contacts:
            piece = min(100000, args.contacts - done)
            text = "number\n" + "\n".join(f"+1{5550000000 + done + i}" for i in range(piece)) + "\n"
            begin = time.monotonic()
            server.api("POST", f"/campaigns/{campaign}/contacts", text.encode(), "text/csv")
            spent += time.monotonic() - begin
            done += piece
        figures["csv_contacts_per_s"] = round(args.contacts / spent)
        figures["redis_bytes_per_contact"] = round((redis_info(redis, "used_memory") - before) /
                                                   args.contacts)
        server.api("POST", f"/campaigns/{campaign}/start")
        wait_until(lambda: len(list(carrier.facts("invite"))) > 100, 20, "calls")
        server.process.send_signal(signal.SIGKILL)
        server.wait(10)
        server.close()
        time.sleep(0.5)
        begun = time.time()
        world.serve(trunks, extra={"rtp": RTP})
        wait_until(lambda: any(f["t"] > begun for f in carrier.facts("invite")), 20, "a call", 0.01)
        first = min(f["t"] for f in carrier.facts("invite") if f["t"] > begun)
        figures["restart_to_first_invite_s"] = round(first - begun, 3)
        figures["contacts"] = args.contacts
        figures.update(store_alone(args.rows))
        figures["goals"] = GOALS
        figures["missed"] = [name for name, most in GOALS.items() if figures[name] > most]
        print(json.dumps(figures))
        if args.json:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump({**figures, "cores": os.cpu_count(), "load_1m": round(os.getloadavg()[0], 1)}, file,
                          indent=1)
                file.write("\n")
    finally:
        world.end()


if __name__ == "__main__":
    main()

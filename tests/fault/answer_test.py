#!/usr/bin/env python3
"""Goal: a callee who has their ACK is hung up whatever befalls us then. Method: the disk of the journal
takes its time (strace delays what is written) and Redis is killed while the phone rings, so that nothing durable knows of
the answer for a while; outdial is killed the moment the carrier has its ACK. The next start must end the leg.

    answer_test.py [--calls 3] [--delay-ms 300]
"""
import argparse
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Process, wait_until  # noqa: E402
from servers import Redis, trial  # noqa: E402

TOWN = {"answer": 1, "busy": 0, "no_answer": 0, "decline": 0, "fail": 0, "pdd_ms": "80", "ring_ms": "150",
        "early_media": 0, "digits": "none:1"}


def slow_disk(world, server, delay_ms):
    """strace on the threads that write to disk, which makes whatever they write late."""
    argv = ["strace", "-o", "/dev/null", "-e", "trace=write,fdatasync",
            f"--inject=write,fdatasync:delay_enter={delay_ms * 1000}"]
    tasks = [t for t in os.listdir(f"/proc/{server.pid}/task") if int(t) != server.pid]
    for task in tasks:
        argv += ["-p", task]
    tracer = Process(world, "strace", argv)
    wait_until(lambda: tracer.stderr().count("attached") >= len(tasks), 20, "strace to be attached", 0.01)
    return tracer


def one(world, redis, carrier, number, delay_ms):
    server = redis_server(world, redis, carrier)
    tracer = slow_disk(world, server, delay_ms)

    def facts(kind):
        return [f for f in carrier.facts() if f["fact"] == kind and f.get("call") in mine]
    server.api("POST", "/calls", {"to": number, "agent": "long"})
    mine = set()

    def invited():
        mine.update(f["call"] for f in carrier.facts() if f["fact"] == "invite" and f["number"] == number)
        return mine
    wait_until(invited, 30, "the INVITE", 0.005)
    redis.kill()
    wait_until(lambda: facts("ack"), 30, "the ACK", 0.002)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)
    tracer.close()
    redis.start()
    server = redis_server(world, redis, carrier)
    wait_until(lambda: facts("end"), 15, "the leg's end at the carrier", 0.02)
    end = facts("end")[0]
    assert end["outcome"] == "answered" and end["hung_up_by"] == "caller", end
    assert server.stop() == 0


def redis_server(world, redis, carrier):
    server = world.serve([{"name": "main", "server": carrier.address}], name="serve", extra={
        "data_dir": world.path("data"), "redis": {"url": f"unix://{redis.path}"}, "hours": {"legal": ""}})
    world.cli("agent", "put", world.agent("long", [{"pause": 60000}, {"hangup": {}}]), server=server)
    return server


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3)
    parser.add_argument("--delay-ms", type=int, default=300)
    args = parser.parse_args()

    def go(world):
        redis = Redis(world)
        carrier = world.carrier(TOWN, ["--no-rtp"])
        for i in range(args.calls):
            one(world, redis, carrier, f"+1555000{i:04d}", args.delay_ms)
        return f"{args.calls} killed at their ACK, all hung up"
    return trial("answer", go)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What a call costs outdial, the whole path of it, beside what it costs others.

One run, one machine, the caller always alone on core 0, callee and Redis on core 1:

  kernel floor     seven canned datagrams a call, one system call each
  bare nta caller  the SIP library alone: no queue, no limits, no records
  sipp             its built-in caller (-sn uac)
  outdial          job from Redis, limiter, durable intent, SIP, script agent, outcome to Redis

at saturation and at 1,000 calls/s. Compare only figures of one run and one rate.

usage: bench/path/path.py [--build DIR] [--calls N] [--seconds S] [--rate CPS] [--json FILE]
                          [--no-callgrind]
"""
import argparse
import glob
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CALLER_CPU, PEER_CPU = "0", "1"
WINDOW = 25  # calls in flight of the yardsticks at saturation: what default socket buffers hold


def pinned(cpu, *argv):
    return ["taskset", "-c", cpu, *map(str, argv)]


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.05)
    raise SystemExit(f"path.py: waited {seconds} s for {what}, in vain")


def cpu_ns(pid):
    """CPU time of all threads, from the scheduler's own account."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            total += int(open(path).read().split()[0])
        except OSError:
            pass  # the thread ended meanwhile
    return total


def resident_kib(pid):
    return int(open(f"/proc/{pid}/statm").read().split()[1]) * 4


class Peers:
    """The callee and a Redis of our own, both on the peers' core."""

    def __init__(self, build, folder):
        self.folder = folder
        self.port = free_port(socket.SOCK_DGRAM)
        self.callee = subprocess.Popen(
            pinned(PEER_CPU, build / "bench/path/bench_callee", self.port), stdout=subprocess.DEVNULL)
        self.redis_socket = str(folder / "redis.sock")
        self.redis = subprocess.Popen(
            pinned(PEER_CPU, "redis-server", "--port", 0, "--unixsocket", self.redis_socket,
                   "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", folder,
                   "--loglevel", "warning"), stdout=subprocess.DEVNULL)
        wait_for("redis-server", lambda: self.redis_cli("ping") == "PONG", 10)

    def redis_cli(self, *words):
        done = subprocess.run(["redis-cli", "-s", self.redis_socket, *words], capture_output=True,
                              text=True)
        return done.stdout.strip()

    def scripts_run(self):
        stats = self.redis_cli("info", "commandstats")
        return sum(int(n) for n in re.findall(r"cmdstat_(?:evalsha|eval|ping|fcall):calls=(\d+)", stats))

    def stop(self):
        for process in (self.callee, self.redis):
            process.terminate()
            process.wait(10)


class Outdial:
    """outdial serve on the caller's core, and one campaign through it."""

    def __init__(self, build, folder, peers, cps, wrapper=(), env=None):
        self.folder = folder
        self.peers = peers
        self.http = free_port(socket.SOCK_STREAM)
        rate = f"cps_limit: {cps}, "  # 0: none
        (folder / "outdial.yaml").write_text(f"""
data_dir: {folder}/data
http: {{ listen: "127.0.0.1:{self.http}" }}
redis: {{ url: "unix://{peers.redis_socket}" }}
sip: {{ listen: ["udp:127.0.0.1:0"] }}
rtp: {{ ports: "20000-29999", address: "127.0.0.1" }}
auth: {{ keys: [ {{ key: "sk_bench_0123456789abcdef", org: default, scopes: ["*"] }} ] }}
trunks:
  - {{ name: main, server: "127.0.0.1:{peers.port}", {rate}max_calls: 4000 }}
hours: {{ legal: "" }}
log: {{ level: warn, format: text }}
""")
        self.log = open(folder / "outdial.log", "wb")
        self.process = subprocess.Popen(
            pinned(CALLER_CPU, *wrapper, build / "outdial", "serve", "--config",
                   folder / "outdial.yaml"),
            stderr=self.log, env={**os.environ, **(env or {})})
        try:
            wait_for("outdial to be ready", self.ready, 60)
        except SystemExit:
            self.process.kill()
            sys.stderr.write((folder / "outdial.log").read_text(errors="replace"))
            raise

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def api(self, method, path, body=None, content_type="application/json"):
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}/outdial/v1{path}", body, method=method,
            headers={"Authorization": "Bearer sk_bench_0123456789abcdef",
                     "Content-Type": content_type})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def load(self, calls, name):
        agents = self.api("GET", "/agents?name=bench")["data"]
        agent = agents[0] if agents else self.api("POST", "/agents", {
            "name": "bench", "number": "+15550009999",
            "outdial": {"agent": {"kind": "script", "steps": [{"hangup": {}}]}, "trunks": ["main"]}})
        campaign = self.api("POST", "/campaigns", {"name": name, "agent": agent["id"]})
        rows = "number\n" + "".join(f"+1{2000000000 + i}\n" for i in range(calls))
        self.api("POST", f"/campaigns/{campaign['id']}/contacts", rows.encode(), "text/csv")
        return campaign["id"]

    def ended(self, campaign):
        return self.api("GET", f"/campaigns/{campaign}")["counts"]

    def dial(self, calls, name, on_second=None, limit_s=600):
        """Runs a campaign; returns the differences between its start and its end."""
        campaign = self.load(calls, name)
        pid = self.process.pid
        before = (cpu_ns(pid), self.peers.scripts_run(), time.monotonic())
        self.api("POST", f"/campaigns/{campaign}/start")
        while True:
            time.sleep(0.5)
            counts = self.ended(campaign)
            if on_second:
                on_second(time.monotonic() - before[2])
            if counts["ended"] >= calls:
                break
            if time.monotonic() - before[2] > limit_s:
                raise SystemExit(f"path.py: {counts} after {limit_s} s")
        wall = time.monotonic() - before[2]
        good = counts["outcomes"].get("completed", 0)
        return {"calls": calls, "failed": calls - good, "wall_s": round(wall, 2),
                "calls_per_s": round(calls / wall),
                "cpu_us_per_call": round((cpu_ns(pid) - before[0]) / 1e3 / calls, 2),
                "round_trips_per_call": round((self.peers.scripts_run() - before[1]) / calls, 4),
                "resident_kib": resident_kib(pid)}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def yardstick(build, name, peers, calls, rate):
    done = subprocess.run(pinned(CALLER_CPU, build / f"bench/path/{name}", peers.port, calls, rate,
                                 WINDOW if not rate else 100000),
                          capture_output=True, text=True, timeout=300)
    if not done.stdout:
        raise SystemExit(f"path.py: {name}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def sipp(peers, calls, rate):
    argv = pinned(CALLER_CPU, "sipp", "-sn", "uac", f"127.0.0.1:{peers.port}", "-i", "127.0.0.1",
                  "-m", calls, "-r", rate or 100000, "-l", 100000 if rate else WINDOW, "-nostdin",
                  "-trace_stat", "-stf", peers.folder / "sipp.csv", "-fd", "1")
    before = os.times()
    begin = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    after, wall = os.times(), time.monotonic() - begin
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"name": "sipp", "calls": calls, "failed": 0 if done.returncode == 0 else -1,
            "wall_s": round(wall, 2), "calls_per_s": round(calls / wall),
            "cpu_us_per_call": round(cpu * 1e6 / calls, 2)}


def count_syscalls(build, folder, peers, cps, calls):
    """System calls per call, counted by the kernel's tracepoint."""
    outdial = Outdial(build, folder, peers, cps)
    try:
        campaign = outdial.load(calls, f"syscalls at {cps}")
        perf = subprocess.Popen(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p",
                                 str(outdial.process.pid)], stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        outdial.api("POST", f"/campaigns/{campaign}/start")
        wait_for("the calls", lambda: outdial.ended(campaign)["ended"] >= calls, 300)
        perf.send_signal(signal.SIGINT)
        text = perf.communicate(timeout=30)[1]
        return round(int(text.split(",")[0]) / calls, 2)
    except (ValueError, FileNotFoundError):
        return None  # no tracepoints here
    finally:
        outdial.stop()


def count_allocations(build, folder, peers, cps, calls):
    counter = folder / "malloc.count"
    outdial = Outdial(build, folder, peers, cps,
                      env={"LD_PRELOAD": str(build / "bench/path/libbench_malloc_count.so"),
                           "MALLOC_COUNT_FILE": str(counter)})

    def read():
        return struct.unpack("=Q", counter.read_bytes()[:8])[0]

    try:
        campaign = outdial.load(calls, f"allocations at {cps}")
        before = read()
        outdial.api("POST", f"/campaigns/{campaign}/start")
        wait_for("the calls", lambda: outdial.ended(campaign)["ended"] >= calls, 300)
        return round((read() - before) / calls, 1)
    finally:
        outdial.stop()


def count_instructions(build, folder, peers, calls):
    """User-space instructions per call. callgrind slows everything down, so there is no rate."""
    out = folder / "callgrind.out"
    outdial = Outdial(build, folder, peers, 0,
                      wrapper=("valgrind", "--tool=callgrind", "--instr-atstart=no",
                               f"--callgrind-out-file={out}", "--quiet"))
    try:
        campaign = outdial.load(calls, "instructions")
        pid = str(outdial.process.pid)
        subprocess.run(["callgrind_control", "-i", "on", pid], check=True, capture_output=True)
        outdial.api("POST", f"/campaigns/{campaign}/start")
        wait_for("the calls", lambda: outdial.ended(campaign)["ended"] >= calls, 600)
        subprocess.run(["callgrind_control", "-i", "off", pid], check=True, capture_output=True)
    finally:
        outdial.stop()
    return per_call(out, calls)


def per_call(callgrind_out, calls):
    totals = re.findall(r"^(?:summary|totals): (\d+)", callgrind_out.read_text(errors="replace"), re.M)
    return round(int(totals[-1]) / calls) if totals else None


def count_yardstick_instructions(build, folder, peers, calls):
    """The same of the bare nta caller; its start, about a call's worth in 2,000, is in it."""
    out = folder / "callgrind.nta.out"
    subprocess.run(pinned(CALLER_CPU, "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                          "--quiet", build / "bench/path/bench_nta_caller", peers.port, calls, 0,
                          WINDOW), stdout=subprocess.DEVNULL, timeout=600)
    return per_call(out, calls)


def measure(options, build, folder, peers):
    rows = []
    for rate in (0, options.rate):
        where = f"at {rate} calls/s" if rate else "at saturation"
        calls = options.rate * 15 if rate else options.calls
        print(f"\n{where}", flush=True)
        for name in ("bench_floor_caller", "bench_nta_caller"):
            rows.append({"at": where, **yardstick(build, name, peers, calls, rate)})
            show(rows[-1])
        rows.append({"at": where, **sipp(peers, calls, rate)})
        show(rows[-1])
        memory = []
        seconds = options.seconds if rate else 0
        outdial = Outdial(build, folder, peers, rate)
        try:
            calls = rate * seconds if rate else options.calls
            row = outdial.dial(calls, where, lambda t: memory.append(
                (round(t), resident_kib(outdial.process.pid))))
        finally:
            outdial.stop()
        row = {"at": where, "name": "outdial", **row}
        if rate:
            row["resident_kib_by_second"] = memory[:: max(1, len(memory) // 12)]
        row["syscalls_per_call"] = count_syscalls(build, folder, peers, rate, 10000)
        row["allocations_per_call"] = count_allocations(build, folder, peers, rate, 10000)
        if not rate and not options.no_callgrind:
            row["instructions_per_call"] = count_instructions(build, folder, peers, 2000)
            row["instructions_per_call_of_bare_nta"] = count_yardstick_instructions(
                build, folder, peers, 2000)
        rows.append(row)
        show(row)
    return rows


def show(row):
    more = ", ".join(f"{key} {value}" for key, value in row.items()
                     if key not in ("at", "name", "cpu_us_per_call", "calls_per_s"))
    print(f"  {row['name']:<16} {row['cpu_us_per_call']:8.2f} us CPU/call  "
          f"{row['calls_per_s']:6} calls/s  {more}", flush=True)


def verdicts(rows, rate):
    """The goals, each as a ratio within this run."""
    def cpu(name, at):
        return next(r["cpu_us_per_call"] for r in rows if r["name"] == name and at in r["at"])

    def mine(at):
        return next(r for r in rows if r["name"] == "outdial" and at in r["at"])

    table = [
        ("CPU against the bare nta caller, at saturation",
         cpu("outdial", "saturation") / cpu("bare nta caller", "saturation"), 1.3),
        (f"CPU against sipp, at {rate} calls/s",
         cpu("outdial", str(rate)) / cpu("sipp", str(rate)), 1.0),
        ("Redis round trips per call, at saturation", mine("saturation")["round_trips_per_call"], 0.03),
        (f"Redis round trips per call, at {rate} calls/s", mine(str(rate))["round_trips_per_call"], 0.1),
    ]
    print("\ngoals")
    for what, value, goal in table:
        print(f"  {'met   ' if value <= goal else 'MISSED'} {what}: {value:.3f} (goal {goal})")
    return [{"what": w, "value": round(v, 4), "goal": g, "met": v <= g} for w, v, g in table]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--calls", type=int, default=40000, help="at saturation")
    parser.add_argument("--seconds", type=int, default=60, help="at the rate")
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--json", help="also write everything here")
    parser.add_argument("--no-callgrind", action="store_true")
    options = parser.parse_args()
    build = pathlib.Path(options.build)
    if not (build / "outdial").exists():
        parser.error(f"{build}/outdial does not exist; build first (cmake -S . -B build && cmake --build build)")
    with tempfile.TemporaryDirectory(prefix="outdial-path-") as name:
        folder = pathlib.Path(name)
        peers = Peers(build, folder)
        try:
            rows = measure(options, build, folder, peers)
        finally:
            peers.stop()
    goals = verdicts(rows, options.rate)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"rows": rows, "goals": goals}, indent=1) + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What the HTTP API can take, beside a minimal Node server and nginx with a static file, by wrk, all in
one run on one machine: the server alone on core 0, wrk and Redis on core 1.

  GET       one stored call, by key (outdial); the same bytes (Node, nginx)
  POST      one durable call: it is answered when Redis has it on disk (outdial); a parsed body (Node)
  import    a campaign's contacts as one streamed CSV: rows/s, memory above idle, the longest turn of the loop
  bulk      10,000 calls in one request of the Dasha dialect: calls/s, memory above idle, long turns

The CPU column is the server's own time per request, which a busy machine does not change; requests a
second and percentiles are what wrk saw. Compare figures of one run only.

usage: bench/api/api.py [--build DIR] [--seconds S] [--connections N] [--rows N] [--json FILE]
                        [--only get,post,import,bulk]
"""
import argparse
import glob
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVER_CPU, OTHER_CPU = "0", "1"
KEY = "sk_bench_0123456789abcdef"


def pinned(cpu, *argv):
    return ["taskset", "-c", cpu, *map(str, argv)]


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def nginx_path():
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def require(only):
    """Ends the program when something that the asked parts need is missing."""
    needed = {"taskset": shutil.which("taskset"), "redis-server": shutil.which("redis-server")}
    if "get" in only or "post" in only:
        needed.update(wrk=shutil.which("wrk"), node=shutil.which("node"))
    if "get" in only:
        needed["nginx"] = nginx_path()
    missing = [name for name, path in needed.items() if not path]
    if missing:
        raise SystemExit(f"api.py: not found: {', '.join(missing)}; deploy/install-deps.sh --tests installs them, "
                         "or leave parts out with --only")


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.05)
    raise SystemExit(f"api.py: waited {seconds} s for {what}, in vain")


def cpu_ns(pid):
    """CPU time of all threads, from the scheduler's own account."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def lua_text(text):
    return "[==[" + text + "]==]"


class Bench:
    def __init__(self, args):
        self.args = args
        self.dir = tempfile.mkdtemp(prefix="outdial-api-")
        self.children = []

    def start(self, name, argv, **more):
        out = open(os.path.join(self.dir, f"{name}.log"), "wb")
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more)
        self.children.append(child)
        return child

    def log(self, name):
        with open(os.path.join(self.dir, f"{name}.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- the three servers ---------------------------------------------------------------------------

    def outdial(self):
        config = {"data_dir": os.path.join(self.dir, "data"),
                  "http": {"listen": "127.0.0.1:0", "rate": {"per_key": 0, "per_address": 0}},
                  "sip": {"listen": [f"udp:127.0.0.1:{free_port(socket.SOCK_DGRAM)}"]},
                  "rtp": {"ports": "30000-30999", "address": "127.0.0.1"},
                  "auth": {"keys": [{"key": KEY, "org": "bench", "scopes": ["*"]}]},
                  "log": {"format": "json"}}
        path = os.path.join(self.dir, "outdial.yaml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        child = self.start("outdial", pinned(SERVER_CPU, self.args.build / "outdial", "serve", "--config", path))
        found = wait_for("outdial", lambda: re.search(r"ready: http://127.0.0.1:(\d+)", self.log("outdial")))
        with open(os.path.join(self.dir, "data", "redis", "redis.pid"), encoding="ascii") as file:
            redis = int(file.read())
        subprocess.run(["taskset", "-apc", OTHER_CPU, str(redis)], check=True, capture_output=True)
        return child, int(found[1]), redis

    def node(self, answer):
        port = free_port()
        child = self.start("node", pinned(SERVER_CPU, "node", HERE / "node_server.mjs"),
                           env={**os.environ, "PORT": str(port), "ANSWER": answer})
        wait_for("node", lambda: "listening" in self.log("node"))
        return child, port

    def nginx(self, answer):
        port = free_port()
        root = os.path.join(self.dir, "www")
        os.makedirs(root)
        with open(os.path.join(root, "call.json"), "w", encoding="utf-8") as file:
            file.write(answer)
        conf = os.path.join(self.dir, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(f"""daemon off; master_process off; worker_processes 1; pid {self.dir}/nginx.pid;
error_log {self.dir}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; open_file_cache max=10; default_type application/json;
client_body_temp_path {self.dir}/t1; proxy_temp_path {self.dir}/t2; fastcgi_temp_path {self.dir}/t3;
uwsgi_temp_path {self.dir}/t4; scgi_temp_path {self.dir}/t5;
server {{ listen 127.0.0.1:{port}; root {root}; }} }}
""")
        child = self.start("nginx", pinned(SERVER_CPU, nginx_path(), "-c", conf,
                                           "-e", f"{self.dir}/nginx-error.log"))

        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_for("nginx", listens)
        return child, port

    # -- wrk -----------------------------------------------------------------------------------------

    def wrk(self, child, port, path, body=None, redis=None):
        script = os.path.join(self.dir, "wrk.lua")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f'wrk.headers["Authorization"] = "Bearer {KEY}"\n')
            if body:
                file.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                           f"wrk.body = {lua_text(body)}\n")
            file.write("""
function done(summary, latency, requests)
   io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
      summary.errors.status + summary.errors.read + summary.errors.timeout + summary.errors.connect,
      latency:percentile(50), latency:percentile(99)))
end
""")
        url = f"http://127.0.0.1:{port}{path}"
        argv = pinned(OTHER_CPU, "wrk", "-t1", f"-c{self.args.connections}", "-s", script, url)
        subprocess.run([*argv, "-d2s"], check=True, capture_output=True)  # warm
        before, redis_before = cpu_ns(child.pid), cpu_ns(redis) if redis else 0
        text = subprocess.run([*argv, f"-d{self.args.seconds}s"], check=True, capture_output=True, text=True).stdout
        after, redis_after = cpu_ns(child.pid), cpu_ns(redis) if redis else 0
        requests, duration, errors, p50, p99 = map(int, re.search(r"RESULT (.*)", text)[1].split())
        assert errors == 0, text
        result = {"per_s": round(requests / duration * 1e6), "cpu_us": round((after - before) / requests / 1e3, 2),
                  "per_core_s": round(requests / (after - before) * 1e9),
                  "p50_us": p50, "p99_us": p99, "requests": requests}
        if redis:
            result["redis_cpu_us"] = round((redis_after - redis_before) / requests / 1e3, 2)
        return result


def call_api(port, method, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/outdial/v1{path}", method=method,
                                     data=json.dumps(body).encode() if body else None,
                                     headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


class Watch(threading.Thread):
    """A server's memory, how soon it answers another client, and its long turns, while something runs."""

    def __init__(self, child, port, redis):
        super().__init__()
        self.child, self.port, self.redis, self.over = child, port, redis, threading.Event()
        self.idle = self.peak = rss_kb(child.pid)
        self.waits, self.turns = [0.0], turns_above_20_ms(port)
        self.cpu, self.redis_cpu, self.begin = cpu_ns(child.pid), cpu_ns(redis), time.monotonic()
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.over.is_set():
            begin = time.monotonic()
            connection.request("GET", "/livez")
            connection.getresponse().read()
            self.waits.append(time.monotonic() - begin)
            self.peak = max(self.peak, rss_kb(self.child.pid))
            time.sleep(0.005)

    def end(self, rows):
        seconds, cpu = time.monotonic() - self.begin, cpu_ns(self.child.pid) - self.cpu
        redis_cpu = cpu_ns(self.redis) - self.redis_cpu
        self.over.set()
        self.join()
        self.waits.sort()
        return {"rows": rows, "seconds": round(seconds, 2), "rows_per_s": round(rows / seconds),
                "cpu_us_per_row": round(cpu / rows / 1e3, 2),
                "redis_us_per_row": round(redis_cpu / rows / 1e3, 2), "rss_idle_mb": round(self.idle / 1024, 1),
                "rss_above_idle_mb": round((self.peak - self.idle) / 1024, 1),
                "livez_p99_ms": round(self.waits[int(len(self.waits) * 0.99)] * 1e3, 1),
                "livez_max_ms": round(self.waits[-1] * 1e3, 1),
                "loop_turns_above_20_ms": turns_above_20_ms(self.port) - self.turns}


def run_bulk(child, port, redis, calls=10000):
    """One request, answered with a line for each call."""
    agent = json.loads(call_api(port, "GET", "/agents?name=bench"))["data"][0]["id"]
    body = json.dumps({"calls": [{"endpoint": f"+1555{i:07d}", "priority": 1, "additionalData": {"row": i}}
                                 for i in range(calls)]})
    watch = Watch(child, port, redis)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", f"/api/v1/calls/bulk?agentId={agent}", body=body,
                       headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    text = connection.getresponse().read()
    told = watch.end(calls)
    answer = json.loads(text)
    assert answer["successCount"] == calls, answer["errors"][:3]
    return told


def run_import(child, port, redis, rows):
    """The file is made before it is sent, in pieces, chunked."""
    campaign = json.loads(call_api(port, "POST", "/campaigns", {"name": "import", "agent": "bench"}))

    def pieces():
        yield b"number,name,appointment\n"
        for first in range(0, rows, 2000):
            yield "".join(f"+1555{i:07d},Name {i},2027-01-02\n"
                          for i in range(first, min(first + 2000, rows))).encode()

    data = list(pieces())
    watch = Watch(child, port, redis)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", f"/outdial/v1/campaigns/{campaign['id']}/contacts", body=iter(data),
                       encode_chunked=True, headers={"Authorization": f"Bearer {KEY}", "Content-Type": "text/csv",
                                                     "Transfer-Encoding": "chunked"})
    answer = json.loads(connection.getresponse().read())
    told = watch.end(rows)
    assert answer["imported"] == rows, answer
    return told


def turns_above_20_ms(port):
    """Turns of the loop that took longer than a packet's time, as the server itself counts them."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    count, short = (int(re.search(rf"^outdial_loop_turn_seconds_{name} (\d+)$", text, re.M)[1])
                    for name in ("count", r'bucket\{le="0.02"\}'))
    return count - short


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--only", default="get,post,import,bulk")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.build = args.build.resolve()
    only = args.only.split(",")
    require(only)
    bench = Bench(args)
    results = {}
    try:
        child, port, redis = bench.outdial()
        call_api(port, "POST", "/agents", {"name": "bench", "number": "+15550009999", "outdial": {"agent": {
            "kind": "script", "steps": [{"hangup": {}}]}}})
        new = {"to": "+15550001111", "agent": "bench", "not_before": "2099-01-01T00:00:00Z"}
        call = json.loads(call_api(port, "POST", "/calls", new))
        answer = call_api(port, "GET", f"/calls/{call['id']}")
        if "get" in only:
            results["GET outdial"] = bench.wrk(child, port, f"/outdial/v1/calls/{call['id']}", redis=redis)
        if "post" in only:
            results["POST outdial"] = bench.wrk(child, port, "/outdial/v1/calls", json.dumps(new), redis=redis)
        if "import" in only:
            results["import"] = run_import(child, port, redis, args.rows)
        if "bulk" in only:
            results["bulk"] = run_bulk(child, port, redis)
        if "get" in only or "post" in only:
            node, node_port = bench.node(answer)
            if "get" in only:
                results["GET node"] = bench.wrk(node, node_port, "/call")
                nginx, nginx_port = bench.nginx(answer)
                results["GET nginx"] = bench.wrk(nginx, nginx_port, "/call.json")
            if "post" in only:
                results["POST node"] = bench.wrk(node, node_port, "/call", json.dumps(new))
    finally:
        bench.end()
    for name in sorted(results):
        print(f"{name:14}", "  ".join(f"{key} {value}" for key, value in results[name].items()))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

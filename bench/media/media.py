#!/usr/bin/env python3
"""What a talking call costs, all in one run on one machine: the kernel's floor (rtp_floor), outdial's
media engine (od_media_bench: each call plays a file and hears its partner), and, when it is
installed, rtpengine in userspace relaying as many streams. One core for what is measured.

usage: bench/media/media.py [--build DIR] [--calls N] [--seconds N] [--core N]"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time


def run(core, *argv):
    done = subprocess.run(["taskset", "-c", str(core), *map(str, argv)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise SystemExit(f"{argv[0]}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def free_ports(count):
    """Even ports that are free now, with nobody in them."""
    found, port = [], 50000
    while len(found) < count:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
                found.append(port)
            except OSError:
                pass
        port += 2
    return found


def bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b"e"
    data = value.encode()
    return str(len(data)).encode() + b":" + data


def sdp(port):
    return (f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n")


class Relay:
    """rtpengine without its kernel module."""

    def __init__(self, core, folder):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.control = ("127.0.0.1", port)
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), "rtpengine", "-f", "-E", "--table=-1", "--num-threads=1",
             "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{port}", "--port-min=30000",
             "--port-max=49999", f"--pidfile={folder}/pid", "--log-level=3"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(2)
        self.cookie = 0

    def ask(self, command):
        self.cookie += 1
        for _ in range(10):
            self.socket.sendto(f"{self.cookie} ".encode() + bencode(command), self.control)
            try:
                answer = self.socket.recv(65536)
            except OSError:
                time.sleep(0.2)
                continue
            return answer
        raise SystemExit("rtpengine does not answer")

    @staticmethod
    def port_of(answer):
        at = answer.index(b"m=audio ") + 8
        return int(answer[at:answer.index(b" ", at)])

    def connect(self, call, a, b):
        """The ports that a and b are to send to."""
        common = {"call-id": f"c{call}", "from-tag": "a"}
        to_b = self.port_of(self.ask({"command": "offer", "sdp": sdp(a), **common}))
        to_a = self.port_of(self.ask({"command": "answer", "sdp": sdp(b), "to-tag": "b", **common}))
        return to_a, to_b

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def relay_bench(build, calls, seconds, core):
    with tempfile.TemporaryDirectory() as folder:
        relay = Relay(core, folder)
        try:
            ports = free_ports(calls)
            targets = os.path.join(folder, "targets")
            with open(targets, "w", encoding="ascii") as file:
                for pair in range(calls // 2):
                    a, b = ports[2 * pair], ports[2 * pair + 1]
                    to_a, to_b = relay.connect(pair, a, b)
                    file.write(f"{a} {to_a}\n{b} {to_b}\n")
            other = 1 - core if os.cpu_count() > 1 else core
            load = subprocess.Popen(["taskset", "-c", str(other), f"{build}/tests/rtp_floor", str(calls),
                                     str(seconds + 1), targets], stdout=subprocess.PIPE, text=True)
            time.sleep(1.5)
            cpu, start = relay.cpu_s(), time.monotonic()
            time.sleep(seconds - 0.5)
            used, took = relay.cpu_s() - cpu, time.monotonic() - start
            out = json.loads(load.communicate()[0])
            return {"streams": calls, "cpu_us_per_stream_second": round(used * 1e6 / took / calls, 1),
                    "received_per_stream_second": out["received_per_stream_second"]}
        finally:
            relay.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build-plain")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--core", type=int, default=0)
    args = parser.parse_args()
    figures = {"floor": run(args.core, f"{args.build}/tests/rtp_floor", args.calls, args.seconds),
               "outdial": run(args.core, f"{args.build}/tests/od_media_bench", args.calls, args.seconds)}
    figures["floor_again"] = run(args.core, f"{args.build}/tests/rtp_floor", args.calls, args.seconds)
    if shutil.which("rtpengine"):
        figures["rtpengine"] = relay_bench(args.build, args.calls, args.seconds, args.core)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

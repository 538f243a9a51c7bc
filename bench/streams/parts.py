"""What the measurements of stream agents share: the programs beside the daemon (built with it), what the telephones
heard, and the kernel's account of a process."""
import collections
import os
import re
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "e2e"))

from ear import jitter_ms, lost, percentile  # noqa: E402
from harness import OUTDIAL  # noqa: E402

Packet = collections.namedtuple("Packet", "stamp sequence ts byte")


class Part:
    """A program that prints its port, works until its input ends, and prints the rest then."""

    def __init__(self, name, *args):
        path = os.path.join(os.path.dirname(OUTDIAL), "bench", "streams", name)
        if not os.access(path, os.X_OK):
            sys.exit(f"no executable {path}: build the benchmarks' programs (OUTDIAL_BENCH)")
        self.process = subprocess.Popen([path, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def end(self):
        out, _ = self.process.communicate(timeout=60)
        if self.process.returncode:
            sys.exit(f"{self.process.args[0]}: exit {self.process.returncode}")
        return out


class Telephones(Part):
    def __init__(self, world, calls, seconds):
        self.path = world.path("ear")
        super().__init__("bench_stream_ear", self.path, calls, int(seconds))
        self.address = f"127.0.0.1:{self.port}"

    def packets(self):
        """Ends them; what each number heard: [Packet]."""
        self.end()
        found = {}
        with open(self.path, "rb") as file:
            while head := file.read(36):
                number, count = struct.unpack("=32sI", head)
                found[number.rstrip(b"\0").decode()] = [
                    Packet(ns / 1e9, sequence, ts, byte)
                    for ns, ts, sequence, byte, _ in struct.iter_unpack("=qIHBB", file.read(16 * count))]
        return found


def skipped(packets):
    """Frames of media time between the first and the last packet that no packet came for."""
    stamps = {p.ts for p in packets}
    return (packets[-1].ts - packets[0].ts & 0xffffffff) // 160 + 1 - len(stamps)


def heard(packets):
    """Of each call's packets together: how far off their 20 ms grid, how many missing: lost on the way by their
    sequence numbers, or of all frames by their timestamps."""
    lists = [found for found in packets.values() if found]
    jitter = [j for found in lists for j in jitter_ms(found)]
    total = sum(map(len, lists))
    return {"packets": total, "lost_percent": round(100 * sum(map(lost, lists)) / total, 4),
            "missing_percent": round(100 * sum(map(skipped, lists)) / total, 4),
            "off_grid_ms": {f"p{p}": round(percentile(jitter, p), 2) for p in (50, 90, 99, 100)}}


def keep_to(core, pid):
    """The process and its threads run on that core alone."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})


def keep_off(core):
    """We, and whatever we start, run elsewhere, where there is an elsewhere."""
    rest = os.sched_getaffinity(0) - {core}
    if rest:
        os.sched_setaffinity(0, rest)


def cpu_s(pid):
    """(user, system) seconds so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:13]]


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

"""What the end-to-end tests share: real processes on the loopback interface, started on free ports in
a directory of their own, waited for by conditions with limits, and ended whatever happens.

A test is a function that takes a World. Run a file of them directly:

    OUTDIAL_BIN=build/outdial python3 tests/e2e/campaign_test.py [NAME ...]
"""
import collections
import csv
import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUTDIAL = os.path.abspath(os.environ.get("OUTDIAL_BIN", os.path.join(ROOT, "build", "outdial")))
CHECK = os.path.join(ROOT, "bench", "carrier", "ledger_check.py")

# Our word for an ending, and the carrier's for the same.
CARRIER_WORD = {"completed": "answered", "no_answer": "no_answer", "busy": "busy",
                "declined": "declined", "invalid_number": "failed", "rejected": "failed",
                "trunk_failed": "failed"}


def take_lane(limit_s=600):
    """Which of the LANES disjoint ranges of ports is this process's until it ends, and the lock on
    it: several test files may run at once. Waits for one that is free."""
    end = time.monotonic() + limit_s
    while True:
        for lane in range(LANES):
            lock = open(os.path.join(tempfile.gettempdir(), f"outdial-tests.{lane}.lock"), "wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lane, lock
            except OSError:
                lock.close()
        if time.monotonic() > end:
            raise SystemExit(f"{LANES} test files are running, none ended in {limit_s} s")
        time.sleep(0.2)


LANES = 4
LANE, LANE_LOCK = take_lane()
RTP_PORTS = f"{12000 + 2000 * LANE}-{13999 + 2000 * LANE}"
CARRIER_RTP_PORTS = f"{20000 + 2000 * LANE}-{21999 + 2000 * LANE}"
# Below the ports that the kernel gives to whoever asks for any: one that is free stays free.
OTHER_PORTS = itertools.cycle(range(28000 + 1000 * LANE, 29000 + 1000 * LANE, 2))


def wait_until(condition, limit_s, what, pause_s=0.05):
    """The condition's first true value; an AssertionError naming `what` after limit_s."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s} s in vain for {what}")
        time.sleep(pause_s)


def free_port(kind=socket.SOCK_DGRAM):
    """An even port of this process's own that nobody has; the one above it is not given away either."""
    for port in OTHER_PORTS:
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def alive(pid):
    """Whether the process works; a zombie doesn't."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Process:
    """A child with its output in files of the world's directory."""

    def __init__(self, world, name, argv, env=None, cwd=None):
        same = sum(child.name.split(".")[0] == name for child in world.children)
        self.world = world
        self.name = name = f"{name}.{same + 1}" if same else name
        self.out_path = os.path.join(world.dir, f"{name}.out")
        self.err_path = os.path.join(world.dir, f"{name}.err")
        self.out = open(self.out_path, "ab")
        self.err = open(self.err_path, "ab")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.out,
                                        stderr=self.err, env={**os.environ, **(env or {})}, cwd=cwd,
                                        start_new_session=True)
        world.children.append(self)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def stdout(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stderr(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait(self, limit_s):
        return self.process.wait(timeout=limit_s)

    def stop(self, limit_s=45, number=signal.SIGTERM):
        """Its exit code."""
        if self.running():
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {limit_s} s of signal {number}")

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self.out.close()
        self.err.close()


class Carrier(Process):
    """`outdial carrier` with a ledger."""

    def __init__(self, world, profile=None, args=(), name="carrier"):
        self.ledger_path = os.path.join(world.dir, f"{name}.jsonl")
        argv = [OUTDIAL, "carrier", "--listen", "udp:127.0.0.1:0", "--ledger", self.ledger_path,
                "--json", "--rtp-ports", CARRIER_RTP_PORTS]
        for key, value in (profile or {}).items():
            argv += ["--set", f"{key}={value}"]
        super().__init__(world, name, argv + list(args))
        found = wait_until(lambda: re.search(r"listening on udp:([0-9.]+:\d+)", self.stderr()) or
                           not self.running(), 10, "the carrier to listen")
        assert found is not True, f"the carrier ended: {self.stderr()}"
        self.address = found.group(1)

    def finish(self):
        """Ends it; its summary. Its own invariants must have held."""
        code = self.stop()
        summary = json.loads(self.stdout().strip().splitlines()[-1])
        assert code == 0 and summary["good"], f"the carrier saw broken promises: {summary}"
        return summary

    def facts(self, kind=None):
        with open(self.ledger_path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    fact = json.loads(line)
                    if kind is None or fact["fact"] == kind:
                        yield fact

    def outcome_by_number(self):
        """The last ending of the calls to each number."""
        return {fact["number"]: fact["outcome"] for fact in self.facts("end")}

    def calls_by_number(self):
        """How many calls (not retransmissions) each number got."""
        seen = collections.defaultdict(set)
        for fact in self.facts("invite"):
            seen[fact["number"]].add(fact["call_id"])
        return {number: len(ids) for number, ids in seen.items()}

    def check(self, *args):
        """ledger_check.py's verdict; an AssertionError when a bound was broken."""
        done = subprocess.run([sys.executable, CHECK, self.ledger_path, *args], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode in (0, 1), done.stderr
        verdict = json.loads(done.stdout)
        assert verdict["good"], f"the ledger shows: {verdict['broken']}"
        return verdict


class Redis(Process):
    """A Redis that outlives every server of the world, on a unix socket."""

    def __init__(self, world):
        self.path = world.path("redis.sock")
        super().__init__(world, "redis", [
            "redis-server", "--port", "0", "--unixsocket", self.path, "--dir", world.dir,
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--maxmemory-policy", "noeviction"])
        wait_until(lambda: self.ask("PING").startswith(b"+PONG"), 10, "Redis to answer")

    def ask(self, line):
        """The first bytes of the answer to a command; b"" when there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(self.path)
                s.sendall(line.encode() + b"\r\n")
                return s.recv(1 << 16)
        except OSError:
            return b""

    def serve(self, number, trunks, **more):
        """A server on it, with a data directory and RTP ports of its own."""
        first = int(RTP_PORTS.split("-", maxsplit=1)[0]) + 600 * number
        extra = {"data_dir": self.world.path(f"data-{number}"), "redis": {"url": f"unix://{self.path}"},
                 "hours": {"legal": ""}, "rtp": {"ports": f"{first}-{first + 599}", "address": "127.0.0.1"},
                 **more}
        return self.world.serve(trunks, extra=extra, name=f"serve-{number}")


def most_at_once(facts):
    """Calls up at the carrier at a time, at most, from their INVITE to their end, and now."""
    steps = []
    for fact in facts:
        if fact["fact"] == "invite" and not fact["retransmission"]:
            steps.append((fact["mono_ns"], 1))
        elif fact["fact"] == "end":
            steps.append((fact["mono_ns"], -1))
    up = most = 0
    for _, step in sorted(steps):
        up += step
        most = max(most, up)
    return most, up


class Watch(threading.Thread):
    """When the machine let these processes run: the time that each of them stood in line for a
    processor (the second number of /proc/PID/schedstat), looked at in short steps."""

    STEP_S, LATE_S = 0.1, 0.010  # a slot may be used up to 25 ms late, our way to the wire included

    def __init__(self):
        super().__init__(daemon=True)
        self.pids, self.steps, self.over = set(), [], threading.Event()

    @staticmethod
    def in_line_s(pid):
        try:
            with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                return int(file.read().split()[1]) / 1e9
        except (OSError, IndexError):
            return None

    def run(self):
        at, before = time.monotonic(), {}
        while not self.over.wait(self.STEP_S):
            now, after = time.monotonic(), {pid: self.in_line_s(pid) for pid in self.pids}
            late = [after[pid] is None or after[pid] - (before.get(pid) or 0) > self.LATE_S for pid in after]
            if not any(late) and before.keys() == after.keys() and now - at < 2 * self.STEP_S:
                self.steps.append((at, now))
            at, before = now, after

    def stop(self):
        self.over.set()
        self.join()
        return self.steps


class Server(Process):
    """`outdial serve` with a private Redis."""

    def __init__(self, world, trunks, args=(), name="serve", extra=None, ready_s=40):
        self.data_dir = (extra or {}).get("data_dir", os.path.join(world.dir, "data"))
        self.config_path = os.path.join(world.dir, f"{name}.yaml")
        config = {"data_dir": self.data_dir, "http": {"listen": "127.0.0.1:0"},
                  "sip": {"listen": ["udp:127.0.0.1:0"]},
                  "rtp": {"ports": RTP_PORTS, "address": "127.0.0.1"},
                  "trunks": trunks, "log": {"format": "json"}}
        config.update(extra or {})
        with open(self.config_path, "w", encoding="utf-8") as file:
            json.dump(config, file)  # JSON is YAML
        self.started_at = time.time()  # by the clock of a ledger's `t`
        super().__init__(world, name,
                         [OUTDIAL, "serve", "--config", self.config_path, *args])
        world.data_dirs.add(self.data_dir)
        found = wait_until(
            lambda: re.search(r"ready: (http://[0-9.]+:\d+)", self.stderr()) or not self.running(),
            ready_s, "the daemon to be ready", 0.01)
        assert found is not True, f"the daemon ended: {self.stderr()[-2000:]}"
        self.ready_at = time.time()
        self.url = re.findall(r"ready: (http://[0-9.]+:\d+)", self.stderr())[-1]
        with open(os.path.join(self.data_dir, "dev.key"), encoding="ascii") as file:
            self.key = file.read().strip()

    def redis_pid(self):
        with open(os.path.join(self.data_dir, "redis", "redis.pid"), encoding="ascii") as file:
            return int(file.read())

    def env(self):
        return {"OUTDIAL_SERVER": self.url, "OUTDIAL_KEY": self.key}

    def api(self, method, path, body=None, content_type="application/json", key=None, status=None,
            prefix="/outdial/v1"):
        """The answer's document. Not 2xx (or not `status`): an AssertionError."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.url + prefix + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {key or self.key}")
        if data is not None:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                got, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            got, text = error.code, error.read()
        good = got == status if status else 200 <= got < 300
        assert good, f"{method} {path}: {got} {text[:500]!r}"
        return json.loads(text) if text else None

    def fetch(self, path):
        """(status, bytes) of a GET, whatever it is."""
        request = urllib.request.Request(f"{self.url}/outdial/v1{path}")
        request.add_header("Authorization", f"Bearer {self.key}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def contacts(self, campaign):
        """Every contact of a campaign."""
        found, cursor = [], ""
        while True:
            page = self.api("GET", f"/campaigns/{campaign}/contacts?limit=500{cursor}")
            found += page["data"]
            if not page.get("next_cursor"):
                return found
            cursor = f"&cursor={page['next_cursor']}"

    def campaign(self, campaign):
        return self.api("GET", f"/campaigns/{campaign}")

    def wait_campaign(self, campaign, limit_s):
        """The campaign once every contact has an outcome; a store that is away is waited for."""
        def over():
            try:
                view = self.campaign(campaign)
            except AssertionError as error:
                if " 503 " not in str(error):
                    raise
                return None
            counts = view["counts"]
            return view if counts["total"] == counts["ended"] and not counts["active"] else None
        return wait_until(over, limit_s, "the campaign to end", 0.2)


class World:
    def __init__(self, name):
        # A short path: a unix socket's may have 107 bytes at most.
        self.dir = tempfile.mkdtemp(prefix=f"outdial-{name[:12]}-")
        self.children = []
        self.data_dirs = set()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def contacts(self, count, name="contacts.csv", first=0, columns=("name",)):
        """A file of count numbers; its path."""
        with open(self.path(name), "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("number", *columns))
            for i in range(first, first + count):
                rows.writerow((f"+1555{i:07d}", *(f"{column} {i}" for column in columns)))
        return self.path(name)

    def agent(self, name, steps, **more):
        return self.write(f"{name}.json", json.dumps(
            {"name": name, "number": "+15550009999", **more,
             "outdial": {"agent": {"kind": "script", "steps": steps}, **more.get("outdial", {})}}))

    def carrier(self, *args, **more):
        return Carrier(self, *args, **more)

    def serve(self, trunks, **more):
        return Server(self, trunks, **more)

    def start(self, name, argv, **more):
        return Process(self, name, argv, **more)

    def cli(self, *args, server=None, env=None, limit_s=60, code=0):
        """Runs the command; a CompletedProcess with text. code None: any."""
        full = {**os.environ, **(server.env() if server else {}), **(env or {})}
        done = subprocess.run([OUTDIAL, *args], capture_output=True, text=True, env=full,
                              stdin=subprocess.DEVNULL, timeout=limit_s, cwd=self.dir, check=False)
        if code is not None and done.returncode != code:
            raise AssertionError(f"outdial {' '.join(args)}: exit {done.returncode}, expected "
                                 f"{code}\n{done.stdout}{done.stderr}")
        return done

    def start_cli(self, name, *args, server):
        return self.start(name, [OUTDIAL, *args], env=server.env(), cwd=self.dir)

    def end(self):
        for child in reversed(self.children):
            child.close()
        # A private Redis outlives a daemon that was killed.
        for data_dir in self.data_dirs:
            try:
                with open(os.path.join(data_dir, "redis", "redis.pid"), encoding="ascii") as file:
                    pid = int(file.read())
                if os.readlink(f"/proc/{pid}/cwd").startswith(self.dir):
                    os.kill(pid, signal.SIGTERM)
                    wait_until(lambda p=pid: not alive(p), 15, "the private Redis to end")
            except (OSError, ValueError):
                pass
        shutil.rmtree(self.dir, ignore_errors=True)

    def tell(self, last=0):
        """The last lines of every child, or of the last ones, for whoever reads a failure."""
        for child in self.children[-last:]:
            for text, which in ((child.stdout(), "stdout"), (child.stderr(), "stderr")):
                if text.strip():
                    print(f"-- {child.name} {which}\n" + "\n".join(text.splitlines()[-12:]))


def compare_books(server, carrier, campaign):
    """Each contact's outcome here is what the carrier saw (its ledger is a moment behind). Returns
    the counts by cause."""
    contacts = list(server.contacts(campaign))
    expected = {contact["to"]: CARRIER_WORD.get(contact["status"]) for contact in contacts}

    def differing():
        theirs = carrier.outcome_by_number()
        return [f"{to}: {word} expected, {theirs.get(to)} at the carrier"
                for to, word in expected.items() if theirs.get(to) != word]

    try:
        wait_until(lambda: not differing(), 10, "the carrier's ledger to agree")
    except AssertionError:
        wrong = differing()
        assert not wrong, f"{len(wrong)} differ: " + "; ".join(wrong[:5])
    return collections.Counter(contact["status"] for contact in contacts)


def start_campaign(world, server, count, name="c", first=0):
    """Of the agent `short`, to numbers from the first on; its id."""
    campaign = world.cli("campaign", "create", name, "--agent", "short",
                         server=server).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(count, f"{name}.csv", first),
              server=server)
    world.cli("campaign", "start", campaign, server=server)
    return campaign


def invites(carrier):
    """In the carrier's ledger, retransmissions left out."""
    return [fact for fact in carrier.facts("invite") if not fact.get("retransmission")]


def numbers(carrier):
    return {fact["number"] for fact in invites(carrier)}


def main(*tests):
    if not os.access(OUTDIAL, os.X_OK):
        sys.exit(f"no executable {OUTDIAL}: build it, or say where it is in OUTDIAL_BIN")
    wanted = sys.argv[1:]
    failed = 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        world = World(test.__name__)
        begin = time.monotonic()
        try:
            test(world)
            print(f"ok   {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except (AssertionError, subprocess.TimeoutExpired, OSError, KeyError, ValueError) as error:
            failed += 1
            print(f"FAIL {test.__name__}: {error}", flush=True)
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            world.tell()
        finally:
            world.end()
    sys.exit(1 if failed else 0)

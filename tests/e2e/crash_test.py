#!/usr/bin/env python3
"""Goal: nobody is called twice, whatever dies; what was under way ends as `unknown`; the rest is dialled
by the next start. Method: kill -9 of the daemon, and of its Redis, in the middle of a campaign; the
carrier's ledger counts the calls to every number."""
import collections
import json
import os
import signal
import socket
import threading
import time
import urllib.request

from harness import OUTDIAL, free_port, main, wait_until

TOWN = {"answer": 50, "no_answer": 10, "busy": 30, "decline": 10, "fail": 0, "pdd_ms": "20-200",
        "ring_ms": "200-1500", "digits": "none:1"}
COUNT = 120
STORED_S, AHEAD = 1, 20  # an end is stored in that time; so many intents may be written ahead of their INVITEs


def trunks(carrier):
    return [{"name": "main", "server": carrier.address, "cps_limit": 20, "max_calls": 100,
             "ring_timeout_s": 4}]


def begin(world, carrier, extra=None):
    server = world.serve(trunks(carrier), extra=extra)
    world.cli("agent", "put", world.agent("short", [{"pause": 4000}, {"hangup": {}}]), server=server)
    campaign = world.cli("campaign", "create", "c", "--agent", "short", server=server).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(COUNT), server=server)
    world.cli("campaign", "start", campaign, server=server)
    return server, campaign


def dialled(carrier):
    return len(carrier.calls_by_number())


def check_books(server, carrier, campaign):
    view = server.wait_campaign(campaign, 60)
    counts = collections.Counter(c["status"] for c in server.contacts(campaign))
    assert sum(counts.values()) == view["counts"]["ended"] == COUNT, (counts, view)
    assert dict(counts) == view["counts"]["outcomes"], (counts, view)
    twice = {n: k for n, k in carrier.calls_by_number().items() if k > 1}
    assert not twice, f"called twice: {twice}"
    # Whoever was never called can't have an outcome of the callee's, and nobody is left out.
    called = set(carrier.calls_by_number())
    for contact in server.contacts(campaign):
        if contact["to"] not in called:
            assert contact["status"] == "unknown", f"{contact['to']} was never called: {contact}"
    return counts


def no_leg_is_left(carrier, server):
    """The calls of the process that died before this one was started end at the carrier."""
    theirs = {fact["call"] for fact in carrier.facts("invite") if fact["t"] < server.started_at}

    def left():
        return theirs - {fact["call"] for fact in carrier.facts("end")}
    wait_until(lambda: not left(), 5, "the dead daemon's calls to end at the carrier")


def kill_of_the_daemon(world):
    carrier = world.carrier(TOWN)
    # A port of its own, as in life: a callee may answer while nobody runs, and repeats that there.
    fixed = {"sip": {"listen": [f"udp:127.0.0.1:{free_port()}"]}}
    server, campaign = begin(world, carrier, fixed)
    under_way = set()  # at a kill, or over just before it
    for part in (1, 2):
        wait_until(lambda p=part: dialled(carrier) >= p * COUNT // 3, 30, "a part of the calls")
        killed = time.time()
        server.process.send_signal(signal.SIGKILL)
        server.wait(10)
        over = {fact["call"] for fact in carrier.facts("end") if fact["t"] < killed - STORED_S}
        under_way |= {fact["number"] for fact in carrier.facts("invite") if fact["call"] not in over}
        server = world.serve(trunks(carrier), extra=fixed)
        no_leg_is_left(carrier, server)
    counts = check_books(server, carrier, campaign)
    print(f"     {dict(counts)}, {len(under_way)} of them under way at a kill")
    unknown = {c["to"] for c in server.contacts(campaign) if c["status"] == "unknown"}
    ahead = unknown - set(carrier.calls_by_number())  # their intents were written, their INVITEs not sent
    assert unknown and unknown - ahead <= under_way and len(ahead) <= AHEAD, (counts, ahead, unknown - under_way)
    assert server.stop() == 0


class Challenger(threading.Thread):
    """A carrier that answers every INVITE, and wants credentials for the BYE."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.acked, self.byes = threading.Event(), []
        self.start()

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(65536)
            head = data.decode("utf-8", "replace").split("\r\n\r\n", 1)[0].split("\r\n")
            method = head[0].split(" ", 1)[0]
            copied = [line for line in head[1:] if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
            to = next(line for line in head if line.startswith("To:"))
            copied.append(to if "tag=" in to else to + ";tag=callee")
            if method == "INVITE":
                self.answer(peer, "200 OK", copied + [f"Contact: <sip:callee@{self.address}>",
                            "Content-Type: application/sdp"],
                            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                            "m=audio 9 RTP/AVP 0\r\n")
            elif method == "ACK":
                self.acked.set()
            elif method == "BYE":
                given = [line for line in head if line.startswith("Authorization:")]
                self.byes.append(given[0] if given else "")
                self.answer(peer, "200 OK" if given else "401 Unauthorized", copied + (
                    [] if given else ['WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5']))

    def answer(self, peer, status, lines, body=""):
        text = "\r\n".join([f"SIP/2.0 {status}"] + lines + [f"Content-Length: {len(body)}", "", body])
        self.socket.sendto(text.encode(), peer)


def stored_credentials_end_a_leg(world):
    """Who went out on stored credentials is hung up with them after a crash, though the store tells of
    them only later than the local journal of the leg."""
    peer = Challenger()
    server = world.serve([])
    api = dict(content_type="application/json")
    credentials = post(server, "/api/v1/sip-credentials", {"server": peer.address, "authUser": "ann",
                                                           "authPassword": "open sesame"})
    number = server.api("POST", "/numbers", {"number": "+15550000001", "credentials_id": credentials["id"]}, **api)
    server.api("POST", "/agents", {"name": "long", "number_ids": [number["id"]], "primary_number_id": number["id"],
                                   "outdial": {"agent": {"kind": "script", "steps": [{"pause": 60000}]}}}, **api)
    server.api("POST", "/calls", {"to": "+15551110001", "agent": "long", "from": "+15550000001"}, **api)
    assert peer.acked.wait(20), "the call is not up"
    time.sleep(0.3)  # its answer is on its way to the ledger
    server.process.send_signal(signal.SIGKILL)
    server.wait(10)
    server = world.serve([])
    wait_until(lambda: [bye for bye in peer.byes if bye], 5, "a BYE with credentials")
    assert 'username="ann"' in peer.byes[-1], peer.byes
    assert server.stop() == 0


def post(server, path, body):
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), {
        "Authorization": f"Bearer {server.key}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def kill_of_redis(world):
    carrier = world.carrier(TOWN)
    server, campaign = begin(world, carrier)
    wait_until(lambda: dialled(carrier) >= COUNT // 3, 30, "a part of the calls")
    first = server.redis_pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: server.redis_pid() != first, 20, "another Redis")
    counts = check_books(server, carrier, campaign)
    print(f"     {dict(counts)}")
    assert counts["unknown"] == 0, counts
    assert server.stop() == 0


def term_in_the_middle(world):
    """An ordered end lets calls under way end, hands the rest back, and the next start goes on."""
    carrier = world.carrier(TOWN)
    server, campaign = begin(world, carrier)
    wait_until(lambda: dialled(carrier) >= COUNT // 3, 30, "a part of the calls")
    assert server.stop() == 0
    before = dialled(carrier)
    assert before < COUNT, "the whole campaign went out during the drain"
    server = world.serve(trunks(carrier))
    counts = check_books(server, carrier, campaign)
    print(f"     {before} dialled before the end, then {dict(counts)}")
    assert counts["unknown"] == 0, counts
    server.stop()
    carrier.finish()


def redis_of_its_own(world, *more):
    """A redis-server that isn't the daemon's; its URL."""
    path = world.path("redis.sock")
    redis = world.start("redis", ["redis-server", "--port", "0", "--unixsocket", path, "--dir", world.dir,
                                  "--save", "", "--appendonly", "yes", "--appendfsync", "always", *more])
    wait_until(lambda: os.path.exists(path) or not redis.running(), 10, "redis-server")
    return f"unix://{path}"


def evicting_redis_is_refused(world):
    url = redis_of_its_own(world, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    serve = world.start("serve", [OUTDIAL, "serve", "--data-dir", world.path("data"), "--http-listen",
                                  "127.0.0.1:0", "--sip-listen", "udp:127.0.0.1:0", "--redis-url", url])
    assert serve.wait(20) == 1
    assert "noeviction" in serve.stderr(), serve.stderr()


def drain_has_a_limit(world):
    """Calls that would talk for long are hung up when the drain's time is over."""
    carrier = world.carrier({**TOWN, "answer": 100, "no_answer": 0, "busy": 0, "decline": 0,
                             "ring_ms": "100"})
    server = world.serve(trunks(carrier), extra={"limits": {"drain_timeout_s": 1}})
    world.cli("agent", "put", world.agent("long", [{"pause": 60000}, {"hangup": {}}]), server=server)
    for i in range(3):
        world.cli("call", "new", f"+1555000111{i}", "--agent", "long", server=server)
    wait_until(lambda: len(list(carrier.facts("ack"))) >= 3, 20, "three answered calls")
    assert server.stop(limit_s=20) == 0
    assert len([f for f in carrier.facts("bye") if f.get("who") == "caller"]) == 3
    carrier.finish()


def rolling_restart(world):
    """Two workers on one Redis; each is ended and started again while the other goes on: no call fails
    for it."""
    carrier = world.carrier(TOWN)
    url = redis_of_its_own(world)

    def start(number):
        return world.serve(trunks(carrier), name=f"serve-{number}",
                           extra={"data_dir": world.path(f"data-{number}"), "redis": {"url": url}})
    servers = [start(0), start(1)]
    world.cli("agent", "put", world.agent("short", [{"pause": 1500}, {"hangup": {}}]), server=servers[0])
    campaign = world.cli("campaign", "create", "c", "--agent", "short",
                         server=servers[0]).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(3 * COUNT), server=servers[0])
    world.cli("campaign", "start", campaign, server=servers[0])
    for number in (0, 1):
        before = dialled(carrier)
        wait_until(lambda b=before: dialled(carrier) >= b + COUNT // 6, 30, "a part of the calls")
        assert servers[number].stop() == 0
        servers[number] = start(number)
    view = servers[1].wait_campaign(campaign, 60)
    counts = view["counts"]["outcomes"]
    print(f"     {counts}")
    assert sum(counts.values()) == 3 * COUNT, counts
    assert not set(counts) - {"completed", "no_answer", "busy", "declined"}, counts
    assert not [n for n, k in carrier.calls_by_number().items() if k > 1]
    for server in servers:
        assert server.stop() == 0
    carrier.finish()


main(kill_of_the_daemon, stored_credentials_end_a_leg, kill_of_redis, term_in_the_middle, evicting_redis_is_refused, drain_has_a_limit,
     rolling_restart)

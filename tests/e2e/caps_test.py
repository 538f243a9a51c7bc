#!/usr/bin/env python3
"""Goal: caps on calls at once hold at the carrier for an org and for a caller number, over processes,
also after Redis has forgotten everything, and count what is up when they come; trunks and stored credentials of one cps_key keep one rate; a
carrier's own INVITEs count where its limit says so. Method: servers on one Redis, the carriers' ledgers,
a socket that sends INVITEs as a carrier would."""
import re
import socket
import threading
import time

from harness import Redis, main, most_at_once, wait_until

TALKS = {"answer": 100, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "pdd_ms": "10-30",
         "ring_ms": "20-50", "digits": "none:1"}
KNOWN_NS = 1_000_000_000  # a process that shows a change goes by it, and what it had armed by then has left
REFUSES = {**TALKS, "answer": 0, "busy": 100}


def agent(world, server, name, number, talk_ms):
    """An agent whose calls talk for so long."""
    world.cli("agent", "put", world.agent(name, [{"pause": talk_ms}, {"hangup": {}}], number=number),
              server=server)


def campaign(world, server, name, of, count, first):
    campaign = world.cli("campaign", "create", name, "--agent", of, server=server).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(count, f"{name}.csv", first), server=server)
    world.cli("campaign", "start", campaign, server=server)
    return campaign


def facts_from(carrier, number):
    """The facts of the calls that show that number."""
    all_of = list(carrier.facts())
    ids = {f["call_id"] for f in all_of if f["fact"] == "invite" and number in f["from"]}
    return [f for f in all_of if f.get("call_id") in ids]


def orgs_and_numbers(world):
    redis = Redis(world)
    carrier = world.carrier(TALKS, ["--no-rtp"])
    trunk = {"name": "line", "server": carrier.address, "cps_limit": 50, "max_calls": 100}
    more = {"orgs": [{"name": "default", "max_calls": 7}],
            "numbers": [{"number": "+15550001111", "trunk": "line", "max_calls": 3}]}
    servers = [redis.serve(i, [trunk], **more) for i in range(2)]
    agent(world, servers[0], "capped", "+15550001111", 500)
    agent(world, servers[0], "free", "+15550002222", 500)
    both = [campaign(world, servers[0], "few", "capped", 12, 0),
            campaign(world, servers[1], "many", "free", 20, 1000)]
    for one in both:
        view = servers[0].wait_campaign(one, 60)
        assert view["counts"]["outcomes"]["completed"] == view["counts"]["total"], view["counts"]
    for server in servers:
        server.stop()
    carrier.finish()
    of_org, of_number = most_at_once(carrier.facts())[0], most_at_once(facts_from(carrier, "+15550001111"))[0]
    print(f"     most at once: {of_org} of the org's 7, {of_number} of the number's 3")
    assert of_org <= 7 and of_number <= 3, (of_org, of_number)
    assert of_org > 4 and of_number > 1, (of_org, of_number)


def caps_outlive_redis_memory(world):
    """A trunk's and an org's calls that are up when Redis forgets everything count still."""
    redis = Redis(world)
    carrier = world.carrier(TALKS, ["--no-rtp"])
    trunk = {"name": "line", "server": carrier.address, "cps_limit": 50, "max_calls": 5}
    more = {"orgs": [{"name": "default", "max_calls": 6}]}
    first, second = (redis.serve(i, [trunk], **more) for i in range(2))
    agent(world, first, "long", "+15550001111", 5000)
    campaign(world, first, "before", "long", 5, 0)
    answered = wait_until(lambda: list(carrier.facts("ack"))[4:] and list(carrier.facts("ack")),
                          20, "five calls")
    assert redis.ask("FLUSHALL").startswith(b"+OK")
    wait_until(lambda: all("forgotten" in s.stderr() or not s.api("GET", "/limits")["calls"]["alive"]
                           for s in (first, second)), 20, "the workers to notice")
    agent(world, second, "again", "+15550001111", 200)
    after = campaign(world, second, "after", "again", 10, 1000)
    second.wait_campaign(after, 60)
    for server in (first, second):
        server.stop()
    carrier.finish()
    most, _ = most_at_once(carrier.facts())
    ends = min(f["mono_ns"] for f in carrier.facts("end"))
    early = [f for f in carrier.facts("invite") if answered[-1]["mono_ns"] < f["mono_ns"] < ends]
    print(f"     most at once {most} of 5, over FLUSHALL; {len(early)} dialled before one had ended")
    assert most == 5 and not early, (most, len(early))
    redis_keys = redis.ask("HGETALL od:{shared}:use")
    assert redis_keys.startswith(b"*0"), redis_keys


def a_cap_that_comes_later(world):
    """Of a trunk, a campaign and an agent that had none, while more calls are up than it allows."""
    redis = Redis(world)
    carrier = world.carrier(TALKS, ["--no-rtp"])
    trunk = {"name": "line", "server": carrier.address, "cps_limit": 50, "max_calls": 0}
    servers = [redis.serve(i, [trunk]) for i in range(2)]
    many, cap = 12, 3

    def capped(view, cap):
        return cap in (view.get("max_calls"), (view.get("outdial") or {}).get("max_calls"))

    def up(at, facts):
        steps = [(f["mono_ns"], 1 if f["fact"] == "invite" else -1) for f in facts if f["fact"] == "end" or
                 (f["fact"] == "invite" and not f["retransmission"])]
        return sum(step for when, step in steps if when < at)

    for number, kind in enumerate(("trunk", "campaign", "agent")):
        agent(world, servers[0], kind, "+15550001111", 2500)
        first = campaign(world, servers[0], f"{kind} first", kind, 80, 1000 * number)
        wait_until(lambda: up(time.monotonic_ns(), carrier.facts()) >= many, 30, "many calls", 0.02)
        of_agent = servers[0].api("GET", f"/agents?name={kind}")["data"][0]["id"]
        path, body, back = {
            "trunk": ("/trunks/line", {"max_calls": cap}, {"max_calls": 0}),
            "campaign": (f"/campaigns/{first}", {"max_calls": cap}, {"max_calls": 0}),
            "agent": (f"/agents/{of_agent}", {"outdial": {"max_calls": cap}}, {"outdial": {"max_calls": 0}})}[kind]
        servers[1].api("PATCH", path, body)
        wait_until(lambda p=path: all(capped(server.api("GET", p), cap) for server in servers), 20,
                   "every process to know of it", 0.02)
        known = time.monotonic_ns() + KNOWN_NS

        def later():
            sent = [f["mono_ns"] for f in carrier.facts("invite") if not f["retransmission"]]
            return [at for at in sent if at > known]
        wait_until(lambda: len(later()) > cap, 60, "calls under the cap", 0.1)
        sent, facts = later(), list(carrier.facts())
        most = max(up(at, facts) + 1 for at in sent)
        print(f"     {kind}: {up(known, facts)} up when a cap of {cap} was known; then at most {most}")
        assert most <= cap, (kind, most)
        servers[1].api("PATCH", path, back)
        servers[0].wait_campaign(first, 90)
        wait_until(lambda: not up(time.monotonic_ns(), carrier.facts()), 60, "the last call to end")
    for server in servers:
        server.stop()
    carrier.finish()
    for key in ("use", "userest", "up"):
        left = [redis.ask(f"HLEN od:{{{of}}}:{key}") for of in ("shared", "default")]
        assert left == [b":0\r\n"] * 2, (key, left)


def invites(*carriers):
    return sorted(f["mono_ns"] / 1e9 for carrier in carriers for f in carrier.facts("invite")
                  if not f["retransmission"])


def most_in_a_second(times):
    return max(sum(at - 1 < t <= at for t in times) for at in times)


def keys_of_credentials(world):
    """A trunk of the configuration and stored credentials with one cps_key, and another without."""
    first, second = world.carrier(REFUSES, ["--no-rtp"], name="first"), world.carrier(REFUSES, ["--no-rtp"], name="second")
    server = world.serve([{"name": "line", "server": first.address, "cps_limit": 10, "cps_key": "one"}],
                         extra={"hours": {"legal": ""}})
    credentials = server.api("POST", "/sip-credentials", {
        "server": second.address, "cpsLimit": 40, "cpsKey": "one"}, prefix="/api/v1")["id"]
    number = server.api("POST", "/sip-phone-numbers", {
        "phoneNumber": "+15550002222", "credentialsId": credentials}, prefix="/api/v1")["id"]
    agent(world, server, "by trunk", "+15550001111", 100)
    agent(world, server, "by credentials", "+15550002222", 100)
    second_agent = server.api("GET", "/agents?name=by%20credentials")["data"][0]["id"]
    server.api("PUT", f"/sip-phone-numbers/{number}/agent-link", {"agentId": second_agent}, prefix="/api/v1")
    both = [campaign(world, server, "trunk", "by trunk", 25, 0),
            campaign(world, server, "credentials", "by credentials", 25, 1000)]
    for one in both:
        server.wait_campaign(one, 60)
    server.stop()
    counts = [len(invites(carrier)) for carrier in (first, second)]
    most = most_in_a_second(invites(first, second))
    print(f"     {counts[0]} INVITEs by the trunk, {counts[1]} by the credentials, most in a second {most} of 10")
    assert counts == [25, 25], counts
    assert 8 <= most <= 10, most
    first.finish()
    second.finish()


def what_comes_in_counts(world):
    """A limit of ten in a second, of which the carrier's own INVITEs take about half."""
    carrier = world.carrier(REFUSES, ["--no-rtp"])
    server = world.serve([{"name": "line", "server": carrier.address,
                           "limit": [{"calls": 10, "per_ms": 1000, "count_inbound": True}]}],
                         extra={"hours": {"legal": ""}})
    port = int(re.search(r"SIP port (\d+)", server.stderr()).group(1))
    agent(world, server, "short", "+15550001111", 100)
    came, over = [], threading.Event()  # (when it was sent, when it was answered): counted in between
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(10)
        own = s.getsockname()[1]

        def come_in():
            begin = time.monotonic()
            while not over.wait(max(0, begin + 0.2 * len(came) - time.monotonic())):
                n, sent = len(came), time.monotonic()
                s.sendto((f"INVITE sip:us@127.0.0.1:{port} SIP/2.0\r\n"
                          f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bKin{n}\r\n"
                          f"From: <sip:they@127.0.0.1>;tag=in{n}\r\nTo: <sip:us@127.0.0.1>\r\n"
                          f"Call-ID: in-{n}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
                          f"Contact: <sip:they@127.0.0.1:{own}>\r\nContent-Length: 0\r\n\r\n").encode(),
                         ("127.0.0.1", port))
                while f"Call-ID: in-{n}\r\n" not in s.recv(65536).decode():
                    pass  # an earlier one's refusal, repeated: it gets no ACK
                came.append((sent, time.monotonic()))

        sender = threading.Thread(target=come_in)
        sender.start()
        try:
            server.wait_campaign(campaign(world, server, "out", "short", 30, 0), 60)
        finally:
            over.set()
            sender.join()
    server.stop()
    out = invites(carrier)
    full = max(sum(at - 1 < t <= at for t in out) + sum(at - 1 < sent and answered <= at for sent, answered in came)
               for at in out)
    beside = sum(out[0] < sent and answered < out[-1] for sent, answered in came)
    print(f"     {len(out)} out, {beside} in meanwhile; most in a second {full} of 10")
    assert len(out) == 30 and full <= 10, full
    assert beside >= 5, beside
    carrier.finish()


main(orgs_and_numbers, caps_outlive_redis_memory, a_cap_that_comes_later, keys_of_credentials, what_comes_in_counts)

#!/usr/bin/env python3
"""Goal: of the servers behind a trunk's name the next takes over when one dies, falls silent or says 503, within
the same call's tries and without harm to the trunk; the first comes back after its rest; a refusal for rate moves
nobody. Method: the whole command, two simulated carriers, and a nameserver of the test's own whose SRV records
name them both."""
import signal
import socket
import struct
import threading

from harness import invites, main, numbers, wait_until
from harness import start_campaign as start

COUNT, CPS = 60, 30
REST_S = 30
CALLEES = {"answer": 0, "no_answer": 0, "busy": 60, "decline": 40, "fail": 0, "pdd_ms": "20-60", "ring_ms": "50-200"}
VERDICTS = {"busy", "declined"}
SRV, IN, NXDOMAIN = 33, 1, 3


def name_of(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".") if part) + b"\0"


class Nameserver(threading.Thread):
    """Answers one question: SRV of _sip._udp.carrier.test (RFC 2782)."""

    def __init__(self, *servers):
        super().__init__(daemon=True)
        self.servers = servers  # "127.0.0.1:5060", the first preferred
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.start()

    def answer(self, query):
        question = query[12:query.index(b"\0", 12) + 5]
        records = []
        if question == name_of("_sip._udp.carrier.test") + struct.pack("!HH", SRV, IN):
            for i, server in enumerate(self.servers):
                host, port = server.split(":")
                data = struct.pack("!HHH", 10 + i, 1, int(port)) + name_of(host)
                records.append(struct.pack("!HHHIH", 0xc00c, SRV, IN, 1, len(data)) + data)
        flags = 0x8580 | (0 if records else NXDOMAIN)
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)

    def run(self):
        while True:
            query, peer = self.socket.recvfrom(512)
            self.socket.sendto(self.answer(query), peer)


def one_trunk(world, first=None, **more):
    carriers = [world.carrier({**CALLEES, **(first or {})}, ["--no-rtp"], name="first"),
                world.carrier(CALLEES, ["--no-rtp"], name="second")]
    names = Nameserver(*(carrier.address for carrier in carriers))
    server = world.serve([{"name": "t", "server": "carrier.test", "cps_limit": CPS, "max_calls": 100,
                           "ring_timeout_s": 3, "setup_timeout_s": 3, **more}],
                         extra={"sip": {"listen": ["udp:127.0.0.1:0"], "nameserver": names.address}})
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    return *carriers, server


def ends_well(server, campaign, count):
    server.wait_campaign(campaign, 60)
    contacts = server.contacts(campaign)
    assert len(contacts) == count
    wrong = [c for c in contacts if c["status"] not in VERDICTS]
    assert not wrong, f"{len(wrong)} not by the callee: {wrong[:2]}"


def a_dead_server_and_its_return(world):
    first, second, server = one_trunk(world)
    ends_well(server, start(world, server, 10, "before", 2 * COUNT), 10)
    assert len(invites(first)) == 10 and not invites(second)
    first.kill()
    ends_well(server, start(world, server, COUNT, "c"), COUNT)
    assert len(numbers(second)) == COUNT
    trunk = server.api("GET", "/trunks/t")
    assert trunk["health"] == "up", trunk
    again = world.carrier(CALLEES, ["--no-rtp", "--listen", f"udp:{first.address}"], name="again")
    ends_well(server, start(world, server, 10, "at once", COUNT), 10)
    assert not invites(again), "it rests"
    campaign = start(world, server, CPS * REST_S, "later", 3 * COUNT)
    wait_until(lambda: invites(again), REST_S + 20, "the first server to be used again")
    world.cli("campaign", "cancel", campaign, server=server)
    server.stop()
    again.finish()
    second.finish()


def a_server_that_says_503(world):
    first, second, server = one_trunk(world, {"busy": 0, "decline": 0, "fail": 1, "fail_codes": "503"})
    campaign = start(world, server, COUNT, "c")
    ends_well(server, campaign, COUNT)
    assert len(numbers(second)) == COUNT
    print(f"     {len(invites(first))} INVITEs at the server that refuses, {len(invites(second))} at the next")
    assert server.api("GET", "/trunks/t")["health"] == "up"
    server.stop()
    first.finish()
    second.finish()


def a_silent_server(world):
    first, second, server = one_trunk(world, patience_ms=1500)
    first.process.send_signal(signal.SIGSTOP)
    campaign = start(world, server, COUNT, "c")
    ends_well(server, campaign, COUNT)
    assert len(numbers(second)) == COUNT
    first.process.send_signal(signal.SIGCONT)
    server.stop()
    second.finish()


def a_refusal_for_rate_moves_nobody(world):
    first, second, server = one_trunk(world, {"cps_limit": 5})
    campaign = start(world, server, COUNT, "c")
    ends_well(server, campaign, COUNT)
    assert list(first.facts("refused")), "its limit was never reached"
    assert not invites(second)
    server.stop()
    first.finish()
    second.finish()


main(a_dead_server_and_its_return, a_server_that_says_503, a_silent_server, a_refusal_for_rate_moves_nobody)

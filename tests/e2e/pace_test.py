#!/usr/bin/env python3
"""Goal: the rate of a campaign, and of an agent over all its campaigns, is one rate at the carrier,
however many processes on one Redis dial for it, whoever of them is killed; and it is changed while they
dial. Method: two servers on one Redis, through a trunk that would take more; the carrier's ledger has
the kernel's time of every INVITE, and which process sent it."""
import statistics

from harness import Redis, main, wait_until

CALLEES = {"answer": 0, "no_answer": 0, "busy": 100, "decline": 0, "fail": 0, "pdd_ms": "5-20",
           "ring_ms": "10-40"}
TRUNK_CPS = 50


class Line:
    """A carrier and two servers that dial by it."""

    def __init__(self, world, cps=TRUNK_CPS):
        self.world, self.redis = world, Redis(world)
        self.carrier = world.carrier(CALLEES, ["--no-rtp"])
        self.trunk = {"name": "line", "server": self.carrier.address, "cps_limit": cps, "max_calls": 500}
        self.servers = [self.serve(i) for i in range(2)]

    def serve(self, number):
        return self.redis.serve(number, [self.trunk])

    def agent(self, name, **outdial):
        steps = [{"hangup": {}}]
        self.world.cli("agent", "put", self.world.agent(name, steps, outdial={
            "agent": {"kind": "script", "steps": steps}, **outdial}), server=self.servers[0])

    def campaign(self, name, agent, count, *words, first=0):
        server = self.servers[0]
        campaign = self.world.cli("campaign", "create", name, "--agent", agent, *words,
                                  server=server).stdout.strip()
        path = self.world.contacts(count, f"{name}.csv", first)
        self.world.cli("campaign", "import", campaign, path, server=server)
        self.world.cli("campaign", "start", campaign, server=server)
        return campaign

    def sent(self):
        """When, and by whom."""
        return sorted((f["mono_ns"] / 1e9, f["source"]) for f in self.carrier.facts("invite")
                      if not f["retransmission"])

    def finish(self):
        for server in self.servers:
            server.stop()
        self.carrier.finish()


def most_in_a_second(sent):
    times, most, first = [at for at, _ in sent], 0, 0
    for i, at in enumerate(times):
        while times[first] <= at - 1:
            first += 1
        most = max(most, i - first + 1)
    return most


def kept(what, sent, cps, least=0.0):
    """Never above it, and used: one that is late on a busy machine is never caught up, but the usual distance is
    the pace's, and there are no pauses as long as the work."""
    rate = (len(sent) - 1) / (sent[-1][0] - sent[0][0])
    usual = 1 / statistics.median(b - a for (a, _), (b, _) in zip(sent, sent[1:]))
    most = most_in_a_second(sent)
    print(f"     {what}: {len(sent)} INVITEs by {len({by for _, by in sent})} processes, {rate:.2f} a second of "
          f"{cps}, usually {usual:.2f}, most in a second {most}")
    assert most <= cps, (what, most)
    assert usual >= least * cps and rate >= least * cps / 2, (what, usual, rate)


def a_campaigns_pace(world):
    """And whoever dials is killed in the middle."""
    line, cps, count = Line(world), 8, 120
    line.agent("short")
    campaign = line.campaign("paced", "short", count, "--cps", str(cps))
    wait_until(lambda: len(line.sent()) >= count // 3, 60, "a third of the calls", 0.02)
    before = line.sent()
    dials = next(i for i, server in enumerate(line.servers)
                 if server.api("GET", "/limits")["since_start"]["invited"])
    line.servers[dials].kill()
    line.servers[dials] = line.serve(dials)
    line.servers[1 - dials].wait_campaign(campaign, 90)
    sent = line.sent()
    assert most_in_a_second(sent) <= cps, most_in_a_second(sent)
    kept("before the kill", before, cps, 0.8)
    gap = max(b - a for (a, _), (b, _) in zip(sent, sent[1:]))
    print(f"     over the kill: most in a second {most_in_a_second(sent)} of {cps}, no call for {gap:.1f} s at most")
    assert len({by for _, by in sent}) > 1, "one process dialled all of it"
    numbers = [f["number"] for f in line.carrier.facts("invite") if not f["retransmission"]]
    assert len(numbers) == len(set(numbers)), "somebody was dialled twice"
    line.finish()


def a_fast_pace_is_dealt(world):
    """Fast enough for all processes to dial at it, slot by slot."""
    line, cps = Line(world, cps=1000), 200
    line.agent("short")
    campaign = line.campaign("fast", "short", 600, "--cps", str(cps))
    line.servers[0].wait_campaign(campaign, 90)
    kept("200 a second", line.sent(), cps)
    line.finish()


def an_agents_rate(world):
    """Over two campaigns, one of which is slower still; changed while they are dialled."""
    line = Line(world)
    line.agent("busy", cps=6)
    whole = line.campaign("whole", "busy", 60)
    slow = line.campaign("slow", "busy", 12, "--cps", "1", first=1000)
    wait_until(lambda: len(line.sent()) >= 36, 60, "half of the calls", 0.02)
    kept("at 6 a second", line.sent(), 6, 0.7)
    document = line.servers[1].api("GET", "/agents?name=busy")["data"][0]
    assert document["outdial"]["cps"] == 6, document
    world.cli("agent", "limits", "busy", "--cps", "12", server=line.servers[1])
    for campaign in (whole, slow):
        line.servers[0].wait_campaign(campaign, 60)
    # its ledger is written now and then
    wait_until(lambda: len({f["number"] for f in line.carrier.facts("invite")}) == 72, 5, "everybody's INVITE")
    sent = line.sent()
    own = sorted((f["mono_ns"] / 1e9, f["source"]) for f in line.carrier.facts("invite")
                 if not f["retransmission"] and int(f["number"][-7:]) >= 1000)
    kept("at 12 a second", sent, 12)
    kept("the slow campaign of them", own, 1)
    for campaign, count in ((whole, 60), (slow, 12)):
        outcomes = line.servers[0].api("GET", f"/campaigns/{campaign}")["counts"]["outcomes"]
        assert outcomes == {"busy": count}, outcomes
    audit = line.servers[0].api("GET", "/audit?kind=agent")["data"][0]["changes"]
    assert [c["what"] for c in audit] == ["outdial.cps"], audit
    line.servers[0].api("PATCH", f"/agents/{document['id']}", {"outdial": {"cps": -1}}, status=400)
    line.finish()


def both_at_once(world):
    """The first lane there is has an agent and a campaign with rates of their own: both hold."""
    line = Line(world)
    line.agent("busy", cps=5)
    line.servers[0].wait_campaign(line.campaign("quick", "busy", 25, "--cps", "20"), 60)
    wait_until(lambda: len(line.sent()) == 25, 5, "everybody's INVITE")
    kept("at 5 a second", line.sent(), 5)
    line.finish()


main(both_at_once, a_campaigns_pace, a_fast_pace_is_dealt, an_agents_rate)

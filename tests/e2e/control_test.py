#!/usr/bin/env python3
"""Goal: rate, caps, pause, resume and drain of a trunk, a campaign and an agent take effect while they
are at work, in every process, by the API and by the command, and it is written down who did what.
Method: two processes on one Redis dial one campaign; the carrier's ledger shows when the last INVITE
before a change's effect left, and the first one after it was taken back. How long each took is printed;
nothing is asserted about it but that it comes at all."""
import json
import time

from harness import Redis, main, most_at_once, wait_until

CPS, TALK_MS = 20, 1200
QUIET_S = 0.6  # a dozen INVITEs that should have come


class Line:
    """A carrier, a Redis, two servers, and a campaign that would last for minutes."""

    def __init__(self, world):
        self.world = world
        self.carrier = world.carrier({"answer": 100, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0,
                                      "pdd_ms": "10-30", "ring_ms": "20-50", "digits": "none:1"},
                                     ["--no-rtp"])
        redis = Redis(world)
        trunk = {"name": "line", "server": self.carrier.address, "cps_limit": CPS, "max_calls": 200}
        self.servers = [redis.serve(i, [trunk]) for i in range(2)]
        self.key = world.cli("key", "create", "--name", "night shift", "--json",
                             server=self.servers[0]).stdout
        self.key = json.loads(self.key)["key"]
        world.cli("agent", "put", world.agent("talk", [{"pause": TALK_MS}, {"hangup": {}}]),
                  server=self.servers[0])
        self.agent = self.servers[0].api("GET", "/agents?name=talk")["data"][0]["id"]
        self.campaign = world.cli("campaign", "create", "spring", "--agent", "talk",
                                  server=self.servers[0]).stdout.strip()
        world.cli("campaign", "import", self.campaign, world.contacts(2000), server=self.servers[0])
        world.cli("campaign", "start", self.campaign, server=self.servers[0])
        self.slowest = {}

    def sent(self, since=0.0):
        return sorted(f["mono_ns"] / 1e9 for f in self.carrier.facts("invite")
                      if not f["retransmission"] and f["mono_ns"] / 1e9 > since)

    def up(self):
        return most_at_once(self.carrier.facts())[1]

    def api(self, method, path, body=None):
        return self.servers[1].api(method, path, body, key=self.key)

    def cli(self, *args):
        return self.world.cli(*args, env={"OUTDIAL_SERVER": self.servers[0].url,
                                          "OUTDIAL_KEY": self.key})

    def took(self, what, seconds):
        self.slowest[what] = max(self.slowest.get(what, 0), seconds)

    def dials(self, since):
        return wait_until(lambda: self.sent(since), 20, "calls", 0.02)

    def stops(self, what, change):
        """Nothing is dialled any more, some time after the change was answered."""
        self.dials(time.monotonic())
        change()
        at = time.monotonic()
        wait_until(lambda: time.monotonic() - (self.sent() or [0])[-1] > QUIET_S, 20,
                   f"{what} to stop the calls", 0.05)
        self.took(what, max(0, self.sent()[-1] - at))

    def goes_on(self, what, change):
        seen = self.sent()[-1]
        change()
        at = time.monotonic()
        self.took(what, max(0, self.dials(seen)[0] - at))


def orders_take_effect(line):
    campaign, agent = f"/campaigns/{line.campaign}", f"/agents/{line.agent}"
    line.stops("trunk pause, API", lambda: line.api("POST", "/trunks/line/pause"))
    line.goes_on("trunk resume, CLI", lambda: line.cli("trunks", "resume", "line"))
    line.stops("campaign pause, API", lambda: line.api("POST", f"{campaign}/pause"))
    line.goes_on("campaign resume, CLI", lambda: line.cli("campaign", "resume", line.campaign))
    line.stops("agent pause, API", lambda: line.api("POST", f"{agent}/pause"))
    waits = next(c for c in line.servers[0].contacts(line.campaign) if c["status"] == "queued")
    why = line.api("GET", f"{campaign}/contacts/{waits['id']}/why")
    assert "agent paused" in [hold["reason"] for hold in why["holds"]], why
    line.goes_on("agent resume, CLI", lambda: line.cli("agent", "resume", "talk"))

    def drained(what, order, state, resume):
        line.stops(f"{what} drain, CLI", order)
        wait_until(lambda: state() == "drained", 20, f"the {what} to be drained", 0.02)
        wait_until(lambda: line.up() == 0, 5, "the ledger to have the last end", 0.02)
        line.goes_on(f"{what} resume, API", resume)

    drained("trunk", lambda: line.cli("trunks", "drain", "line"),
            lambda: line.servers[0].api("GET", "/trunks/line")["reason"],
            lambda: line.api("POST", "/trunks/line/resume"))
    drained("campaign", lambda: line.cli("campaign", "drain", line.campaign),
            lambda: line.api("GET", campaign)["state"],
            lambda: line.api("POST", f"{campaign}/resume"))
    drained("agent", lambda: line.cli("agent", "drain", "talk"),
            lambda: line.api("GET", agent)["live"]["state"],
            lambda: line.api("POST", f"{agent}/resume"))


def limits_take_effect(line):
    campaign, agent = f"/campaigns/{line.campaign}", f"/agents/{line.agent}"

    def fast():
        """When the last INVITE left that had three others in the 300 ms before it."""
        sent = line.sent()
        return max(b for a, b in zip(sent, sent[3:]) if b - a < 0.3)

    def slower(what, change):
        """A call a second by each process at most, some time after the change was answered."""
        wait_until(lambda at=time.monotonic(): fast() > at, 20, "many calls", 0.02)
        change()
        at = time.monotonic()
        wait_until(lambda: time.monotonic() - fast() > 1, 20, f"{what} to slow the calls", 0.05)
        line.took(what, max(0, fast() - at))

    def fewer(what, change, most):
        """No more calls at once, once those under way have ended and both processes know: kept for two
        seconds on end, in which calls come and go."""
        kept = []  # since when

        def holds():
            if line.up() > most:
                kept.clear()
            elif not kept:
                kept.append(time.monotonic())
            return kept and time.monotonic() - kept[0] > 2
        wait_until(lambda: line.up() > most, 20, "many calls", 0.02)
        change()
        at = time.monotonic()
        wait_until(holds, 20, f"{what} to be kept", 0.02)
        line.took(f"{what} (calls talk for {TALK_MS} ms)", kept[0] - at)

    slower("trunk rate, API", lambda: line.api("PATCH", "/trunks/line", {"cps": 1}))
    line.goes_on("trunk rate as configured, CLI",
                 lambda: line.cli("trunks", "set", "line", "--configured-cps"))
    slower("campaign rate, CLI",
           lambda: line.cli("campaign", "limits", line.campaign, "--cps", "1"))
    line.goes_on("campaign rate away, API", lambda: line.api("PATCH", campaign, {"cps": None}))
    fewer("trunk cap, CLI", lambda: line.cli("trunks", "set", "line", "--max-calls", "6"), 6)
    line.cli("trunks", "set", "line", "--max-calls", "200")
    fewer("campaign cap, API", lambda: line.api("PATCH", campaign, {"max_calls": 5}), 5)
    line.api("PATCH", campaign, {"max_calls": 0})
    fewer("agent cap, CLI", lambda: line.cli("agent", "limits", "talk", "--max-calls", "4"), 4)
    line.api("PATCH", agent, {"outdial": {"max_calls": 0}})


def it_is_written_down(line):
    expected = [
        ("trunk", "state", "active", "paused"), ("trunk", "state", "paused", "active"),
        ("campaign", "state", "running", "paused"), ("campaign", "state", "paused", "running"),
        ("agent", "state", "active", "paused"), ("agent", "state", "paused", "active"),
        ("trunk", "state", "active", "draining"), ("trunk", "state", "draining", "active"),
        ("campaign", "state", "running", "draining"), ("campaign", "state", "draining", "running"),
        ("agent", "state", "active", "draining"), ("agent", "state", "draining", "active"),
        ("trunk", "cps", "20", "1"), ("trunk", "cps", "1", "20"),
        ("campaign", "cps", None, "1"), ("campaign", "cps", "1", None),
        ("trunk", "max_calls", "200", "6"), ("trunk", "max_calls", "6", "200"),
        ("campaign", "max_calls", None, "5"), ("campaign", "max_calls", "5", None),
        ("agent", "outdial.max_calls", None, "4"), ("agent", "outdial.max_calls", "4", "0")]
    page = line.api("GET", "/audit?who=default%2Fnight%20shift")
    rows = [row for row in reversed(page["data"])]
    seen = [(row["kind"], c["what"], c["before"], c["after"]) for row in rows for c in row["changes"]]
    assert seen == expected, [pair for pair in zip(seen, expected) if pair[0] != pair[1]][:3]
    assert all(row["who"] == "default/night shift" and row["at"] for row in rows), rows[0]
    assert {row["target"] for row in rows} == {"line", line.campaign, line.agent}
    assert sorted(row["at"] for row in rows) == [row["at"] for row in rows]
    # Pages, and what narrows them.
    first = line.api("GET", "/audit?limit=3")
    second = line.api("GET", f"/audit?limit=3&cursor={first['next_cursor']}")
    assert first["data"] + second["data"] == page["data"][:6]
    of_agent = line.api("GET", f"/audit?kind=agent&target={line.agent}")["data"]
    assert of_agent == [row for row in page["data"] if row["kind"] == "agent"]
    assert line.api("GET", "/audit?target=talk&kind=agent")["data"] == of_agent
    before = page["data"][4]["at"]
    assert line.api("GET", f"/audit?to={before}")["data"][0]["at"] < before
    assert line.api("GET", f"/audit?from={before}")["data"] == page["data"][:5]
    line.servers[0].api("GET", "/audit?kind=phone", status=400)
    line.servers[0].api("GET", "/audit?from=yesterday", status=400)
    text = line.cli("audit", "--kind", "campaign", "--limit", "1").stdout
    assert "default/night shift" in text and "spring: max_calls 5 -> none" in text, text


def live_control(world):
    line = Line(world)
    orders_take_effect(line)
    limits_take_effect(line)
    it_is_written_down(line)
    for what, seconds in line.slowest.items():
        print(f"     {what}: {1000 * seconds:.0f} ms")
    line.cli("campaign", "cancel", line.campaign)
    line.servers[0].wait_campaign(line.campaign, 30)
    wait_until(lambda: line.up() == 0, 20, "the last call to end")
    ends = {fact["outcome"] for fact in line.carrier.facts("end")}
    assert ends <= {"answered", "cancelled"}, ends
    for server in line.servers:
        server.stop()
    line.carrier.finish()


main(live_control)

#!/usr/bin/env python3
"""Goal: rate, caps, pause, resume and drain of a trunk, a campaign and an agent take effect while they
are at work, in every process, by the API and by the command, and it is written down who did what.
Method: two processes on one Redis dial one campaign; the carrier's ledger shows when the last INVITE
before a change's effect left, and the first one after it was taken back. How long each took is printed;
nothing is asserted about it but that it comes at all."""
import datetime
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
        world.cli("campaign", "import", self.campaign, world.contacts(6000), server=self.servers[0])
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


class Noun:
    """A trunk, a campaign or an agent: how each change of it is made by the API and by the command."""

    def __init__(self, line, kind, path, verb, name, caps, prefix=""):
        self.line, self.kind, self.path, self.verb, self.name = line, kind, path, verb, name
        self.caps = caps  # lowered, and as it was before
        self.prefix = prefix  # of its limits in the document

    def known(self):
        """Both processes have heard of the last change: what each notes as the value before is what it knows."""
        def views():
            views = [server.api("GET", self.path) for server in self.line.servers]
            return [(view.get("state"), view.get("reason"), (view.get("live") or {}).get("state"), view.get("outdial"), view.get("cps"),
                     view.get("max_calls")) for view in views]
        wait_until(lambda: len({json.dumps(view) for view in views()}) == 1, 20,
                   f"both processes to know of the {self.kind}'s change", 0.02)

    def limits(self, by, cps=None, max_calls=None):
        """cps 0: none of its own again."""
        self.known()
        if by == "API":
            limits = {} if cps is None else {"cps": cps or None}
            limits.update({} if max_calls is None else {"max_calls": max_calls})
            self.line.api("PATCH", self.path, {"outdial": limits} if self.prefix else limits)
            return
        none = "--configured-cps" if self.kind == "trunk" else "--no-cps"
        words = [] if cps is None else ["--cps", str(cps)] if cps else [none]
        words += [] if max_calls is None else ["--max-calls", str(max_calls)]
        self.line.cli(self.verb, "set" if self.kind == "trunk" else "limits", self.name, *words)

    def order(self, by, order):
        self.known()
        if by == "API":
            self.line.api("POST", f"{self.path}/{order}")
        else:
            self.line.cli(self.verb, order, self.name)

    def state(self):
        view = self.line.servers[0].api("GET", self.path)
        return {"trunk": lambda: view["reason"], "campaign": lambda: view["state"],
                "agent": lambda: view["live"]["state"]}[self.kind]()


WAYS = ("API", "CLI")


def nouns_of(line):
    return [Noun(line, "trunk", "/trunks/line", "trunks", "line", (6, 200)),
            Noun(line, "campaign", f"/campaigns/{line.campaign}", "campaign", line.campaign, (5, 0)),
            Noun(line, "agent", f"/agents/{line.agent}", "agent", "talk", (4, 0), "outdial.")]


def the_other(way):
    return WAYS[1 - WAYS.index(way)]


def orders_take_effect(line):
    """Each order of each noun, by both ways. What is expected to be written down."""
    written = []
    for noun in nouns_of(line):
        running = "running" if noun.kind == "campaign" else "active"
        for by in WAYS:
            back = the_other(by)
            line.stops(f"{noun.kind} pause, {by}", lambda n=noun, b=by: n.order(b, "pause"))
            if noun.kind == "agent":
                waits = next(c for c in line.servers[0].contacts(line.campaign) if c["status"] == "queued")
                why = line.api("GET", f"/campaigns/{line.campaign}/contacts/{waits['id']}/why")
                assert "agent paused" in [hold["reason"] for hold in why["holds"]], why
            line.goes_on(f"{noun.kind} resume, {back}", lambda n=noun, b=back: n.order(b, "resume"))
            line.stops(f"{noun.kind} drain, {by}", lambda n=noun, b=by: n.order(b, "drain"))
            wait_until(lambda n=noun: n.state() == "drained", 20, f"the {noun.kind} to be drained", 0.02)
            wait_until(lambda: line.up() == 0, 5, "the ledger to have the last end", 0.02)
            line.goes_on(f"{noun.kind} resume, {by}", lambda n=noun, b=by: n.order(b, "resume"))
            written += [(noun.kind, "state", running, "paused"), (noun.kind, "state", "paused", running),
                        (noun.kind, "state", running, "draining"), (noun.kind, "state", "draining", running)]
    return written


def limits_take_effect(line):
    """Each rate and cap, by both ways. What is expected to be written down."""
    written = []

    def fast():
        """When the last INVITE left that had three others in the 300 ms before it."""
        sent = line.sent()
        return max(b for a, b in zip(sent, sent[3:]) if b - a < 0.3)

    def slower(what, change):
        """One call a second over both processes, some time after the change was answered."""
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

    for noun in nouns_of(line):
        cps_before = str(CPS) if noun.kind == "trunk" else None
        low, high = noun.caps
        cap_before = str(high) if high else None
        for by in WAYS:
            back = the_other(by)
            slower(f"{noun.kind} rate, {by}", lambda n=noun, b=by: n.limits(b, cps=1))
            line.goes_on(f"{noun.kind} rate as before, {back}", lambda n=noun, b=back: n.limits(b, cps=0))
            fewer(f"{noun.kind} cap, {by}", lambda n=noun, b=by: n.limits(b, max_calls=low), low)
            noun.limits(back, max_calls=high)
            cap_after = "0" if noun.kind == "agent" else cap_before
            written += [(noun.kind, f"{noun.prefix}cps", cps_before, "1"),
                        (noun.kind, f"{noun.prefix}cps", "1", cps_before),
                        (noun.kind, f"{noun.prefix}max_calls", cap_before, str(low)),
                        (noun.kind, f"{noun.prefix}max_calls", str(low), cap_after)]
            cap_before = cap_after
    return written


def plain(text):
    """1.0 and 1 are the same number."""
    try:
        return f"{float(text):g}"
    except (TypeError, ValueError):
        return text


def it_is_written_down(line, expected):
    page = line.api("GET", "/audit?who=default%2Fnight%20shift&limit=200")
    rows = [row for row in reversed(page["data"])]
    seen = [(row["kind"], c["what"], plain(c["before"]), plain(c["after"]))
            for row in rows for c in row["changes"]]
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
    it_is_written_down(line, orders_take_effect(line) + limits_take_effect(line))
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


def changes_while_redis_is_away(world):
    """They count at once where they are made, and everywhere and for the record when it is back."""
    redis = Redis(world)
    carrier = world.carrier({"answer": 0, "busy": 100}, ["--no-rtp"])
    trunk = {"name": "line", "server": carrier.address, "cps_limit": CPS, "max_calls": 200}
    first, second = (redis.serve(i, [trunk]) for i in range(2))
    first.api("PATCH", "/trunks/line", {"weight": 50})
    wait_until(lambda: second.api("GET", "/trunks/line")["weight"] == 50, 20, "the other to hear of it")
    redis.stop()
    wait_until(lambda: first.fetch("/campaigns")[0] == 503, 30, "Redis to be missed")
    changed = time.time()
    for body in ({"cps": 5}, {"cps": 7}, {"max_calls": 9}):
        first.api("PATCH", "/trunks/line", body)
    world.cli("trunks", "pause", "line", server=first)
    seen = first.api("GET", "/trunks/line")
    assert (seen["cps"], seen["max_calls"], seen["reason"]) == (7, 9, "paused"), seen
    Redis(world)
    expected = [("cps", "20", "5"), ("cps", "5", "7"), ("max_calls", "200", "9"), ("state", "active", "paused")]

    def told():
        if first.fetch("/audit?kind=trunk")[0] != 200:
            return None
        rows = first.api("GET", "/audit?kind=trunk")["data"]
        return rows if len(rows) == 1 + len(expected) else None
    rows = wait_until(told, 60, "the record to have them")
    assert [(c["what"], c["before"], c["after"]) for r in reversed(rows[:-1]) for c in r["changes"]] == expected, rows
    late = [datetime.datetime.fromisoformat(r["at"].rstrip("Z") + "+00:00").timestamp() - changed for r in rows[:-1]]
    print(f"     written down as of {min(late):.1f} to {max(late):.1f} s after the first")
    seen = wait_until(lambda: (lambda t: t if t["reason"] == "paused" else None)(second.api("GET", "/trunks/line")),
                      20, "the other process to hear of it")
    assert (seen["cps"], seen["max_calls"], seen["weight"]) == (7, 9, 50), seen
    assert first.api("GET", "/trunks/line")["reason"] == "paused", "what was there before came back"
    first.stop()
    second.stop()
    carrier.finish()


main(live_control, changes_while_redis_is_away)

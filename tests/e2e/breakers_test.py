#!/usr/bin/env python3
"""Goal: what a trunk can't bring through goes by another one, a list of dead numbers is held, both by
themselves and no longer than they must; everybody who looks is told what is held and why. Method: the
whole command against two simulated carriers, of which the first breaks every call to one prefix
until it is replaced by a mended one; their ledgers have every INVITE."""
import re
import urllib.request

from harness import Redis, main, wait_until

COUNT, CPS = 40, 10
CALLEES = {"answer": 0, "no_answer": 0, "busy": 1, "decline": 0, "fail": 0, "pdd_ms": "5-20",
           "ring_ms": "50-100"}
RULES = [{"per": "trunk_prefix", "prefix_digits": 4, "failed_max": "50%", "min_calls": 5,
          "window_s": 30, "wait_s": 2, "wait_max_s": 4, "probes": 2},
         {"per": "campaign", "answered_min": "20%", "min_calls": 10, "window_s": 60, "wait_s": 600,
          "probes": 2}]


def file_of(world, name, prefix, first, count):
    rows = "".join(f"{prefix}{i:07d},name {i}\n" for i in range(first, first + count))
    return world.write(name, "number,name\n" + rows)


def start(world, server, name, path):
    campaign = world.cli("campaign", "create", name, "--agent", "short", "--cps", str(CPS),
                         server=server).stdout.strip()
    world.cli("campaign", "import", campaign, path, server=server)
    world.cli("campaign", "start", campaign, server=server)
    return campaign


def invites(carrier, prefix):
    return [fact for fact in carrier.facts("invite")
            if not fact.get("retransmission") and fact["number"].startswith(prefix)]


def metric(server, name):
    request = urllib.request.Request(f"{server.url}/metrics",
                                     headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M).group(1))


def a_prefix_goes_round_a_trunk(world):
    first = world.carrier({**CALLEES, "broken": "+1556:500"}, ["--no-rtp"], name="first")
    second = world.carrier(CALLEES, ["--no-rtp"], name="second")
    server = world.serve([{"name": f"t{i + 1}", "server": carrier.address, "cps_limit": 0,
                           "priority": i + 1, "health": {"bad": 0}} for i, carrier in
                          enumerate((first, second))], extra={"breakers": RULES[:1], "hours": {"legal": ""}})
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    good = start(world, server, "good", file_of(world, "good.csv", "+1555", 0, COUNT))
    bad = start(world, server, "bad", file_of(world, "bad.csv", "+1556", 0, COUNT))

    held = wait_until(lambda: server.api("GET", "/breakers")["data"], 60, "the breaker to open", 0.02)
    assert len(held) == 1 and held[0]["state"] in ("open", "half_open"), held
    assert (held[0]["per"], held[0]["trunk"], held[0]["prefix"]) == ("trunk_prefix", "t1", "+1556")
    assert held[0]["detail"].startswith("this prefix (+1556) on this trunk (t1): failed"), held
    shown = world.cli("trunks", "breakers", server=server).stdout
    assert "trunk_prefix" in shown and "+1556" in shown, shown
    opened = 'outdial_breakers_opened_total{per="trunk_prefix"}'
    assert metric(server, opened) >= 1

    server.wait_campaign(good, 60)
    server.wait_campaign(bad, 60)
    assert {c["status"] for c in server.contacts(good) + server.contacts(bad)} == {"busy"}
    assert not invites(second, "+1555"), "another prefix left the first trunk"
    by_second = len(invites(second, "+1556"))
    assert by_second > COUNT // 2, by_second

    # by itself: the carrier is mended, probes find out, and it goes by the first again
    first.finish()
    mended = world.carrier(CALLEES, ["--no-rtp", "--listen", f"udp:{first.address}"], name="mended")
    later = start(world, server, "later", file_of(world, "later.csv", "+1556", COUNT, COUNT))
    server.wait_campaign(later, 60)
    wait_until(lambda: not server.api("GET", "/breakers")["data"], 30, "the breaker to close", 0.05)
    seen = len(invites(second, "+1556"))
    again = start(world, server, "again", file_of(world, "again.csv", "+1556", 2 * COUNT, 10))
    server.wait_campaign(again, 60)
    assert len(invites(second, "+1556")) == seen, "the second trunk is still used"
    assert len(invites(mended, "+1556")) >= 10 + RULES[0]["probes"]
    assert "a breaker has opened" in server.stderr() and "a breaker has closed" in server.stderr()
    print(f"     +1556: {len(invites(first, '+1556'))} INVITEs at the broken trunk, "
          f"{len(invites(second, '+1556'))} at the other; opened {metric(server, opened):.0f} times")
    server.stop()
    mended.finish()
    second.finish()


def a_list_of_dead_numbers_is_held(world):
    carrier = world.carrier({**CALLEES, "busy": 0, "fail": 1, "fail_codes": "404"}, ["--no-rtp"])
    server = world.serve([{"name": "t1", "server": carrier.address, "cps_limit": CPS}],
                         extra={"breakers": RULES, "hours": {"legal": ""}})
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    dead = start(world, server, "dead", file_of(world, "dead.csv", "+1557", 0, 200))
    breaker = wait_until(lambda: server.campaign(dead)["breaker"], 60, "the list to be held", 0.05)
    assert breaker["state"] == "open" and breaker["campaign_id"] == dead, breaker
    assert breaker["reason"].startswith("answered 0.0% of"), breaker
    wait_until(lambda: server.campaign(dead)["counts"]["active"] == 0, 30, "its calls to end", 0.05)
    ended = server.campaign(dead)["counts"]["ended"]
    assert 10 <= ended < 100, ended
    waiting = next(c for c in server.contacts(dead) if c["status"] in ("queued", "waiting"))
    why = server.api("GET", f"/campaigns/{dead}/contacts/{waiting['id']}/why")
    assert why["reason"] == "breaker" and why["until"], why
    assert why["detail"].startswith("this list: answered 0.0%"), why

    listed = {c["id"]: c["breaker"] for c in server.api("GET", "/campaigns")["data"]}
    assert listed[dead]["state"] == "open" and listed[dead]["id"] == breaker["id"], listed

    other = start(world, server, "other", file_of(world, "other.csv", "+1558", 0, 5))
    server.wait_campaign(other, 60)  # another list is not held
    assert server.campaign(dead)["counts"]["ended"] == ended
    server.stop()
    carrier.finish()
    assert len(invites(carrier, "+1557")) == ended


def an_operator_closes_one(world):
    """Of a list, by the API and by the command, in every process, and it is written down."""
    redis = Redis(world)
    carrier = world.carrier({**CALLEES, "busy": 0, "fail": 1, "fail_codes": "404"}, ["--no-rtp"])
    servers = [redis.serve(i, [{"name": "t1", "server": carrier.address, "cps_limit": CPS}], breakers=RULES)
               for i in range(2)]
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=servers[0])
    dead = start(world, servers[0], "dead", file_of(world, "dead.csv", "+1557", 0, 400))

    def opened():
        """The breaker and how often it opened, where one dials."""
        for server in servers:
            breaker = server.campaign(dead)["breaker"]
            if breaker and breaker["state"] == "open":
                return server, breaker, metric(server, OPENED)
        return None

    OPENED = 'outdial_breakers_opened_total{per="campaign"}'
    for way in ("API", "CLI"):
        there, breaker, times = wait_until(opened, 60, "the list to be held", 0.05)
        seen = len(invites(carrier, "+1557"))
        here = servers[1 - servers.index(there)]  # asked in the other process
        if way == "API":
            here.api("POST", f"/breakers/{breaker['id']}/reset", status=204)
        else:
            world.cli("trunks", "reset", breaker["id"], server=here)
        wait_until(lambda: len(invites(carrier, "+1557")) >= seen + 5, 30, "calls again", 0.05)
        wait_until(lambda: sum(metric(server, OPENED) for server in servers) > times, 60, "it to open again", 0.05)
    rows = servers[0].api("GET", "/audit?kind=breaker")["data"]
    assert len(rows) == 2 and {row["target"] for row in rows} == {breaker["id"]}, rows
    assert all(row["who"] and row["changes"][0]["after"] == "closed" for row in rows), rows
    servers[0].api("POST", "/breakers/none/reset", status=404)
    world.cli("trunks", "reset", "none", server=servers[0], code=1)
    world.cli("campaign", "cancel", dead, server=servers[0])
    for server in servers:
        server.stop()
    carrier.finish()


if __name__ == "__main__":
    main(a_prefix_goes_round_a_trunk, a_list_of_dead_numbers_is_held, an_operator_closes_one)

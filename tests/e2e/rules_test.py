#!/usr/bin/env python3
"""Goal: who may be called, when, how often and when again is kept by the whole program, and `why`
says what holds a call. Method: campaigns against the simulated carrier, whose ledger tells what was
dialled; hours are set around the present moment."""
import collections
import json
import os
import subprocess
import time

from harness import main, wait_until

SHORT = [{"hangup": {}}]
BUSY = {"answer": 0, "busy": 1, "no_answer": 0, "decline": 0, "fail": 0, "pdd_ms": "5-10"}
TAKES = {"answer": 1, "busy": 0, "no_answer": 0, "decline": 0, "fail": 0, "pdd_ms": "5-10",
         "ring_ms": "10-20", "digits": "none:1"}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def trunk(carrier, **more):
    return {"name": "main", "server": carrier.address, "cps_limit": 50, "max_calls": 100, **more}


def block(start, end):
    return {"start": {"hour": start // 60, "minute": start % 60},
            "end": {"hour": end // 60, "minute": end % 60}}


def closed_schedule():
    """Open for one hour that ended some hours ago, in UTC."""
    from_minute = (time.gmtime().tm_hour * 60 + 12 * 60) % 1380
    return {"timezone": "UTC", **{day: [block(from_minute, from_minute + 59)] for day in DAYS}}


def retries_share_one_cap(world):
    carrier = world.carrier(BUSY)
    server = world.serve([trunk(carrier)])
    world.cli("agent", "put", world.agent("again", SHORT, outdial={
        "retry": {"max_attempts": 3, "on": {"busy": "1s", "no_answer": "1s"}}}), server=server)
    done = world.cli("campaign", "run", world.contacts(20), "--agent", "again", "--yes", "--json",
                     server=server, limit_s=60)
    summary = json.loads(done.stdout)
    assert summary["outcomes"] == {"busy": 20}, summary
    wait_until(lambda: sum(carrier.calls_by_number().values()) >= 60, 10, "the carrier's ledger")
    calls = carrier.calls_by_number()
    assert set(calls.values()) == {3}, collections.Counter(calls.values())
    contacts = server.contacts(summary["campaign"])
    assert all(c["tries"] == 3 and c["status"] == "busy" for c in contacts), contacts[0]
    # each attempt at least a second after the end of the one before
    ends = collections.defaultdict(list)
    for fact in carrier.facts("invite"):
        if fact["call_id"] not in [call for call, _ in ends[fact["number"]]]:
            ends[fact["number"]].append((fact["call_id"], fact["t"] * 1000))
    for times in ends.values():
        gaps = [later[1] - earlier[1] for earlier, later in zip(times, times[1:])]
        assert all(gap >= 950 for gap in gaps), gaps


def the_suppression_list_is_asked_when_dialling(world):
    carrier = world.carrier(TAKES)
    server = world.serve([trunk(carrier, cps_limit=5)])
    world.cli("agent", "put", world.agent("short", SHORT), server=server)
    campaign = server.api("POST", "/campaigns", {"name": "list", "agent": "short"})["id"]
    with open(world.contacts(10), "rb") as file:
        server.api("POST", f"/campaigns/{campaign}/contacts", file.read(), "text/csv")
    # queued before they were put on the list
    world.cli("suppress", "add", "+15550000003", "+15550000007", "--reason", "asked us to stop",
              server=server)
    contact = [c for c in server.contacts(campaign) if c["to"] == "+15550000003"][0]
    why = server.api("GET", f"/campaigns/{campaign}/contacts/{contact['id']}/why")
    assert why["reason"] == "suppressed", why
    assert "campaign not started" in [hold["reason"] for hold in why["holds"]], why
    listed = json.loads(world.cli("suppress", "list", "--json", server=server).stdout)
    assert {row["number"] for row in listed["data"]} == {"+15550000003", "+15550000007"}, listed
    server.api("POST", f"/campaigns/{campaign}/start")
    view = server.wait_campaign(campaign, 30)
    assert view["counts"]["outcomes"] == {"completed": 8, "refused": 2}, view["counts"]
    wait_until(lambda: len(carrier.calls_by_number()) >= 8, 10, "the carrier's ledger")
    assert not {"+15550000003", "+15550000007"} & set(carrier.calls_by_number())
    refused = [c for c in server.contacts(campaign) if c["status"] == "refused"]
    assert all(c["reason"] == "suppressed number" and c["attempts"] == 0 for c in refused), refused
    world.cli("suppress", "remove", "+15550000003", server=server)
    assert world.cli("suppress", "remove", "+15550000003", server=server, code=None).returncode == 1


def what_was_set_aside_is_looked_after(world):
    """Records of another version are listed, refused again while they are, and in line once they can be
    read; one is dropped."""
    carrier = world.carrier(TAKES)
    server = world.serve([trunk(carrier)])
    world.cli("agent", "put", world.agent("short", SHORT), server=server)
    campaign = server.api("POST", "/campaigns", {"name": "spoiled", "agent": "short"})["id"]
    with open(world.contacts(3), "rb") as file:
        server.api("POST", f"/campaigns/{campaign}/contacts", file.read(), "text/csv")

    def version(number):
        subprocess.run(["redis-cli", "-s", os.path.join(server.data_dir, "redis", "redis.sock"), "EVAL",
                        "for _, k in ipairs(redis.call('KEYS', 'od:{default}:c:*')) do "
                        "redis.call('SETRANGE', k, 0, string.char(ARGV[1])) end return 1", "0", number],
                       check=True, capture_output=True, timeout=20)

    def listed():
        return json.loads(world.cli("dead", "list", "--json", server=server).stdout)["data"]

    version("9")
    server.api("POST", f"/campaigns/{campaign}/start")
    wait_until(lambda: len(listed()) == 3, 20, "three records to be set aside", 0.2)
    ids = [row["id"] for row in listed()]
    shown = world.cli("dead", "list", server=server).stdout
    assert all(i in shown for i in ids) and "another version" in shown, shown
    assert "still can't be read" in world.cli("dead", "requeue", ids[0], server=server, code=1).stderr
    version("1")
    world.cli("dead", "requeue", ids[0], server=server)
    world.cli("dead", "requeue", ids[1], server=server)
    world.cli("dead", "drop", ids[2], server=server)
    assert world.cli("dead", "drop", ids[2], server=server, code=1).stderr and not listed()
    wait_until(lambda: len(carrier.calls_by_number()) == 2, 20, "two calls")
    assert "nothing was set aside" in world.cli("dead", "list", server=server).stderr


def caps_hold_over_campaigns(world):
    carrier = world.carrier(TAKES)
    server = world.serve([trunk(carrier)], extra={"caps": [{"attempts": 2, "per_h": 24}]})
    world.cli("agent", "put", world.agent("short", SHORT), server=server)
    campaigns = []
    for number in range(3):
        campaign = server.api("POST", "/campaigns", {"name": f"c{number}", "agent": "short"})["id"]
        with open(world.contacts(5), "rb") as file:
            server.api("POST", f"/campaigns/{campaign}/contacts", file.read(), "text/csv")
        server.api("POST", f"/campaigns/{campaign}/start")
        campaigns.append(campaign)

    def ended():
        counts = [server.campaign(c)["counts"] for c in campaigns]
        return sum(c["ended"] for c in counts) == 10 and not sum(c["active"] for c in counts)
    wait_until(ended, 30, "two attempts on each number")
    wait_until(lambda: set(carrier.calls_by_number().values()) == {2} and
               len(carrier.calls_by_number()) == 5, 10, "the carrier's ledger to agree")
    waiting = [c for campaign in campaigns for c in server.contacts(campaign)
               if c["status"] == "waiting"]
    assert len(waiting) == 5 and all(c["wait_reason"] == "cap" for c in waiting), waiting
    why = server.api("GET", f"/calls/{waiting[0]['id']}/why")
    assert why["reason"] == "cap" and why["until"] == waiting[0]["next_at"], why


def hours_are_the_callees_own(world):
    carrier = world.carrier(TAKES)
    # a zone where it is about noon now, and one where it is about midnight; Etc/GMT-5 is east of Greenwich
    east = 12 - time.gmtime().tm_hour
    noon, midnight = (f"Etc/GMT{-hours:+d}" for hours in (east, east - 12 if east > 0 else east + 12))
    server = world.serve([trunk(carrier)], extra={"hours": {"legal": "09:00-17:00"}})
    world.cli("agent", "put", world.agent("short", SHORT), server=server)
    campaign = server.api("POST", "/campaigns", {"name": "zones", "agent": "short"})["id"]
    rows = "number,timezone\n" + "".join(
        f"+1555000{i:04d},{noon if i % 2 else midnight}\n" for i in range(20))
    server.api("POST", f"/campaigns/{campaign}/contacts", rows.encode(), "text/csv")
    server.api("POST", f"/campaigns/{campaign}/start")
    wait_until(lambda: server.campaign(campaign)["counts"]["ended"] == 10, 30,
               "those whose clocks allow it")
    wait_until(lambda: sorted(carrier.calls_by_number()) ==
               [f"+1555000{i:04d}" for i in range(1, 20, 2)], 10, "the carrier's ledger to agree")
    waiting = [c for c in server.contacts(campaign) if c["status"] == "waiting"]
    assert len(waiting) == 10 and all(c["wait_reason"] == "hours" for c in waiting), waiting
    why = server.api("GET", f"/campaigns/{campaign}/contacts/{waiting[0]['id']}/why")
    assert why["reason"] == "legal hours" and why["until"] == waiting[0]["next_at"], why
    # who asks for one call knows when
    call = server.api("POST", "/calls", {"to": "+15550001000", "agent": "short",
                                         "timezone": midnight})
    wait_until(lambda: server.api("GET", f"/calls/{call['id']}")["status"] == "completed", 20,
               "the single call")


def schedules_open_and_close(world):
    carrier = world.carrier(TAKES)
    server = world.serve([trunk(carrier)])
    world.cli("agent", "put", world.agent("office", SHORT, schedule=closed_schedule()),
              server=server)
    call = server.api("POST", "/calls", {"to": "+15550001000", "agent": "office"})
    why = wait_until(lambda: [w for w in [server.api("GET", f"/calls/{call['id']}/why")]
                              if w["reason"] == "schedule"], 10, "the schedule to hold it")[0]
    assert why["until"], why
    shown = world.cli("call", "show", call["id"], server=server).stdout
    assert "schedule" in shown, shown
    queue = world.cli("queue", server=server).stdout
    assert "schedule" in queue, queue
    agent = server.api("GET", "/agents?name=office")["data"][0]
    server.api("PATCH", f"/agents/{agent['id']}", {"isEnabled": False},
               "application/merge-patch+json")
    wait_until(lambda: server.api("GET", f"/calls/{call['id']}/why")["reason"] == "disabled agent",
               10, "the agent to be disabled")
    assert not carrier.calls_by_number()
    server.api("PATCH", f"/agents/{agent['id']}", {"isEnabled": True, "schedule": None},
               "application/merge-patch+json")
    wait_until(lambda: server.api("GET", f"/calls/{call['id']}")["status"] == "completed", 20,
               "the call, once the schedule is gone")


def a_deadline_ends_what_waits(world):
    carrier = world.carrier(BUSY)
    server = world.serve([trunk(carrier)])
    world.cli("agent", "put", world.agent("again", SHORT, outdial={
        "retry": {"max_attempts": 5, "on": {"busy": "4s"}}}), server=server)
    world.cli("agent", "put", world.agent("office", SHORT, schedule=closed_schedule()),
              server=server)
    # between the second try and the third, which would be due after 8 s
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7))
    held = server.api("POST", "/calls", {"to": "+15550001000", "agent": "office",
                                         "deadline": soon})
    tried = server.api("POST", "/calls", {"to": "+15550001001", "agent": "again",
                                          "deadline": soon})

    def both():
        calls = [server.api("GET", f"/calls/{c['id']}") for c in (held, tried)]
        return calls if all(c["ended_at"] for c in calls) else None
    first, second = wait_until(both, 20, "both to end")
    assert first["status"] == "deadline" and first["attempts"] == 0, first
    # no attempt after the deadline, and the last one's end is the call's
    assert second["status"] == "busy" and second["tries"] == 2, second


main(retries_share_one_cap, the_suppression_list_is_asked_when_dialling,
     what_was_set_aside_is_looked_after, caps_hold_over_campaigns,
     hours_are_the_callees_own, schedules_open_and_close, a_deadline_ends_what_waits)

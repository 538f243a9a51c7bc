#!/usr/bin/env python3
"""Goal: a trunk that wants credentials gets them, within the trunk's rate; one that refuses them is
left in peace and says why. Method: the simulated carrier challenges every call and verifies the
answers with code of its own; its ledger has the time of every INVITE."""
from harness import main, wait_until

COUNT, CPS = 60, 20
PASSWORD = "open sesame"
CALLEES = {"answer": 0, "no_answer": 0, "busy": 80, "decline": 20, "fail": 0, "pdd_ms": "20-100",
           "ring_ms": "100-300"}


def start(world, algorithm, password=PASSWORD):
    carrier = world.carrier({**CALLEES, "auth": f"ann:{PASSWORD}:{algorithm}"},
                            ["--no-rtp", "--once"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": CPS,
                           "max_calls": 100, "auth_user": "ann", "password": password}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    return carrier, server


def invites(carrier):
    """The time of every INVITE, whether it was challenged or let through."""
    return sorted(fact["mono_ns"] for kind in ("challenge", "invite")
                  for fact in carrier.facts(kind) if not fact.get("retransmission"))


def most_per_second(times):
    """The most INVITEs in any second, the moment of sending told to within a millisecond."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= 999_000_000:
            first += 1
        most = max(most, last - first + 1)
    return most


def dial_all(world, algorithm):
    carrier, server = start(world, algorithm)
    world.cli("campaign", "run", world.contacts(COUNT), "--agent", "short", "--yes", server=server,
              limit_s=90)
    server.stop()
    times, challenges = invites(carrier), list(carrier.facts("challenge"))
    dialled = carrier.calls_by_number()
    assert len(dialled) == COUNT and set(dialled.values()) == {1}, dialled
    assert len({fact["call_id"] for fact in challenges}) == COUNT, len(challenges)
    assert not [fact for fact in challenges if fact["verdict"] == "wrong"], challenges
    assert most_per_second(times) <= CPS, most_per_second(times)
    rate = (len(times) - 1) * 1e9 / (times[-1] - times[0])
    print(f"     {len(times)} INVITEs for {COUNT} calls, {rate:.2f} a second, at most "
          f"{most_per_second(times)} of {CPS} in any")
    assert PASSWORD not in server.stderr() + server.stdout()
    carrier.finish()


def every_call_is_challenged_md5(world):
    dial_all(world, "MD5")


def every_call_is_challenged_sha_256(world):
    dial_all(world, "SHA-256")


def a_wrong_password_is_told_and_not_repeated(world):
    carrier, server = start(world, "MD5", "shut sesame")
    campaign = world.cli("campaign", "create", "c", "--agent", "short",
                         server=server).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(COUNT), server=server)
    world.cli("campaign", "start", campaign, server=server)

    def held():
        trunk = server.api("GET", "/trunks")["data"][0]
        return not trunk["usable"] and trunk["reason"]
    reason = wait_until(held, 20, "the trunk to be held")
    assert "held for 30 s" in reason and "auth_user and password" in reason, reason
    seen = len(invites(carrier))
    told = [line for line in server.stderr().splitlines() if "refuses auth_user" in line]
    assert len(told) == 1 and "main" in told[0], told
    assert seen <= 2 * CPS, f"{seen} INVITEs before the trunk was held"
    # The carrier's word about our password is no attempt on a person: they wait for the trunk.
    assert server.campaign(campaign)["counts"]["ended"] == 0
    server.stop()
    assert len(invites(carrier)) <= 2 * CPS, "INVITEs although the trunk is held"
    assert "sesame" not in server.stderr() + server.stdout()
    carrier.finish()


def a_password_alone_is_said_by_who_calls(world):
    """No auth_user and no from_user: the user of From answers, the call's number."""
    carrier = world.carrier({**CALLEES, "auth": f"+15550009999:{PASSWORD}:SHA-256"}, ["--no-rtp", "--once"])
    server = world.serve([{"name": "main", "server": carrier.address, "auth_user": "", "password": PASSWORD}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    world.cli("campaign", "run", world.contacts(5), "--agent", "short", "--yes", server=server)
    challenges = list(carrier.facts("challenge"))
    assert len(challenges) == 5 and not [fact for fact in challenges if fact["verdict"] == "wrong"], challenges
    assert set(carrier.calls_by_number().values()) == {1}
    server.stop()
    carrier.finish()


main(every_call_is_challenged_md5, every_call_is_challenged_sha_256,
     a_wrong_password_is_told_and_not_repeated, a_password_alone_is_said_by_who_calls)

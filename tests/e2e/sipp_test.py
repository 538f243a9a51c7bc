#!/usr/bin/env python3
"""Goal: calls to somebody else's SIP stack go through at a rate. Method: sipp's own built-in callee
(`-sn uas`), 100 calls a second for 10 s, or for as many seconds as OUTDIAL_E2E_SECONDS says."""
import csv
import json
import os
import time

from harness import free_port, main, wait_until

CPS = 100
SECONDS = int(os.environ.get("OUTDIAL_E2E_SECONDS", "10"))


def uas_at_100_calls_a_second(world):
    count, port = CPS * SECONDS, free_port()
    stat = world.path("sipp.csv")
    sipp = world.start("sipp", ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin",
                                "-trace_stat", "-stf", stat, "-fd", "1", "-m", str(count)])
    server = world.serve([{"name": "main", "server": f"127.0.0.1:{port}", "cps_limit": CPS,
                           "max_calls": 1000}])
    world.cli("agent", "put", world.agent("short", [{"pause": 500}, {"hangup": {}}]), server=server)
    begin = time.monotonic()
    done = world.cli("campaign", "run", world.contacts(count), "--agent", "short", "--yes", "--json",
                     server=server, limit_s=SECONDS * 2 + 60)
    summary = json.loads(done.stdout)
    assert summary["outcomes"] == {"completed": count}, summary
    code = sipp.wait(30)
    with open(stat, encoding="utf-8") as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    assert code == 0 and int(last["FailedCall(C)"]) == 0, (code, last)
    assert int(last["SuccessfulCall(C)"]) == count, last
    print(f"     {count} calls, none failed, {time.monotonic() - begin:.1f} s with the import")
    assert server.stop() == 0


def callee_that_refuses(world):
    """Any final answer of a foreign stack ends the call with its status."""
    scenario = world.write("busy.xml", """<?xml version="1.0"?>
<scenario name="busy">
  <recv request="INVITE"/>
  <send retrans="500"><![CDATA[
SIP/2.0 486 Busy Here
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <recv request="ACK"/>
</scenario>
""")
    port = free_port()
    sipp = world.start("sipp", ["sipp", "-sf", scenario, "-i", "127.0.0.1", "-p", str(port),
                                "-nostdin", "-m", "5"])
    server = world.serve([{"name": "main", "server": f"127.0.0.1:{port}"}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    done = world.cli("campaign", "run", world.contacts(5), "--agent", "short", "--yes", "--json",
                     server=server)
    summary = json.loads(done.stdout)
    assert summary["outcomes"] == {"busy": 5}, summary
    assert {c["sip_status"] for c in server.contacts(summary["campaign"])} == {486}
    assert sipp.wait(10) == 0
    wait_until(lambda: server.api("GET", "/limits")["calls"]["alive"] == 0, 10, "no call in memory")


main(uas_at_100_calls_a_second, callee_that_refuses)

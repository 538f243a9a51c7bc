#!/usr/bin/env python3
"""Goal: Prometheus can read our metrics. Method: promtool, after a campaign has moved them."""
import re
import subprocess
import urllib.request

from harness import main, wait_until


def page(server):
    request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
        return answer.read().decode()


def number(text, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    return float(found[1]) if found else -1


def prometheus_reads_them(world):
    carrier = world.carrier({"answer": 1, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "ring_ms": "50"})
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 12.5, "options_ping_s": 1}])
    world.cli("agent", "put", world.agent("demo", [{"hangup": {}}]), server=server)
    world.cli("campaign", "run", world.contacts(5), "--agent", "demo", "--cps", "50", "--yes", server=server)
    text = page(server)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr
    assert number(text, "outdial_invites_total") >= 5, text
    assert re.search(r'^outdial_build_info{version="[0-9.]+"} 1$', text, re.M), text
    assert number(text, 'outdial_trunk_rate_calls_per_second{trunk="main"}') == 12.5, text
    assert number(text, 'outdial_calls_total{trunk="main",outcome="completed"}') == 5, text
    assert number(text, 'outdial_calls_total{trunk="main",outcome="busy"}') == 0, text
    for method, code, least in (("INVITE", 180, 5), ("INVITE", 200, 5), ("BYE", 200, 5), ("OPTIONS", 200, 1)):
        name = f'outdial_sip_responses_total{{trunk="main",method="{method}",code="{code}"}}'
        wait_until(lambda n=name, l=least: number(page(server), n) >= l, 10, name)
    for name in ("outdial_post_dial_delay_seconds", "outdial_ring_seconds"):
        assert number(text, f"{name}_count") == number(text, name + '_bucket{le="+Inf"}') == 5, text
        assert 0 < number(text, f"{name}_sum") < 50, text
    for name in re.findall(r"^# TYPE (\S+)", text, re.M):  # base units, and no thousandths of anything
        assert name.startswith("outdial_") and not re.search(r"_(ms|us|milli\w*|percent)(_|$)", name), name
    assert not re.search(r"\+1555\d{7}", text), "a phone number is in the metrics"


main(prometheus_reads_them)

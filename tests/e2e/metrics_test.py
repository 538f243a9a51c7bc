#!/usr/bin/env python3
"""Goal: Prometheus can read our metrics. Method: promtool, after a campaign has moved them."""
import re
import subprocess
import urllib.request

from harness import main


def page(server):
    request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
        return answer.read().decode()


def prometheus_reads_them(world):
    carrier = world.carrier()
    server = world.serve([{"name": "main", "server": carrier.address}])
    world.cli("agent", "put", world.agent("demo", [{"hangup": {}}]), server=server)
    world.cli("campaign", "run", world.contacts(5), "--agent", "demo", "--cps", "50", "--yes", server=server)
    text = page(server)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr
    assert int(re.search(r"^outdial_invites_total (\d+)$", text, re.M)[1]) >= 5, text
    assert not re.search(r"\+1555\d{7}", text), "a phone number is in the metrics"


main(prometheus_reads_them)

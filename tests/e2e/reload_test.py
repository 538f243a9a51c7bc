#!/usr/bin/env python3
"""Goal: SIGHUP takes a changed configuration over while calls go on, or refuses it as a whole and says why;
what only a start reads is named. Method: a campaign crawls over one trunk; the file then raises its rate,
adds a second trunk that comes first, and a key; then it is broken, then it changes what needs a restart.
And a certificate is replaced."""
import json
import os
import re
import signal
import ssl
import subprocess
import urllib.request

from bot import Bot
from harness import OUTDIAL, invites, main, most_at_once, wait_until
from stream_scene import ended
from webhooks_test import Receiver

CALLEES = {"answer": 0, "no_answer": 0, "busy": 1, "decline": 0, "fail": 0, "pdd_ms": "5-10", "ring_ms": "5-10"}
KEY = "sk_of-the-file-0123456789"


def write(server, change):
    with open(server.config_path, encoding="utf-8") as file:
        config = json.load(file)
    change(config)
    with open(server.config_path, "w", encoding="utf-8") as file:
        json.dump(config, file)


def hang_up(process, word):
    """SIGHUP; the lines it logged, once one has the word."""
    before = len(process.stderr())
    process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: word in process.stderr()[before:], 10, f"'{word}' in the log")
    return process.stderr()[before:]


def metrics(server):
    request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(re.findall(r"^(outdial_config_\S+) (\S+)$", answer.read().decode(), re.M))


def trunks(server):
    return {t["name"]: t for t in server.api("GET", "/trunks")["data"]}


def taken_over_or_refused(world):
    first, second = (world.carrier(CALLEES, ["--no-rtp", "--once"], name=name) for name in ("first", "second"))
    server = world.serve([{"name": "main", "server": first.address, "cps_limit": 2, "priority": 2}],
                         extra={"hours": {"legal": ""}})
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    campaign = world.cli("campaign", "create", "crawl", "--agent", "short", server=server).stdout.strip()
    world.cli("campaign", "import", campaign, world.contacts(60), server=server)
    world.cli("campaign", "start", campaign, server=server)
    wait_until(lambda: len(invites(first)) >= 2, 20, "two calls")

    def faster(config):
        config["trunks"][0]["cps_limit"] = 40
        config["trunks"].append({"name": "backup", "server": second.address, "cps_limit": 40, "priority": 1})
        config["auth"] = {"keys": [{"key": KEY, "scopes": ["read"]}]}
    write(server, faster)
    said = hang_up(server, "in effect: ")
    assert "trunk main: changed" in said and "trunk backup: new" in said, said
    assert KEY not in server.stderr()
    counts = server.wait_campaign(campaign, 20)["counts"]  # 58 calls at 2/s would take half a minute
    assert counts["ended"] == 60, counts
    made = [len(invites(c)) for c in (first, second)]
    assert sum(made) == 60 and made[1] > 10, made
    assert set(trunks(server)) == {"main", "backup"}, trunks(server)
    server.api("GET", "/trunks", key=KEY)
    server.api("POST", "/trunks/main/pause", key=KEY, status=403)
    seen = metrics(server)
    assert seen['outdial_config_reloads_total{result="applied"}'] == "1", seen
    assert seen["outdial_config_last_reload_successful"] == "1" and \
        float(seen["outdial_config_last_reload_timestamp_seconds"]) > 1.7e9, seen

    def broken(config):
        config["trunks"][0]["cps_limit"] = 3
        config["trunks"][1]["max_cals"] = 5
    write(server, broken)
    said = hang_up(server, "refused")
    line = json.loads(next(l for l in said.splitlines() if "refused" in l))
    assert line["level"] == "error", line
    assert re.search(re.escape(server.config_path) + r":1:\d+: trunks\[1\]\.max_cals: .*max_calls", line["msg"]), line
    assert trunks(server)["main"]["cps"] == 40, trunks(server)
    seen = metrics(server)
    assert seen["outdial_config_last_reload_successful"] == "0", seen
    assert seen['outdial_config_reloads_total{result="refused"}'] == "1", seen

    def elsewhere(config):
        del config["trunks"][1]["max_cals"]
        config["trunks"].pop(0)
        config["http"]["listen"] = "127.0.0.1:1"
        config["log"]["level"] = "warn"
    write(server, elsewhere)
    said = hang_up(server, "needs a restart")
    assert re.search(r"needs a restart[^\"]*: http\.listen\"", said), said
    assert trunks(server)["main"]["reason"] == "not in the configuration any more", trunks(server)
    assert not trunks(server)["main"]["usable"] and trunks(server)["backup"]["usable"]
    assert metrics(server)["outdial_config_needs_restart"] == "1"
    before = len(server.stderr())
    write(server, lambda config: config["trunks"][0].update(weight=7))
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: trunks(server)["backup"]["weight"] == 7, 10, "the weight")
    assert '"info"' not in server.stderr()[before:]  # the level is another
    assert server.stop() == 0
    first.finish(), second.finish()


def rules_of_the_running(world):
    """What the engine, the webhooks and the agents go by changes under a running daemon; what doesn't is named
    by the command line, too."""
    async def script(c):
        await c.wait("start")
        await c.send({"event": "hangup", "hangup": {"reason": "done"}})
    bots = Bot(script), Bot(script)
    receiver = Receiver()
    carrier = world.carrier({**CALLEES, "answer": 1, "busy": 0, "broken": "+1556:500"}, ["--no-rtp"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 0, "health": {"bad": 0}}],
                         extra={"hours": {"legal": ""}, "limits": {"calls_max": 1}, "failover": {"tries": 1},
                                "agent_default": {"url": bots[0].url}})

    def shown():
        return world.cli("config", "status", server=server).stdout
    assert "not read again" in shown(), shown()
    server.api("POST", "/agents", {"name": "bot"})
    world.cli("agent", "put", world.agent("talks", [{"pause": 2000}, {"hangup": {}}]), server=server)

    def dial(number, agent="bot"):
        made = server.api("POST", "/calls", {"to": number, "agent": agent,
                                             "webhook_url": f"http://127.0.0.1:{receiver.server_port}/{number[1:]}"})
        return made["id"]

    def several(count, prefix):
        ids = [dial(f"+1555{prefix}{i:04d}", "talks") for i in range(count)]
        ends = [ended(server, ident) for ident in ids]
        assert all(e["status"] == "completed" for e in ends), ends
        return most_at_once([f for f in carrier.facts() if f.get("number", "").startswith(f"+1555{prefix}")])[0]

    assert ended(server, dial("+15550000001"))["status"] == "completed"
    assert ended(server, dial("+15560000001", "talks"))["status"] == "trunk_failed"
    assert [len(bot.connections) for bot in bots] == [1, 0]
    assert not receiver.got, receiver.got
    assert several(2, "100") == 1 == concurrency(server)

    def other(config):
        config["limits"] = {"calls_max": 3, "drain_timeout_s": 20}
        config["failover"] = {"tries": 2, "within_s": 20}
        config["agent_default"] = {"url": bots[1].url}
        config["webhooks"] = {"allow_private": True, "timeout_ms": 5000, "retry_s": [1]}
        config["breakers"] = [{"per": "trunk_prefix", "prefix_digits": 4, "failed_max": "50%", "min_calls": 2}]
        config["sip"]["user_agent"] = "other"
        config["journal"] = {"keep_s": 90}
    write(server, other)
    said = hang_up(server, "needs a restart")
    keys = re.search(r'in effect: ([^"]*)"', said).group(1).split(", ")
    assert set(keys) == {"limits.calls_max", "limits.drain_timeout_s", "failover.tries", "failover.within_s",
                         "agent_default.url", "webhooks.allow_private", "webhooks.timeout_ms", "webhooks.retry_s",
                         "breakers"}, keys
    text = shown()
    assert "in effect: " + ", ".join(keys) in text and "needs a restart" in text, text
    assert text.splitlines()[-1].endswith(": journal.keep_s, sip.user_agent"), text
    told = server.api("GET", "/config")
    assert told["ok"] and told["needs_restart"] == ["journal.keep_s", "sip.user_agent"], told

    assert ended(server, dial("+15550000002"))["status"] == "completed"
    assert [len(bot.connections) for bot in bots] == [1, 1]
    wait_until(lambda: receiver.of("/15550000002"), 20, "a webhook to a private address")
    before = len(invites(carrier))
    assert ended(server, dial("+15560000002", "talks"))["status"] == "trunk_failed"
    assert len(invites(carrier)) == before + 2  # one more for the trunk's sake
    held = wait_until(lambda: server.api("GET", "/breakers")["data"], 20, "the breaker to open")
    assert held[0]["prefix"] == "+1556", held
    assert concurrency(server) == 3
    assert several(3, "200") > 1

    write(server, lambda config: config["limits"].update(calls_max=0))
    hang_up(server, "refused")
    text = shown()
    assert "refused, all stays as it was" in text and "limits.calls_max: expected 1 to" in text, text
    assert concurrency(server) == 3
    for bot in bots:
        bot.check()
        bot.close()
    receiver.shutdown()
    assert server.stop() == 0
    carrier.finish()


def concurrency(server):
    request = urllib.request.Request(f"{server.url}/api/v1/misc/concurrency",
                                     headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["concurrency"]


def certificate(world, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", "new.key", "-out", "new.pem", "-days", "2", "-subj", f"/CN={name}"],
                   check=True, capture_output=True, cwd=world.dir)
    for kind in ("key", "pem"):
        os.replace(world.path(f"new.{kind}"), world.path(f"tls.{kind}"))


def a_certificate_is_replaced(world):
    certificate(world, "one")
    file = world.write("tls.yaml", json.dumps({
        "data_dir": world.path("data"), "sip": {"listen": ["udp:127.0.0.1:0"]}, "log": {"format": "json"},
        "http": {"listen": "127.0.0.1:0", "tls": {"cert": world.path("tls.pem"), "key": world.path("tls.key")}}}))
    world.data_dirs.add(world.path("data"))
    server = world.start("tls", [OUTDIAL, "serve", "--config", file])
    port = int(wait_until(lambda: re.search(r"ready: https://127.0.0.1:(\d+)", server.stderr()), 40,
                          "the daemon to be ready").group(1))

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", port))
    with open(world.path("tls.pem"), encoding="ascii") as pem:
        assert shown() == pem.read()
    certificate(world, "two")
    hang_up(server, "nothing has changed")
    with open(world.path("tls.pem"), encoding="ascii") as pem:
        wanted = pem.read()
    wait_until(lambda: shown() == wanted, 10, "the new certificate")
    assert server.stop() == 0


main(taken_over_or_refused, rules_of_the_running, a_certificate_is_replaced)

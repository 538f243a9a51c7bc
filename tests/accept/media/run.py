#!/usr/bin/env python3
"""Goal: bots that other people made for other platforms work on outdial without a changed line. Method:
their frameworks from npm (openai_bot.mjs, jambonz_bot.mjs), on calls between `outdial serve` and `outdial
carrier`, which records what its telephones hear; what the frameworks took in is compared with what was
sent, what they played with what was heard.

    OUTDIAL_BIN=build/outdial python3 tests/accept/media/run.py [openai|jambonz]
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))

from bot import stream_agent  # noqa: E402
from harness import main, wait_until  # noqa: E402
from stream_scene import call, record_to, recording, scene  # noqa: E402


def install():
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        print(f"skipped: the frameworks need Node 20 or newer, this is {version.strip()}")
        sys.exit(77)
    stamp = os.path.join(HERE, "node_modules", ".package-lock.json")
    lock = os.path.join(HERE, "package-lock.json")
    if not os.path.exists(stamp) or os.path.getmtime(stamp) < os.path.getmtime(lock):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=HERE,
                       check=True, timeout=300)


def start(world, name):
    node = world.start(name, ["node", os.path.join(HERE, f"{name}.mjs")],
                       env={"OPENAI_AGENTS_DISABLE_TRACING": "1", "OPENAI_API_KEY": "none"})

    def line(key):
        found = re.search(r'^\{"%s":.*\}$' % key, node.stdout(), re.M)
        return json.loads(found.group(0))[key] if found else None

    wait_until(lambda: line("url") or not node.running(), 20, f"{name} to listen")
    assert line("url"), node.stderr()[-2000:]
    return node, line


def openai(world):
    _, line = start(world, "openai_bot")
    carrier, server = scene(world, {"talk": "babble"}, ["--record", record_to(world)])
    view = call(server, stream_agent(line("url"), agent={"auth_token": "acceptance token"}))
    assert view["status"] == "completed", view
    seen = wait_until(lambda: line("seen"), 10, "the bot to tell what it saw")
    assert seen["signed"] == [True], "the signature is not Twilio's"
    assert not seen["errors"], seen["errors"]
    assert [m["event"] for m in seen["twilio"][:2]] == ["connected", "start"], seen["twilio"][:2]
    # media time: not one byte was padded or lost on its way to the model
    assert 0 <= seen["media"] * 160 - seen["appended"] <= 50 * 160, seen
    assert seen["appended"] % 160 == 0, seen["appended"]
    carrier.finish()
    ear = recording(world.path("heard"))
    first = bytes(i * 7 % 100 + 1 for i in range(3200)) * 60
    second = bytes(i * 11 % 100 + 1 for i in range(3200))
    begin, again = ear.index(first[:320]), ear.index(second)
    old = ear[begin:again].rstrip(b"\xff")
    assert first.startswith(old), "the callee heard something else than the bot said"
    # what the framework believes was heard is what was heard, but for its own 50 ms
    (told,) = seen["truncated"]
    assert -450 <= told - len(old) / 8 <= 60, f"{len(old) / 8} ms were heard, the bot counts {told}"
    marks = [m["mark"]["name"] for m in seen["twilio"] if m["event"] == "mark"]
    assert len(marks) == len(set(marks)) == 50 + 1 + 1 + 1, f"{len(marks)} of 53 marks came back"


def jambonz(world):
    _, line = start(world, "jambonz_bot")
    carrier, server = scene(world, {"talk": "babble", "digits": "4", "digit_delay_ms": "200"},
                            ["--record", record_to(world)])
    view = call(server, stream_agent(line("url"), agent={"format": "jambonz", "rate": 16000}),
                context={"patient": "Ann"})
    assert view["status"] == "completed", view
    seen = wait_until(lambda: line("seen"), 10, "the bot to tell what it saw")
    assert seen["metadata"]["sampleRate"] == 16000 and seen["metadata"]["patient"] == "Ann", seen
    assert seen["metadata"]["to"] == "+15550001111"
    assert list(seen["sizes"]) == ["640"] and seen["bytes"] > 640 * 50, seen["sizes"]
    assert seen["dtmf"] == ["4"] and seen["done"] == ["p1"], seen
    assert seen["marks"] == [{"name": "heard", "event": "playout"}, {"name": "begun", "event": "playout"},
                             {"name": "never", "event": "cleared"}]
    carrier.finish()
    loud = sum(b not in (0xff, 0x7f) for b in recording(world.path("heard"))) / 8
    # of the minute behind that, what is heard before a busy machine's bot has cleared it
    assert 1100 <= loud <= 3200, f"{loud} ms were heard of 600 + 200 + 400 and a little"


install()
main(openai, jambonz)

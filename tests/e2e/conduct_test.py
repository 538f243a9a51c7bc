#!/usr/bin/env python3
"""Goal: what the engine itself sees to while a bot talks: a first word that waits, reminders when nobody speaks and
an end after them, a warning before the longest time and the end at it, a room's noise under the bot; a bot behind
TLS with a certificate of a private authority; a script's prompt that is said again. Method: scripted bots,
`outdial serve`, `outdial carrier`."""
import ssl
import subprocess

from bot import Bot, SILENCE, stream_agent, tone
from harness import main
from stream_scene import call, ended, record_to, recording, scene


def features(**more):
    return {"config": {"features": more}}


def first_word_and_noise(world):
    carrier, server = scene(world, {}, ["--record", record_to(world)])
    speech = tone(300)

    async def script(c):
        await c.wait("start")
        await c.play(speech, "said")
        told = await c.wait("talk_first")
        assert told["talk_first"] == {"delay_ms": 1500}, told
        heard = c.heard_before(told)
        assert 70 <= heard <= 80, f"{heard} frames went by before the first word"
        assert not c.events("mark"), "it was said too early"
        await c.wait("mark")
        await c.close()

    bot = Bot(script)
    agent = stream_agent(bot.url, **features(talkFirst={"isEnabled": True, "delay": 1.5},
                                             ambientNoise={"isEnabled": True, "ambientNoiseLevel": 0.5}))
    assert call(server, agent)["status"] == "completed"
    bot.check()
    bot.close()
    carrier.finish()
    ear = recording(world.path("heard"))
    quiet = ear[1600:8000]  # before the first word there is the room
    assert len(set(quiet)) > 20 and quiet.count(SILENCE) < len(quiet) / 4, "no noise of a room"
    assert speech not in ear, "the noise is not mixed under the bot"


def silence(world):
    carrier, server = scene(world)

    async def script(c):
        await c.wait("start")
        second = await c.wait("silence", 2)
        assert [m["silence"] for m in c.events("silence")] == [
            {"silent_ms": 1000, "reminder": n, "of": 2} for n in (1, 2)], c.events("silence")
        assert 95 <= c.heard_before(second) <= 110, c.heard_before(second)
        await c.wait("stop")

    bot = Bot(script)
    agent = stream_agent(bot.url, **features(silenceManagement={
        "isEnabled": True, "maxReminderAttempts": 2, "reminderSilenceThresholdSeconds": 1,
        "endWhenReminderLimitExceeded": True}))
    view = call(server, agent)
    bot.check()
    assert view["status"] == "completed" and 2900 <= view["duration_ms"] <= 4500, view
    bot.close()
    carrier.finish()


def longest_time(world):
    carrier, server = scene(world)

    async def script(c):
        await c.wait("start")
        told = await c.wait("max_duration")
        assert told["max_duration"] == {"ends_in_ms": 1000}, told
        assert 145 <= c.heard_before(told) <= 155, c.heard_before(told)
        await c.wait("stop")

    bot = Bot(script)
    view = call(server, stream_agent(bot.url, **features(maxDuration={"isEnabled": True, "maxDurationSeconds": 4})))
    bot.check()
    assert view["status"] == "completed" and 3900 <= view["duration_ms"] <= 5000, view
    bot.close()
    carrier.finish()


def a_private_authority(world):
    """wss:// with a certificate of streams.ca_file's authority; one of another's is refused before the phone rings."""
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=30, cwd=world.dir)
    contexts = []
    for name in ("ours", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}-ca.key", "-out",
                f"{name}-ca.pem", "-subj", f"/CN={name}", "-days", "2")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                "/CN=localhost")
        world.write("san", "subjectAltName=DNS:localhost\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{name}-ca.pem", "-CAkey", f"{name}-ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "san")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.path(f"{name}.pem"), world.path(f"{name}.key"))
        contexts.append(context)
    carrier, server = scene(world, extra={"streams": {"ca_file": world.path("ours-ca.pem"), "allow_private": True}})

    async def script(c):
        await c.wait("start")
        await c.wait("media", 10)
        await c.close()

    good, bad = Bot(script, tls=contexts[0]), Bot(script, tls=contexts[1])
    assert call(server, stream_agent(good.url))["status"] == "completed"
    good.check()
    server.api("POST", "/agents", stream_agent(bad.url, name="bad"))
    view = ended(server, server.api("POST", "/calls", {"to": "+15550001112", "agent": "bad"})["id"])
    assert view["status"] == "agent_failed" and "certificate" in view["reason"].lower(), view
    assert carrier.calls_by_number() == {"+15550001111": 1}, "a phone rang for a bot that isn't to be trusted"
    good.close()
    bad.close()
    carrier.finish()


def prompt_again(world):
    """A script's gather: nobody presses, the prompt comes again, then the call ends."""
    carrier, server = scene(world, {}, ["--record", record_to(world)])
    agent = {"name": "bot", "number": "+15550009999",
             "outdial": {"agent": {"kind": "script", "steps": [
                 {"gather": {"prompt": "Press one.", "timeout_ms": 60000, "into": "a"}}, {"hangup": {}}]}},
             **features(silenceManagement={"isEnabled": True, "maxReminderAttempts": 1,
                                           "reminderSilenceThresholdSeconds": 1})}
    view = call(server, agent)
    assert view["status"] == "completed" and view["duration_ms"] < 15000, view
    carrier.finish()
    ear = recording(world.path("heard"))
    spoken = [len(set(ear[i:i + 800])) > 8 for i in range(0, len(ear), 800)]
    times = sum(now and not before for before, now in zip([False] + [any(spoken[max(0, i - 5):i])
                for i in range(1, len(spoken))], spoken))
    assert times == 2, f"the prompt was heard {times} times"


main(first_word_and_noise, silence, longest_time, a_private_authority, prompt_again)

#!/usr/bin/env python3
"""Goal: what is heard on a call ends up where a user looks: a machine's greeting ends the call with its
outcome, a person is talked to, both with who answered in the call and in its trace. Method: the
simulated carrier with a town of machines or of persons."""
import io
import json
import os
import signal
import subprocess
import wave

from harness import main, wait_until

STEPS = [{"say": "Hello, this is a test."}, {"pause": 2500}, {"hangup": {}}]  # a machine is known by then
TOWN = {"answer": 1, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "pdd_ms": "20-60",
        "ring_ms": "100-300"}


def run_town(world, talk, contacts):
    carrier = world.carrier({**TOWN, "talk": talk}, ["--once"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 50}])
    world.cli("agent", "put", world.agent("who", STEPS, outdial={"amd": {"mode": "async"}}),
              server=server)
    done = world.cli("campaign", "run", world.contacts(contacts), "--agent", "who", "--yes", "--json",
                     server=server, limit_s=90)
    summary = json.loads(done.stdout)
    calls = server.contacts(summary["campaign"])
    return server, summary, calls


def machines_are_hung_up_on(world):
    server, summary, calls = run_town(world, "machine", 8)
    assert summary["outcomes"] == {"machine": 8}, summary
    for call in calls:
        assert call["answered_by"] == "machine", call
        assert call["duration_ms"] < 6000, call
        settled = [v["kind"] for v in call["media"]["amd"]["verdicts"] if v["settled"]]
        assert settled == ["machine"], call
    trace = world.cli("call", "trace", calls[0]["id"], server=server).stdout
    assert "answered by: machine" in trace, trace
    assert server.stop() == 0


def persons_are_talked_to(world):
    server, summary, calls = run_town(world, "hello", 8)
    assert summary["outcomes"] == {"completed": 8}, [(c["status"], c["reason"]) for c in calls]
    who = [call["answered_by"] for call in calls]
    assert who.count("human") >= 7, who
    assert server.stop() == 0


def calls_are_recorded_when_asked(world):
    carrier = world.carrier({**TOWN, "talk": "hello"}, ["--once"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 50}])
    for name, more in (("taped", {"record": True}), ("plain", {})):
        world.cli("agent", "put", world.agent(name, STEPS, outdial=more), server=server)
        call = json.loads(world.cli("call", "new", "+15550001112", "--agent", name, "--json", "--watch",
                                    server=server).stdout.splitlines()[-1])
        status, body = server.fetch(f"/calls/{call['id']}/recording")
        if name == "plain":
            assert status == 404, (status, body[:200])
            continue
        assert status == 200, (status, body[:200])
        with wave.open(io.BytesIO(body)) as wav:
            assert (wav.getnchannels(), wav.getframerate(), wav.getsampwidth()) == (2, 8000, 2)
            frames = wav.readframes(wav.getnframes())
            length_ms = wav.getnframes() / 8
        noted = call["media"]["recording"]
        assert noted["complete"] is True and abs(noted["duration_ms"] - length_ms) < 1, noted
        assert abs(length_ms - call["duration_ms"]) < 1000, (length_ms, call["duration_ms"])
        samples = memoryview(frames).cast("h")
        for side in (0, 1):
            assert max(abs(s) for s in samples[side::2]) > 2000, f"side {side} is silent"
    assert server.stop() == 0


def recordings_as_opus(world):
    """Ogg Opus that its own tools decode to what was said; what a step records is a file of its own; a
    daemon killed in the middle leaves one that can be played."""
    carrier = world.carrier({**TOWN, "talk": "babble", "digits": "none"}, ["--once"])
    server = world.serve([{"name": "main", "server": carrier.address, "cps_limit": 50}])
    steps = [{"pause": 500}, {"record": {"into": "message", "max_s": 2, "silence_ms": 0}}, {"hangup": {}}]
    world.cli("agent", "put", world.agent("opus", steps, outdial={"recording": {"format": "opus"}}),
              server=server)
    call = json.loads(world.cli("call", "new", "+15550001113", "--agent", "opus", "--json", "--watch",
                                server=server).stdout.splitlines()[-1])
    assert call["result"]["message"]["part"] == 1, call
    assert 1900 <= call["result"]["message"]["duration_ms"] <= 2100, call
    for query, length_ms in (("", call["media"]["recording"]["duration_ms"]), ("?part=1", 2000)):
        status, body = server.fetch(f"/calls/{call['id']}/recording{query}")
        assert status == 200 and body[:4] == b"OggS", (status, body[:20])
        left, right = decoded(world, body)
        assert abs(len(left) / 8 - length_ms) < 150, (query, len(left) / 8, length_ms)
        assert max(map(abs, left)) > 2000, f"{query}: the callee is silent"
        assert query or max(map(abs, right)) > 1000, "the beep is not in the call's recording"
    assert server.fetch(f"/calls/{call['id']}/recording?part=2")[0] == 404
    status, told = server.fetch(f"/calls/{call['id']}/recording?part=x")
    assert status == 400 and b"query/part: must be a number from 1 to 255" in told, told
    world.cli("agent", "put", world.agent("long", [{"pause": 60000}],
                                          outdial={"recording": {"format": "opus"}}), server=server)
    ident = world.cli("call", "new", "+15550001114", "--agent", "long", server=server).stdout.strip()
    path = f"{server.data_dir}/recordings/{ident}.opus"
    wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 12000, 20, "three seconds on the disk")
    server.process.send_signal(signal.SIGKILL)
    server.wait(10)
    with open(path, "rb") as file:
        left, _ = decoded(world, file.read())
    assert len(left) > 8000 and max(map(abs, left)) > 2000, len(left)


def decoded(world, body):
    """Both sides of an Ogg Opus file, at 8 kHz, by opusdec."""
    with open(world.path("x.opus"), "wb") as file:
        file.write(body)
    subprocess.run(["opusdec", "--quiet", "--rate", "8000", world.path("x.opus"), world.path("x.wav")], check=True,
                   timeout=30)
    with wave.open(world.path("x.wav")) as wav:
        both = memoryview(wav.readframes(wav.getnframes())).cast("h").tolist()
    return both[::2], both[1::2]


main(recordings_as_opus, calls_are_recorded_when_asked, machines_are_hung_up_on, persons_are_talked_to)

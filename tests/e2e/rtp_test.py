#!/usr/bin/env python3
"""Goal: a bad network, and somebody who sends into other people's calls, cost sound and nothing else: the call goes
on, tells what was lost, and hears nobody but its callee. Method: telephones of our own (ear.py) behind a network that
loses a fifth, repeats, reorders, or is joined by a stranger; a disk that is full while the call is recorded."""
import io
import random
import re
import resource
import socket
import threading
import wave

from ear import Call, Ear
from harness import main
from stream_scene import ended, no_stall, scene


class Lossy(Call):
    def network(self, packet):
        return [packet] if random.random() >= 0.2 else []


class Twice(Call):
    def network(self, packet):
        return [packet, packet]


class Shuffled(Call):
    """Every second packet overtakes the one before it."""
    held = None

    def network(self, packet):
        if self.held is None:
            self.held = packet
            return []
        first, self.held = self.held, None
        return [packet, first]


class Joined(Call):
    """A stranger sends ten times as much from another port, loudly, with our own sequence numbers."""
    stranger = None

    def network(self, packet):
        self.stranger = self.stranger or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(10):
            self.stranger.sendto(packet[:12] + b"\x00" * 160, self.theirs)
        return [packet]


def one_call(world, kind, name):
    ear, over = Ear(kind), threading.Event()
    thread = threading.Thread(target=ear.run, args=(over.is_set,), daemon=True)
    thread.start()
    server = world.serve([{"name": "main", "server": ear.address, "cps_limit": 0}], name=name,
                         extra={"data_dir": world.path(name)})
    server.api("POST", "/agents", {"name": "bot", "outdial": {
        "record": True, "agent": {"kind": "script", "steps": [{"pause": 4000}, {"hangup": {}}]}}})
    view = ended(server, server.api("POST", "/calls", {"to": "+15550001111", "agent": "bot"})["id"])
    over.set()
    thread.join(10)
    assert view["status"] == "completed", view
    with wave.open(io.BytesIO(server.fetch(f"/calls/{view['id']}/recording")[1])) as wav:
        loudest = max(map(abs, memoryview(wav.readframes(wav.getnframes())).cast("h")[::2].tolist()))
    quality = view["media"]["quality"]
    no_stall(server, f"{name}: {quality}")
    assert server.stop() == 0
    return quality, loudest


def a_fifth_is_lost(world):
    random.seed(4)
    heard, loudest = one_call(world, Lossy, "lossy")
    assert 10 <= heard["loss_percent"] <= 30, heard
    assert loudest > 300, "what came was not heard"  # the hum is 372 loud


def repeats_and_reordering(world):
    for kind, name in ((Twice, "twice"), (Shuffled, "shuffled")):
        heard, loudest = one_call(world, kind, name)
        assert heard["loss_percent"] <= 1, (name, heard)
        assert loudest > 300, name


def a_stranger_is_not_heard(world):
    heard, loudest = one_call(world, Joined, "joined")
    assert heard["loss_percent"] <= 1 and heard["wrong_source"] > 500, heard
    assert loudest < 10000, f"the stranger was heard: {loudest}"


def a_full_disk(world):
    """No file of the daemon may grow above 48 KiB: a recording's disk is full after a second and a half."""
    carrier, server = scene(world, {"talk": "babble"})
    server.api("POST", "/agents", {"name": "bot", "outdial": {
        "record": True, "agent": {"kind": "script", "steps": [{"pause": 4000}, {"hangup": {}}]}}})
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (48 << 10, resource.RLIM_INFINITY))
    ids = [server.api("POST", "/calls", {"to": f"+1555000110{i}", "agent": "bot"})["id"] for i in range(3)]
    views = [ended(server, ident) for ident in ids]
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    views.append(ended(server, server.api("POST", "/calls", {"to": "+15550001109", "agent": "bot"})["id"]))
    no_stall(server, "full disk")
    for view, whole in zip(views, (False, False, False, True)):
        noted = view["media"]["recording"]
        assert view["status"] == "completed" and view["duration_ms"] >= 3900, view
        assert noted["complete"] is whole, noted
        with wave.open(io.BytesIO(server.fetch(f"/calls/{view['id']}/recording")[1])) as wav:
            heard_ms = wav.getnframes() / 8
            samples = memoryview(wav.readframes(wav.getnframes())).cast("h")[::2].tolist()
        assert max(map(abs, samples)) > 1000, "the callee is not in what there is"
        assert abs(noted["duration_ms"] - heard_ms) < 1 if whole else 900 < heard_ms < 1600, (noted, heard_ms)
    assert len(re.findall("not complete", server.stderr())) == 3, "each is told once"
    assert server.stop() == 0
    carrier.finish()


main(a_full_disk, a_fifth_is_lost, repeats_and_reordering, a_stranger_is_not_heard)

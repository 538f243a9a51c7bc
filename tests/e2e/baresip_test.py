#!/usr/bin/env python3
"""Goal: a telephone of somebody else's making hears what the script says and plays, and the key it
presses is the call's result. Method: baresip answers by itself and records; the played file must be in
the recording sample by sample, the spoken text's loudness must follow that of the same text spoken by
espeak-ng, and a digit sent by baresip (RFC 4733) must come back as the result."""
import array
import glob
import json
import math
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time
import wave

from harness import free_port, main, wait_until
from webhooks_test import OPEN, Receiver

TEXT = "Good morning. This is a reminder. Press five to confirm your appointment."
RATE = 8000


def ulaw_round(sample):
    """The sample as G.711 mu-law carries it (ITU-T G.711, table 2; ties as in G.191's reference)."""
    sign, magnitude = (-1, ~sample) if sample < 0 else (1, sample)
    magnitude = min(magnitude, 32635) + 132
    exponent = magnitude.bit_length() - 8
    mantissa = magnitude >> (exponent + 3) & 15
    return sign * ((((mantissa << 3) + 132) << exponent) - 132)


def write_wav(path, samples):
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array.array("h", samples).tobytes())


def read_wav(path):
    """Samples of a WAV that may still be open in its writer: the header's length is not believed."""
    with open(path, "rb") as file:
        data = file.read()[44:]
    return array.array("h", data[:len(data) // 2 * 2])


def spoken(world, text):
    """The same text by the same synthesiser, at 8 kHz."""
    raw, low = world.path("spoken.wav"), world.path("spoken8.wav")
    with open(raw, "wb") as file:
        subprocess.run(["espeak-ng", "-v", "en-us", "--stdout", text], stdout=file, check=True, timeout=20)
    subprocess.run(["sox", "-q", raw, "-r", str(RATE), "-c", "1", "-b", "16", low], check=True,
                   timeout=20)
    with wave.open(low, "rb") as file:
        return array.array("h", file.readframes(file.getnframes()))


def loudness(samples, frame=80):
    return [math.sqrt(sum(s * s for s in samples[i:i + frame]) / frame)
            for i in range(0, len(samples) - frame, frame)]


def correlation(a, b):
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    top = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    bottom = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return top / bottom if bottom else 0.0


def best_correlation(recording, reference):
    heard, wanted = loudness(recording), loudness(reference)
    return max((correlation(heard[i:i + len(wanted)], wanted)
                for i in range(len(heard) - len(wanted) + 1)), default=0.0)


def sip_port():
    """A port that baresip can have: over UDP and TCP, and the next one for TLS."""
    while True:
        port = free_port()
        try:
            for number in (port, port + 1):
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
                    s.bind(("127.0.0.1", number))
            return port
        except OSError:
            continue


class Baresip:
    """secure: only SRTP is spoken. says: samples of what its microphone hears; silence else."""

    def __init__(self, world, codec="PCMU", secure=False, says=None):
        self.control = free_port(socket.SOCK_STREAM)
        self.sip = sip_port()
        self.records = world.path("records")
        conf = world.path("baresip")
        os.mkdir(conf)
        os.mkdir(self.records)
        write_wav(world.path("microphone.wav"), says or [0] * RATE * 60)
        modules = next(d for d in ("/usr/lib/baresip/modules", *glob.glob("/usr/lib/*/baresip/modules"))
                       if os.path.isdir(d))
        config = f"""poll_method epoll
sip_listen 127.0.0.1:{self.sip}
net_interface 127.0.0.1
audio_source aufile,{world.path("microphone.wav")}
audio_player aufile,{world.path("player.wav")}
audio_alert aufile,{world.path("alert.wav")}
rtp_ports 46000-46100
module_path {modules}
module g711.so
module g722.so
module opus.so
module srtp.so
module aufile.so
module sndfile.so
snd_path {self.records}
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{self.control}
"""
        accounts = (f"<sip:callee@127.0.0.1:{self.sip}>;regint=0;answermode=auto;"
                    f"audio_codecs={codec}{';mediaenc=srtp-mand' if secure else ''}\n")
        for name, text in (("config", config), ("accounts", accounts), ("contacts", "")):
            with open(os.path.join(conf, name), "w", encoding="ascii") as file:
                file.write(text)
        self.process = world.start("baresip", ["baresip", "-4", "-f", conf])
        wait_until(lambda: "baresip is ready" in self.process.stdout(), 15, "baresip")

    def press(self, digit):
        self.order("sndcode", digit)

    def order(self, name, params=""):
        command = json.dumps({"command": name, "params": params, "token": "t"})
        with socket.create_connection(("127.0.0.1", self.control), timeout=5) as control:
            control.sendall(f"{len(command)}:{command},".encode())
            assert b'"ok":true' in control.recv(1000)

    def recording(self):
        """All that was heard: a hold ends one file and begins another."""
        heard = array.array("h")
        for path in sorted(glob.glob(os.path.join(self.records, "*-dec.wav")), key=os.path.getmtime):
            heard += read_wav(path)
        return heard


def hears_and_answers(world):
    baresip = Baresip(world)
    random.seed(1)
    level = 0
    noise = []
    for _ in range(2 * RATE):  # smooth noise: every stretch of it is different from every other
        level = int(0.9 * level + random.randint(-2500, 2500))
        noise.append(level)
    os.makedirs(world.path("data/audio"))
    write_wav(world.path("data/audio/marker.wav"), noise)
    reference = spoken(world, TEXT)

    server = world.serve([{"name": "main", "server": f"127.0.0.1:{baresip.sip}"}])
    world.cli("agent", "put", world.agent("talker", [
        {"play": "marker.wav"}, {"say": TEXT},
        {"gather": {"digits": 1, "timeout_ms": 8000, "into": "choice", "map": {"5": True}}},
        {"hangup": {}}]), server=server)
    call = world.cli("call", "new", f"sip:callee@127.0.0.1:{baresip.sip}", "--agent", "talker",
                     server=server).stdout.strip()
    show = lambda: server.api("GET", f"/calls/{call}")
    wait_until(lambda: show()["status"] == "talking", 15, "the call to be answered")
    # The key is waited for long enough that its exact moment does not matter.
    time.sleep(len(noise) / RATE + len(reference) / RATE + 1.5)
    baresip.press("5")
    ended = wait_until(lambda: show()["ended_at"] and show(), 20, "the end of the call")
    assert ended["status"] == "completed" and ended["result"] == {"choice": True}, ended
    baresip.process.stop()

    heard = baresip.recording()
    assert len(heard) > len(noise) + len(reference), f"only {len(heard)} samples were recorded"
    # baresip's table decodes the two codes of zero to 2 and -2.
    raw = array.array("h", [0 if abs(s) <= 2 else s for s in heard]).tobytes()
    found = pieces = 0
    expected = array.array("h", [ulaw_round(s) for s in noise])
    for i in range(0, len(expected) - 800, 800):  # tenths of a second
        pieces += 1
        found += raw.find(expected[i:i + 800].tobytes()) >= 0
    match = best_correlation(heard, reference)
    print(f"     {found} of {pieces} pieces of the played file arrived bit by bit; the speech's "
          f"loudness correlates by {match:.3f}")
    assert found >= pieces - 1, f"{pieces - found} of {pieces} pieces did not arrive as they were"
    assert match > 0.9, f"what was heard is not what was said: {match:.3f}"


def smooth_noise(seconds, seed):
    """Every stretch of it is different from every other."""
    random.seed(seed)
    level, out = 0, []
    for _ in range(int(seconds * RATE)):
        level = int(0.9 * level + random.randint(-2500, 2500))
        out.append(level)
    return out


def aligned_correlation(heard, wanted, at, window=4000):
    """How alike a stretch of `wanted` is to the best place in `heard`: found by its tenth sample, then
    exactly."""
    piece = wanted[at:at + window]
    thin = piece[::10]
    best = max(range(max(0, at - 2 * RATE), min(len(heard) - window, at + 3 * RATE), 4),
               key=lambda lag: sum(a * b for a, b in zip(thin, heard[lag:lag + window:10])))
    return max(correlation(heard[lag:lag + window], piece) for lag in range(max(0, best - 12), best + 12)
               if lag + window <= len(heard))


class Relay(threading.Thread):
    """A SIP proxy that puts rtpengine (in userspace) between the two for their audio: each session
    description that passes is handed to rtpengine and goes on as that wants it."""

    def __init__(self, world, callee):
        super().__init__(daemon=True)
        self.callee, self.caller, self.known, self.cookie = ("127.0.0.1", callee), None, {}, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.control = ("127.0.0.1", free_port())
        self.process = world.start("rtpengine", [
            "rtpengine", "-f", "-E", "--table=-1", "--interface=127.0.0.1", "--port-min=47000",
            "--port-max=48999", f"--listen-ng=127.0.0.1:{self.control[1]}", "--log-level=4",
            f"--pidfile={world.path('rtpengine.pid')}"])
        self.ng = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ng.settimeout(0.5)
        wait_until(lambda: self.ask(command="ping"), 15, "rtpengine")
        self.start()

    def ask(self, **command):
        self.cookie += 1
        text = b"".join(f"{len(part)}:".encode() + part.encode() for pair in
                        sorted((k.replace("_", "-"), v) for k, v in command.items()) for part in pair)
        self.ng.sendto(f"{self.cookie} d".encode() + text + b"e", self.control)
        try:
            return self.ng.recv(65536)
        except OSError:
            return None

    def rewrite(self, body, offer):
        if body not in self.known:
            answer = self.ask(command="offer" if offer else "answer", sdp=body.decode(), call_id="c",
                              from_tag="a", **({} if offer else {"to_tag": "b"}))
            at = answer.index(b"3:sdp") + 5
            colon = answer.index(b":", at)
            self.known[body] = answer[colon + 1:colon + 1 + int(answer[at:colon])]
        return self.known[body]

    def run(self):
        while True:
            data, source = self.socket.recvfrom(65536)
            from_callee = source == self.callee
            if not from_callee:
                self.caller = source
            head, _, body = data.partition(b"\r\n\r\n")
            if body and b"application/sdp" in head:
                body = self.rewrite(body, not from_callee)
                head = re.sub(rb"(?i)content-length: *\d+", b"Content-Length: %d" % len(body), head)
            self.socket.sendto(head + b"\r\n\r\n" + body, self.caller if from_callee else self.callee)


def talk_both_ways(world, codec, media, secure, relayed=False):
    says, plays = smooth_noise(16, 2), smooth_noise(6, 3)
    baresip = Baresip(world, codec, secure, says)
    os.makedirs(world.path("data/audio"))
    write_wav(world.path("data/audio/long.wav"), plays)
    relay = Relay(world, baresip.sip) if relayed else None
    server = world.serve([{"name": "main", "media": media,
                           "server": relay.address if relay else f"127.0.0.1:{baresip.sip}"}])
    world.cli("agent", "put", world.agent("talker", [
        {"play": "long.wav"},
        {"gather": {"digits": 12, "timeout_ms": 9000, "into": "keys"}},
        {"hangup": {}}], outdial={"record": True}), server=server)
    call = world.cli("call", "new", f"sip:callee@127.0.0.1:{baresip.sip}", "--agent", "talker",
                     server=server).stdout.strip()
    show = lambda: server.api("GET", f"/calls/{call}")
    wait_until(lambda: show()["status"] == "talking", 15, "the call to be answered")
    trace = lambda: json.dumps(server.api("GET", f"/calls/{call}/trace")["trace"])
    time.sleep(2)
    if not relayed: # its re-INVITE would not go through the proxy
        baresip.order("hold")
        wait_until(lambda: trace().count("INVITE sip:") > 1, 5, "the hold's re-INVITE")
        time.sleep(1)
        baresip.order("resume")
    time.sleep(6)
    for key in "123456789*0#":
        baresip.press(key)
        time.sleep(0.3)
    ended = wait_until(lambda: show()["ended_at"] and show(), 25, "the end of the call")
    assert ended["status"] == "completed" and ended["result"] == {"keys": "123456789*0#"}, ended
    quality = ended["media"]["quality"]
    assert quality["codec"] == codec.split("/")[0].lower(), quality
    assert quality.get("srtp", False) is secure, quality
    assert quality["far"]["loss_percent"] == 0, quality
    baresip.process.stop()

    status, body = server.fetch(f"/calls/{call}/recording")
    assert status == 200, status
    both = array.array("h", body[58:58 + (len(body) - 58) // 4 * 4])
    heard_by_us, said_by_us, heard_by_them = both[::2], both[1::2], baresip.recording()
    figures = {"theirs, in our recording": (heard_by_us, says, RATE),
               "ours, in our recording": (said_by_us, plays, 4000),
               "ours, after the hold, in our recording": (said_by_us, plays, 5 * RATE),
               "theirs, after the hold, in our recording": (heard_by_us, says, 7 * RATE),
               # its recorder stops with a hold and doesn't begin again
               "ours, before the hold, in theirs": (heard_by_them, plays, 4000)}
    for what, (heard, wanted, at) in figures.items():
        alike = aligned_correlation(heard, wanted, at)
        print(f"     {codec}{' with SRTP' if secure else ''}: {what}: correlation {alike:.4f}")
        assert alike > 0.99, f"{what}: {alike:.4f}"
    assert server.stop() == 0


def talks_both_ways_with_hold_and_all_keys(world):
    talk_both_ways(world, "PCMU/8000/1", {"codecs": ["pcmu"]}, False)


def talks_both_ways_through_srtp(world):
    talk_both_ways(world, "PCMA/8000/1", {"codecs": ["pcma"], "srtp": "required"}, True)


def talks_both_ways_through_rtpengine(world):
    assert shutil.which("rtpengine"), "rtpengine is not installed: deploy/install-deps.sh --tests"
    talk_both_ways(world, "PCMU/8000/1", {"codecs": ["pcmu"]}, False, relayed=True)


def is_handed_on_by_refer(world):
    """baresip does as REFER asks: it calls the desk, tells how that goes, and our call ends."""
    desk = world.carrier({"answer": 100, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "ring_ms": "100",
                          "hangup_ms": "1500"})
    baresip = Baresip(world)
    server = world.serve([{"name": "main", "server": f"127.0.0.1:{baresip.sip}"}], extra=OPEN)
    receiver = Receiver()
    world.cli("agent", "put", world.agent("sender", [
        {"pause": 500}, {"transfer": "Desk"}, {"pause": 30000}, {"hangup": {}}],
        config={"resultWebhook": {"url": receiver.url + "/result"},
                "features": {"transfer": {"type": "cold", "transferRoutes": [
                    {"name": "Desk", "endpointDestination": f"sip:+16660000001@{desk.address}"}]}}}), server=server)
    call = world.cli("call", "new", f"sip:callee@127.0.0.1:{baresip.sip}", "--agent", "sender",
                     server=server).stdout.strip()
    ended = wait_until(lambda: server.api("GET", f"/calls/{call}")["ended_at"] and
                       server.api("GET", f"/calls/{call}"), 25, "the end of the call")
    assert ended["status"] == "completed" and ended["duration_ms"] < 20000, ended
    wait_until(lambda: "+16660000001" in desk.calls_by_number(), 10, "the desk's call")
    trace = [line["text"] for line in server.api("GET", f"/calls/{call}/trace")["trace"]]
    assert any(t.startswith("REFER ") for t in trace) and any(t.startswith("NOTIFY ") for t in trace), trace
    wait_until(lambda: len(receiver.got) == 2, 20, "both webhooks")
    assert [json.loads(g["body"])["type"] for g in receiver.got] == ["TransferWebHookPayload",
                                                                     "CompletedWebHookPayload"]
    assert server.stop() == 0


def is_the_desk_of_a_bridge(world):
    """A key of the callee arrives at baresip, which was dialled as the second leg."""
    callee = world.carrier({"answer": 100, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0, "ring_ms": "100",
                            "talk": "silence", "digits": "5", "digit_delay_ms": "3000", "hangup_ms": "6000"})
    baresip = Baresip(world)
    server = world.serve([{"name": "main", "server": callee.address, "prefixes": ["+1555"]},
                          {"name": "desk", "server": f"127.0.0.1:{baresip.sip}"}])
    world.cli("agent", "put", world.agent("sender", [
        {"transfer": {"to": f"sip:callee@127.0.0.1:{baresip.sip}", "mode": "bridge"}}]), server=server)
    call = world.cli("call", "new", "+15550001111", "--agent", "sender", server=server).stdout.strip()
    ended = wait_until(lambda: server.api("GET", f"/calls/{call}")["ended_at"] and
                       server.api("GET", f"/calls/{call}"), 25, "the end of the call")
    assert ended["status"] == "completed" and ended["media"]["transfers"][0]["talk_ms"] > 3000, ended
    wait_until(lambda: "received event: '5'" in baresip.process.stdout(), 5, "the key at baresip")
    assert server.stop() == 0


main(is_handed_on_by_refer, is_the_desk_of_a_bridge, talks_both_ways_through_rtpengine, hears_and_answers, talks_both_ways_with_hold_and_all_keys, talks_both_ways_through_srtp)

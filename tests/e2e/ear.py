"""Telephones of a few lines, for measuring what arrives: one socket for SIP, one per call for RTP, and the kernel's
own arrival stamp of every packet (SO_TIMESTAMPNS), so that neither this process nor its schedule is measured."""
import re
import select
import socket
import struct
import time

SO_TIMESTAMPNS = 35  # asm-generic/socket.h


class Call:
    def __init__(self, number):
        self.number = number
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self.packets = []  # (arrival in s by CLOCK_REALTIME, sequence, timestamp, a byte of its middle)
        self.theirs = None
        self.sequence = 0

    def read(self):
        while True:
            try:
                data, extra, _, _ = self.socket.recvmsg(2048, 64)
            except BlockingIOError:
                return
            stamp = time.clock_gettime(time.CLOCK_REALTIME)
            for level, kind, value in extra:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, ns = struct.unpack("qq", value[:16])
                    stamp = seconds + ns / 1e9
            if len(data) >= 172 and data[1] & 0x7f == 0:
                sequence, ts = struct.unpack(">HI", data[2:8])
                self.packets.append((stamp, sequence, ts, data[92]))
            elif len(data) > 12:
                self.other(data)

    def other(self, data):
        """A packet that is no sound."""

    def media(self):
        """What the answer says of the call's audio."""
        return f"m=audio {self.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

    def speak(self):
        """20 ms of a hum, so that the far side hears somebody."""
        if self.theirs:
            self.sequence += 1
            head = struct.pack(">BBHII", 0x80, 0, self.sequence & 0xffff, 160 * self.sequence, self.port)
            for packet in self.network(head + b"\x60\xe0" * 80):
                self.socket.sendto(packet, self.theirs)

    def network(self, packet):
        """What a test's network makes of it."""
        return [packet]


class Ear:
    """Answers every INVITE at once. run() until `stop` says so; the calls by their Call-ID."""

    def __init__(self, call=Call):
        self.call = call
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.calls = {}

    def answer(self, text, source):
        def field(name):
            return re.findall(rf"(?im)^{name}: *(.*?)\r?$", text)
        method, call_id = text.split(" ", 1)[0], field("call-id")[0]
        body, to = "", field("to")[0]
        if method == "ACK":
            return
        if method == "INVITE":
            call = self.calls.setdefault(call_id, self.call(re.search(r"sip:([^@>;]*)", text).group(1)))
            call.theirs = ("127.0.0.1", int(re.search(r"m=audio (\d+)", text).group(1)))
            body = (f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                    + call.media())
        to += "" if ";tag=" in to else ";tag=ear"
        head = "".join(f"Via: {v}\r\n" for v in field("via"))
        self.socket.sendto((f"SIP/2.0 200 OK\r\n{head}From: {field('from')[0]}\r\nTo: {to}\r\n"
                            f"Call-ID: {call_id}\r\nCSeq: {field('cseq')[0]}\r\nContact: <sip:ear@{self.address}>\r\n"
                            + ("Content-Type: application/sdp\r\n" if body else "") +
                            f"Content-Length: {len(body)}\r\n\r\n{body}").encode(), source)

    def run(self, stop):
        due = time.monotonic()
        while not stop():
            calls = list(self.calls.values())
            ready, _, _ = select.select([self.socket] + [c.socket for c in calls], [], [],
                                        max(0, due - time.monotonic()))
            if self.socket in ready:
                data, source = self.socket.recvfrom(65536)
                self.answer(data.decode(errors="replace"), source)
            for call in calls:
                if call.socket in ready:
                    call.read()
            if time.monotonic() >= due:
                due = max(due + 0.02, time.monotonic() - 0.1)
                for call in calls:
                    call.speak()


def jitter_ms(packets):
    """How far each packet is from the 20 ms grid of its call, in ms: the grid is the timestamps', placed so that
    half of the packets are early."""
    offsets = sorted(stamp - (ts & 0xffffffff) / 8000 for stamp, _, ts, _ in packets)
    middle = offsets[len(offsets) // 2]
    return [abs(offset - middle) * 1000 for offset in offsets]


def lost(packets):
    """Sequence numbers between the first and the last that never came."""
    seen = {seq for _, seq, _, _ in packets}
    return (packets[-1][1] - packets[0][1] & 0xffff) + 1 - len(seen)


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))] if values else None

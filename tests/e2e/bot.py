"""A voice bot at the other end of a media stream, scripted by a test: a WebSocket server of a few
lines (RFC 6455) that can also be told to break the rules, run on a thread of its own."""
import asyncio
import base64
import hashlib
import json
import os
import struct
import threading
import time

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SILENCE = 0xff


def frame(op, payload, fin=True):
    n = len(payload)
    head = bytes([(0x80 if fin else 0) | op])
    if n < 126:
        head += bytes([n])
    elif n < 65536:
        head += bytes([126]) + struct.pack(">H", n)
    else:
        head += bytes([127]) + struct.pack(">Q", n)
    return head + payload


class Connection:
    """One call's stream. A test's script awaits and sends here; `log` keeps what came."""

    def __init__(self, reader, writer, path, headers):
        self.reader, self.writer, self.path, self.headers = reader, writer, path, headers
        self.log = []        # (monotonic time, message)
        self.pings = 0
        self.closed = None   # code of the close frame; 1006: none came
        self.reason = ""     # and what it says
        self.start = None
        self.changed = asyncio.Event()

    # -- what came

    def events(self, kind=None):
        return [m for _, m in self.log if isinstance(m, dict) and (kind is None or m.get("event") == kind)]

    def heard_before(self, message):
        """Frames of the callee that went by before that message, whenever this process read them."""
        at = next(i for i, (_, m) in enumerate(self.log) if m is message)
        return sum(m.get("event") == "media" for _, m in self.log[:at])

    async def until(self, condition, limit_s=20, what="a message"):
        end = time.monotonic() + limit_s
        while True:
            value = condition()
            if value:
                return value
            left = end - time.monotonic()
            assert left > 0, f"the bot waited {limit_s} s in vain for {what}; got {self.events()[-3:]}"
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), min(left, 0.2))
            except asyncio.TimeoutError:
                pass

    async def wait(self, kind, count=1, limit_s=20):
        """The count-th message of that kind."""
        found = await self.until(lambda: len(self.events(kind)) >= count or self.closed is not None,
                                 limit_s, f"{count} x {kind}")
        assert found and len(self.events(kind)) >= count, f"closed ({self.closed}) before {count} x {kind}"
        return self.events(kind)[count - 1]

    # -- what goes

    async def raw(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, message):
        await self.raw(frame(1, json.dumps(message).encode()))

    async def binary(self, *messages):
        """At once: no pause between them is this process's."""
        await self.raw(b"".join(frame(2, data) for data in messages))

    async def play(self, ulaw, name=None):
        sid = self.start["streamSid"]
        await self.send({"event": "media", "streamSid": sid,
                         "media": {"payload": base64.b64encode(ulaw).decode()}})
        if name:
            await self.mark(name)

    async def mark(self, name):
        await self.send({"event": "mark", "streamSid": self.start["streamSid"], "mark": {"name": name}})

    async def clear(self):
        await self.send({"event": "clear", "streamSid": self.start["streamSid"]})

    async def close(self, code=1000, reason=""):
        await self.raw(frame(8, struct.pack(">H", code) + reason.encode()))

    # -- reading

    async def read(self):
        partial, partial_op = b"", 0
        try:
            while True:
                head = await self.reader.readexactly(2)
                op, n = head[0] & 15, head[1] & 127
                assert head[1] & 128, "a client's frame is not masked"
                assert not head[0] & 0x70, "reserved bits"
                if n == 126:
                    n = struct.unpack(">H", await self.reader.readexactly(2))[0]
                elif n == 127:
                    n = struct.unpack(">Q", await self.reader.readexactly(8))[0]
                mask = await self.reader.readexactly(4)
                data = await self.reader.readexactly(n)
                wide = (mask * (n // 4 + 1))[:n]
                data = (int.from_bytes(data, "big") ^ int.from_bytes(wide, "big")).to_bytes(n, "big")
                if op == 8:
                    self.closed = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                    self.reason = data[2:].decode()
                    await self.raw(frame(8, data[:2]))
                    break
                if op == 9:
                    self.pings += 1
                    await self.raw(frame(10, data))
                    continue
                if op == 10:
                    continue
                partial, partial_op = partial + data, op or partial_op
                if not head[0] & 0x80:
                    continue
                message = json.loads(partial) if partial_op == 1 else partial
                if isinstance(message, dict) and message.get("event") == "start":
                    self.start = message
                self.log.append((time.monotonic(), message))
                partial = b""
                self.changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed = self.closed or 1006
        self.changed.set()
        self.writer.close()


class BareConnection(Connection):
    """One without WebSocket: MessagePack arrays behind each other. `log` keeps them as they came."""

    async def binary(self, *messages):
        await self.raw(b"".join(messages))

    async def read(self):
        data = b""
        try:
            while True:
                more = await self.reader.read(65536)
                if not more:
                    break
                data += more
                at = 0
                while at < len(data):
                    try:
                        message, end = unpack(data, at)
                    except IndexError:
                        break
                    await self.take(message, data[at:end])
                    at = end
                data = data[at:]
        except ConnectionError:
            pass
        self.closed = self.closed or 1006
        self.changed.set()
        self.writer.close()

    async def take(self, message, raw):
        if message[:2] == [6, 0]:
            self.closed, self.reason = 1000, message[2]
        elif message[0] == 7:
            self.pings += 1
            await self.binary(pack([8, 0, message[2]]))
        else:
            self.log.append((time.monotonic(), raw))
        self.changed.set()


class Bot:
    """Serves on a free port until close(). script(connection) runs for each connection; an exception
    in it is the test's failure, told by check()."""

    def __init__(self, script=None, status=101, subprotocol=None, accept_after_s=0, port=0,
                 tls=None):
        self.script, self.status, self.subprotocol = script, status, subprotocol
        self.accept_after_s, self.tls = accept_after_s, tls  # tls: an ssl.SSLContext
        self.connections, self.requests, self.errors = [], [], []
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.port = port
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait(10)

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.listen())
        self.ready.set()
        self.loop.run_forever()

    async def listen(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, limit=1 << 24, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"ws{'s' if self.tls else ''}://{'localhost' if self.tls else '127.0.0.1'}:{self.port}/media"

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        path = lines[0].split()[1]
        headers = {k.strip().lower(): v.strip() for k, v in
                   (line.split(":", 1) for line in lines[1:] if ":" in line)}
        self.requests.append((path, headers))
        if self.accept_after_s:
            await asyncio.sleep(self.accept_after_s)
        if self.status != 101:
            writer.write(f"HTTP/1.1 {self.status} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()
            return
        accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + GUID).encode()).digest())
        answer = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Accept: {accept.decode()}\r\n")
        if self.subprotocol:
            answer += f"Sec-WebSocket-Protocol: {self.subprotocol}\r\n"
        writer.write((answer + "\r\n").encode())
        await self.serve_messages(Connection(reader, writer, path, headers))

    async def serve_messages(self, connection):
        self.connections.append(connection)
        reading = asyncio.ensure_future(connection.read())
        try:
            if self.script:
                await self.script(connection)
        except (ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as error:  # pylint: disable=broad-except
            self.errors.append(error)
        try:
            await reading
        except asyncio.CancelledError:
            pass  # the test is over

    def check(self):
        assert not self.errors, f"the bot: {self.errors[0]!r}"

    def close(self):
        async def stop():
            self.server.close()
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.loop.stop()
        asyncio.run_coroutine_threadsafe(stop(), self.loop)
        self.thread.join(10)


class BareBot(Bot):
    """The same without WebSocket: on a free port, or at a Unix socket."""

    def __init__(self, script=None, path=None):
        self.path = path
        super().__init__(script)

    async def listen(self):
        if self.path:
            self.server = await asyncio.start_unix_server(self.serve, self.path)
            self.url = f"unix://{self.path}"
        else:
            self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
            self.url = f"tcp://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def serve(self, reader, writer):
        await self.serve_messages(BareConnection(reader, writer, None, {}))


def pack(value):
    """As much of MessagePack as media.v1 needs."""
    if isinstance(value, bool) or value is None:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return bytes([value]) if value < 128 else b"\xce" + struct.pack(">I", value)
    if isinstance(value, str):
        return b"\xda" + struct.pack(">H", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))
    return b"\xde" + struct.pack(">H", len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())


def unpack(data, at=0):
    """The value at that place, and the place behind it. IndexError: it is cut."""
    head, at = data[at], at + 1

    def number(count, place):
        if place + count > len(data):
            raise IndexError
        return int.from_bytes(data[place:place + count], "big"), place + count

    def many(count, place):
        values = []
        for _ in range(count):
            value, place = unpack(data, place)
            values.append(value)
        return values, place

    if head < 0x80:
        return head, at
    if head in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[head], at
    if 0xcc <= head <= 0xcf:
        return number(1 << head - 0xcc, at)
    if 0xa0 <= head < 0xc0 or 0xd9 <= head <= 0xdb or 0xc4 <= head <= 0xc6:
        n, at = (head & 31, at) if head < 0xc0 else number(1 << (head - (0xd9 if head > 0xd0 else 0xc4)), at)
        raw = data[at:at + n]
        if len(raw) < n:
            raise IndexError
        return (raw if 0xc4 <= head <= 0xc6 else raw.decode()), at + n
    if 0x90 <= head < 0xa0 or head in (0xdc, 0xdd):
        n, at = (head & 15, at) if head < 0xa0 else number(2 if head == 0xdc else 4, at)
        return many(n, at)
    if head < 0x90 or head in (0xde, 0xdf):
        n, at = (head & 15, at) if head < 0x90 else number(2 if head == 0xde else 4, at)
        values, at = many(2 * n, at)
        return dict(zip(values[::2], values[1::2])), at
    raise ValueError(f"{head:#x}")


def tone(ms, seed=1):
    """Speech-like mu-law that is never silence, and differs by seed."""
    count = ms * 8
    block = hashlib.sha256(bytes([seed])).digest()
    data = (block * (count // 32 + 1))[:count]
    return bytes(b if b not in (0xff, 0x7f) else 0x55 for b in data)


def stream_agent(url, name="bot", **more):
    outdial = more.pop("outdial", {})
    agent = {"kind": "stream", "url": url, **more.pop("agent", {})}
    return {"name": name, "number": "+15550009999", **more, "outdial": {"agent": agent, **outdial}}

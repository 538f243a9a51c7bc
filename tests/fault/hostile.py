#!/usr/bin/env python3
"""A webhook receiver that misbehaves, as a process of its own: one port for each way to, plain or TLS. The
ports and ways are printed as one line of JSON; what a redirect leads to is a port where nobody may come.

    hostile.py CERTIFICATE_AND_KEY

The port "control" tells to whoever connects how often each way was taken.
"""
import asyncio
import contextlib
import json
import signal
import socket
import ssl
import struct
import sys

LIMIT_S = 20  # longer than any client's deadline


class Hostile:
    def __init__(self, pem):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.seen, self.ports, self.trap = {}, {}, 0

    @staticmethod
    async def request(reader):
        """One whole request is gone from the stream."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        at = head.find(b"content-length:")
        if at >= 0:
            await reader.readexactly(int(head[at + 15:head.index(b"\r\n", at)]))

    async def answer(self, reader, writer, text):
        """The same to each request of the connection."""
        while True:
            await self.request(reader)
            writer.write(text)
            await writer.drain()

    async def way_500(self, reader, writer):
        await self.answer(reader, writer, b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n")

    async def way_429(self, reader, writer):
        await self.answer(reader, writer, b"HTTP/1.1 429 later\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")

    async def way_410(self, reader, writer):
        await self.answer(reader, writer, b"HTTP/1.1 410 gone\r\nContent-Length: 0\r\n\r\n")

    async def way_redirect(self, reader, writer):
        await self.answer(reader, writer, f"HTTP/1.1 302 there\r\nLocation: http://127.0.0.1:{self.ports['trap']}/\r\n"
                                          "Content-Length: 0\r\n\r\n".encode())

    async def way_trap(self, reader, writer):
        self.trap += 1
        await self.answer(reader, writer, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def way_wrong_certificate(self, reader, writer):
        await self.answer(reader, writer, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def way_reset(self, reader, writer):
        await self.request(reader)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def way_hang(self, reader, writer):
        await self.request(reader)
        await reader.read()

    async def way_never_reads(self, reader, writer):
        writer.transport.pause_reading()
        await asyncio.sleep(LIMIT_S)

    async def way_a_byte_a_second(self, reader, writer):
        await self.request(reader)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)

    async def way_a_gigabyte(self, reader, writer):
        await self.request(reader)
        writer.write(b"HTTP/1.1 500 no\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(16384):
            writer.write(b"x" * 65536)
            await writer.drain()

    async def way_endless_headers(self, reader, writer):
        await self.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-A: " + b"y" * 1000 + b"\r\n")
            await writer.drain()

    async def way_bad_chunks(self, reader, writer):
        await self.request(reader)
        writer.write(b"HTTP/1.1 500 no\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n")

    async def way_gzip_bomb(self, reader, writer):
        await self.request(reader)
        writer.write(b"HTTP/1.1 500 no\r\nContent-Encoding: gzip\r\nContent-Length: 10000000\r\n\r\n")
        for _ in range(160):
            writer.write(b"\x1f\x8b" + b"\0" * 65534)
            await writer.drain()

    async def way_continues(self, reader, writer):
        await self.request(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    async def way_h2(self, reader, writer):
        await self.request(reader)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

    async def way_switches(self, reader, writer):
        await self.request(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")

    async def control(self, reader, writer):
        writer.write(json.dumps({"seen": self.seen, "trap": self.trap}).encode())

    def serve(self, way, name):
        async def one(reader, writer):
            self.seen[name] = self.seen.get(name, 0) + 1
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError):
                await asyncio.wait_for(way(reader, writer), LIMIT_S)
            with contextlib.suppress(OSError):
                writer.close()
                await asyncio.wait_for(writer.wait_closed(), 1)
        return one

    async def run(self):
        servers = []
        for name in [n for n in dir(self) if n.startswith("way_")] + ["control"]:
            way, name = getattr(self, name), name.removeprefix("way_")
            servers.append(await asyncio.start_server(
                self.serve(way, name), "127.0.0.1", 0, backlog=512,
                ssl=self.context if name == "wrong_certificate" else None))
            self.ports[name] = servers[-1].sockets[0].getsockname()[1]
        refuses = socket.socket()
        refuses.bind(("127.0.0.1", 0))  # bound, not listening
        self.ports["refuse"] = refuses.getsockname()[1]
        print(json.dumps(self.ports), flush=True)
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # whoever hangs up on us
        await over.wait()


asyncio.run(Hostile(sys.argv[1]).run())

#!/usr/bin/env python3
"""Goal: no client can stop the HTTP server, crash it or make it hold more than a bounded memory, and each gets
the right 4xx in its dialect's own words. Method: a real daemon; a table of broken requests, each sent to each
dialect, whole and in two halves; then as many idle connections as descriptors allow (10,000 at most), and
between them clients that send a byte a second, say half of what they promise, close one side or read
nothing; meanwhile an honest client is answered every time.

ABUSE_CONNECTIONS: idle connections (10,000, or what the limit of open files leaves room for).
"""
import base64
import json
import os
import re
import resource
import selectors
import socket
import threading
import time

from harness import main, wait_until

IDLE = int(os.environ.get("ABUSE_CONNECTIONS", "10000"))
JSON = "Content-Type: application/json\r\n"
# A create of each dialect: path, and a body that it would take but for an agent that isn't there.
DIALECTS = {"native": "/outdial/v1/calls", "dasha": "/api/v1/calls?agentId=00000000-0000-4000-8000-000000000000",
            "callingbox": "/v1/calls"}
# The account is the org "default"; there is no such call.
TWILIO = "/2010-04-01/Accounts/ACc257d3087b9a26b3fa7b708f38197759/Calls/CA00000000000000000000000000000000.json"
DEEP = b"[" * 1000000
BODIES = [  # what, body, status, in the answer
    ("nothing", b"", 400, ""),
    ("no JSON", b"{\"to\":", 400, ""),
    ("bad UTF-8", b"{\"to\":\"\xff\xfe\"}", 400, ""),
    ("an overlong slash", b"{\"to\":\"\xc0\xaf\"}", 400, ""),
    ("half a surrogate", b"{\"to\":\"\\ud800\"}", 400, ""),
    ("a NUL", b"{\"to\":\"a\0b\"}", 400, ""),
    ("duplicate keys", b"{\"to\":\"+15550001111\",\"to\":\"+15550002222\"}", 400, "to"),
    ("a million deep", DEEP, 400, ""),
    ("deep within", b"{\"context\":" + b"[" * 40 + b"]" * 40 + b"}", 400, ""),
    ("a number of a million digits", b"{\"to\":" + b"9" * 1000000 + b"}", 400, ""),
    ("an array", b"[1]", 400, ""),
    ("a text", b"\"x\"", 400, ""),
    ("null", b"null", 400, ""),
    ("something behind", b"{}{}", 400, ""),
]


FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
FORMS = [  # the same for the dialect that takes forms; its call isn't there, but that is said last
    ("nothing", b"", 400, ""),
    ("no status", b"Url=http%3A%2F%2Fa%2F", 400, ""),
    ("an unknown status", b"Status=bogus", 400, ""),
    ("bad UTF-8", b"Status=\xff\xfe", 400, ""),
    ("a half escape", b"Status=%2", 400, ""),
    ("a NUL", b"Status=completed%00", 400, ""),
    ("a million fields", b"a&" * 500000, 400, ""),
    ("a status of a megabyte", b"Status=" + b"x" * 1000000, 400, ""),
    ("more than may be sent", b"Status=" + b"x" * 1100000, 413, ""),
    ("a call that isn't there", b"Status=completed", 404, ""),
]


def authorization(path, key):
    if path == TWILIO:  # the key is the password
        return "Basic " + base64.b64encode(f"AC0:{key}".encode()).decode()
    return f"Bearer {key}"


def heads(path, key, kind):
    """(what, bytes, status): requests whose framing, path or method is wrong."""
    h = f"Host: a\r\nAuthorization: {authorization(path, key)}\r\n"
    bare = path.split("?")[0]
    return [
        ("CL and TE", f"POST {path} HTTP/1.1\r\n{h}{kind}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "0\r\n\r\n", 400),
        ("TE and CL", f"POST {path} HTTP/1.1\r\n{h}{kind}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
                      "0\r\n\r\n", 400),
        ("two CLs", f"POST {path} HTTP/1.1\r\n{h}{kind}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}", 400),
        ("a negative CL", f"POST {path} HTTP/1.1\r\n{h}{kind}Content-Length: -1\r\n\r\n", 400),
        ("a bad chunk", f"POST {path} HTTP/1.1\r\n{h}{kind}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n", 400),
        ("a chunk too long", f"POST {path} HTTP/1.1\r\n{h}{kind}Transfer-Encoding: chunked\r\n\r\n"
                             "fffffffffffffffff\r\n", 400),
        ("gzip and chunks", f"POST {path} HTTP/1.1\r\n{h}{kind}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        ("a terabyte announced", f"POST {path} HTTP/1.1\r\n{h}{kind}Content-Length: 1099511627776\r\n\r\n", 413),
        ("a folded header", f"GET {path} HTTP/1.1\r\n{h}X: a\r\n b\r\n\r\n", 400),
        ("no Host", f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n", 400),
        ("two keys", f"GET {path} HTTP/1.1\r\n{h}Authorization: Bearer other\r\n\r\n", 400),
        ("a long path", f"GET {bare}/{'a' * 9000} HTTP/1.1\r\n{h}\r\n", 414),
        ("a long header", f"GET {path} HTTP/1.1\r\n{h}X: {'a' * 17000}\r\n\r\n", 431),
        ("many headers", f"GET {path} HTTP/1.1\r\n{h}" + "X: a\r\n" * 200 + "\r\n", 431),
        ("up and away", f"GET {bare}/../calls HTTP/1.1\r\n{h}\r\n", 400),
        ("up, encoded", f"GET {bare}/%2e%2e/calls HTTP/1.1\r\n{h}\r\n", 400),
        ("an encoded slash", f"GET {bare}%2fx HTTP/1.1\r\n{h}\r\n", 400),
        ("a NUL in the path", f"GET {bare}/%00 HTTP/1.1\r\n{h}\r\n", 400),
        ("two slashes", f"GET /{bare} HTTP/1.1\r\n{h}\r\n", 400),
        ("an unknown method", f"BREW {path} HTTP/1.1\r\n{h}\r\n", 501),
        ("a method in small letters", f"get {path} HTTP/1.1\r\n{h}\r\n", 501),
        ("the wrong method", f"PATCH {bare} HTTP/1.1\r\n{h}{kind}Content-Length: 2\r\n\r\n{{}}", 405),
        ("the wrong type", f"POST {path} HTTP/1.1\r\n{h}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}", 415),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501),
        ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ]


def talk(server, pieces, limit_s=15):
    """(status, head, body) of the answer to these bytes."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), limit_s) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                s.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered already, and wants no more
        got = b""
        while b"\r\n\r\n" not in got:
            more = s.recv(65536)
            assert more, f"no answer: {got[:200]!r}"
            got += more
        head, body = got.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += s.recv(65536)
    return int(head.split(b" ")[1]), head.decode("latin-1"), body


# No path of a dialect has been read when these go wrong: their answer is a problem document.
PATHLESS = ("two slashes", "an unknown method", "a method in small letters", "HTTP/2", "TLS")


def in_its_words(dialect, status, head, body):
    """The shape of an error of that dialect."""
    document = json.loads(body)
    if dialect == "callingbox":
        assert "Content-Type: application/json\r\n" in head and list(document) == ["error"], (head, body)
        assert isinstance(document["error"], str) and document["error"], body
    elif dialect == "twilio":
        assert "Content-Type: application/json\r\n" in head and document["status"] == status, (head, body)
        assert set(document) == {"code", "message", "more_info", "status"}, body
        assert 20000 <= document["code"] < 20600 and document["message"], body
    else:
        assert "application/problem+json" in head, (head, body)
        assert document["status"] == status and document["title"] and document["detail"], document
        assert document["code"] and document["request_id"], document


def alive(server):
    status, _, _ = talk(server, [b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"])
    assert status == 200 and server.running(), server.stderr()[-2000:]


def rss_kib(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def serve(world):
    return world.serve([], extra={"http": {"listen": "127.0.0.1:0", "rate": {"per_key": 0, "per_address": 0}}})


def broken_requests_get_their_4xx(world):
    server = serve(world)
    wrong, sent = [], 0
    for dialect, path in [*DIALECTS.items(), ("twilio", TWILIO)]:
        kind = JSON if dialect != "twilio" else FORM
        asked = [(what, text.encode("latin-1"), status, "") for what, text, status in heads(path, server.key, kind)]
        for what, body, status, also in BODIES if dialect != "twilio" else FORMS:
            head = (f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization(path, server.key)}\r\n{kind}"
                    f"Content-Length: {len(body)}\r\n\r\n").encode()
            asked.append((what, head + body, status, also))
        for what, text, status, also in asked:
            for pieces in ([text], [text[:len(text) // 2], text[len(text) // 2:]]):
                got, head, body = talk(server, pieces)
                sent += 1
                if got != status or also.encode() not in body:
                    wrong.append((dialect, what, status, got, body[:200]))
                else:
                    in_its_words("native" if what in PATHLESS else dialect, got, head, body)
        alive(server)
    assert not wrong, wrong
    print(f"     {sent} broken requests")
    assert server.stop() == 0


class Idle:
    """Connections that were used once and say nothing since."""

    def __init__(self, server, count):
        host, port = server.url.removeprefix("http://").split(":")
        self.sockets, self.events = [], selectors.DefaultSelector()
        for first in range(0, count, 200):
            new = []
            for _ in range(min(200, count - first)):
                s = socket.create_connection((host, int(port)), 30)
                s.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
                new.append(s)
            for s in new:
                assert s.recv(4096).startswith(b"HTTP/1.1 200"), "an idle connection was not answered"
            self.sockets += new

    def close(self):
        for s in self.sockets:
            s.close()


def slow_client(server, begin, piece, answers):
    """Sends a byte a second behind `begin` until it is answered or cut; what came."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as s:
        s.sendall(begin)
        s.settimeout(1)
        got = b""
        for _ in range(25):
            try:
                got = s.recv(4096)
                break
            except TimeoutError:
                pass
            except OSError:
                break
            try:
                s.sendall(piece)
            except OSError:
                break
        answers.append(got)


def thousands_are_idle_and_some_are_slow(world):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = IDLE if hard == resource.RLIM_INFINITY else min(IDLE, hard - 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = serve(world)
    alive(server)
    before = rss_kib(server)
    idle = Idle(server, count)
    after = rss_kib(server)
    key = f"Host: a\r\nAuthorization: Bearer {server.key}\r\n"
    heads_, bodies = [], []
    slow = [threading.Thread(target=slow_client, args=(server, b"GET /v1/calls HTTP/1.1\r\nX: ", b"x", heads_))
            for _ in range(20)]
    post = f"POST /outdial/v1/calls HTTP/1.1\r\n{key}{JSON}Content-Length: 1000000\r\n\r\n{{".encode()
    slow += [threading.Thread(target=slow_client, args=(server, post, b" ", bodies)) for _ in range(20)]
    for thread in slow:
        thread.start()
    host, port = server.url.removeprefix("http://").split(":")
    half = []
    for text in (b"GET /livez HT", post):  # closes its side in the middle; whoever reads gets an end
        s = socket.create_connection((host, int(port)), 30)
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        half.append(s)
    deaf = socket.create_connection((host, int(port)), 30)  # asks and asks, and never reads
    deaf.setblocking(False)
    try:
        while True:
            deaf.send(f"GET /openapi.json HTTP/1.1\r\n{key}\r\n".encode())
    except BlockingIOError:
        pass
    waits = []
    while any(thread.is_alive() for thread in slow):
        begun = time.monotonic()
        alive(server)
        waits.append(time.monotonic() - begun)
        time.sleep(0.05)
    for s in half:
        data = b""
        while more := s.recv(65536):
            data += more
        assert data == b"" or data.startswith(b"HTTP/1.1 400"), data[:100]
        s.close()
    assert all(a.startswith(b"HTTP/1.1 408") and b'{"error":' in a for a in heads_), heads_[:3]
    assert all(a.startswith(b"HTTP/1.1 408") for a in bodies), bodies[:3]
    for s in idle.sockets[::97]:  # they are served as before
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
    grown, peak = after - before, rss_kib(server)
    waits.sort()
    print(f"     {count} idle connections: {grown / count:.2f} KiB each ({before} -> {after} KiB; {peak} with slow ones); "
          f"an honest client waited {waits[len(waits) // 2] * 1000:.1f} ms, {waits[-1] * 1000:.1f} at most")
    assert grown <= 16 * count, f"{grown} KiB for {count} connections"
    idle.close()
    deaf.close()

    def nobody_left():
        text = talk(server, [f"GET /metrics HTTP/1.1\r\n{key}\r\n".encode()])[2].decode()
        return int(re.search(r"^outdial_http_connections (\d+)$", text, re.M)[1]) <= 1
    wait_until(nobody_left, 20, "the connections to be gone", 0.2)
    assert server.stop() == 0



def a_large_body_is_refused_with_an_answer(world):
    """A client that writes all of its body before it reads has the 413 to read, not a reset."""
    server = world.serve([])
    body = b" " * (8 << 20)
    head = (f"POST /api/v1/calls HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=30) as s:
            s.sendall(head + body)
            answer = s.recv(65536)
            assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
    assert server.stop() == 0


main(a_large_body_is_refused_with_an_answer, broken_requests_get_their_4xx, thousands_are_idle_and_some_are_slow)

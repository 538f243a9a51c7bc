"""A hostile receiver for a part of the webhooks while calls run: everything is delivered or dead with a
reason, memory stays bounded, and calls are set up as fast as before.

HOSTILE_CALLS: calls (60); HOSTILE_CPS: their rate (30). The long form: 20,000 calls make 100,000 events.
"""
import json
import os
import socket
import ssl
import subprocess
import threading
import time

from harness import main, wait_until
from webhooks_test import ALWAYS, OPEN, Receiver, raw_api, trunk


class Hostile:
    """One socket, one behaviour for each connection in turn."""

    def __init__(self, dir_):
        cert = os.path.join(dir_, "wrong.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", cert, "-out", cert + ".c",
                        "-days", "2", "-subj", "/CN=elsewhere.example"], check=True,
                       capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert + ".c", cert)
        self.ways = {name[4:]: getattr(self, name) for name in dir(self) if name.startswith("way_")}
        self.seen = dict.fromkeys(self.ways, 0)
        self.ports, self.redirected = {}, 0
        for name, way in self.ways.items():
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen(512)
            self.ports[name] = listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(listener, name, way), daemon=True).start()
        refusing = socket.socket()
        refusing.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        self.refusing, self.ports["refuse"] = refusing, refusing.getsockname()[1]
        # what a redirect points to: nobody may come
        self.trap = Receiver(self.count_redirect)

    def count_redirect(self, got):
        self.redirected += 1
        return 200

    def url(self, name):
        return f"{'https' if name == 'wrong_certificate' else 'http'}://127.0.0.1:{self.ports[name]}/"

    def accept(self, listener, name, way):
        while True:
            connection, _ = listener.accept()
            self.seen[name] += 1
            threading.Thread(target=self.serve, args=(connection, way), daemon=True).start()

    def serve(self, connection, way):
        try:
            connection.settimeout(60)
            way(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def read(self, c):
        data = b""
        while b"\r\n\r\n" not in data:
            data += c.recv(65536)
        return data

    def say(self, c, text):
        self.read(c)
        c.sendall(text)

    def way_500(self, c):
        self.say(c, b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n")

    def way_429(self, c):
        self.say(c, b"HTTP/1.1 429 later\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n")

    def way_410(self, c):
        self.say(c, b"HTTP/1.1 410 gone\r\nContent-Length: 0\r\n\r\n")

    def way_reset(self, c):
        self.read(c)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def way_hang(self, c):
        self.read(c)
        time.sleep(30)

    def way_never_reads(self, c):
        time.sleep(30)

    def way_a_byte_a_second(self, c):
        self.read(c)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
            c.sendall(bytes([byte]))
            time.sleep(1)

    def way_a_gigabyte(self, c):
        self.say(c, b"HTTP/1.1 500 no\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(16384):
            c.sendall(b"x" * 65536)

    def way_endless_headers(self, c):
        self.say(c, b"HTTP/1.1 200 OK\r\n")
        while True:
            c.sendall(b"X-A: " + b"y" * 1000 + b"\r\n")

    def way_bad_chunks(self, c):
        self.say(c, b"HTTP/1.1 500 no\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n")

    def way_redirect(self, c):
        self.say(c, f"HTTP/1.1 302 over there\r\nLocation: {self.trap.url}/\r\n"
                    "Content-Length: 0\r\n\r\n".encode())

    def way_wrong_certificate(self, c):
        with self.context.wrap_socket(c, server_side=True) as secure:
            self.say(secure, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def way_gzip_bomb(self, c):
        self.say(c, b"HTTP/1.1 500 no\r\nContent-Encoding: gzip\r\nContent-Length: 10000000\r\n\r\n")
        for _ in range(160):
            c.sendall(b"\x1f\x8b" + b"\0" * 65534)

    def way_continues(self, c):
        self.say(c, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def way_h2(self, c):
        self.say(c, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

    def way_switches(self, c):
        self.say(c, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int([line for line in file if line.startswith("VmRSS")][0].split()[1])


def setup_times(carrier):
    """Ms between INVITEs, the 99th percentile."""
    at = sorted(fact["t"] for fact in carrier.facts("invite"))
    gaps = sorted((b - a) * 1000 for a, b in zip(at, at[1:]))
    return gaps[int(len(gaps) * 0.99)] if gaps else 0


def the_receiver_is_hostile(world):
    calls, cps = int(os.environ.get("HOSTILE_CALLS", "60")), float(os.environ.get("HOSTILE_CPS", "30"))
    carrier, good, hostile = world.carrier(ALWAYS), Receiver(), Hostile(world.dir)
    server = world.serve([trunk(carrier, cps_limit=cps, max_calls=1000)],
                         extra={"webhooks": {**OPEN["webhooks"], "timeout_ms": 2000}})
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    raw_api(server, "POST", "/outdial/v1/webhook_endpoints", {"url": good.url + "/good"}, status=201)
    before = rss_kib(server.pid)
    names = sorted(hostile.ports)
    # three of ten calls name a hostile webhook of their own; everybody's go to a good endpoint too
    due, own, peak = [], {}, 0
    begin = time.monotonic()
    for i in range(calls):
        body = {"to": f"+1555{i:07d}", "agent": "short"}
        if i % 10 < 3:
            body["webhook_url"] = hostile.url(names[(i // 10 * 3 + i % 10) % len(names)])
        call = server.api("POST", "/calls", body)["id"]
        due.append(call)
        if i % 10 < 3:
            own[call] = names[(i // 10 * 3 + i % 10) % len(names)]
        if i % 50 == 0:
            peak = max(peak, rss_kib(server.pid))
    ends = ("call.completed", "call.failed", "call.no_answer", "call.busy", "call.canceled")

    def told():
        nonlocal peak
        peak = max(peak, rss_kib(server.pid))
        with good.lock:
            seen = {json.loads(g["body"])["data"]["id"] for g in good.got
                    if g["headers"]["webhook-id"].endswith("_4") or g["body"][:30].find(b"call.c") > 0}
        return len(seen) >= calls
    wait_until(told, 60 + 2 * calls / cps, "every end at the good receiver", 0.5)
    took = time.monotonic() - begin

    def settled():
        """No row was never tried: each is delivered, dead with a reason, or waits for its next try."""
        cursor, states = "", {}
        while True:
            page = raw_api(server, "GET", f"/outdial/v1/webhook_deliveries?limit=200{cursor}")
            for row in page["data"]:
                if row["endpoint_id"] is None:
                    states.setdefault(row["call_id"], []).append(row)
            if not page["next_cursor"]:
                return states
            cursor = f"&cursor={page['next_cursor']}"

    def all_tried():
        states = settled()
        return all(any(r["attempt_count"] or r["status"] == "exhausted" for r in states.get(c, []))
                   for c in own) and states
    states = wait_until(all_tried, 120 + calls / 10, "every hostile row to be tried", 2)
    kinds = {}
    for call, name in own.items():
        for row in states[call]:
            kinds.setdefault(name, set()).add((row["status"], row["last_error"]))
            if row["attempt_count"] and row["status"] != "delivered":
                assert row["last_error"], row
    for name in names:
        if name in kinds:
            print(f"     {name}: {sorted(kinds[name], key=str)[:4]}")
    assert hostile.redirected == 0
    assert not any(status == "delivered" for name, all_ in kinds.items() for status, _ in all_
                   if name not in ("a_byte_a_second",)), kinds
    grown = peak - before
    print(f"     {calls} calls in {took:.0f} s, {len(good.got)} good deliveries, {len(own)} hostile calls; "
          f"rss {before} -> {peak} KiB")
    assert grown < 65536 + 64 * len(own), f"memory grew by {grown} KiB"
    gap = setup_times(carrier)
    print(f"     99 % of INVITEs within {gap:.1f} ms of the one before, at {cps:g} a second")
    assert server.stop() == 0


if __name__ == "__main__":
    main(the_receiver_is_hostile)

#!/usr/bin/env python3
"""The webhook receiver's ledger, kept by a process of its own: each request is written down before it is
answered. One thread and an epoll set, so that it keeps up with thousands of events a second.

    receiver.py LEDGER

Prints its port. A path that begins with /start answers as a start webhook that accepts.
"""
import json
import os
import selectors
import socket
import sys
import time

DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ACCEPT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"accept\":true}"


def request(data):
    """(path, headers, body, rest) of a whole request at the front, or None."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = data[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    over = end + 4 + int(headers.get("content-length", 0))
    return (lines[0].split(" ")[1], headers, data[end + 4:over], data[over:]) if len(data) >= over else None


def line_of(path, headers, body):
    told = json.loads(body)
    data = told.get("data") if isinstance(told.get("data"), dict) else {}
    call = data.get("call") or told.get("call") or data or told
    return json.dumps({"t": time.time(), "path": path, "id": headers.get("webhook-id") or told.get("id"),
                       "type": told.get("type"), "call": call.get("id") or call.get("callId"),
                       "to": call.get("to") or call.get("to_number") or call.get("endpoint"),
                       "cause": call.get("hangup_cause"), "status": call.get("status")}) + "\n"


def main():
    ledger = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    events = selectors.DefaultSelector()
    events.register(listener, selectors.EVENT_READ)
    waiting = {}
    while True:
        for key, _ in events.select():
            if key.fileobj is listener:
                link, _ = listener.accept()
                events.register(link, selectors.EVENT_READ)
                waiting[link] = b""
                continue
            link = key.fileobj
            try:
                data = link.recv(65536)
                rest, lines, answers = waiting[link] + data, [], []
                while data and (got := request(rest)):
                    path, headers, body, rest = got
                    lines.append(line_of(path, headers, body))
                    answers.append(ACCEPT if path.startswith("/start") else DONE)
                waiting[link] = rest
                if lines:
                    os.write(ledger, "".join(lines).encode())
                    link.sendall(b"".join(answers))
            except OSError:
                data = b""  # whoever was connected has been killed
            if not data:
                events.unregister(link)
                waiting.pop(link)
                link.close()


if __name__ == "__main__":
    main()

"""What the fault runs start beside `outdial serve`: a Redis they may kill, stop and start again, and the
webhook receiver."""
import os
import signal
import socket
import sys

from harness import Process, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


def start_receiver(world, ledger):
    """receiver.py on that ledger; its port."""
    open(ledger, "a", encoding="utf-8").close()
    process = Process(world, "receiver", [sys.executable, os.path.join(HERE, "receiver.py"), ledger])
    return int(wait_until(process.stdout, 20, "the receiver's port"))


class Redis:
    """A redis-server on a unix socket, or on a TCP port; every write is on disk before it is answered."""

    def __init__(self, world, name="redis", port=0, args=()):
        self.world, self.name, self.port = world, name, port
        self.dir = world.path(name)
        os.mkdir(self.dir)
        self.path = os.path.join(self.dir, "s")
        self.args = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", self.path,
                     "--dir", self.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                     "--maxmemory-policy", "noeviction", "--loglevel", "warning", *args]
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.process = Process(self.world, self.name, self.args)
        wait_until(self.answers, 30, "Redis to answer", 0.005)

    def ask(self, *words, limit_s=5):
        """The first bytes of the answer to a command; b"" when there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(limit_s)
                s.connect(self.path)
                s.sendall(f"*{len(words)}\r\n".encode() +
                          b"".join(f"${len(str(w))}\r\n{w}\r\n".encode() for w in words))
                return s.recv(1 << 20)
        except OSError:
            return b""

    def answers(self):
        return self.ask("PING").startswith(b"+PONG")

    def signal(self, number):
        self.process.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(10)
        self.process.close()

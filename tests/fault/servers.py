"""What the fault runs start beside `outdial serve`: a Redis they may kill, stop and start again, and the
webhook receiver."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from harness import Process, World, free_port, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


def trial(name, go):
    """Runs go(world), which returns what there is to say when all went well; the exit code."""
    world = World(name)
    try:
        print(f"ok   {go(world)}", flush=True)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(f"FAIL {error}", flush=True)
        world.tell(8)
        return 1
    finally:
        world.end()
    return 0


def start_receiver(world, ledger):
    """receiver.py on that ledger; its port."""
    open(ledger, "a", encoding="utf-8").close()
    process = Process(world, "receiver", [sys.executable, os.path.join(HERE, "receiver.py"), ledger])
    return int(wait_until(process.stdout, 60, "the receiver's port"))


class Redis:
    """A redis-server on a unix socket, or on a TCP port; every write is on disk before it is answered."""

    def __init__(self, world, name="redis", port=0, args=()):
        self.world, self.name, self.port = world, name, port
        self.dir = world.path(name)
        os.mkdir(self.dir)
        self.path = os.path.join(self.dir, "s")
        self.args = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", self.path,
                     "--dir", self.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                     "--maxmemory-policy", "noeviction", "--loglevel", "warning",
                     "--logfile", os.path.join(self.dir, "log"), *args]
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.process = Process(self.world, self.name, self.args)
        # A long file is read whole. A file that was damaged by a kill is shortened, and then it may end
        # itself: the next start is a good one.
        wait_until(lambda: self.answers() or not self.process.running(), 120, "Redis to answer", 0.005)
        if not self.answers():
            self.process.close()
            self.process = Process(self.world, self.name, self.args)
            wait_until(self.answers, 120, "Redis to answer after a second start", 0.005)

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


class Pair:
    """A master and its replica behind one path, a symbolic link that a failover lays anew."""

    ARGS = ("--repl-diskless-sync-delay", "0", "--repl-diskless-sync", "yes", "--repl-diskless-load", "on-empty-db")

    def __init__(self, world):
        self.world, self.made = world, 0
        self.path = world.path("redis.sock")
        self.master = self.another()
        self.lay()
        self.replica = self.another()

    def another(self):
        """An empty server; a replica once there is a master, and in step with it."""
        self.made += 1
        args = ["--replicaof", "127.0.0.1", str(self.master.port)] if self.made > 1 else []
        redis = Redis(self.world, f"redis-{self.made}", free_port(socket.SOCK_STREAM), [*self.ARGS, *args])
        if args:
            # The master passes nothing on before the replica's first ACK, whatever both say of their link.
            self.master.ask("SET", "in-step", self.made)
            wait_until(lambda: redis.ask("GET", "in-step").split()[1:] == [str(self.made).encode()], 60,
                       "the replica to be in step", 0.02)
        return redis

    def lay(self):
        os.symlink(self.master.path, self.path + ".new")
        os.replace(self.path + ".new", self.path)

    def in_step(self):
        """Waits until the replica has what the master has written by now."""
        def offset(redis, name):
            return int(re.search(rf"{name}:(\d+)", redis.ask("INFO", "replication").decode()).group(1))
        written = offset(self.master, "master_repl_offset")
        wait_until(lambda: offset(self.replica, "slave_repl_offset") >= written, 30, "the replica to be in step", 0.01)

    def failover(self, lost_s, meanwhile):
        """The replica becomes the master without what was written in the last lost_s seconds, in which
        meanwhile(until) runs."""
        assert self.replica.ask("REPLICAOF", "NO", "ONE").startswith(b"+OK")
        meanwhile(time.monotonic() + lost_s)
        old, self.master = self.master, self.replica
        old.kill()
        self.lay()
        shutil.rmtree(old.dir)
        self.replica = self.another()

    def answers(self):
        return self.master.answers()

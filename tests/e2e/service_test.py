#!/usr/bin/env python3
"""Goal: under a service manager it says when it is ready, reloads, ends, and that it lives; what is installed
runs, and the example configuration is a good one. Method: a socket in the manager's place (sd_notify(3)); an
installation into a folder of the test's own."""
import os
import shutil
import signal
import socket
import subprocess

from harness import OUTDIAL, main, wait_until

WATCHDOG_USEC = 600000


class Manager:
    def __init__(self, world):
        self.path, self.said = world.path("notify"), []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)

    def hear(self):
        try:
            while True:
                self.said.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return self.said

    def hears(self, what, times=1, limit_s=20):
        wait_until(lambda: self.hear().count(what) >= times, limit_s, f"{what}, {times} times")


def it_says_how_it_is(world):
    manager = Manager(world)
    told = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(WATCHDOG_USEC)}
    os.environ.update(told)
    try:
        server = world.serve([])
    finally:
        for name in told:
            del os.environ[name]
    manager.hears("READY=1")
    assert manager.said[0] == "EXTEND_TIMEOUT_USEC=30000000" or manager.said[0] == "WATCHDOG=1", manager.said
    manager.hears("WATCHDOG=1", 4)
    with open(f"/proc/{server.redis_pid()}/environ", encoding="utf-8") as file:
        assert not [name for name in told if name in file.read()], "its own child has heard of the manager"
    server.process.send_signal(signal.SIGHUP)
    manager.hears("READY=1", 2)
    with open(server.config_path, "w", encoding="utf-8") as file:
        file.write("trunks: 1\n")
    server.process.send_signal(signal.SIGHUP)  # refused: that is over, too
    manager.hears("READY=1", 3)
    reloads = [said for said in manager.said if said.startswith("RELOADING=1\nMONOTONIC_USEC=")]
    assert len(reloads) == 2, manager.said
    assert "STOPPING=1" not in manager.said
    server.stop()
    manager.hears("STOPPING=1")


def a_socket_that_is_none(world):
    for path in ("relative", "/" + 200 * "x", "", "/nowhere/notify"):
        os.environ["NOTIFY_SOCKET"] = path
        try:
            server = world.serve([])
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert server.stop() == 0


def what_is_installed(world):
    build, prefix = os.path.dirname(OUTDIAL), world.path("prefix")
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    binary = os.path.join(prefix, "bin", "outdial")
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    assert version.startswith("outdial "), version
    example = os.path.join(prefix, "share", "doc", "outdial", "outdial.yaml")
    secrets = {"OUTDIAL_ADMIN_KEY": "k" * 32, "OUTDIAL_TRUNK_USER": "acme", "OUTDIAL_TRUNK_PASSWORD": "secret"}
    done = subprocess.run([binary, "config", "check", example], env={**os.environ, **secrets}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([binary, "config", "check", example], capture_output=True, text=True)
    assert done.returncode == 78 and all(name in done.stderr for name in secrets), done.stderr
    with open(os.path.join(prefix, "lib", "systemd", "system", "outdial.service"), encoding="utf-8") as file:
        unit = file.read()
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    assert start.split()[0].endswith("/bin/outdial") and "@" not in unit, start
    if shutil.which("systemd-analyze"):
        copy = world.path("outdial.service")
        with open(copy, "w", encoding="utf-8") as file:
            file.write(unit.replace(start.split()[0], f"ExecStart={binary}"))
        done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True)
        assert "outdial.service" not in done.stderr, done.stderr


main(it_says_how_it_is, a_socket_that_is_none, what_is_installed)

#!/usr/bin/env python3
"""Goal: every ordinary mistake is told in one clear line, with the right exit code, and leaves nothing
running. Method: a table of commands and what must be in their last words."""
import json
import os
import shutil
import socket
import subprocess

from harness import OUTDIAL, alive, free_port, main, wait_until


def told(world, *args, code, says, server=None, env=None):
    done = world.cli(*args, server=server, env=env, code=code)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert any(says in line for line in lines), f"{args}: {says!r} is not in\n{done.stderr}"
    assert "Traceback" not in done.stderr and "Sanitizer" not in done.stderr, done.stderr
    return done


def serve_argv(world, *args):
    return ("serve", "--data-dir", world.path("data"), "--http-listen", "127.0.0.1:0",
            "--sip-listen", "udp:127.0.0.1:0", *args)


def usage(world):
    told(world, code=2, says="a verb is missing")
    told(world, "camapign", code=2, says="did you mean 'campaign'?")
    told(world, "campaign", "rnu", code=2, says="did you mean 'run'?")
    told(world, "campaign", "run", code=2, says="something is missing")
    told(world, "campaign", "run", "a.csv", "--agnet", "x", code=2, says="did you mean --agent?")
    told(world, "campaign", "run", "a.csv", "--agent", "x", "--cps", "fast", code=2,
         says="--cps: expected a number above 0")
    told(world, "campaign", "run", "a.csv", "--agent", "x", code=2, says="give --yes")
    told(world, "call", "new", "+15550001111", code=2, says="--agent NAME is missing")
    told(world, "call", "new", "+15550001111", "--agent", "x", "--context", "{", code=2,
         says="expected a JSON object")
    told(world, "serve", "--htpp-listen", "x", code=2, says="did you mean --http-listen?")
    told(world, "top", "--every", "0", code=2, says="--every: expected a number above 0")
    told(world, "top", "--server", "http://127.0.0.1:1", code=1, says="127.0.0.1:1")
    told(world, "agent", "list", "--server", "nowhere", code=2, says="expected http://HOST:PORT")
    for verb in ("serve", "config", "campaign", "call", "agent", "trunks", "queue", "top", "key",
                 "carrier"):
        assert world.cli(verb, "--help").stdout.strip(), verb
    assert world.cli("--version").stdout.startswith("outdial ")


def configuration(world):
    bad = world.write("bad.yaml", "http:\n  lisen: \"127.0.0.1:8080\"\n")
    told(world, "config", "check", bad, code=78,
         says="bad.yaml:2:3: http.lisen: unknown key; did you mean 'listen'?")
    told(world, "serve", "--config", bad, code=78, says="did you mean 'listen'?")
    told(world, "serve", "--config", world.path("none.yaml"), code=78, says="No such file")
    told(world, *serve_argv(world, "--rtp-ports", "7"), code=78, says="--rtp-ports: expected FIRST-LAST")
    told(world, *serve_argv(world), code=78, env={"OUTDIAL_LOG_LEVEL": "loud"},
         says="OUTDIAL_LOG_LEVEL: expected error, warn, info or debug")
    agent = world.write("agent.yaml", "agents: [ { name: a, outdial: { agent: { kind: script, steps: "
                                      "[ { sing: la } ] } } } ]\n")
    told(world, "config", "check", agent, code=78, says="agent.yaml:1:65: agents[0].outdial.agent.steps[0]: expected")
    agent = world.write("socket.yaml", "streams: { unix_dir: /run/bots }\nagents: [ { name: a, outdial: { agent: "
                                       "{ kind: stream, format: msgpack, url: 'unix:///run/docker.sock' } } } ]\n")
    told(world, "config", "check", agent, code=78,
         says="socket.yaml:2:78: agents[0].outdial.agent.url: expected a socket in streams.unix_dir, found another path")
    good = world.write("good.yaml", "trunks: [ { name: a, server: sip.example.net } ]\n")
    assert "good: 1 trunk" in world.cli("config", "check", good).stdout
    dump = json.loads(world.cli("config", "dump", "--config", good, "--json").stdout)
    assert dump["trunks"][0]["cps_limit"] == 10, dump


def ports_and_files_taken(world):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told(world, *serve_argv(world, "--http-listen", f"127.0.0.1:{port}"), code=1,
             says=f"127.0.0.1:{port}: can't listen: Address already in use: end what listens there, or "
                  "set http.listen to another")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        told(world, *serve_argv(world, "--sip-listen", f"udp:127.0.0.1:{port}"), code=1,
             says=f"127.0.0.1:{port}: Address already in use: end what listens there, or set "
                  "sip.listen to another")
    told(world, "serve", "--data-dir", "/dev/null/x", "--http-listen", "127.0.0.1:0", code=1,
         says="/dev/null/x")
    deep = world.path("d" * 100)
    told(world, "serve", "--data-dir", deep, "--http-listen", "127.0.0.1:0", "--sip-listen",
         "udp:127.0.0.1:0", code=1, says="at most 107")
    server = world.serve([])
    told(world, "serve", "--data-dir", server.data_dir, "--http-listen", "127.0.0.1:0",
         "--sip-listen", "udp:127.0.0.1:0", code=1, says="in use by another outdial")
    redis = server.redis_pid()
    assert server.stop() == 0
    assert not alive(redis), "the private Redis outlived the daemon"


def no_redis(world):
    tools = world.path("bin")
    os.mkdir(tools)
    for name in ("espeak-ng", "sh"):
        found = shutil.which(name)
        if found:
            os.symlink(found, os.path.join(tools, name))
    told(world, *serve_argv(world), code=1, env={"PATH": tools},
         says="redis-server not found in PATH: install the package redis-server, or set redis.url")


def wrong_key_and_no_server(world):
    server = world.serve([])
    told(world, "agent", "list", server=server, env={"OUTDIAL_KEY": "sk_wrong"}, code=1,
         says="does not accept the API key (401): give its own by --key-file or OUTDIAL_KEY")
    told(world, "agent", "list", server=server, env={"OUTDIAL_KEY": ""}, code=1,
         says="wants an API key: set OUTDIAL_KEY or give --key-file")
    told(world, "agent", "list", "--key-file", world.path("none"), server=server, code=2,
         says="no key can be read")
    told(world, "agent", "list", server=server, code=1, env={
        "OUTDIAL_SERVER": f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}"}, says="can't reach")
    key = world.cli("key", "create", "--scope", "read", server=server).stdout.strip()
    assert key.startswith("sk_"), key
    world.cli("agent", "list", server=server, env={"OUTDIAL_KEY": key})
    told(world, "agent", "put", world.agent("a", [{"hangup": {}}]), server=server,
         env={"OUTDIAL_KEY": key}, code=1, says="403")
    for scopes in (("--scope", "read,dial"), ("--scope", "read", "--scope=dial")):
        made = json.loads(world.cli("key", "create", *scopes, "--json", server=server).stdout)
        assert made["scopes"] == "read,dial", made
    told(world, "key", "create", *["--scope", "read"] * 9, server=server, code=2, says="fewer of them")


def files_of_contacts(world):
    server = world.serve([{"name": "main", "server": "127.0.0.1:9"}])
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)

    def run(path, says, agent="short"):
        told(world, "campaign", "run", path, "--agent", agent, "--yes", server=server, code=1, says=says)

    run(world.path("none.csv"), "No such file")
    run(world.write("empty.csv", ""), "the file is empty")
    run(world.dir, "not a file")
    run(world.write("columns.csv", "first,last,tel\nA,B,+15550001111\n"), "first")
    run(world.contacts(1), "no-such-agent", agent="no-such-agent")
    # Told before anything was made on the server.
    assert server.api("GET", "/campaigns")["data"] == []
    bad = world.write("bad.json", '{"name": "x", "outdial": {"agent": {"kind": "script", "steps": []}}}')
    told(world, "agent", "put", bad, server=server, code=1, says="/outdial/agent/steps")
    told(world, "agent", "show", "nobody", server=server, code=1, says="there is no agent named")
    told(world, "campaign", "status", "nonsense", server=server, code=1, says="404")


def trunk_that_is_not_there(world):
    """Nobody listens: a contact's tries are bounded, then it ends with the trunk's reason, not with silence."""
    server = world.serve([{"name": "main", "server": f"127.0.0.1:{free_port()}", "cps_limit": 50},
                          {"name": "lost", "server": "no-such-host.invalid"}],
                         extra={"failover": {"tries": 1}})
    world.cli("agent", "put", world.agent("short", [{"hangup": {}}]), server=server)
    trunks = {t["name"]: t for t in server.api("GET", "/trunks")["data"]}
    wait_until(lambda: {t["name"]: t for t in server.api("GET", "/trunks")["data"]}["lost"]["reason"],
               20, "a reason why the trunk can't be used")
    assert not trunks["lost"]["usable"], trunks
    done = world.cli("campaign", "run", world.contacts(1), "--agent", "short", "--yes", "--json",
                     server=server, limit_s=110)
    summary = json.loads(done.stdout)
    assert summary["outcomes"] == {"trunk_failed": 1}, summary
    assert "lost" in done.stderr, done.stderr
    # It is looked up again every few seconds, and that it isn't there is told once.
    assert server.stderr().count("lost: no-such-host.invalid can't be resolved") == 1, server.stderr()[-2000:]


def endings_leave_nothing(world):
    """SIGTERM at any moment of the start ends everything, the private Redis too."""
    for delay_s in (0.0, 0.05, 0.2):
        process = subprocess.Popen([OUTDIAL, *serve_argv(world)], stderr=subprocess.PIPE,
                                   start_new_session=True)
        try:
            process.wait(timeout=delay_s or 0.001)
        except subprocess.TimeoutExpired:
            pass
        process.terminate()
        _, err = process.communicate(timeout=30)
        assert process.returncode in (0, -15), (process.returncode, err)
        pid_path = world.path("data/redis/redis.pid")
        if os.path.exists(pid_path):
            with open(pid_path, encoding="ascii") as file:
                pid = int(file.read() or 0)
            assert not pid or not alive(pid), f"redis-server {pid} still runs"
    world.data_dirs.add(world.path("data"))


main(usage, configuration, ports_and_files_taken, no_redis, wrong_key_and_no_server,
     files_of_contacts, trunk_that_is_not_there, endings_leave_nothing)

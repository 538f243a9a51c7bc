#!/usr/bin/env python3
"""Goal: the server does what its OpenAPI document says, by the word of other people's tools. Method: a
real server; @redocly/cli lints the document; @stoplight/prism-cli stands between a client and the
server and looks at every request and answer of a life in each dialect (lives.py); `redocly respect`
runs the workflows of *.arazzo.yaml and checks each answer against its schema.

    OUTDIAL_BIN=build/outdial python3 tests/accept/openapi/run.py [lint|proxy|respect|the_tools_see_a_lie ...]
"""
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))

from harness import free_port, main, wait_until  # noqa: E402
import lives  # noqa: E402

TOOLS = os.path.join(HERE, "node_modules", ".bin")
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true", "NO_COLOR": "1", "FORCE_COLOR": "0"}


def install():
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 20:
        print(f"skipped: the tools need Node 20 or newer, this is {version.strip()}")
        sys.exit(77)
    stamp = os.path.join(HERE, "node_modules", ".package-lock.json")
    lock = os.path.join(HERE, "package-lock.json")
    if not os.path.exists(stamp) or os.path.getmtime(stamp) < os.path.getmtime(lock):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=HERE,
                       check=True, timeout=300)


def serve(world):
    carrier = world.carrier()
    server = world.serve([{"name": "main", "server": carrier.address}])
    request = urllib.request.Request(f"{server.url}/openapi.json",
                                     headers={"Authorization": f"Bearer {server.key}"})
    document = json.load(urllib.request.urlopen(request, timeout=10))
    document["servers"][0]["url"] = server.url
    server.trunk = carrier.address
    path = world.write("openapi.json", json.dumps(document))
    return server, document, path


def tool(*argv, limit_s=120, env=None):
    done = subprocess.run([os.path.join(TOOLS, argv[0]), *argv[1:]], capture_output=True, text=True,
                          cwd=HERE, timeout=limit_s, check=False, env={**os.environ, **QUIET, **(env or {})})
    return done.returncode, done.stdout + done.stderr


def lint(world):
    _, document, path = serve(world)
    code, text = tool("redocly", "lint", path, "--config", os.path.join(HERE, "redocly.yaml"))
    assert code == 0, text
    assert document["openapi"].startswith("3.1")
    assert {tag["name"] for tag in document["tags"]} == {"dasha", "callingbox", "native"}


class Client:
    """Requests through the proxy; what it finds wrong is an AssertionError."""

    def __init__(self, url, key, document, server, trunk):
        self.url, self.key, self.server, self.trunk = url, key, server, trunk
        self.seen = set()
        self.patterns = [(re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path)
                         for path in document["paths"]]

    def ask(self, method, path, body=None, status=200, content_type="application/json", headers=None):
        # What is refused with 501 is asked for directly: prism takes an answer of the 5xx for its own.
        url = self.server if status == 501 else self.url
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        if data is not None:
            request.add_header("Content-Type", content_type)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            answer = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
        if status == 400 and "#UNPROCESSABLE_ENTITY" in text:
            return None  # what the server would refuse the document refuses before it
        violations = answer.headers.get("sl-violations")
        assert not violations, f"{method} {path} {answer.status}: {violations}\n{text[:2000]}"
        assert "stoplight.io/prism/errors" not in text and "#VIOLATIONS" not in text, \
            f"{method} {path}: {text[:2000]}"
        assert answer.status == status, f"{method} {path}: {answer.status} {text[:1000]}"
        plain = path.split("?")[0]
        for pattern, template in self.patterns:
            if pattern.match(plain):
                self.seen.add((template, method.lower()))
        return json.loads(text) if text and "json" in answer.headers.get("Content-Type", "") else text


def through_prism(world, server, document, path):
    port = free_port(socket.SOCK_STREAM)
    prism = world.start("prism", [os.path.join(TOOLS, "prism"), "proxy", path, server.url, "--errors",
                                  "-p", str(port), "-h", "127.0.0.1"], env=QUIET)
    wait_until(lambda: "is listening on" in prism.stdout() or not prism.running(), 60, "prism to listen")
    assert prism.running(), prism.stdout() + prism.stderr()
    return Client(f"http://127.0.0.1:{port}", server.key, document, server.url, server.trunk)


def proxy(world):
    server, document, path = serve(world)
    client = through_prism(world, server, document, path)
    for life in lives.ALL:
        life(client)
    every = {(path, method) for path, item in document["paths"].items() for method in item}
    missing = every - client.seen - lives.NOT_WALKED
    assert not missing, f"operations that no life has used: {sorted(missing)}"


def flows(world, server, path):
    """What respect says of each file of workflows."""
    for name in sorted(os.listdir(HERE)):
        if name.endswith(".arazzo.yaml"):
            with open(os.path.join(HERE, name), encoding="utf-8") as file:
                flow = world.write(name, file.read().replace("@DOCUMENT@", path))
            yield name, *tool("redocly", "respect", flow, "--input", f"key={server.key}", "--server",
                              f"api={server.url}")


def respect(world):
    server, _, path = serve(world)
    for name, code, text in flows(world, server, path):
        steps = re.search(r"Steps: (\d+) passed, (\d+) total", text)
        assert code == 0 and steps and steps[1] == steps[2] != "0", f"{name}:\n{text[-6000:]}"


def the_tools_see_a_lie(world):
    """A document that promises more than the server gives is caught by both."""
    server, document, path = serve(world)
    for name in ("NativeLimits", "NativeCall"):
        schema = document["components"]["schemas"][name]
        schema["properties"]["nothing"] = {"type": "string"}
        schema["required"].append("nothing")
    path = world.write("openapi.json", json.dumps(document))
    client = through_prism(world, server, document, path)
    try:
        client.ask("GET", "/outdial/v1/limits")
    except AssertionError as error:
        assert "nothing" in str(error), error
    else:
        raise AssertionError("prism let a missing member pass")
    _, code, text = next(flows(world, server, path))
    assert code != 0 and "nothing" in text, text[-3000:]


install()
main(lint, proxy, respect, the_tools_see_a_lie)

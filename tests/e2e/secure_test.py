#!/usr/bin/env python3
"""Goal: a trunk by TLS is called by TLS 1.2 or newer and by nobody else than the one its certificate
names; a trunk by TCP keeps its connection; what goes wrong there costs a contact nothing. Method: a
scripted server on Python's own TLS, with certificates made by the openssl command, as the trunk."""
import json
import os
import re
import socket
import ssl
import subprocess
import threading

from harness import main, wait_until

HANGUP = [{"pause": 200}, {"hangup": {}}]
LISTEN = [{"pause": 20000}, {"hangup": {}}]


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, world, name):
        self.base = world.path(name)
        self.file = f"{self.base}.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", f"{self.base}.key", "-out", self.file, "-days", "2", "-subj", f"/CN={name}")

    def issue(self, names):
        """The path of a certificate for these names, its key in the same file."""
        path = f"{self.base}.{re.sub('[^a-z0-9]', '_', names)}"
        with open(f"{path}.ext", "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                f"{path}.key", "-out", f"{path}.csr", "-subj", "/CN=peer")
        openssl("x509", "-req", "-in", f"{path}.csr", "-CA", self.file, "-CAkey", f"{self.base}.key",
                "-CAcreateserial", "-days", "2", "-extfile", f"{path}.ext", "-out", f"{path}.crt")
        with open(f"{path}.pem", "wb") as file:
            for part in (".crt", ".key"):
                with open(path + part, "rb") as text:
                    file.write(text.read())
        return f"{path}.pem"


class Peer:
    """A carrier with one socket: answers each INVITE with 180 and 200, each BYE, OPTIONS and CANCEL with
    200, all on the connection they came by. certificate None: plain TCP. hangs_up: sends the BYE."""

    def __init__(self, certificate=None, hangs_up=False):
        self.hangs_up = hangs_up
        self.tls = None
        self.requests = []     # (connection's number, method, text)
        self.handshakes = []   # TLS version, or the error's text
        self.named = []        # what was asked for by SNI
        self.connections = []
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
            self.tls.sni_callback = lambda sock, name, context: self.named.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(conn)  # before serve() puts its TLS in the same place
            threading.Thread(target=self.serve, args=(conn, len(self.connections) - 1), daemon=True).start()

    def serve(self, conn, number):
        try:
            conn.settimeout(60)
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True)
                self.handshakes.append(conn.version())
                self.connections[number] = conn
            data = b""
            while True:
                got = conn.recv(65536)
                if not got:
                    return
                data += got
                while b"\r\n\r\n" in data:
                    head, rest = data.split(b"\r\n\r\n", 1)
                    size = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
                    size = int(size.group(1)) if size else 0
                    if not head.strip() or len(rest) < size:
                        data = rest if not head.strip() else data
                        break
                    data = rest[size:]
                    self.answer(conn, number, head.lstrip(b"\r\n").decode())
        except OSError as error:
            self.handshakes.append(str(error))

    def answer(self, conn, number, head):
        lines = head.split("\r\n")
        method = lines[0].split()[0]
        self.requests.append((number, method, head))
        if method in ("ACK", "SIP/2.0"):
            if method == "ACK" and self.hangs_up:
                self.bye(conn, head)
            return
        kept = [line for line in lines if re.match(r"(?i)(via|v|from|f|call-id|i|cseq)\s*:", line)]
        to = next(line for line in lines if re.match(r"(?i)(to|t)\s*:", line))
        to += "" if "tag=" in to else ";tag=peer"

        def reply(status, body="", extra=()):
            text = [f"SIP/2.0 {status}", *kept, to, *extra, f"Content-Length: {len(body)}", "", body]
            conn.sendall("\r\n".join(text).encode())

        if method == "INVITE":
            contact = (f"Contact: <sip:peer@127.0.0.1:{self.port};transport="
                       f"{'tls' if self.tls else 'tcp'}>", "Content-Type: application/sdp")
            reply("180 Ringing")
            reply("200 OK", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                  "m=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", contact)
        else:
            reply("200 OK")

    def bye(self, conn, ack):
        def header(name):
            return re.search(rf"(?im)^{name}\s*:\s*(.*?)\r?$", ack).group(1)
        target = re.search(r"Contact: <(.*?)>", next(text for _, m, text in self.requests if m == "INVITE"))
        conn.sendall("\r\n".join([
            f"BYE {target.group(1)} SIP/2.0", f"Via: SIP/2.0/{'TLS' if self.tls else 'TCP'} "
            f"127.0.0.1:{self.port};branch=z9hG4bKpeer{len(self.requests)}", "Max-Forwards: 70",
            f"From: {header('To')}", f"To: {header('From')}", f"Call-ID: {header('Call-ID')}",
            "CSeq: 1 BYE", "Content-Length: 0", "", ""]).encode())

    def of(self, method):
        return [text for _, m, text in self.requests if m == method]

    def close(self):
        self.listener.close()
        for conn in self.connections:
            conn.close()


def agent(server, steps, trunks):
    return server.api("POST", "/agents", {"name": "a", "number": "+15550009999", "outdial": {
        "agent": {"kind": "script", "steps": steps}, "trunks": trunks}})


def call(server, to="+15551230001"):
    return server.api("POST", "/calls", {"to": to, "agent": "a"})["id"]


def ended(server, call_id, status, limit_s=30):
    view = wait_until(lambda: (lambda v: v if v["status"] not in ("queued", "dialing", "ringing", "talking",
                                                                  "waiting", "created", "start_hook") else None)(
        server.api("GET", f"/calls/{call_id}")), limit_s, "the call to end")
    assert view["status"] == status, view
    return view


def by_tls(world):
    """The whole call goes over one TLS connection, to a server that proved its name."""
    authority = Authority(world, "authority")
    peer = Peer(authority.issue("DNS:localhost"))
    server = world.serve([{"name": "safe", "server": f"localhost:{peer.port}", "transport": "tls",
                           "auth_user": "ann", "password": "secret", "register": True, "options_ping_s": 1}],
                         extra={"sip": {"listen": ["udp:127.0.0.1:0"], "ca_file": authority.file}})
    agent(server, HANGUP, ["safe"])
    for number in range(3):
        ended(server, call(server, f"+1555123000{number}"), "completed")
    wait_until(lambda: len(peer.of("BYE")) == 3 and peer.of("OPTIONS") and peer.of("REGISTER"), 10,
               "three BYEs, a ping and a REGISTER")
    assert len(peer.connections) == 1, peer.connections
    assert peer.handshakes[0] in ("TLSv1.2", "TLSv1.3") and peer.named == ["localhost"], (peer.handshakes,
                                                                                         peer.named)
    invite = peer.of("INVITE")[0]
    assert re.search(r"(?m)^Via: SIP/2\.0/TLS ", invite) and ";transport=tls>" in invite, invite
    assert len(peer.of("ACK")) == 3 and len(peer.of("INVITE")) == 3, peer.requests
    trunk = server.api("GET", "/trunks/safe")
    assert trunk["registration"]["state"] == "registered", trunk
    peer.close()


def the_callee_hangs_up(world):
    """A request from there comes by the connection that we opened."""
    authority = Authority(world, "authority")
    peer = Peer(authority.issue("DNS:localhost"), hangs_up=True)
    server = world.serve([{"name": "safe", "server": f"localhost:{peer.port}", "transport": "tls"}],
                         extra={"sip": {"listen": ["udp:127.0.0.1:0"], "ca_file": authority.file}})
    agent(server, LISTEN, ["safe"])
    ended(server, call(server), "completed")
    wait_until(lambda: any("200 OK" in text for text in peer.of("SIP/2.0")), 10, "the BYE's answer")
    assert not peer.of("BYE"), peer.requests
    peer.close()


def a_leg_outlives_its_process(world):
    """Killed while it talks: the next start hangs up, by TLS."""
    authority = Authority(world, "authority")
    peer = Peer(authority.issue("DNS:localhost"))
    config = {"sip": {"listen": ["udp:127.0.0.1:0"], "ca_file": authority.file}}
    trunks = [{"name": "safe", "server": f"localhost:{peer.port}", "transport": "tls"}]
    server = world.serve(trunks, extra=config)
    agent(server, LISTEN, ["safe"])
    call_id = call(server)
    wait_until(lambda: server.api("GET", f"/calls/{call_id}")["status"] == "talking", 20, "the call to talk")
    server.kill()
    server = world.serve(trunks, extra=config)
    wait_until(lambda: peer.of("BYE"), 20, "the BYE")
    assert len(peer.of("INVITE")) == 1 and len(peer.connections) == 2, peer.requests
    peer.close()


def a_connection_is_lost(world):
    """The next call opens another; by TCP as by TLS."""
    authority = Authority(world, "authority")
    for transport, peer in (("tls", Peer(authority.issue("DNS:localhost"))), ("tcp", Peer())):
        server = world.serve([{"name": "t", "server": f"localhost:{peer.port}", "transport": transport}],
                             extra={"sip": {"listen": ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"],
                                            "ca_file": authority.file},
                                    "data_dir": world.path(transport)}, name=transport)
        agent(server, HANGUP, ["t"])
        ended(server, call(server), "completed")
        wait_until(lambda p=peer: p.of("BYE"), 10, "the BYE")
        peer.connections[0].shutdown(socket.SHUT_RDWR)
        peer.connections[0].close()
        ended(server, call(server, "+15551230002"), "completed")
        assert len(peer.connections) == 2, peer.connections
        assert server.stop() == 0
        peer.close()


def strangers(world):
    """Whoever can't prove the name gets no SIP, and the contact goes by another trunk."""
    authority, unknown = Authority(world, "authority"), Authority(world, "unknown")
    carrier = world.carrier({"answer": 1, "no_answer": 0, "busy": 0, "decline": 0, "fail": 0,
                             "ring_ms": "5-10", "pdd_ms": "5-10"})
    peers = {"name": Peer(authority.issue("DNS:elsewhere.example")), "chain": Peer(unknown.issue("DNS:localhost")),
             "plain": Peer()}
    for at, (what, peer) in enumerate(peers.items()):
        server = world.serve([{"name": "bad", "server": f"localhost:{peer.port}", "transport": "tls",
                               "priority": 1}, {"name": "good", "server": carrier.address, "priority": 2}],
                             extra={"sip": {"listen": ["udp:127.0.0.1:0"], "ca_file": authority.file},
                                    "data_dir": world.path(what)}, name=what)
        agent(server, HANGUP, ["bad", "good"])
        view = ended(server, call(server, f"+1555123000{at}"), "completed", 45)
        assert view["trunk"] == "good", view
        assert not peer.requests, peer.requests
        wait_until(lambda s=server: re.search(r"no TLS to [^\"]*", s.stderr()), 15, "the reason in the log")
        assert server.stop() == 0
        peer.close()
    carrier.finish()


def listening_ports(pid):
    """TCP ports of a process on 127.0.0.1."""
    inodes = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(entry.path)))
        except OSError:
            pass
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    return {int(row[1].split(":")[1], 16) for row in rows if row[9] in inodes and row[3] == "0A"}


def our_user_alone(world):
    """What another user sends to the near end of our TLS doesn't come out of its far end."""
    authority = Authority(world, "authority")
    peer = Peer(authority.issue("DNS:localhost"))
    server = world.serve([{"name": "safe", "server": f"localhost:{peer.port}", "transport": "tls"}],
                         extra={"sip": {"listen": ["udp:127.0.0.1:0"], "ca_file": authority.file}})
    agent(server, HANGUP, ["safe"])
    ended(server, call(server), "completed")
    own_http = int(server.url.rsplit(":", 1)[1])
    ports = listening_ports(server.pid) - {own_http}
    assert ports, "the near end isn't there"
    before, connections = len(peer.requests), len(peer.connections)
    for port in ports:
        stranger = ("import socket; s = socket.create_connection(('127.0.0.1', %d), 5); s.settimeout(5)\n"
                    "try: s.sendall(b'OPTIONS sip:a SIP/2.0\\r\\nl: 0\\r\\n\\r\\n'); s.recv(1)\n"
                    "except OSError: pass" % port)
        subprocess.run(["/usr/bin/python3", "-c", stranger], user="nobody", timeout=20, check=True, cwd="/")
    wait_until(lambda: "another user's connection to our TLS is refused" in server.stderr(), 10, "the refusal")
    assert (len(peer.requests), len(peer.connections)) == (before, connections), peer.requests[before:]
    peer.close()


def a_load(world):
    """`outdial load` by TLS: one connection; a server that can't prove its name gets no call."""
    authority, other = Authority(world, "authority"), Authority(world, "other")
    peer = Peer(authority.issue("DNS:localhost"))

    def load(trusted, *args):
        done = world.cli("load", f"sip:1@localhost:{peer.port};transport=tls", "--ca-file", trusted.file, "--json",
                         "--quiet", *args, limit_s=60)
        return json.loads(done.stdout)["outcomes"], done.stderr
    outcomes, _ = load(authority, "--cps", "50", "--calls", "100", "--hold", "0.1")
    assert outcomes["answered"] == 100, outcomes
    assert len(peer.connections) == 1 and len(peer.of("INVITE")) == len(peer.of("BYE")) == 100
    assert "Via: SIP/2.0/TLS " in peer.of("INVITE")[0] and ";transport=tls>" in peer.of("INVITE")[0]
    outcomes, told = load(other, "--cps", "5", "--calls", "2")
    assert outcomes["answered"] == 0 and "was lost" in told, (outcomes, told)
    assert len(peer.of("INVITE")) == 100
    peer.close()


def mistakes(world):
    path = world.write("c.yaml", f"sip: {{ ca_file: {world.path('none.pem')} }}\n")
    done = world.cli("serve", "--config", path, "--data-dir", world.path("d"), code=None)
    assert done.returncode in (1, 78) and "sip.ca_file: " in done.stderr, done.stderr
    assert os.path.basename("none.pem") in done.stderr, done.stderr


main(by_tls, the_callee_hangs_up, a_leg_outlives_its_process, a_connection_is_lost, strangers, a_load,
     *([our_user_alone] if os.geteuid() == 0 else []),  # who is nobody else can't become another
     mistakes)

#!/usr/bin/env python3
"""Goal: trunks and numbers that want to be registered are: with credentials, before their time is over, and
no longer than anybody wants it; whoever looks sees how it stands. Method: a registrar of the test's own on
raw UDP, which challenges, grants few seconds and writes down what it is asked."""
import hashlib
import json
import re
import socket
import threading
import urllib.request

from harness import main, wait_until


class Registrar(threading.Thread):
    def __init__(self, password, grants_s=3, status=None):
        super().__init__(daemon=True)
        self.password, self.grants_s, self.status = password, grants_s, status
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.seen = []  # (call id, cseq, contact, seconds asked for, whether it was granted)
        self.answers = {}  # by Via: who is asked again says the same again
        self.start()

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(65536)
            head = data.decode().split("\r\n\r\n", 1)[0].split("\r\n")
            if head[0].startswith("REGISTER "):
                fields = {line.split(": ", 1)[0]: line.split(": ", 1)[1] for line in head[1:]}
                if fields["Via"] not in self.answers:
                    status, lines = self.judge(head[0].split(" ")[1], fields)
                    same = [f"{name}: {fields[name]}" for name in ("Via", "From", "Call-ID", "CSeq")]
                    self.answers[fields["Via"]] = "\r\n".join([
                        f"SIP/2.0 {status}", *same, f"To: {fields['To']};tag=r", *lines, "Content-Length: 0", "", ""])
                self.socket.sendto(self.answers[fields["Via"]].encode(), peer)

    def judge(self, uri, fields):
        asked = int(fields["Expires"])
        seen = (fields["Call-ID"], int(fields["CSeq"].split(" ")[0]), fields["Contact"], asked)
        if self.status:
            self.seen.append((*seen, False))
            return self.status, []
        given = dict(re.findall(r'(\w+)="?([^",]+)', fields.get("Authorization", "")))
        if not given or given["response"] != self.response(given, uri):
            self.seen.append((*seen, False))
            return "401 Unauthorized", ['WWW-Authenticate: Digest realm="r", nonce="n1", algorithm=MD5, qop="auth"']
        self.seen.append((*seen, True))
        contact = fields["Contact"].split(";expires")[0]
        return "200 OK", [f"Contact: {contact};expires={min(asked, self.grants_s)}"] if asked else []

    def response(self, given, uri):
        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()
        first = md5(f"{given['username']}:r:{self.password}")
        return md5(f"{first}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{md5('REGISTER:' + uri)}")

    def granted(self, seconds_asked=lambda s: s > 0):
        return [s for s in self.seen if s[4] and seconds_asked(s[3])]


def dasha(server, method, path, body=None):
    request = urllib.request.Request(server.url + "/api/v1" + path, body and json.dumps(body).encode(), {
        "Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def trunks_and_numbers_register(world):
    one, two = Registrar("open sesame"), Registrar("hush")
    server = world.serve([{"name": "main", "server": one.address, "register": True, "auth_user": "ann",
                           "password": "open sesame"}])
    trunk = wait_until(lambda: [t for t in server.api("GET", "/trunks")["data"]
                                if (t["registration"] or {}).get("state") == "registered"], 10, "the trunk")[0]
    assert trunk["registration"]["expires_at"] and trunk["registration"]["error"] is None, trunk
    wait_until(lambda: len(one.granted()) >= 2, 10, "the refresh")
    assert len({s[0] for s in one.seen}) == 1, one.seen
    assert [s[1] for s in one.seen] == list(range(1, len(one.seen) + 1)), one.seen
    assert "ann@" in one.seen[0][2], one.seen

    credentials = dasha(server, "POST", "/sip-credentials", {
        "server": two.address, "domain": "pbx.example", "authUser": "bob", "authPassword": "hush"})
    number = dasha(server, "POST", "/sip-phone-numbers", {
        "phoneNumber": "+15550002222", "credentialsId": credentials["id"], "registration": True})
    assert number["registrationStatus"]["state"] in ("Registering", "Registered"), number

    def status():
        return dasha(server, "GET", f"/sip-phone-numbers/{number['id']}")["registrationStatus"]
    wait_until(lambda: status()["state"] == "Registered", 10, "the number")
    assert status()["expiresAt"] and status()["sipResponseMessage"] == "200 OK", status()
    metrics = urllib.request.Request(server.url + "/metrics", headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(metrics, timeout=20) as answer:
        assert 'outdial_registrations{state="registered"} 2' in answer.read().decode()

    # Not wanted any more: taken away. A wrong password: told, with the registrar's words.
    dasha(server, "PUT", f"/sip-phone-numbers/{number['id']}", {"registration": False})
    wait_until(lambda: two.granted(lambda s: s == 0), 10, "the number's end")
    assert status()["state"] == "Disabled", status()
    two.status = "403 Go away"
    dasha(server, "PUT", f"/sip-phone-numbers/{number['id']}", {"registration": True})
    failed = wait_until(lambda: status() if status()["state"] == "Failed" else None, 10, "the refusal")
    assert failed["sipResponseMessage"] == "403 Go away" and failed["errorDescription"], failed

    assert not one.granted(lambda s: s == 0)
    assert server.stop() == 0
    assert len(one.granted(lambda s: s == 0)) == 1, one.seen
    assert "sesame" not in server.stderr() and "+15550002222" not in server.stderr(), server.stderr()


main(trunks_and_numbers_register)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A webhook and a mail server, for tests.

    notice_double.py DIR

Listens on 127.0.0.1; DIR/web.port and DIR/smtp.port say where.  DIR/secret is
the webhook's.  DIR/mode is read anew for each request or message:

    ok          takes it
    500 422 ..  this HTTP status, and to mail 451 or 550 for 500 and 422
    mute        takes it and never answers (until the mode changes)

DIR/notices has one line of JSON for each request that was taken, mail or not,
with the key that repeats can be told by.  /ca is an authority behind a signed
webhook: POST sets DIR/status/SERIAL, GET tells it.  Mail is taken after
STARTTLS when DIR/server.pem is there, with AUTH PLAIN for user "hotline",
password "s3cret-word".
"""
import base64, email, email.policy, hashlib, hmac, http.server, json, os
import pathlib, re, socketserver, ssl, sys, threading, time, urllib.parse

here = pathlib.Path(sys.argv[1])
secret = (here / "secret").read_bytes().strip()
lock = threading.Lock()


def mode():
    return (here / "mode").read_text().strip()


def note(value):
    with lock, open(here / "notices", "a") as f:
        f.write(json.dumps(value, ensure_ascii=False) + "\n")


def wait_while_mute():
    while mode() == "mute":
        threading.Event().wait(0.05)


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def signed(self, method, body):
        """As doc/notices.md says it."""
        when = self.headers.get("X-Holdline-Time", "")
        text = f"{when}\n{method}\n{self.path}\n".encode() + body
        mac = hmac.new(secret, text, hashlib.sha256).hexdigest()
        return (when.isdigit() and abs(time.time() - int(when)) < 300 and
                hmac.compare_digest(self.headers.get("X-Holdline-Signature", ""),
                                    "v1=" + mac))

    def handle_one(self, method):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.signed(method, body):
            note({"unsigned": self.path})
            return self.answer(401, {})
        url = urllib.parse.urlsplit(self.path)
        how = mode()
        if how.isdigit():
            note({"refused": how, "key": self.headers["Idempotency-Key"]})
            return self.answer(int(how), {})
        if url.path == "/ca":
            return self.authority(method, url, body)
        note({**json.loads(body), "key": self.headers["Idempotency-Key"]})
        wait_while_mute()
        self.answer(202, {})

    def authority(self, method, url, body):
        value = json.loads(body) if method == "POST" else {
            k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
        path = here / "status" / value["serial"]
        if not path.exists():
            return self.answer(404, {})
        if method == "POST" and mode() != "lie":
            path.write_text(value["status"])
        self.answer(200, {"status": path.read_text().strip()})

    def do_GET(self):
        self.handle_one("GET")

    def do_POST(self):
        self.handle_one("POST")


class Mail(socketserver.StreamRequestHandler):
    """Enough of RFC 5321 for one client."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def starttls(self):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(here / "server.pem", here / "server.key")
        self.say("220 go on")
        self.connection = tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)

    def data(self, to):
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        raw = b"".join(lines)
        m = email.message_from_bytes(raw, policy=email.policy.default)
        note({"mail": to, "subject": m["Subject"], "text": m.get_content(),
              "key": m["Message-ID"], "date": m["Date"], "from": m["From"],
              "ascii": raw.isascii(),
              "headers": [k for k in m.keys()], "tls": self.secure})
        wait_while_mute()
        self.say("250 taken")

    def handle(self):
        self.secure, login, to = False, False, []
        need_tls = (here / "server.pem").exists()
        self.say("220 double")
        while line := self.rfile.readline():
            words = line.decode().strip()
            verb = words.upper()
            how = mode()
            if verb.startswith("EHLO"):
                self.say("250-double")
                if need_tls and not self.secure:
                    self.say("250 STARTTLS")
                else:
                    self.say("250 AUTH PLAIN")
            elif verb == "STARTTLS" and need_tls:
                self.starttls()
                self.secure = True
            elif verb.startswith("AUTH PLAIN"):
                given = words.split(" ")[2:]
                if not given:
                    self.say("334 ")
                    given = [self.rfile.readline().decode().strip()]
                login = base64.b64decode(given[0]) == b"\0hotline\0s3cret-word"
                self.say("235 welcome" if login else "535 no")
            elif verb.startswith("MAIL FROM"):
                self.say("250 ok" if login else "530 who are you")
            elif verb.startswith("RCPT TO"):
                if how == "500":
                    note({"refused": "451"})
                    self.say("451 not now")
                elif how == "422":
                    note({"refused": "550"})
                    self.say("550 nobody of that name")
                else:
                    to.append(re.search("<(.*)>", words)[1])
                    self.say("250 ok")
            elif verb == "DATA":
                self.data(to)
                to = []
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


class WebServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, address):
        pass


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, address):
        pass


web = WebServer(("127.0.0.1", 0), Web)
mail = MailServer(("127.0.0.1", 0), Mail)
(here / "web.port").write_text(str(web.server_address[1]))
(here / "smtp.port").write_text(str(mail.server_address[1]))
threading.Thread(target=mail.serve_forever, daemon=True).start()
print("ready", flush=True)
web.serve_forever()

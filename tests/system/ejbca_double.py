#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A certification authority that speaks EJBCA's REST answers, for tests.

    ejbca_double.py DIR       HTTPS with client certificates; DIR has ca.pem,
                              server.pem, server.key
    ejbca_double.py DIR dead  takes connections and never answers

It listens on 127.0.0.1, on the port in DIR/port if there is one, else on any,
which it writes there.  DIR/mode says how it behaves, and is read anew for each
request; DIR/requests has one line a request.  DIR/dn names its issuer, and
DIR/certs/SERIAL says what it believes: "good", or the reason it is revoked for.

    ok        as EJBCA does
    lie       says "Successfully revoked" and does nothing
    kill      does it, then kills the process in DIR/victim instead of answering
    reset     does nothing and cuts the connection
    500 403 202 409 422 429 503   this status to changes (429, 503, 500 and 403
              also to questions); nothing is done
    words     an answer that is not JSON; long: one of 10 MB
"""
import http.server, json, os, pathlib, re, signal, socket, ssl, struct, sys
import threading
import urllib.parse

here = pathlib.Path(sys.argv[1])
lock = threading.Lock()
REASONS = {"UNSPECIFIED", "KEY_COMPROMISE", "AFFILIATION_CHANGED", "SUPERSEDED",
           "CESSATION_OF_OPERATION", "CERTIFICATE_HOLD", "REMOVE_FROM_CRL",
           "PRIVILEGES_WITHDRAWN"}
PATH = re.compile(r"/ejbca/ejbca-rest-api/v1/certificate/([^/]+)/([^/]+)/(revoke|revocationstatus)$")


def mode():
    return (here / "mode").read_text().strip()


def reason_read(dn, serial):
    """What is believed; None: there is no such certificate."""
    path = here / "certs" / serial
    if dn != (here / "dn").read_text().strip() or not path.exists():
        return None
    return path.read_text().strip()


def reason_write(serial, reason):
    new = here / "certs" / (serial + ".new")
    new.write_text(reason)
    new.rename(here / "certs" / serial)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, value, headers=()):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, words):
        self.answer(status, {"error_code": status, "error_message": words})

    def cut(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def broken(self, how, change):
        """True when the mode has answered instead."""
        if how == "reset":
            self.cut()
        elif how == "words":
            self.answer(200, b"<html>an error page</html>")
        elif how == "long":
            self.answer(200, b'{"x":"' + b"x" * 10_000_000 + b'"}')
        elif how in ("429", "503"):
            self.answer(int(how), {"error_code": int(how)}, [("Retry-After", "1")])
        elif how in ("500", "403"):
            self.error(int(how), "no certificate of YAMADA TARO")
        elif how in ("202", "409", "422") and change:
            self.error(int(how), "it is not done")
        else:
            return False
        return True

    def status(self, dn, serial, reason, **more):
        revoked = reason not in ("good", "REMOVE_FROM_CRL")
        return {"issuer_dn": dn, "serial_number": serial,
                "revocation_reason": None if reason == "good" else reason,
                "revocation_date": "2026-11-24T00:00:00Z",
                "invalidity_date": None, "revoked": revoked, **more}

    def revoke(self, dn, serial, now, query, how):
        reason = query.get("reason", [""])[0]
        if reason not in REASONS:
            return self.error(400, "Invalid revocation reason.")
        if "invalidity_date" in query:
            return self.error(400, "this double takes no invalidity date")
        if now not in ("good", "CERTIFICATE_HOLD") or now == reason:
            return self.error(409, "Certificate already revoked")
        if how != "lie":
            now = "good" if reason == "REMOVE_FROM_CRL" else reason
            reason_write(serial, now)
        if how == "kill":
            os.kill(int((here / "victim").read_text()), signal.SIGKILL)
            return self.cut()
        # the reason that was asked for, whatever became of it
        answer = self.status(dn, serial, reason, message="Successfully revoked")
        answer["revoked"] = now != "good"
        self.answer(200, answer)

    def handle_one(self, method):
        if not self.connection.getpeercert():
            return self.error(401, "no client certificate")
        url = urllib.parse.urlsplit(self.path)
        with lock, open(here / "requests", "a") as f:
            f.write(f"{method} {self.path}\n")
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        how = mode()
        found = PATH.match(url.path)
        if self.broken(how, method == "PUT"):
            return
        if not found or (found[3] == "revoke") != (method == "PUT"):
            return self.error(404, "no such resource")
        dn, serial = urllib.parse.unquote(found[1]), found[2].lower()
        now = reason_read(dn, serial)
        if now is None:
            return self.error(404, "Certificate not found")
        if method == "GET":
            return self.answer(200, self.status(dn, serial, now))
        self.revoke(dn, serial, now, urllib.parse.parse_qs(url.query), how)

    def do_GET(self):
        self.handle_one("GET")

    def do_PUT(self):
        self.handle_one("PUT")


def dead(port):
    s = socket.create_server(("127.0.0.1", port))
    conns = []
    print("ready", flush=True)
    while True:
        conns.append(s.accept())


class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass        # a client that went away


def main():
    port = int((here / "port").read_text()) if (here / "port").exists() else 0
    if len(sys.argv) > 2:
        dead(port)
    server = Server(("127.0.0.1", port), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(here / "server.pem", here / "server.key")
    tls.load_verify_locations(here / "ca.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    # the handshake in the connection's own thread, not in accept()
    server.socket = tls.wrap_socket(server.socket, server_side=True,
                                    do_handshake_on_connect=False)
    (here / "port").write_text(str(server.server_address[1]))
    print("ready", flush=True)
    server.serve_forever()


main()

"""A real web server that keeps what it is sent, for tests of webhooks."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """`status`: what it answers. `location`: where it points to. `drip`: seconds
    between two bytes of an answer that never ends.
    """

    port: int = 0
    status: int = 204
    location: str = ""
    drip: float = 0
    calls: list = field(default_factory=list)
    names: list = field(default_factory=list)  # TLS names that were asked for

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiving(certificate=None):
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["content-length"])
            told.calls.append((self.path, dict(self.headers), self.rfile.read(length)))
            if told.drip:
                self._drip()
                return
            self.send_response(told.status)
            if told.location:
                self.send_header("location", told.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def _drip(self):
            try:
                for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1000:
                    self.wfile.write(bytes([byte]))
                    time.sleep(told.drip)
            except OSError:
                pass

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.port = server.server_address[1]
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda sock, name, ctx: told.names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()

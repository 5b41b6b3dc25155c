"""A reader that does not read costs no memory: nothing more is made for it."""

from __future__ import annotations

import os
import socket
import sys
import time

from tests.stack.process import Process, free_port, listens, until

SERVER = """
import sys
from pathlib import Path
from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from lifeos import pressure
pressure.install()
count = Path(sys.argv[2])
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(400):
        piece = {"body": bytes(1 << 20), "more_body": True}
        await send({"type": "http.response.body", **piece})
        count.write_text(str(number + 1))
    await send({"type": "http.response.body", "body": b"end"})
ends = build_endpoint_description_strings(host="127.0.0.1", port=int(sys.argv[1]))
Server(app, endpoints=ends, signal_handlers=False).run()
"""


def test_an_answer_waits_for_its_reader(tmp_path):
    port, count = free_port(), tmp_path / "count"
    command = [sys.executable, "-c", SERVER, str(port), str(count)]
    server = Process("server", command, os.environ, tmp_path)
    server.start()
    try:
        until(lambda: listens(port), "the server")
        with socket.create_connection(("127.0.0.1", port)) as reader:
            reader.sendall(b"GET / HTTP/1.0\r\n\r\n")
            made = _still(count)
            # What the system itself holds for a connection is a few megabytes.
            assert made < 30
            got = 0
            while piece := reader.recv(1 << 20):
                got += len(piece)
                tail = piece[-3:]
        assert got > 400 * (1 << 20)
        assert tail == b"end"
    finally:
        server.kill()


def _still(count):
    """The number once it has not changed for a second."""
    until(count.exists, "the first piece")
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < 1:
        now = int(count.read_text() or 0)
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.05)
    return seen

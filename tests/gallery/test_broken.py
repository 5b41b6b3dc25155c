"""An answer that fails in its middle ends there, and its reader knows."""

from __future__ import annotations

import os
import sys

import httpx
import pytest

from tests.stack.process import Process, free_port, listens, until

SERVER = """
import sys
from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from lifeos import broken, pressure
pressure.install()
broken.install()
async def app(scope, receive, send):
    if scope["path"] != "/at-once":
        start = {"type": "http.response.start", "status": 200}
        length = [(b"Content-Length", b"99")] if scope["path"] == "/long" else []
        await send({**start, "headers": length})
        piece = {"body": b"piece", "more_body": True}
        await send({"type": "http.response.body", **piece})
    raise OSError("the bucket is away")
ends = build_endpoint_description_strings(host="127.0.0.1", port=int(sys.argv[1]))
Server(app, endpoints=ends, signal_handlers=False).run()
"""


def test_a_reader_does_not_wait_for_the_rest(tmp_path):
    port = free_port()
    command = [sys.executable, "-c", SERVER, str(port)]
    server = Process("server", command, os.environ, tmp_path)
    server.start()
    try:
        until(lambda: listens(port), "the server")
        # Again and again: what has failed once is looked after still.
        for path in ("/pieces", "/long", "/pieces"):
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(f"http://127.0.0.1:{port}{path}", timeout=30)
        answer = httpx.get(f"http://127.0.0.1:{port}/at-once", timeout=30)
        assert answer.status_code == 500
    finally:
        server.kill()

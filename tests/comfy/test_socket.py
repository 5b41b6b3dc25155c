"""The socket against real servers on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http
import json
import struct
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise

import pytest
from websockets.asyncio.server import serve

from generation.comfy import messages as m
from generation.comfy import socket as comfy_socket
from generation.comfy.client import Auth
from generation.comfy.socket import Connected, Disconnected, listen, ws_url

PATIENCE = 10
STATUS = json.dumps(
    {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}}}
)


@asynccontextmanager
async def server(handler, **options):
    """A websockets server; gives its http:// address."""
    async with serve(handler, "127.0.0.1", 0, **options) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with asyncio.timeout(PATIENCE):
            yield f"http://127.0.0.1:{port}"


async def test_it_introduces_itself_first_and_signs_in():
    first, headers = asyncio.Queue(), {}

    async def handler(ws):
        headers.update(ws.request.headers.raw_items())
        headers["path"] = ws.request.path
        first.put_nowait(await ws.recv())
        await ws.wait_closed()

    auth = Auth("bearer", {"token": "t"})
    async with server(handler) as url, aclosing(listen(url, "me", auth)) as events:
        assert await anext(events) == Connected()
        hello = json.loads(await first.get())
    assert hello["type"] == "feature_flags"
    assert hello["data"]["supports_preview_metadata"] is True
    assert headers["path"] == "/ws?clientId=me"
    assert headers["Authorization"] == "Bearer t"
    assert "Origin" not in headers


async def test_a_preview_of_five_megabytes_arrives():
    picture = b"\xff" * (5 << 20)

    async def handler(ws):
        await ws.send(struct.pack(">II", 1, 1) + picture)
        await ws.wait_closed()

    async with server(handler) as url, aclosing(listen(url, "me")) as events:
        assert await anext(events) == Connected()
        preview = await anext(events)
    assert isinstance(preview, m.Preview)
    assert preview.data == picture


async def test_it_comes_back_after_a_drop():
    visits = 0

    async def handler(ws):
        nonlocal visits
        visits += 1
        await ws.recv()
        if visits == 1:
            ws.transport.abort()
            return
        await ws.send(STATUS)
        await ws.wait_closed()

    async with server(handler) as url, aclosing(listen(url, "me")) as events:
        seen = [type(await anext(events)) for _ in range(4)]
    assert seen == [Connected, Disconnected, Connected, m.Status]
    assert visits == 2


async def test_a_refused_handshake_says_why_and_is_tried_again(monkeypatch):
    monkeypatch.setattr(comfy_socket, "REFUSED_WAIT", 0.01)
    answers = [http.HTTPStatus.UNAUTHORIZED, None]

    def refuse(connection, request):
        status = answers.pop(0)
        return connection.respond(status, "") if status else None

    async def handler(ws):
        await ws.wait_closed()

    async with (
        server(handler, process_request=refuse) as url,
        aclosing(listen(url, "me")) as events,
    ):
        refused = await anext(events)
        assert isinstance(refused, Disconnected)
        assert "401" in refused.reason
        assert await anext(events) == Connected()


async def test_a_server_that_hangs_up_at_once_is_asked_more_and_more_seldom():
    loop, times = asyncio.get_running_loop(), []

    async def handler(ws):
        times.append(loop.time())
        await ws.recv()

    async with server(handler) as url, aclosing(listen(url, "me")) as events:
        while len(times) < 4:
            await anext(events)
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[1] > 0.15
    assert gaps[2] > 0.3


async def _shake_hands_and_freeze(reader, writer):
    """A WebSocket server that answers the handshake and nothing after it."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(
        line.partition(":")[2].strip()
        for line in request.split("\r\n")
        if line.lower().startswith("sec-websocket-key")
    )
    magic = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(magic.encode()).digest()).decode()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
    )
    await reader.read()
    writer.close()


async def test_a_half_dead_socket_is_found_by_pings(monkeypatch):
    monkeypatch.setattr(comfy_socket, "PING_INTERVAL", 0.05)
    monkeypatch.setattr(comfy_socket, "PING_TIMEOUT", 0.05)
    frozen = await asyncio.start_server(_shake_hands_and_freeze, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{frozen.sockets[0].getsockname()[1]}"
    async with frozen, asyncio.timeout(PATIENCE), aclosing(listen(url, "me")) as events:
        assert await anext(events) == Connected()
        lost = await anext(events)
    assert isinstance(lost, Disconnected)
    assert "ping" in lost.reason


async def test_cancelling_the_listener_closes_the_socket():
    opened, closed = asyncio.Event(), asyncio.Event()

    async def handler(ws):
        await ws.recv()
        opened.set()
        await ws.wait_closed()
        closed.set()

    async def consume(url):
        async for _ in listen(url, "me"):
            pass

    async with server(handler) as url:
        task = asyncio.create_task(consume(url))
        await opened.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()


async def test_nobody_there_is_a_disconnection():
    listening = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    async with aclosing(listen(f"http://127.0.0.1:{port}", "me")) as events:
        assert isinstance(await anext(events), Disconnected)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://gpu:8188", "ws://gpu:8188/ws?clientId=a+b"),
        ("https://u:p@gpu/comfy/", "wss://u:p@gpu/comfy/ws?clientId=a+b"),
    ],
)
def test_the_address_keeps_prefix_and_credentials(base, expected):
    assert ws_url(base, "a b") == expected

"""The WebSocket side: who listens, and what is sent to whom."""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from generation.simulator.faults import Faults

PREVIEW, PREVIEW_WITH_METADATA = 1, 4
JPEG = 1
MAX_MESSAGE = 64 << 20


class Listener:
    """One connection. ``frozen``: kept open, but nothing is sent any more."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.request = request
        self.frozen = False
        self.wants_metadata = False

    def cut(self) -> None:
        """End the TCP connection without a closing handshake."""
        if self.request.transport is not None:
            self.request.transport.abort()


class Frames:
    """Sends frames in the order in which they were posted.

    Posting never waits; one task sends. As in ComfyUI a listener is known by its
    ``clientId`` alone, so a late close of an old socket silences a new one.
    """

    def __init__(
        self,
        faults: Faults,
        *,
        modern: bool,
        features: dict[str, Any],
        remaining: Callable[[], int],
    ) -> None:
        self._faults = faults
        self._modern = modern
        self._features = features
        self._remaining = remaining
        self._posted: asyncio.Queue[tuple[str | bytes, str | None]] = asyncio.Queue()
        self.listeners: dict[str, Listener] = {}
        # Old sockets whose clientId a newer one took over; they still are open.
        self._open: set[Listener] = set()
        self.client_id: str | None = None
        self.last_node: str | None = None

    def post(self, kind: str, data: dict[str, Any], client_id: str | None) -> None:
        """Queue a JSON frame; to everybody if ``client_id`` is None."""
        text = json.dumps({"type": kind, "data": data})
        self._posted.put_nowait((text, client_id))

    def post_status(self) -> None:
        self.post("status", {"status": self._status()}, None)

    def _status(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self._remaining()}}

    def post_preview(
        self, jpeg: bytes, metadata: dict[str, Any], client_id: str
    ) -> None:
        """Queue a preview, with metadata only for a client that asked for it."""
        listener = self.listeners.get(client_id)
        if listener is not None and listener.wants_metadata:
            text = json.dumps({**metadata, "image_type": "image/jpeg"}).encode()
            head = struct.pack(">II", PREVIEW_WITH_METADATA, len(text)) + text
        else:
            head = struct.pack(">II", PREVIEW, JPEG)
        self._posted.put_nowait((head + jpeg, client_id))

    def hears(self, client_id: str | None) -> bool:
        return client_id in self.listeners and not self._faults.silence

    async def send_forever(self) -> None:
        """Send what is posted, until cancelled."""
        while True:
            frame, client_id = await self._posted.get()
            if client_id is None:
                wanted = list(self.listeners.values())
            else:
                wanted = [
                    one for sid, one in self.listeners.items() if sid == client_id
                ]
            for listener in wanted:
                await self._send(listener, frame)

    async def _send(self, listener: Listener, frame: str | bytes) -> None:
        if listener.frozen or self._faults.silence or listener.socket.closed:
            return
        try:
            if isinstance(frame, str):
                await listener.socket.send_str(frame)
            else:
                await listener.socket.send_bytes(frame)
        except (ConnectionError, RuntimeError):
            # The peer is gone; its handler notices and tidies up.
            return

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Handle ``/ws?clientId=…`` from handshake to close."""
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE, compress=False)
        await socket.prepare(request)
        sid = request.query.get("clientId") or uuid.uuid4().hex
        listener = Listener(socket, request)
        self.listeners[sid] = listener
        self._open.add(listener)
        try:
            await self._greet(listener, sid)
            await self._listen(listener)
        finally:
            self._open.discard(listener)
            self.listeners.pop(sid, None)
        return socket

    async def _greet(self, listener: Listener, sid: str) -> None:
        await self._send_now(listener, "status", {"status": self._status(), "sid": sid})
        if self.client_id == sid and self.last_node is not None:
            await self._send_now(listener, "executing", {"node": self.last_node})

    async def _send_now(
        self, listener: Listener, kind: str, data: dict[str, Any]
    ) -> None:
        await self._send(listener, json.dumps({"type": kind, "data": data}))

    async def _listen(self, listener: Listener) -> None:
        first = True
        async for message in listener.socket:
            if message.type == WSMsgType.TEXT and first and self._modern:
                flags = _feature_flags(message.data)
                if flags is not None:
                    wants = flags.get("supports_preview_metadata", False)
                    listener.wants_metadata = bool(wants)
                    await self._send_now(listener, "feature_flags", self._features)
            first = False

    def cut_all(self) -> None:
        """Drop every connection as a crash or a broken network would."""
        for listener in list(self._open):
            listener.cut()

    def freeze_all(self) -> None:
        """Go silent for ever on the connections of this moment."""
        for listener in self._open:
            listener.frozen = True


def _feature_flags(text: str) -> dict[str, Any] | None:
    try:
        message = json.loads(text)
    except json.JSONDecodeError:
        return None
    if not isinstance(message, dict) or message.get("type") != "feature_flags":
        return None
    data = message.get("data")
    return data if isinstance(data, dict) else {}

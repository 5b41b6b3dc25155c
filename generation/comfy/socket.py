"""ComfyUI's `/ws` over websockets: one async iterator that reconnects for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from generation.comfy.client import Auth
from generation.comfy.messages import Message, parse

# Previews of high resolutions are frames of several MB.
MAX_FRAME = 64 << 20
FIRST_WAIT, LONGEST_WAIT, REFUSED_WAIT = 0.1, 5.0, 30.0
# A model load may hold up the server's loop for long, hence the patience.
PING_INTERVAL, PING_TIMEOUT = 20.0, 90.0
# Makes previews name their prompt: without it they could reach the wrong person.
HELLO = json.dumps(
    {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
)


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open. Frames sent before were missed: ask where prompts stand."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The socket is gone and will be tried again."""

    reason: str


Event = Connected | Disconnected | Message


def ws_url(base_url: str, client_id: str) -> str:
    """`http(s)://host/prefix` as `ws(s)://host/prefix/ws?clientId=…`."""
    parts = urlsplit(base_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    path = parts.path.rstrip("/") + "/ws"
    query = urlencode({"clientId": client_id})
    return urlunsplit((scheme, parts.netloc, path, query, ""))


async def listen(
    base_url: str, client_id: str, auth: Auth | None = None
) -> AsyncGenerator[Event, None]:
    """Frames of one client_id, with word of every connection made and lost.

    Ends only by cancellation. Compression is off: it makes ComfyUI's own loop burn
    seconds on pictures that do not get smaller.
    """
    loop = asyncio.get_running_loop()
    wait = FIRST_WAIT
    while True:
        reason, pause, opened = "closed by the server", 0.0, None
        try:
            async with connect(
                ws_url(base_url, client_id),
                additional_headers=(auth or Auth()).headers(),
                compression=None,
                max_size=MAX_FRAME,
                ping_interval=PING_INTERVAL,
                ping_timeout=PING_TIMEOUT,
                open_timeout=10,
                close_timeout=1,
                proxy=None,
            ) as socket:
                await socket.send(HELLO)
                opened = loop.time()
                yield Connected()
                async for frame in socket:
                    yield parse(frame)
        except InvalidStatus as exc:
            status = exc.response.status_code
            reason = f"the server answered {status} to the handshake"
            if status in (401, 403):
                pause = REFUSED_WAIT
        except (OSError, WebSocketException, TimeoutError) as exc:
            reason = str(exc) or type(exc).__name__
        # A proxy without its server accepts and hangs up: that is no connection made.
        if opened is not None and loop.time() - opened > LONGEST_WAIT:
            wait = FIRST_WAIT
        yield Disconnected(reason)
        await asyncio.sleep(pause or wait)
        wait = min(wait * 2, LONGEST_WAIT)

"""Back pressure for daphne: an answer is made no faster than its reader takes it.

daphne hands every piece to the connection at once and never waits; a film or an archive
for a slow reader would be in memory whole. Twisted tells when a connection has enough:
then the application's `send` waits here.
"""

from __future__ import annotations

import asyncio
from typing import Any

from lifeos.daphnes import Server, WebRequest


class _Valve:
    """What Twisted calls a push producer: shut while the connection is full."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    def pauseProducing(self) -> None:
        self.open.clear()

    def resumeProducing(self) -> None:
        self.open.set()

    def stopProducing(self) -> None:
        """The reader is gone: daphne ends the application."""
        self.open.set()


_daphnes = Server.handle_reply


async def _handle_reply(server: Any, protocol: Any, message: dict[str, Any]) -> None:
    valve = _valve(protocol, message)
    await _daphnes(server, protocol, message)
    if valve is not None:
        await valve.open.wait()


def install() -> None:
    """For every server of this process, also for daphne's own command."""
    Server.handle_reply = _handle_reply


def _valve(protocol: Any, message: dict[str, Any]) -> _Valve | None:
    """Of an answer in pieces; it is taken off before the last one is written."""
    if not isinstance(protocol, WebRequest) or protocol.channel is None:
        return None
    if message.get("type") != "http.response.body":
        return None
    valve = protocol.producer
    if message.get("more_body", False):
        if valve is None:
            valve = _Valve()
            protocol.registerProducer(valve, True)
    elif isinstance(valve, _Valve):
        protocol.unregisterProducer()
        return None
    return valve if isinstance(valve, _Valve) else None

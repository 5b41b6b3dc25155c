"""One `/ws` connection per server and client_id, shared by the prompts on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from generation.comfy import messages
from generation.comfy.messages import Message
from generation.comfy.socket import Connected, Disconnected, listen
from generation.models import Server

log = logging.getLogger(__name__)

# A sign that frames may have been missed: ask the server where the prompt stands.
RECONNECTED = "reconnected"
# A socket that was opened less than these seconds ago is not taken for deaf.
HEARING_SINCE = 20.0
Mail = tuple[Message, bool] | str
# Server, its address and our client_id.
Key = tuple[int, str, str]


@dataclass
class Inbox:
    """What one prompt hears. `latest_preview` is kept apart: only the last counts."""

    prompt_id: str
    mail: asyncio.Queue[Mail] = field(default_factory=asyncio.Queue)
    latest_preview: messages.Preview | None = None


@dataclass
class _Line:
    task: asyncio.Task[None]
    opened_at: float
    inboxes: dict[str, Inbox] = field(default_factory=dict)
    # The prompt that runs on this socket; frames of old servers do not name it.
    current: str | None = None


class Switchboard:
    """Routes each frame to the prompt that it is about, and to nobody else.

    A frame without a prompt_id counts for the prompt that the same socket last
    announced as running: a preview must never reach another person's page.
    """

    def __init__(self) -> None:
        self._lines: dict[Key, _Line] = {}

    def open(self, server: Server, client_id: str) -> _Line:
        """Connect ahead, so that a run's first frames find somebody listening."""
        key = (server.pk, server.url, client_id)
        line = self._lines.get(key)
        if line is None:
            task = asyncio.create_task(self._listen(key, server, client_id))
            line = self._lines[key] = _Line(task, asyncio.get_running_loop().time())
        return line

    def reopen(self, server: Server, client_id: str) -> None:
        """Connect anew: a prompt runs there, or ran, and no frame of it came.

        PROTOCOL.md: a server may have dropped us from its list and yet keep the
        connection. So may a network. Both look like a node that takes its time, so
        this is done now and then, and costs nothing where the socket was well.
        """
        key = (server.pk, server.url, client_id)
        line, now = self._lines.get(key), asyncio.get_running_loop().time()
        if line is None or now - line.opened_at < HEARING_SINCE:
            return
        log.info("silent: connecting anew", extra={"server": server.name})
        line.opened_at = now
        line.task.cancel()
        line.task = asyncio.create_task(self._listen(key, server, client_id))

    @asynccontextmanager
    async def subscribe(
        self, server: Server, client_id: str, prompt_id: str
    ) -> AsyncIterator[Inbox]:
        line = self.open(server, client_id)
        inbox = line.inboxes[prompt_id] = Inbox(prompt_id)
        try:
            yield inbox
        finally:
            del line.inboxes[prompt_id]

    async def close(self) -> None:
        lines = list(self._lines.values())
        self._lines.clear()
        for line in lines:
            line.task.cancel()
        await asyncio.gather(*(line.task for line in lines), return_exceptions=True)

    def retire(self, keep: set[Key]) -> None:
        """Close the sockets that carry no prompt, but for those in `keep`."""
        for key, line in list(self._lines.items()):
            if not line.inboxes and key not in keep:
                del self._lines[key]
                line.task.cancel()

    async def _listen(self, key: Key, server: Server, client_id: str) -> None:
        async for event in listen(server.url, client_id, server.auth):
            line = self._lines.get(key)
            if line is None:
                return
            if isinstance(event, Disconnected):
                log.info("socket lost: %s", event.reason, extra={"server": server.name})
            elif isinstance(event, Connected):
                line.current = None
                for inbox in line.inboxes.values():
                    inbox.mail.put_nowait(RECONNECTED)
            else:
                self._deliver(line, event)

    def _deliver(self, line: _Line, message: Message) -> None:
        prompt_id = getattr(message, "prompt_id", None)
        if isinstance(message, messages.ExecutionStart | messages.Executing):
            line.current = prompt_id or line.current
        named = prompt_id is not None
        inbox = line.inboxes.get(prompt_id or line.current or "")
        if inbox is None:
            return
        if isinstance(message, messages.Preview):
            inbox.latest_preview = message
        inbox.mail.put_nowait((message, not named))

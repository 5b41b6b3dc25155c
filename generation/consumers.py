"""The page's socket: it says which fragments changed, for one signed-in person."""

from __future__ import annotations

import asyncio
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from accounts import impersonate, sessions
from generation import bell, cards, events
from generation.border import in_thread
from generation.sockets import session_group

# The message that a session is over may be lost; then this finds it out.
CHECK_EVERY = 60.0
UNKNOWN, LOOKING, OVER = 4401, 4403, 4401


class PageConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Joins its person's group and sends the cards of their changed jobs.

    On connect it sends every active job, so that a lost socket costs nothing. It lives
    no longer than the session that opened it.
    """

    async def connect(self) -> None:
        self.user = self.scope["user"]
        self.groups_joined: list[str] = []
        self.checking: asyncio.Task[None] | None = None
        if self.user.is_anonymous:
            await self.close(code=UNKNOWN)
            return
        self.session = self.scope["session"]
        if impersonate.SESSION_KEY in self.session:
            # The page is somebody else's, this socket's cards would be one's own.
            await self.close(code=LOOKING)
            return
        events.use_loop(asyncio.get_running_loop())
        self.sent: dict[str, int] = {}
        await self._join(events.user_group(self.user.pk))
        await self._join(session_group(self.session.session_key))
        await self.accept()
        self.checking = asyncio.create_task(self._keep_checking())
        for card in await cards.active(self.user):
            await self._show(card)
        if await bell.has_unread(self.user):
            await self._ring(0)

    async def _join(self, group: str) -> None:
        self.groups_joined.append(group)
        await self.channel_layer.group_add(group, self.channel_name)

    async def disconnect(self, code: int) -> None:
        if self.checking is not None:
            self.checking.cancel()
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        """Pages have nothing to say here; whatever comes is dropped."""

    async def job_changed(self, event: dict[str, Any]) -> None:
        for card in await cards.changed(self.user, event["job"]):
            await self._show(card)

    async def notice_made(self, event: dict[str, Any]) -> None:
        await self._ring(event["notice"])

    async def _ring(self, notice_id: int) -> None:
        message = await bell.message(self.user, notice_id)
        if message is not None:
            await self.send(text_data=message)

    async def session_over(self, event: dict[str, Any]) -> None:
        """Signed out, here or from another device, or not let in any more."""
        await self.close(code=OVER)

    async def _keep_checking(self) -> None:
        """At once, too: it may have ended while we were not in its group yet."""
        while await in_thread(sessions.is_alive)(self.session, self.user):
            await asyncio.sleep(CHECK_EVERY)
        await self.close(code=OVER)

    async def _show(self, card: cards.Card) -> None:
        """Send each state once: several events may be read as one row."""
        job_id, sequence, message = card
        if self.sent.get(job_id, 0) < sequence:
            self.sent[job_id] = sequence
            await self.send(text_data=message)

"""The page's socket: it says which fragments changed, for one signed-in person."""

from __future__ import annotations

import asyncio
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from generation import bell, cards, events


class PageConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Joins its person's group and sends the cards of their changed jobs.

    On connect it sends every active job, so that a lost socket costs nothing.
    """

    async def connect(self) -> None:
        self.user = self.scope["user"]
        if self.user.is_anonymous:
            await self.close(code=4401)
            return
        events.use_loop(asyncio.get_running_loop())
        self.sent: dict[str, int] = {}
        await self.channel_layer.group_add(
            events.user_group(self.user.pk), self.channel_name
        )
        await self.accept()
        for card in await cards.active(self.user):
            await self._show(card)
        if await bell.has_unread(self.user):
            await self._ring(0)

    async def disconnect(self, code: int) -> None:
        if not self.user.is_anonymous:
            await self.channel_layer.group_discard(
                events.user_group(self.user.pk), self.channel_name
            )

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

    async def _show(self, card: cards.Card) -> None:
        """Send each state once: several events may be read as one row."""
        job_id, sequence, message = card
        if self.sent.get(job_id, 0) < sequence:
            self.sent[job_id] = sequence
            await self.send(text_data=message)

"""The page's socket: it says which fragments changed, for one signed-in person."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.template.loader import render_to_string

from generation import events
from generation.border import in_thread
from generation.models import Job


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
        for job_id, sequence, html in await self._cards(None):
            self.sent[job_id] = sequence
            await self.send(text_data=html)

    async def disconnect(self, code: int) -> None:
        if not self.user.is_anonymous:
            await self.channel_layer.group_discard(
                events.user_group(self.user.pk), self.channel_name
            )

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        """Pages have nothing to say here; whatever comes is dropped."""

    async def job_changed(self, event: dict[str, Any]) -> None:
        for job_id, sequence, html in await self._cards(event["job"]):
            # Several events may be read as one row: send each state once.
            if self.sent.get(job_id, 0) < sequence:
                self.sent[job_id] = sequence
                await self.send(text_data=html)

    @in_thread
    def _cards(self, job_id: str | None) -> list[tuple[str, int, str]]:
        """(id, sequence, message) of one job, or of all active ones; own ones only."""
        self.user.refresh_from_db(fields=["is_active"])
        if not self.user.is_active:
            return []
        jobs = Job.objects.visible_to(self.user).select_related("workflow")
        jobs = jobs.active() if job_id is None else jobs.filter(pk=job_id)
        return [
            (str(job.pk), job.sequence, _message(job))
            for job in jobs.newest_first().prefetch_related("images")[:50]
        ]


def _message(job: Job) -> str:
    """What htmx's hx-ws swaps; static/js/live.js drops it if the page is newer."""
    return json.dumps(
        {
            "target": f"#job-{job.pk}",
            "swap": "outerMorph",
            "job": str(job.pk),
            "sequence": job.sequence,
            "content": render_to_string("generation/_job_card.html", {"job": job}),
        }
    )

"""Writes a running prompt's progress and preview to where pages read them."""

from __future__ import annotations

import asyncio
import io
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.utils import timezone
from PIL import Image as Pillow

from generation import previews
from generation.border import in_thread
from generation.models import Job

if TYPE_CHECKING:
    from generation.comfy.run import RunProgress

log = logging.getLogger(__name__)

# The first change is written at once, then at most one in this many seconds.
PACE = 0.2
PREVIEW_EDGE = 512
SHOWN = ("fraction", "node", "step", "steps")


def shrink(data: bytes) -> bytes:
    """A preview of any size as a WebP of at most PREVIEW_EDGE pixels.

    Raises OSError or ValueError where the bytes are no picture.
    """
    with Pillow.open(io.BytesIO(data), formats=["JPEG", "PNG", "WEBP"]) as picture:
        if picture.width * picture.height > 64_000_000:
            raise ValueError("the preview is too large")
        picture.thumbnail((PREVIEW_EDGE, PREVIEW_EDGE))
        out = io.BytesIO()
        picture.convert("RGB").save(out, "WEBP", quality=70, method=0)
    return out.getvalue()


class Reporter:
    """Coalesces one job's many changes into few writes; the last always arrives."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._changed = asyncio.Event()
        self._progress: RunProgress | None = None
        self._preview: bytes | None = None
        self._number = job.preview
        self._note = ""
        self._shown = {key: job.progress[key] for key in SHOWN if key in job.progress}

    def progress(self, progress: RunProgress) -> None:
        self._progress = progress
        self._changed.set()

    def note(self, sentence: str) -> None:
        """Show a sentence beside the progress until another or an empty one."""
        if sentence != self._note:
            self._note = sentence
            self._changed.set()

    def preview(self, data: bytes) -> None:
        self._preview = data
        self._changed.set()

    async def run(self) -> None:
        """Write changes until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.flush()
            await asyncio.sleep(PACE)  # a pace for writing, not a synchronisation

    async def flush(self) -> None:
        preview, self._preview = self._preview, None
        if preview is not None:
            try:
                small = await asyncio.to_thread(shrink, preview)
            except (OSError, ValueError) as exc:
                log.info("unreadable preview: %s", exc, extra={"job": self._job.pk})
            else:
                self._number += 1
                await asyncio.to_thread(
                    previews.keep, self._job.pk, self._number, "image/webp", small
                )
        progress, self._progress = self._progress, None
        if progress is not None:
            shown = asdict(progress)
            self._shown = {key: shown[key] for key in SHOWN}
        try:
            await self._write()
        except DatabaseError as exc:
            # The next change, or the end of the run, is written soon enough.
            log.warning("progress was not written: %s", exc)

    @in_thread
    def _write(self) -> None:
        job = self._job
        fields: dict[str, object] = {
            "preview": self._number,
            "progress": self._shown | ({"note": self._note} if self._note else {}),
        }
        if job.started_at is None and self._shown:
            # DISPATCHED counts too: a first frame says that it runs now.
            fields["started_at"] = timezone.now()
            job.move(Job.Status.RUNNING, **fields)
        else:
            job.change(sources=[Job.Status.DISPATCHED, Job.Status.RUNNING], **fields)

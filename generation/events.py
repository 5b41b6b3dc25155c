"""Tell open pages that something changed. Losing a message loses nothing.

A message carries ids only; the consumer reads the row and renders it. So it may come
late, twice or never: the next one, the poll fallback or a reload shows the truth.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypedDict

from channels.layers import get_channel_layer
from django.db import transaction

if TYPE_CHECKING:
    from uuid import UUID

log = logging.getLogger(__name__)

_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


class JobChanged(TypedDict):
    type: str  # "job.changed", the consumer's method
    job: str


class NoticeMade(TypedDict):
    type: str  # "notice.made", the consumer's method
    notice: int  # 0: none in particular, the bell has changed


def user_group(user_id: int) -> str:
    """The group that every socket of this person joins, and nobody else's."""
    return f"user.{user_id}"


def announce_job(job_id: UUID, owner_id: int) -> None:
    """Say on commit that this job's row has changed."""
    message = JobChanged(type="job.changed", job=str(job_id))
    transaction.on_commit(lambda: send(user_group(owner_id), message))


def announce_notice(person_id: int, notice_id: int) -> None:
    """Say now that this person's bell has changed."""
    message = NoticeMade(type="notice.made", notice=notice_id)
    send(user_group(person_id), message)


def use_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Send from this loop from now on: the one in which this process's sockets live.

    The in-memory layer needs it: a message put into its queues from another thread
    does not wake a sleeping loop (measured: up to 4 s late).
    """
    global _loop
    _loop = loop


def send(group: str, message: Mapping[str, Any]) -> None:
    """Hand a message to the channel layer from any thread; never raises."""
    layer = get_channel_layer()
    if layer is None:
        return
    future = asyncio.run_coroutine_threadsafe(
        layer.group_send(group, dict(message)), _sending_loop()
    )
    future.add_done_callback(_report)


def _report(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        # The pages' poll fallback covers it, so it is no reason to fail the change.
        log.warning("an event was not sent: %s", error)


def _sending_loop() -> asyncio.AbstractEventLoop:
    """The loop of the sockets, or one of our own in a process that has none."""
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(
                target=_loop.run_forever, name="events", daemon=True
            ).start()
        return _loop

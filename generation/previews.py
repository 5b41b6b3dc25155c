"""The latest preview of a running job, in the cache: it is gone when it is over."""

from __future__ import annotations

from uuid import UUID

from django.core.cache import cache

SECONDS = 3600
Preview = tuple[int, str, bytes]


def _key(job_id: UUID) -> str:
    return f"preview:{job_id}"


def keep(job_id: UUID, number: int, mime_type: str, data: bytes) -> None:
    cache.set(_key(job_id), (number, mime_type, data), timeout=SECONDS)


def latest(job_id: UUID) -> Preview | None:
    """(number, mime type, bytes), or None."""
    found: Preview | None = cache.get(_key(job_id))
    return found

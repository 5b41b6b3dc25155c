"""Keyset paging for lists that are newest first: costs grow with the page only."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet


class BadCursor(ValueError):
    """A cursor that this application did not make."""


class Dated(Protocol):
    created: datetime


T = TypeVar("T", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    next: str | None


def newest_first(rows: QuerySet[T], cursor: str, limit: int) -> Page[T]:
    """One page of rows that have `created` and a UUID `id`. Raises BadCursor."""
    if cursor:
        created, row_id = _decode(cursor)
        # A condition by itself: PostgreSQL begins to read its index here, while it
        # would go through all newer rows for an OR.
        rows = rows.filter(created__lte=created)
        rows = rows.filter(Q(created__lt=created) | Q(id__lt=row_id))
    found = list(rows.order_by("-created", "-id")[: limit + 1])
    items = found[:limit]
    more = len(found) > limit
    return Page(items, _encode(items[-1]) if more else None)


def _encode(row: Model) -> str:
    text = f"{row.created.isoformat()}|{row.pk}"  # type: ignore[attr-defined]
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, UUID]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.urlsafe_b64decode(padded.encode()).decode()
        created, _, row_id = text.partition("|")
        when = datetime.fromisoformat(created)
        if when.tzinfo is None:
            raise BadCursor
        return when, UUID(row_id)
    except (ValueError, binascii.Error, UnicodeError) as exc:
        raise BadCursor("This page does not exist.") from exc

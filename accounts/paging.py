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
        created, row_id = decode(cursor)
        rows = _up_to(rows, created).filter(Q(created__lt=created) | Q(id__lt=row_id))
    found = list(rows.order_by("-created", "-id")[: limit + 1])
    items = found[:limit]
    more = len(found) > limit
    return Page(items, encode(items[-1]) if more else None)


def oldest_first(rows: QuerySet[T], after: T, limit: int) -> tuple[list[T], bool]:
    """The `limit` rows that are newer than `after`, newest first, and whether there
    are more: a page upwards.
    """
    created, row_id = after.created, after.pk  # type: ignore[attr-defined]
    rows = rows.filter(created__gte=created)
    newer = rows.filter(Q(created__gt=created) | Q(id__gt=row_id))
    found = list(newer.order_by("created", "id")[: limit + 1])
    return found[:limit][::-1], len(found) > limit


def newest_from(rows: QuerySet[T], first: T, limit: int) -> Page[T]:
    """As `newest_first`, beginning with `first`, or with what comes after it."""
    created, row_id = first.created, first.pk  # type: ignore[attr-defined]
    rest = _up_to(rows, created).filter(Q(created__lt=created) | Q(id__lte=row_id))
    return newest_first(rest, "", limit)


def _up_to(rows: QuerySet[T], created: datetime) -> QuerySet[T]:
    """A condition by itself: PostgreSQL begins to read its index here, while it would
    go through all newer rows for an OR.
    """
    return rows.filter(created__lte=created)


def encode(row: Model) -> str:
    """The cursor of what comes after this row."""
    return encode_at(row.created, row.pk)  # type: ignore[attr-defined]


def encode_at(when: datetime, row_id: UUID) -> str:
    text = f"{when.isoformat()}|{row_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[datetime, UUID]:
    """A cursor's `created` and `id`. Raises BadCursor."""
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

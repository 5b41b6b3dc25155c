"""An album's own order: pages of it, and moving pictures within it."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.errors import BadValues
from accounts.paging import BadCursor
from gallery.grid import PAGE, UNSEEN
from gallery.models import Album, AlbumItem

# Halving the distance between two neighbours ends somewhere.
CLOSEST = 1e-6


def page(album: Album, cursor: str) -> tuple[list[AlbumItem], str | None]:
    """A page of the album's items with their pictures. Raises BadCursor."""
    rows = AlbumItem.objects.filter(album=album, image__deleted_at=None)
    if cursor:
        position, pk = _decode(cursor)
        later = Q(position__gt=position) | Q(pk__gt=pk)
        rows = rows.filter(position__gte=position).filter(later)
    unseen = [f"image__{name}" for name in UNSEEN]
    rows = rows.select_related("image").defer(*unseen).order_by("position", "pk")
    found = list(rows[: PAGE + 1])
    items = found[:PAGE]
    return items, _encode(items[-1]) if len(found) > PAGE else None


def move(album: Album, ids: Sequence[UUID], before: UUID | None) -> None:
    """Put these pictures, in this order, in front of another; None: to the front.

    `before` may be among `ids`: then in front of what comes after them. Raises
    BadValues for `ids` and `before`.
    """
    with transaction.atomic():
        # One at a time: positions between the same neighbours would be the same.
        Album.objects.select_for_update().get(pk=album.pk)
        moved = {i.image_id: i for i in album.items.filter(image__in=ids)}
        if not moved:
            raise BadValues(ids="Choose pictures of this album.")
        items = [moved[pk] for pk in dict.fromkeys(ids) if pk in moved]
        if _place(album, items, before):
            return
        _renumber(album)
        _place(album, items, before)


def _place(album: Album, items: Sequence[AlbumItem], before: UUID | None) -> bool:
    """False when there is no room between the neighbours."""
    rest = album.items.exclude(pk__in=[item.pk for item in items])
    if before is None:
        right = rest.order_by("position", "pk").first()
    else:
        right = rest.filter(image=before).first()
        if right is None:
            raise BadValues(before="That picture is not in this album.")
    if right is None:
        return True
    earlier = Q(position__lt=right.position) | Q(position=right.position)
    left = (
        rest.filter(earlier)
        .exclude(pk=right.pk)
        .exclude(position=right.position, pk__gt=right.pk)
        .order_by("-position", "-pk")
        .first()
    )
    start = left.position if left else right.position - len(items) - 1
    step = (right.position - start) / (len(items) + 1)
    if step < CLOSEST:
        return False
    for number, item in enumerate(items, start=1):
        item.position = start + step * number
    AlbumItem.objects.bulk_update(items, ["position"], batch_size=200)
    return True


def _renumber(album: Album) -> None:
    items = list(album.items.order_by("position", "pk").only("position"))
    for number, item in enumerate(items, start=1):
        item.position = float(number)
    AlbumItem.objects.bulk_update(items, ["position"], batch_size=200)


def _encode(item: AlbumItem) -> str:
    text = f"{item.position!r}|{item.pk}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[float, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position, _, pk = base64.urlsafe_b64decode(padded).decode().partition("|")
        place = float(position), int(pk)
    except (ValueError, binascii.Error, UnicodeError) as exc:
        raise BadCursor("This page does not exist.") from exc
    if not math.isfinite(place[0]) or not 0 <= place[1] < 2**63:
        raise BadCursor("This page does not exist.")
    return place

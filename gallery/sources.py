"""The list that a picture is looked at in: its order decides what comes next.

A viewer's address says where one came from: `?in=album:<id>`, `?in=tag:<name>`, `?q=`
with a search, `?order=oldest`. `find` turns that into a source, whose neighbours are
found by keyset: two queries of one row each, however long the list is. Another kind of
list adds a function to `FINDERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.urls import reverse

from accounts.models import User
from gallery import search
from gallery.models import Album, AlbumItem, Image

NAMES = ("in", "q", "order")
Neighbours = tuple[Image | None, Image | None]


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures in an order. `back` is the page that lists them; `title` its name."""

    rows: QuerySet[Image]
    back: str
    title: str = "Gallery"
    query: str = ""
    oldest_first: bool = False
    album: Album | None = None
    # For lists in another order than by date: their own way to find the neighbours.
    steps: Callable[[Image], Neighbours] | None = None

    def neighbours(self, image: Image) -> Neighbours:
        """The one before and the one after, as the list is read; None at its ends."""
        if self.steps is not None:
            return self.steps(image)
        if self.album is not None:
            return self._in_album(self.album, image)
        newer = Q(created__gt=image.created) | Q(pk__gt=image.pk)
        older = Q(created__lt=image.created) | Q(pk__lt=image.pk)
        # The first condition bounds the index, the second is exact among equals.
        up = self.rows.filter(newer, created__gte=image.created)
        down = self.rows.filter(older, created__lte=image.created)
        pair = (
            up.order_by("created", "pk").first(),
            down.order_by("-created", "-pk").first(),
        )
        return (pair[1], pair[0]) if self.oldest_first else pair

    def _in_album(self, album: Album, image: Image) -> Neighbours:
        place = AlbumItem.objects.filter(album=album, image=image).first()
        if place is None:
            return None, None
        items = AlbumItem.objects.filter(album=album, image__deleted_at=None)
        items = items.select_related("image")
        before = Q(position__lt=place.position) | Q(pk__lt=place.pk)
        after = Q(position__gt=place.position) | Q(pk__gt=place.pk)
        up = items.filter(before, position__lte=place.position)
        down = items.filter(after, position__gte=place.position)
        first = up.order_by("-position", "-pk").first()
        last = down.order_by("position", "pk").first()
        return (first.image if first else None, last.image if last else None)


def find(user: User, given: Mapping[str, Any]) -> Source:
    """The source that an address names; the whole gallery if it names none."""
    kept = {name: str(given[name])[:500] for name in NAMES if given.get(name)}
    kind, _, value = kept.get("in", "").partition(":")
    source = FINDERS[kind](user, value) if kind in FINDERS else None
    if source is None:
        source = _everything(user, kept)
    query = f"?{urlencode(kept)}" if kept else ""
    oldest_first = source.oldest_first or kept.get("order") == "oldest"
    return replace(source, query=query, oldest_first=oldest_first)


def _everything(user: User, kept: Mapping[str, str]) -> Source:
    listed = {name: kept[name] for name in NAMES if name in kept}
    back = reverse("gallery:image-list")
    if listed:
        back = f"{back}?{urlencode(listed)}"
    rows = Image.objects.owned_by(user)
    if "q" not in kept:
        return Source(rows, back)
    found = search.find(user, kept["q"], kept.get("order", ""))
    return Source(rows, back, "Search", steps=found.neighbours)


def _album(user: User, value: str) -> Source | None:
    try:
        album = Album.objects.visible_to(user).filter(pk=UUID(value)).first()
    except ValueError:
        return None
    if album is None:
        return None
    rows = Image.objects.visible_to(user).filter(album_items__album=album)
    back = reverse("gallery:album", args=[album.pk])
    return Source(rows, back, album.title, album=album)


def _tag(user: User, value: str) -> Source | None:
    if not value or "\x00" in value:  # which PostgreSQL takes for no text
        return None
    rows = Image.objects.owned_by(user)
    rows = rows.filter(tagged__tag__owner=user, tagged__tag__name__iexact=value)
    back = f"{reverse('gallery:image-list')}?{urlencode({'in': f'tag:{value}'})}"
    return Source(rows, back, value)


def _stack(user: User, value: str) -> Source | None:
    try:
        stack = UUID(value)
    except ValueError:
        return None
    rows = Image.objects.owned_by(user).filter(stack=stack)
    back = reverse("gallery:stack", args=[stack])
    return Source(rows, back, "Stack", oldest_first=True)


# More ways to come to a picture: (user, what follows the colon) → source or None.
FINDERS: dict[str, Callable[[User, str], Source | None]] = {
    "album": _album,
    "stack": _stack,
    "tag": _tag,
}

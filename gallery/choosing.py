"""Which pictures a page or an archive is about: some by name, an album, a search."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.http import QueryDict

from accounts.models import User
from gallery.models import Album, Image, ImageQuerySet

MAX_IDS = 500


class NothingChosen(Exception):
    """The text says what is wrong with the choice."""


def chosen(user: User, data: QueryDict) -> Iterable[UUID]:
    """By `ids` (repeated), `album` or `q`; of those that the person may look at.

    Raises NothingChosen with a sentence. What is not there, or not for this person,
    is left out as if it did not exist.
    """
    seen = Image.objects.visible_to(user)
    if ids := data.getlist("ids"):
        if len(ids) > MAX_IDS:
            raise NothingChosen(f"Choose at most {MAX_IDS} pictures.")
        rows = seen.filter(pk__in=[_uuid(text) for text in ids]).newest_first()
    elif album := data.get("album"):
        found = Album.objects.visible_to(user).filter(pk=_uuid(album)).first()
        if found is None:
            raise NothingChosen("There is no such album.")
        places = "album_items__position", "album_items__id"
        rows = seen.filter(album_items__album=found).order_by(*places)
    elif query := data.get("q", "").strip():
        rows = _searched(seen, query)
    else:
        raise NothingChosen("Choose some pictures, an album or a search.")
    return rows.values_list("pk", flat=True).iterator(chunk_size=2000)


def _searched(seen: ImageQuerySet, query: str) -> ImageQuerySet:
    """Every word in the prompt."""
    for word in query.split()[:10]:
        seen = seen.filter(prompt__icontains=word)
    return seen.newest_first()


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise NothingChosen("There is no such picture.") from exc

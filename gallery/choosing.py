"""Which pictures a page or an archive is about: some by name, an album, a search."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q
from django.http import QueryDict

from accounts.models import User
from gallery.models import Album, Image, ImageQuerySet

MAX_IDS = 500


class NothingChosen(Exception):
    """The text says what is wrong with the choice."""


def chosen(user: User, data: QueryDict) -> ImageQuerySet:
    """By `ids` (repeated), `album` or `q`; of those that the person may look at.

    Raises NothingChosen with a sentence. What is not there, or not for this person,
    is left out as if it did not exist.
    """
    seen = Image.objects.visible_to(user)
    if ids := data.getlist("ids"):
        if len(ids) > MAX_IDS:
            raise NothingChosen(f"Choose at most {MAX_IDS} pictures.")
        return seen.filter(pk__in=[_uuid(text) for text in ids]).newest_first()
    if album := data.get("album"):
        found = Album.objects.visible_to(user).filter(pk=_uuid(album)).first()
        if found is None:
            raise NothingChosen("There is no such album.")
        return seen.filter(album_items__album=found).order_by(
            "album_items__position", "album_items__id"
        )
    if query := data.get("q", "").strip():
        return _searched(seen, query)
    raise NothingChosen("Choose some pictures, an album or a search.")


def _searched(seen: ImageQuerySet, query: str) -> ImageQuerySet:
    for word in query.split()[:10]:
        seen = seen.filter(Q(prompt__icontains=word))
    return seen.newest_first()


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise NothingChosen("There is no such picture.") from exc

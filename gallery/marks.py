"""Changes to many of a person's pictures at once, and how each is taken back.

Every action reads the rows that it will change, changes them and notes their former
values: a constant number of queries, however many pictures. What is somebody else's, or
already as wanted, is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from accounts.errors import BadValues
from accounts.models import User
from gallery import tags
from gallery.models import Album, AlbumItem, AlbumShare, Image, Tag, Tagged, Undo
from gallery.models.undo import KEPT

MAX_PICTURES = 500
NOT_YOURS = "None of these pictures is yours to change."


@dataclass(frozen=True, slots=True)
class Change:
    """What an action did: `former` is what `undo` needs, JSON; `message` a sentence."""

    changed: int
    former: dict[str, Any]
    message: str


@dataclass(frozen=True, slots=True)
class Marked:
    """`undo` is empty when nothing changed."""

    changed: int
    undo: str
    message: str


def mark(user: User, ids: Sequence[UUID], action: str, value: str = "") -> Marked:
    """Do `action` to those of the pictures that are this person's own.

    Raises BadValues: `ids` (none, too many, none of one's own), `action`, `value`.
    """
    if not ids:
        raise BadValues(ids="Choose at least one picture.")
    if len(set(ids)) > MAX_PICTURES:
        raise BadValues(ids=f"Choose at most {MAX_PICTURES} pictures at once.")
    if action not in ACTIONS:
        raise BadValues(action="There is no such action.")
    with transaction.atomic():
        change = ACTIONS[action](user, list(dict.fromkeys(ids)), value)
        if not change.changed:
            return Marked(0, "", change.message)
        Undo.objects.filter(owner=user, created__lt=timezone.now() - KEPT).delete()
        kept = Undo.objects.create(owner=user, action=action, former=change.former)
    return Marked(change.changed, str(kept.pk), change.message)


def undo(user: User, token: str) -> str:
    """Take one's own change back, once; a sentence. Raises BadValues."""
    with transaction.atomic():
        try:
            rows = Undo.objects.filter(pk=token, owner=user)
            kept = rows.select_for_update().first()
        except ValidationError:
            kept = None
        if kept is None:
            raise BadValues(undo="This can no longer be undone.")
        kept.delete()
        UNDOINGS[kept.action](user, kept.former)
    return "Undone."


def own_rows(user: User, ids: Sequence[UUID]) -> QuerySet[Image]:
    """The person's own pictures among these, in the gallery or in the trash.

    Locked in one order, so that two changes of the same pictures take turns.
    """
    rows = Image.objects.filter(owner=user, pk__in=ids)
    return rows.order_by("pk").select_for_update()


def _live(user: User, ids: Sequence[UUID]) -> list[Image]:
    fields = ("pk", "favourite", "rating", "created", "stack")
    found = list(own_rows(user, ids).filter(deleted_at=None).only(*fields))
    if not found:
        raise BadValues(ids=NOT_YOURS)
    return found


def counted(number: int) -> str:
    return "1 picture" if number == 1 else f"{number} pictures"


def _keys(images: Sequence[Image]) -> list[str]:
    return [str(image.pk) for image in images]


# Favourites and ratings ------------------------------------------------------------


def _favour(wanted: bool) -> Callable[[User, list[UUID], str], Change]:
    def act(user: User, ids: list[UUID], value: str) -> Change:
        keys = _keys([i for i in _live(user, ids) if i.favourite != wanted])
        Image.objects.filter(pk__in=keys).update(favourite=wanted)
        are = "is" if len(keys) == 1 else "are"
        kind, now = ("a favourite", "now") if wanted else ("no favourite", "any more")
        if len(keys) != 1:
            kind = "favourites" if wanted else "no favourites"
        message = f"{counted(len(keys))} {are} {kind} {now}."
        return Change(len(keys), {"ids": keys}, message if keys else "Nothing changed.")

    return act


def _unfavour(former: bool) -> Callable[[User, dict[str, Any]], None]:
    def act(user: User, kept: dict[str, Any]) -> None:
        Image.objects.filter(owner=user, pk__in=kept["ids"]).update(favourite=former)

    return act


def _rate(user: User, ids: list[UUID], value: str) -> Change:
    if value not in {"0", "1", "2", "3", "4", "5"}:
        raise BadValues(value="A rating is a number from 0 to 5.")
    stars = int(value)
    former: dict[str, list[str]] = {}
    for image in _live(user, ids):
        if image.rating != stars:
            former.setdefault(str(image.rating), []).append(str(image.pk))
    keys = [key for group in former.values() for key in group]
    Image.objects.filter(pk__in=keys).update(rating=stars)
    if not keys:
        message = "Nothing changed."
    elif stars:
        unit = "star" if stars == 1 else "stars"
        message = f"Rated {counted(len(keys))} with {stars} {unit}."
    else:
        message = f"Took the rating from {counted(len(keys))}."
    return Change(len(keys), {"ratings": former}, message)


def _unrate(user: User, kept: dict[str, Any]) -> None:
    # At most six groups: there are six ratings.
    for rating, keys in kept["ratings"].items():
        rows = Image.objects.filter(owner=user, pk__in=keys)
        rows.update(rating=int(rating))


# Trash -----------------------------------------------------------------------------


def _trash(user: User, ids: list[UUID], value: str) -> Change:
    keys = _keys(_live(user, ids))
    Image.objects.filter(pk__in=keys).update(deleted_at=timezone.now())
    Image.objects.settle_stacks_of(keys)
    are = "is" if len(keys) == 1 else "are"
    return Change(len(keys), {"ids": keys}, f"{counted(len(keys))} {are} in the trash.")


def _untrash(user: User, kept: dict[str, Any]) -> None:
    Image.objects.filter(owner=user, pk__in=kept["ids"]).update(deleted_at=None)
    Image.objects.settle_stacks_of(kept["ids"])


def _restore(user: User, ids: list[UUID], value: str) -> Change:
    rows = own_rows(user, ids).exclude(deleted_at=None)
    former = {str(pk): when for pk, when in rows.values_list("pk", "deleted_at")}
    if not former:
        raise BadValues(ids="None of these pictures is in your trash.")
    Image.objects.filter(pk__in=list(former)).update(deleted_at=None)
    Image.objects.settle_stacks_of(former)
    are = "is" if len(former) == 1 else "are"
    message = f"{counted(len(former))} {are} back in your gallery."
    stamps = {key: when.isoformat() for key, when in former.items() if when}
    return Change(len(former), {"deleted": stamps}, message)


def _unrestore(user: User, kept: dict[str, Any]) -> None:
    rows = list(own_rows(user, list(kept["deleted"])).only("pk", "deleted_at"))
    for image in rows:
        image.deleted_at = datetime.fromisoformat(kept["deleted"][str(image.pk)])
    Image.objects.bulk_update(rows, ["deleted_at"])
    Image.objects.settle_stacks_of([image.pk for image in rows])


# Tags ------------------------------------------------------------------------------


def _tag(user: User, ids: list[UUID], value: str) -> Change:
    name = tags.clean_name(value)
    images = _live(user, ids)
    tag = tags.find_or_make(user, name)
    tagged = tag.tagged.filter(image__in=images)
    had = set(tagged.values_list("image_id", flat=True))
    new = [i for i in images if i.pk not in had]
    _attach(tag, new)
    message = f"Tagged {counted(len(new))} with “{tag.name}”."
    former = {"ids": _keys(new), "tag": tag.name}
    return Change(len(new), former, message if new else "Nothing changed.")


def _attach(tag: Tag, images: Sequence[Image]) -> None:
    rows = [Tagged(tag=tag, image=i, created=i.created) for i in images]
    Tagged.objects.bulk_create(rows, ignore_conflicts=True)


def _detach(user: User, kept: dict[str, Any]) -> None:
    tag = tags.find(user, kept["tag"])
    if tag is None:
        return
    tag.tagged.filter(image__in=kept["ids"]).delete()
    # A word that only this change brought goes with it.
    if not tag.tagged.exists():
        tag.delete()


def _untag(user: User, ids: list[UUID], value: str) -> Change:
    images = _live(user, ids)
    tag = tags.find(user, tags.clean_name(value))
    if tag is None:
        raise BadValues(value="You have no such tag.")
    rows = tag.tagged.filter(image__in=images)
    keys = [str(pk) for pk in rows.values_list("image_id", flat=True)]
    rows.delete()
    message = f"Took the tag “{tag.name}” from {counted(len(keys))}."
    former = {"ids": keys, "tag": tag.name}
    return Change(len(keys), former, message if keys else "Nothing changed.")


def _retag(user: User, kept: dict[str, Any]) -> None:
    images = Image.objects.filter(owner=user, pk__in=kept["ids"]).only("pk", "created")
    _attach(tags.find_or_make(user, kept["tag"]), list(images))


# Albums ----------------------------------------------------------------------------


def _album(albums: QuerySet[Album], value: str) -> Album:
    try:
        found = albums.filter(pk=value).first()
    except ValidationError:
        found = None
    if found is None:
        raise BadValues(value="There is no such album.")
    return found


def _album_add(user: User, ids: list[UUID], value: str) -> Change:
    album = _album(Album.objects.open_to(user), value)
    images = {image.pk: image for image in _live(user, ids)}
    items = album.items.filter(image__in=images)
    had = set(items.values_list("image_id", flat=True))
    # In the order in which they were chosen.
    new = [images[pk] for pk in ids if pk in images and pk not in had]
    last = album.items.aggregate(last=Max("position"))["last"] or 0.0
    rows = [
        AlbumItem(album=album, image=image, position=last + place, added_by=user)
        for place, image in enumerate(new, start=1)
    ]
    AlbumItem.objects.bulk_create(rows, ignore_conflicts=True)
    message = f"Added {counted(len(new))} to “{album.title}”."
    former = {"ids": _keys(new), "album": str(album.pk)}
    return Change(len(new), former, message if new else "Nothing changed.")


def _album_unadd(user: User, kept: dict[str, Any]) -> None:
    AlbumItem.objects.filter(
        album=kept["album"], image__in=kept["ids"], image__owner=user
    ).delete()


def _album_remove(user: User, ids: list[UUID], value: str) -> Change:
    """The album's owner takes out any picture, everybody else their own."""
    album = _album(Album.objects.visible_to(user), value)
    items = album.items.filter(image__in=ids)
    if album.owner_id != user.pk:
        items = items.filter(image__owner=user)
    found = list(items.values_list("image_id", "position", "added_by_id"))
    if not found:
        raise BadValues(ids=NOT_YOURS)
    items.delete()
    message = f"Took {counted(len(found))} out of “{album.title}”."
    rows = [[str(pk), position, by] for pk, position, by in found]
    return Change(len(found), {"items": rows, "album": str(album.pk)}, message)


def _album_unremove(user: User, kept: dict[str, Any]) -> None:
    album = Album.objects.visible_to(user).filter(pk=kept["album"]).first()
    if album is None:
        return
    # Whoever lost the album meanwhile does not find their pictures in it again.
    places = {key: (position, by) for key, position, by in kept["items"]}
    images = Image.objects.filter(pk__in=list(places)).select_related("owner")
    welcome = _contributors(album)
    rows = [
        AlbumItem(
            album=album,
            image=image,
            position=places[str(image.pk)][0],
            added_by_id=places[str(image.pk)][1],
        )
        for image in images
        if image.owner_id in welcome
    ]
    AlbumItem.objects.bulk_create(rows, ignore_conflicts=True)


def _contributors(album: Album) -> set[int]:
    """The ids of those whose pictures may be in the album."""
    shares = AlbumShare.objects.filter(album=album, may_add=True)
    people = shares.exclude(person=None).values_list("person_id", flat=True)
    members = User.objects.filter(groups__in=shares.values("group"))
    return {album.owner_id, *people, *members.values_list("pk", flat=True)}


ACTIONS: dict[str, Callable[[User, list[UUID], str], Change]] = {
    "favourite": _favour(True),
    "unfavourite": _favour(False),
    "rate": _rate,
    "trash": _trash,
    "restore": _restore,
    "tag": _tag,
    "untag": _untag,
    "album-add": _album_add,
    "album-remove": _album_remove,
}
UNDOINGS: dict[str, Callable[[User, dict[str, Any]], None]] = {
    "favourite": _unfavour(False),
    "unfavourite": _unfavour(True),
    "rate": _unrate,
    "trash": _untrash,
    "restore": _unrestore,
    "tag": _detach,
    "untag": _retag,
    "album-add": _album_unadd,
    "album-remove": _album_unremove,
}

"""How much a person may keep, and for how long.

Who may have what is written in `generation`, which this layer does not know: it says
so once, with `use`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from accounts.models import User
from gallery.models import AlbumItem, Image, StorageUse

BATCH = 500


@dataclass(frozen=True, slots=True)
class Quota:
    """None: no limit. `keep`: after that, what nobody has chosen goes to the trash."""

    bytes: int | None = None
    keep: timedelta | None = None


Quotas = Callable[[Iterable[int]], Mapping[int, Quota]]
_source: list[Quotas] = []


class Full(Exception):
    """The person's storage is used up; the text is for them."""


def use(source: Quotas) -> None:
    """Ask this from now on."""
    _source[:] = [source]


def quotas(people: Iterable[int]) -> Mapping[int, Quota]:
    ids = list(people)
    return _source[0](ids) if _source else {pk: Quota() for pk in ids}


def quota_of(person: User) -> Quota:
    return quotas([person.pk])[person.pk]


def used_by(person: User) -> StorageUse:
    """The person's sums; zeros before the first picture."""
    found = StorageUse.objects.filter(person=person).first()
    return found or StorageUse(person=person)


def check(person: User, more: int = 0, limit: Quota | None = None) -> None:
    """Raises Full if the person may not keep `more` bytes (or anything) besides."""
    allowed = (limit or quota_of(person)).bytes
    if allowed is None:
        return
    used = used_by(person).bytes
    if used >= allowed or used + more > allowed:
        raise Full(
            f"You use {filesizeformat(used)} of your {filesizeformat(allowed)} of"
            " storage. Delete pictures and empty the trash to make room."
        )


def retire() -> int:
    """Put into the trash what is older than its owner keeps it: no favourites, nothing
    rated, nothing in an album. How many pictures.
    """
    gone, last = 0, 0
    people = StorageUse.objects.order_by("person")
    while True:
        ids = people.filter(person__gt=last).values_list("person", flat=True)[:BATCH]
        batch = list(ids)
        if not batch:
            return gone
        for person, quota in quotas(batch).items():
            if quota.keep is not None:
                gone += _retire(person, quota.keep)
        last = batch[-1]


def _retire(person: int, keep: timedelta) -> int:
    now, gone = timezone.now(), 0
    chosen = AlbumItem.objects.filter(image=OuterRef("pk"))
    old = Image.objects.filter(
        ~Exists(chosen),
        owner=person,
        deleted_at=None,
        created__lt=now - keep,
        favourite=False,
        rating=0,
    ).order_by("created", "id")
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        # Asked again in the change: a picture may be marked meanwhile.
        changed = old.order_by().filter(pk__in=ids).update(deleted_at=now)
        gone += changed
        if not changed:
            break
    return gone

"""Tell a person something: a row for the bell, and a word to their open pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.models import Notice
from accounts.models.notices import COUNTED, KEPT

# Who brings a new notice to open pages; an app above adds itself in `ready`.
LISTENERS: list[Callable[[int, int], None]] = []
TOLD = ["kind", "title", "text", "url", "created", "read", "mail_due"]


def tell(
    person_id: int,
    title: str,
    *,
    kind: str = Notice.Kind.INFO,
    text: str = "",
    url: str = "",
    key: str | None = None,
    mail_due: datetime | None = None,
) -> Notice:
    """Part of the caller's transaction; open pages hear of it on commit.

    `key` names what it is about: of each there is one notice, which says the last word.
    """
    notice = Notice(
        person_id=person_id,
        key=key,
        kind=kind,
        title=title[:200],
        text=text[:500],
        url=url[:300],
        mail_due=mail_due,
    )
    if key is None:
        notice.save()
    else:
        Notice.objects.bulk_create(
            [notice],
            update_conflicts=True,
            unique_fields=["person", "key"],
            update_fields=TOLD,
        )
    changed(person_id, notice.pk)
    return notice


def forget(person_id: int, *keys: str) -> None:
    """What was told of these is no longer so; told again, it is new."""
    Notice.objects.filter(person=person_id, key__in=keys).delete()


def changed(person_id: int, notice_id: int = 0) -> None:
    """On commit, say that the bell has to be shown anew."""

    def say() -> None:
        for listener in LISTENERS:
            listener(person_id, notice_id)

    transaction.on_commit(say)


def unread(person_id: int) -> int:
    """How many, counted to one more than is shown."""
    rows = Notice.objects.filter(person=person_id).unread()
    return rows.order_by()[: COUNTED + 1].count()


def mark_read(person_id: int, *pks: int) -> int:
    """These, or all of theirs; how many were unread."""
    rows = Notice.objects.filter(person=person_id).unread()
    if pks:
        rows = rows.filter(pk__in=pks)
    count = rows.update(read=timezone.now())
    if count:
        changed(person_id)
    return count


def forget_old() -> None:
    """Keep the newest KEPT of each person."""
    counted = Notice.objects.order_by().values("person").annotate(count=Count("pk"))
    many = counted.filter(count__gt=KEPT).values_list("person", flat=True)
    for person_id in list(many):
        rows = Notice.objects.filter(person=person_id).order_by("-pk")
        newest_forgotten = rows.values_list("pk", flat=True)[KEPT]
        rows.filter(pk__lte=newest_forgotten).delete()

"""Each person's sums of bytes and pictures, changed in the picture's transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, F, Sum
from django.db.models.signals import post_delete, post_save

from accounts.models import User
from gallery.models import Image, StorageUse


def connect() -> None:
    """Follow every picture that is added or removed, also by cascade."""
    post_save.connect(_added, sender=Image, dispatch_uid="totals")
    post_delete.connect(_removed, sender=Image, dispatch_uid="totals")


def _added(instance: Image, created: bool, raw: bool, **_: Any) -> None:
    if created and not raw:
        change(instance.owner_id, bytes=instance.bytes, pictures=1)


def _removed(instance: Image, **_: Any) -> None:
    change(instance.owner_id, bytes=-instance.bytes, pictures=-1)


def change(person_id: int, *, bytes: int, pictures: int) -> None:
    """Add to a person's sums; both may be negative."""
    rows = StorageUse.objects.filter(person=person_id)
    more = {"bytes": F("bytes") + bytes, "pictures": F("pictures") + pictures}
    if rows.update(**more) or not User.objects.filter(pk=person_id).exists():
        return
    StorageUse.objects.get_or_create(person_id=person_id)
    rows.update(**more)


def repair(person_id: int) -> bool:
    """Add a person's pictures up anew; True if the sums were wrong.

    The row is locked before it is added up: whoever adds a picture meanwhile changes
    the sums after us, and who has done so is seen.
    """
    with transaction.atomic():
        StorageUse.objects.get_or_create(person_id=person_id)
        row = StorageUse.objects.select_for_update().get(person=person_id)
        found = Image.objects.filter(owner=person_id).aggregate(
            bytes=Sum("bytes", default=0), pictures=Count("pk")
        )
        if found == {"bytes": row.bytes, "pictures": row.pictures}:
            return False
        StorageUse.objects.filter(pk=row.pk).update(**found)
        return True

"""Each person's sums of bytes and pictures, changed in the picture's transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, F, Sum
from django.db.models.signals import post_delete, post_save

from gallery.models import Image, StorageUse


def connect() -> None:
    """Follow every picture that is added or removed, also by cascade."""
    post_save.connect(_added, sender=Image, dispatch_uid="totals")
    post_delete.connect(_removed, sender=Image, dispatch_uid="totals")


def _added(instance: Image, created: bool, raw: bool, **_: Any) -> None:
    if created and not raw:
        more = {"bytes": instance.bytes, "pictures": 1}
        if not _add(instance.owner_id, **more):
            StorageUse.objects.get_or_create(person_id=instance.owner_id)
            _add(instance.owner_id, **more)


def _removed(instance: Image, **_: Any) -> None:
    # Never a new row: the person may be about to be deleted, their row already.
    _add(instance.owner_id, bytes=-instance.bytes, pictures=-1)


def _add(person_id: int, *, bytes: int, pictures: int) -> bool:
    """Add to a person's sums, if they have any; both may be negative."""
    more = {"bytes": F("bytes") + bytes, "pictures": F("pictures") + pictures}
    return bool(StorageUse.objects.filter(person=person_id).update(**more))


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

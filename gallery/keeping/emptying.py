"""The end of the trash: rows first, then their files.

A crash in between leaves files of no picture, which `gc` removes; never a picture
without its file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from gallery.keeping.copying import folder_of
from gallery.models import Image
from gallery.storage import homes

log = logging.getLogger(__name__)
BATCH = 100


def empty_old() -> int:
    """Delete for good what has been in the trash for LIFEOS_TRASH_DAYS; how many."""
    before = timezone.now() - timedelta(days=settings.LIFEOS_TRASH_DAYS)
    rows = Image.objects.filter(deleted_at__lt=before).order_by("deleted_at")
    gone = 0
    while ids := list(rows.values_list("pk", flat=True)[:BATCH]):
        gone += (removed := _delete(rows.filter(pk__in=ids)))
        if not removed:
            break
    return gone


def empty(owner: User, ids: Iterable[UUID] | None = None) -> int:
    """Delete for good what is in the owner's trash, or these of it; how many.

    Pictures that are not in the trash stay, whoever asks.
    """
    rows = Image.objects.filter(owner=owner, deleted_at__isnull=False)
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    gone = 0
    while batch := list(rows.values_list("pk", flat=True)[:BATCH]):
        gone += (removed := _delete(rows.filter(pk__in=batch)))
        if not removed:
            break
    return gone


def _delete(rows) -> int:  # type: ignore[no-untyped-def]
    with transaction.atomic():
        # Locked: what is being restored right now is either gone or stays whole.
        images = list(rows.select_for_update().order_by("pk"))
        names = {image.pk: _names(image) for image in images}
        Image.objects.filter(pk__in=list(names)).delete()
    for of_image in names.values():
        _delete_files(of_image)
    return len(names)


def _names(image: Image) -> set[str]:
    files = (image.file, image.thumb_small, image.thumb_large)
    return {str(file.name) for file in files if file.name}


def _delete_files(names: set[str]) -> None:
    here = homes()
    try:
        for folder in {folder_of(name) for name in names} - {""}:
            here.delete_folder(folder)
        for name in names:
            if not folder_of(name):
                here.delete(name)
    except OSError as exc:
        log.warning("files of a deleted picture are left for gc: %s", exc)

"""`manage.py storage verify`: rows without files, files without rows, wrong content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from gallery.keeping import totals
from gallery.keeping.inventory import BATCH, Inventory, inventory
from gallery.models import Home, Image
from gallery.storage import homes
from gallery.storage_base import StorageAway, digest
from gallery.storage_shared import Unsafe

# What is younger may be a picture that is being stored.
SETTLED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind`: missing, corrupt, orphaned, waiting or total."""

    kind: str
    name: str
    sentence: str

    @property
    def is_loss(self) -> bool:
        """Whether somebody's picture is hurt; the others cost room at most."""
        return self.kind in ("missing", "corrupt")


def verify(*, deep: bool = False) -> Iterator[Problem]:
    """All that is wrong. `deep`: read every original and compare its SHA-256.

    Sums of people that were wrong are put right. Raises StorageAway.
    """
    with inventory() as found:
        for image in _rows():
            yield from _check(image, found, deep)
        for stored in found.orphans(timezone.now() - SETTLED):
            where = f"{stored.bytes} bytes in {stored.home}"
            yield Problem("orphaned", stored.name, f"{where}, of no picture.")
    for person in User.objects.order_by("pk").values_list("pk", flat=True).iterator():
        if totals.repair(person):
            yield Problem("total", f"person {person}", "The sum was wrong; repaired.")


def _rows() -> Iterator[Image]:
    """By keyset: rows that come and go meanwhile hold nothing up."""
    rows = Image.objects.order_by("pk").only(
        "pk", "home", "file", "thumb_small", "thumb_large", "sha256", "bytes"
    )
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])


def _check(image: Image, found: Inventory, deep: bool) -> Iterator[Problem]:
    for file in (image.file, image.thumb_small, image.thumb_large):
        name = str(file.name or "")
        if not name:
            continue
        original = file is image.file
        sizes = found.sizes(name)
        size = sizes.get(image.home, next(iter(sizes.values()), None))
        if image.home == Home.SHARED and original:
            size = _size_now(name)
        if size is None or (original and size != image.bytes):
            # It was moved or made after the list, or it is really so.
            size = _size_now(name)
        if size is None:
            if Image.objects.filter(pk=image.pk).exists():
                yield Problem("missing", name, f"It is in no home ({image.home}).")
        elif original and size != image.bytes:
            yield _corrupt(name, f"It has {size} of {image.bytes} bytes.")
        elif not size:
            yield _corrupt(name, "It is empty.")
        elif deep and original and _sha256(name) != image.sha256:
            yield _corrupt(name, "Its SHA-256 is not the picture's.")
        if "spool" in sizes and original:
            yield Problem("waiting", name, "It waits for the bucket.")


def _corrupt(name: str, sentence: str) -> Problem:
    return Problem("corrupt", name, sentence)


def _size_now(name: str) -> int | None:
    try:
        return homes().size(name)
    except StorageAway:
        raise
    except (OSError, Unsafe):
        return None


def _sha256(name: str) -> str:
    with homes().open(name) as file:
        return digest(file).sha256

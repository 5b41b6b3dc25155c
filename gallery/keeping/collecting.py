"""`manage.py storage gc`: files that nothing needs any more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from gallery.keeping.copying import home_of
from gallery.keeping.inventory import Inventory, Stored, inventory
from gallery.models import Image
from gallery.storage import homes

# A file is written before its row, and an address signed for it works for two hours.
OLD = timedelta(days=1)
# A person may have a form open for long, and come back to it.
INPUTS_OLD = timedelta(days=7)
INPUTS = "inputs/"

# Which of these stored names are still wanted: `generation` knows who uses inputs.
Wanted = Callable[[Collection[str]], set[str]]


@dataclass(slots=True)
class Collected:
    files: int = 0
    bytes: int = 0
    uploads: int = 0


def collect(*, used_inputs: Wanted, really: bool = True) -> Collected:
    """Remove orphans older than a day and inputs that nobody uses.

    `really=False` only counts. Raises StorageAway.
    """
    done, now = Collected(), timezone.now()
    with inventory() as found:
        for stored in found.orphans(now - OLD):
            _remove(stored, done, really)
        for stored in _unused_inputs(found, used_inputs):
            _remove(stored, done, really)
    here = homes()
    if really and here.s3 is not None:
        # Some servers have no list of unfinished uploads.
        with suppress(OSError):
            done.uploads = here.s3.abort_uploads(now - OLD)
    return done


def _unused_inputs(found: Inventory, used: Wanted) -> Iterator[Stored]:
    before = timezone.now() - INPUTS_OLD
    for batch in found.others():
        inputs = [(name, home) for name, home in batch if name.startswith(INPUTS)]
        wanted = used({name for name, _ in inputs}) if inputs else set()
        for name, home in inputs:
            stored = found.one(name, home)
            if name not in wanted and stored.modified < before:
                yield stored


def _remove(stored: Stored, done: Collected, really: bool) -> None:
    if really:
        if _has_row_now(stored):
            return
        home = home_of(stored.home)
        home.delete(stored.name)
        if stored.home != "s3":
            home.tidy(stored.name)
    done.files += 1
    done.bytes += stored.bytes


def _has_row_now(stored: Stored) -> bool:
    """Whether a row came to name it since the list was made."""
    return Image.objects.filter(file=stored.name, home=stored.home).exists()

"""`manage.py storage move`: every file to one home, under a running site.

The row's home is the state: it changes when the picture's files were read back from
the new home, and only then the old ones go. Killed anywhere, the next run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gallery.keeping.copying import IMAGES, copy, folder_of, home_of
from gallery.models import Home, Image
from gallery.storage import homes
from gallery.storage_shared import PREFIX

BATCH = 200


@dataclass(slots=True)
class Moved:
    """What came of it. `errors`: a sentence for each file that could not be moved."""

    pictures: int = 0
    others: int = 0
    errors: list[str] = field(default_factory=list)


def move(
    to: str, *, workers: int = 4, said: Callable[[Moved], None] = lambda _: None
) -> Moved:
    """Move all pictures, then what has no row (inputs, covers). Raises StorageAway.

    Originals in servers' shared folders stay there; their thumbnails are moved.
    """
    home_of(to)
    done = Moved()
    with ThreadPoolExecutor(workers) as pool:
        for batch in _batches(to):
            results = pool.map(lambda row: _carry(row, to), batch)
            for row, error in zip(batch, results, strict=True):
                if error:
                    done.errors.append(error)
                elif _arrive(row, to):
                    done.pictures += 1
            said(done)
    _move_others(to, done)
    return done


def _batches(to: str) -> Iterator[list[Image]]:
    """The pictures that are elsewhere, by keyset: those that fail are passed once."""
    rows = Image.objects.exclude(home=to).order_by("pk")
    rows = rows.only("pk", "home", "file", "thumb_small", "thumb_large")
    last = UUID(int=0)
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1].pk


def names_of(image: Image, home: Any) -> set[str]:
    """The picture's files in this home: those of its row, and all in its folder."""
    files = (image.file, image.thumb_small, image.thumb_large)
    named = {str(f.name) for f in files if f.name and not f.name.startswith(PREFIX)}
    for folder in {folder_of(name) for name in named} - {""}:
        named |= {listed.name for listed in home.walk(folder)}
    return named


def _carry(image: Image, to: str) -> str:
    """Copy one picture's files; a sentence if one cannot be. In a thread."""
    target = home_of(to)
    try:
        for kind in _sources(to):
            source = home_of(kind)
            for name in names_of(image, source):
                try:
                    copy(name, source, target)
                except FileNotFoundError:
                    continue  # its file is in another home
        missing = [n for n in names_of(image, target) if not target.exists(n)]
    except OSError as exc:
        return f"{image.pk}: {exc}"
    return f"{image.pk}: {missing[0]} is in no home." if missing else ""


def _sources(to: str) -> list[str]:
    here = homes()
    kinds = ["local", "spool", *(["s3"] if here.s3 is not None else [])]
    return [kind for kind in kinds if kind != to]


def _arrive(image: Image, to: str) -> bool:
    """Change the row, then free this machine's disk.

    What was in the bucket stays for `gc`: addresses that were signed lead there.
    """
    in_place = image.home == Home.SHARED
    rows = Image.objects.filter(pk=image.pk, home=image.home)
    if not in_place and not rows.update(home=to):
        return False
    for kind in set(_sources(to)) - {"s3"}:
        source = home_of(kind)
        for name in names_of(image, source):
            source.delete(name)
            source.tidy(name)
    return not in_place


def _move_others(to: str, done: Moved) -> None:
    """What has no row is found by its name alone, so each is copied and removed."""
    target = home_of(to)
    for kind in _sources(to):
        source = home_of(kind)
        for listed in source.walk():
            if listed.name.startswith(IMAGES):
                continue
            try:
                copy(listed.name, source, target)
                source.delete(listed.name)
                done.others += 1
            except FileNotFoundError:
                continue
            except OSError as exc:
                done.errors.append(f"{listed.name}: {exc}")

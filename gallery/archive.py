"""Many files as one zip, made while it is sent: any size, constant memory.

Files are stored, not deflated: pictures and films are packed already. What can't be
read, or can't be had without its metadata, has a text in its place that says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import IO
from uuid import UUID

from zipstream import ZipStream

from gallery.files import stripping
from gallery.files.delivery import stored
from gallery.files.reading import CHUNK
from gallery.models import Image

log = logging.getLogger(__name__)

AT_ONCE = 200
GONE = "This file could not be read from the storage. Its picture is still listed.\n"


def zipped(images: Iterable[Image], *, strip: bool = False) -> Iterator[bytes]:
    """The archive's bytes. The files are opened one after another."""
    archive = ZipStream()
    used: set[str] = set()
    for image in images:
        name = _unique(image, used)
        try:
            content = _stripped(image) if strip else stored(image.file)
            archive.add(_begun(content), name)
        except stripping.CannotStrip as exc:
            archive.add(f"{name}: {exc}\n", f"{name}.txt")
        except OSError:
            log.warning("a file is missing from an archive", extra={"image": image.pk})
            archive.add(GONE, f"{name}.txt")
        yield from archive.all_files()
    yield from archive.finalize()


def in_order(ids: Iterable[UUID]) -> Iterator[Image]:
    """Rows by their ids, some at a time: no cursor stays open while files are sent,
    and an archive's choice takes 16 bytes for each picture.
    """
    packed = b"".join(pk.bytes for pk in ids)
    for start in range(0, len(packed), 16 * AT_ONCE):
        part = packed[start : start + 16 * AT_ONCE]
        keys = [UUID(bytes=part[n : n + 16]) for n in range(0, len(part), 16)]
        rows = Image.objects.in_bulk(keys)
        yield from (rows[pk] for pk in keys if pk in rows)


def _begun(content: Iterator[bytes]) -> Iterator[bytes]:
    """With the first chunk read: what is gone is found out before its entry begins."""
    first = next(content, b"")

    def whole() -> Iterator[bytes]:
        yield first
        yield from content

    return whole()


def _stripped(image: Image) -> Iterator[bytes]:
    with image.file.storage.open(str(image.file.name), "rb") as file:
        made = stripping.stripped(file, image.mime_type)
    return _read(made)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with closing(file):
        while chunk := file.read(CHUNK):
            yield chunk


def _unique(image: Image, used: set[str]) -> str:
    """Names are made by us, of letters, digits, dots and dashes: none leads out."""
    name = image.name
    if name in used:
        stem, _, extension = name.rpartition(".")
        name = f"{stem}-{image.pk.hex}.{extension}"
    used.add(name)
    return name

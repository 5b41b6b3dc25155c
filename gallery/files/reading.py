"""What of a file is used, and what a refusal is called."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

CHUNK = 1 << 18


class Seekable(Protocol):
    """What of a file is used: Django's uploads and Python's files have it."""

    def read(self, size: int = ..., /) -> bytes: ...

    def seek(self, offset: int, whence: int = ..., /) -> Any: ...

    def tell(self) -> int: ...


class BadPicture(Exception):
    """The file is nothing that we keep; the text says why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a file is, by its content alone. Sizes in pixels and bytes.

    `media` is one of gallery.models.image.Media's values. `seconds` is how long it
    plays; None where it does not, or where nothing here could tell.
    """

    mime_type: str
    extension: str
    width: int
    height: int
    bytes: int
    sha256: str
    animated: bool = False
    media: str = "picture"
    seconds: float | None = None


def size_of(file: Seekable) -> int:
    file.seek(0, 2)
    return file.tell()


def digest_of(file: Seekable) -> tuple[str, int]:
    """SHA-256 in hex, and the number of bytes. Raises BadPicture if it is empty."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    if not size:
        raise BadPicture("The file is empty.")
    return digest.hexdigest(), size


def bytes_at(file: Seekable, start: int, length: int) -> bytes:
    """Fewer than `length` where the file ends before."""
    file.seek(start)
    return file.read(length)

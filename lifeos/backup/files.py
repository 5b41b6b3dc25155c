"""The stored files: which there are, and copies of them with their sums."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import Storage

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Earlier:
    """The backup before: what has not changed since is linked, and costs no space."""

    folder: Path
    sums: Mapping[str, str]


def names(storage: Storage) -> Iterator[str]:
    """Every file of all homes; what is being written is left out."""
    walk = getattr(storage, "walk")  # noqa: B009 - ours have it, Django's type has not
    seen = set()
    for listed in walk():
        if listed.name not in seen:
            seen.add(listed.name)
            yield listed.name


def copy(storage: Storage, name: str, target: Path, earlier: Earlier | None) -> str:
    """Copy a file out of the storage; returns its SHA-256 in hexadecimal digits.

    Raises FileNotFoundError if it was deleted meanwhile.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    changed = storage.get_modified_time(name).timestamp()
    if earlier and (known := _unchanged(storage, name, changed, earlier)):
        target.hardlink_to(earlier.folder / "files" / name)
        return known
    with storage.open(name, "rb") as source, target.open("wb") as file:
        digest = _pour(source, file)
    os.utime(target, (changed, changed))
    return digest


def _unchanged(
    storage: Storage, name: str, changed: float, earlier: Earlier
) -> str | None:
    path = earlier.folder / "files" / name
    known = earlier.sums.get(f"files/{name}")
    if known is None or not path.is_file():
        return None
    found = path.stat()
    # Microseconds are what every file system keeps.
    same = abs(found.st_mtime - changed) < 1e-5 and found.st_size == storage.size(name)
    return known if same else None


def put_back(storage: Storage, name: str, source: Path) -> None:
    """Store a file under its own name, whatever was there."""
    with source.open("rb") as file:
        stored = storage.save(name, File(file))
    if stored != name:
        raise OSError(f"{name} was stored as {stored}")


def digest_of(file: IO[bytes] | Any) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _pour(source: Any, target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        target.write(chunk)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest()

"""What all homes of files have in common; without boto, which most need not load."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

CHUNK = 1 << 18


class StorageAway(OSError):
    """The bucket can't be reached or refuses us; later it may do. The text says why."""


class Damaged(OSError):
    """What arrived in a home is not what was sent."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Of a whole file; `bytes` is its size."""

    sha256: str
    md5: bytes
    bytes: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a home. `modified` is by the home's own clock, aware."""

    name: str
    bytes: int
    modified: datetime


def digest(file: IO[bytes]) -> Digest:
    """Read the file from its beginning to its end, in constant memory."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    file.seek(0)
    while chunk := file.read(CHUNK):
        sha256.update(chunk)
        md5.update(chunk)
        size += len(chunk)
    file.seek(0)
    return Digest(sha256.hexdigest(), md5.digest(), size)


def said_sha256(answer: Mapping[str, Any]) -> str:
    """What the uploader said that the content is; empty where it said nothing."""
    # HTTP headers have no case, and servers differ in it.
    said = {k.lower(): v for k, v in answer.get("Metadata", {}).items()}
    return str(said.get("sha256", ""))

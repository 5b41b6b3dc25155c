"""From one home to another: copied, read back and compared before anything ends."""

from __future__ import annotations

from typing import Any

from gallery.storage import homes
from gallery.storage_base import Damaged, digest

IMAGES = "images/"


def copy(name: str, source: Any, target: Any) -> None:
    """Make the target's file the same as the source's; done before, it costs a look.

    Raises FileNotFoundError where the source has none, Damaged, or StorageAway.
    """
    with source.open(name) as file:
        wanted = digest(file)
        if _is_there(name, target, wanted.sha256, wanted.bytes):
            return
        target.save(name, file)
    if not _is_there(name, target, wanted.sha256, wanted.bytes):
        raise Damaged(f"{name} is not the same after copying.")


def _is_there(name: str, home: Any, sha256: str, size: int) -> bool:
    try:
        if home.size(name) != size:
            return False
        with home.open(name) as file:
            return digest(file).sha256 == sha256
    except FileNotFoundError:
        return False


def home_of(kind: str) -> Any:
    """The storage of a home by its name: local, s3 or spool. Raises StorageAway."""
    here = homes()
    return {"local": here.local, "spool": here.spool}.get(kind) or here.bucket


def folder_of(name: str) -> str:
    """images/<owner>/<xx>/<id>/ of a file in it; empty for names made otherwise."""
    parts = name.split("/")
    is_image = name.startswith(IMAGES) and len(parts) == 5
    return "/".join(parts[:4]) + "/" if is_image else ""

"""Files in folders of other machines, mounted here: opened, never written.

Whoever can write into such a folder is not trusted: a name or a link in it must not
lead out of it.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

PREFIX = "shared/"


class Unsafe(OSError):
    """The name leads, or may lead, out of the folder."""


@dataclass(frozen=True, slots=True)
class InPlace:
    """Where a file lies: `mount` is the folder's name, `path` is relative to it."""

    mount: str
    path: str

    @property
    def name(self) -> str:
        """As a stored file's name."""
        return f"{PREFIX}{self.mount}/{self.path}"


class InPlaceFile(io.BufferedReader):
    """An open file that is not to be copied when it is saved (see storage.Homes)."""

    def __init__(self, descriptor: int, place: InPlace) -> None:
        super().__init__(io.FileIO(descriptor))
        self.in_place = place


def parts_of(path: str) -> tuple[str, ...]:
    """The components of a relative path. Raises Unsafe."""
    parts = PurePosixPath(path).parts
    wrong = not parts or path.startswith("/") or "\0" in path or "\\" in path
    if wrong or any(part in ("..", ".") for part in path.split("/")):
        raise Unsafe(f"{path!r} is no path within the shared folder.")
    return parts


def open_within(root: str, path: str) -> int:
    """A descriptor of the regular file; every component is opened without following
    links, so that nothing can be exchanged between a check and the opening.

    Raises Unsafe, FileNotFoundError or another OSError.
    """
    parts = parts_of(path)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = _at(folder, part, os.O_DIRECTORY)
            os.close(folder)
            folder = inner
        # A pipe would wait for its writer.
        found = _at(folder, parts[-1], os.O_NONBLOCK)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise Unsafe(f"{path!r} is not a file.")
    return found


def _at(folder: int, part: str, more: int) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | more
    try:
        return os.open(part, flags, dir_fd=folder)
    except OSError as exc:
        if _is_link(folder, part):
            raise Unsafe(f"{part!r} is a link.") from exc
        raise


def _is_link(folder: int, part: str) -> bool:
    try:
        mode = os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return False
    return stat.S_ISLNK(mode)


def split(name: str, mounts: Mapping[str, str]) -> tuple[str, str]:
    """(root, path) of a stored file's name. Raises FileNotFoundError."""
    mount, _, path = name.removeprefix(PREFIX).partition("/")
    if mount not in mounts:
        raise FileNotFoundError(f"No shared folder is called {mount!r} here.")
    return mounts[mount], path

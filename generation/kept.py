"""What many requests ask for and seldom changes, read at most once in a while."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")

_all: weakref.WeakSet[Kept[Any] | KeptRows[Any, Any]] = weakref.WeakSet()


class Kept(Generic[T]):
    """What `read` gave, for all of this process, for so many seconds.

    Two threads that find it old both read; either answer is right.
    """

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._found: tuple[float, T] | None = None
        _all.add(self)

    def get(self) -> T:
        now = time.monotonic()
        found = self._found
        if found is None or now - found[0] > self._seconds:
            found = self._found = now, self._read()
        return found[1]

    def forget(self) -> None:
        """Read anew at the next look."""
        self._found = None


class KeptRows(Generic[K, T]):
    """As Kept, for each key apart; `most` of them at a time.

    All threads get the same object: it is to be read only.
    """

    def __init__(self, read: Callable[[K], T], seconds: float, most: int = 64) -> None:
        self._read = read
        self._seconds = seconds
        self._most = most
        self._found: dict[K, tuple[float, T]] = {}
        _all.add(self)

    def get(self, key: K) -> T:
        now = time.monotonic()
        found = self._found.get(key)
        if found is None or now - found[0] > self._seconds:
            if len(self._found) >= self._most:
                self._found.clear()
            found = self._found[key] = now, self._read(key)
        return found[1]

    def forget(self) -> None:
        """Read all anew at the next look."""
        self._found.clear()


def forget_all() -> None:
    """As in a new process."""
    for kept in list(_all):
        kept.forget()

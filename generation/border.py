"""The border between the async side and the database: sync functions, in a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Run a function that uses the ORM or renders, from a coroutine; a decorator too.

    Old connections are closed around each call, as a long-lived loop needs it.
    """
    return cast("Callable[P, Awaitable[T]]", database_sync_to_async(function))

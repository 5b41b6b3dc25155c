"""The border between the async side and the database: sync functions, in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import SyncToAsync
from channels.db import DatabaseSyncToAsync
from django.db import InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class _InThread(DatabaseSyncToAsync):  # type: ignore[misc]
    """Closes old connections around each call, as a long-lived loop needs it.

    But for SQLite's: opening the file takes five times as long as a query, and unlike
    a server's it does not go stale.
    """

    def thread_handler(self, loop: Any, *args: Any, **kwargs: Any) -> Any:
        if connection.vendor == "sqlite":
            return SyncToAsync.thread_handler(self, loop, *args, **kwargs)  # type: ignore[no-untyped-call]
        return super().thread_handler(loop, *args, **kwargs)


def in_thread(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Run a function that uses the ORM or renders in a thread; a decorator too."""
    return cast("Callable[P, Awaitable[T]]", _InThread(function))


def surely(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """As `in_thread`, but again and again while the database is away.

    Only for compare-and-swap writes: what was committed just before the connection
    broke is tried once more and then changes nothing.
    """
    once = in_thread(function)

    @wraps(function)
    async def persist(*args: P.args, **kwargs: P.kwargs) -> T:
        wait = 0.2
        while True:
            try:
                return await once(*args, **kwargs)
            except (OperationalError, InterfaceError) as exc:
                log.warning("the database does not answer: %s", exc)
            await asyncio.sleep(wait)
            wait = min(5.0, wait * 2)

    return persist

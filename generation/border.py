"""The border between the async side and the database: sync functions, in a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import SyncToAsync
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


# A server's connection that was used within so many seconds is used again unseen.
TRUSTED = 2.0


class _InThread(SyncToAsync[P, T]):
    """Keeps the thread's connection from call to call.

    Taking one from the pool and looking whether it lives costs as much as two queries.
    So it is given back only when it failed, or has not been used for a while and the
    server may have been restarted. SQLite's stays: a file does not go stale.
    """

    def thread_handler(self, loop: Any, *args: Any, **kwargs: Any) -> Any:
        is_server = connection.vendor != "sqlite"
        if is_server and time.monotonic() - getattr(_used, "at", 0.0) > TRUSTED:
            close_old_connections()
        try:
            return super().thread_handler(loop, *args, **kwargs)  # type: ignore[no-untyped-call]
        finally:
            _used.at = time.monotonic()
            if is_server and connection.errors_occurred:
                connection.close()


_used = threading.local()


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

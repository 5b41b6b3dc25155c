"""The border between the async side and the database: sync functions, in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


def in_thread(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Run a function that uses the ORM or renders, from a coroutine; a decorator too.

    Old connections are closed around each call, as a long-lived loop needs it.
    """
    return cast("Callable[P, Awaitable[T]]", database_sync_to_async(function))


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

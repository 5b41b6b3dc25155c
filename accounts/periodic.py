"""Periodic work that several consumers would otherwise do at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.core.cache import cache
from django.utils import timezone


def once_a_minute(task: Callable[[], None]) -> Callable[[], None]:
    """A periodic task once, however many consumers there are to queue it."""

    @wraps(task)
    def guarded() -> None:
        minute = int(timezone.now().timestamp() // 60)
        if cache.add(f"periodic:{task.__name__}:{minute}", 1, timeout=120):
            task()

    return guarded

"""A search may take so long and no longer; it never holds a database up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection, transaction

# How often SQLite looks at the clock, in steps of its virtual machine.
STEPS = 20_000
# PostgreSQL's code for a statement that ran into its limit.
CANCELLED = "57014"
RESTORE = "SELECT set_config('statement_timeout', %s, true)"


class TooSlow(Exception):
    """A search that would have taken too long."""

    def __init__(self) -> None:
        super().__init__(
            "This search would take too long. Add a word that fewer pictures have, or "
            "a date, as in “date:30d”."
        )


@contextmanager
def limited() -> Iterator[None]:
    """Raises TooSlow when what is within runs longer than the setting allows."""
    seconds = settings.LIFEOS_SEARCH_SECONDS
    if connection.vendor == "postgresql":
        with _postgres(seconds):
            yield
    else:
        with _sqlite(seconds):
            yield


@contextmanager
def _postgres(seconds: float) -> Iterator[None]:
    # What is set lasts to the end of the transaction: mostly nothing is to be undone.
    goes_on = connection.in_atomic_block
    before = ""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if goes_on:
                cursor.execute("SHOW statement_timeout")
                before = cursor.fetchone()[0]
            limit = [f"{int(seconds * 1000)}"]
            # Compiling a statement takes longer than any page of a search does, and a
            # plan for all words and all people is a bad one for most.
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true),"
                " set_config('jit', 'off', true),"
                " set_config('plan_cache_mode', 'force_custom_plan', true)",
                limit,
            )
            yield
            if goes_on:  # the limit was for this alone
                cursor.execute(RESTORE, [before])
    except OperationalError as exc:
        if getattr(exc.__cause__, "sqlstate", "") == CANCELLED:
            raise TooSlow from exc
        raise


@contextmanager
def _sqlite(seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    end = time.monotonic() + seconds
    handle = connection.connection.set_progress_handler
    handle(lambda: time.monotonic() > end, STEPS)
    try:
        yield
    except OperationalError as exc:
        if "interrupted" in str(exc):
            raise TooSlow from exc
        raise
    finally:
        handle(None, 0)

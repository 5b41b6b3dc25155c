"""Which job the code that runs is about, for every line of the log that it causes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

job_id: ContextVar[str] = ContextVar("job_id", default="")


@contextmanager
def about(job: object) -> Iterator[None]:
    """Everything within is about this job (its id)."""
    token = job_id.set(str(job))
    try:
        yield
    finally:
        job_id.reset(token)

"""Errors that the API answers with a status of their own."""

from __future__ import annotations


class NotFound(Exception):
    """404, also for what belongs to somebody else."""


class Conflict(Exception):
    """409: the row is in another state."""


class BadValues(Exception):
    """422: a sentence for each field whose value cannot be taken."""

    def __init__(self, **errors: str) -> None:
        super().__init__(*errors.values())
        self.errors = errors

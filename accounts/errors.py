"""Errors that the API answers with a status of their own."""

from __future__ import annotations


class NotFound(Exception):
    """404, also for what belongs to somebody else."""


class Conflict(Exception):
    """409: the row is in another state."""

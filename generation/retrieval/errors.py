"""Why a folder or a bucket does not give an output."""

from __future__ import annotations


class NotYet(Exception):
    """It is not there, or not all of it; a little later it may be."""


class Elsewhere(Exception):
    """It will not come this way; ask the server itself."""

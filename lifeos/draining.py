"""Ending a web process without breaking off what it has begun (see `serve`, `web`)."""

from __future__ import annotations

import threading

_begun = threading.Event()


def begin() -> None:
    """From now on /readyz says that nothing more should come here."""
    _begun.set()


def begun() -> bool:
    return _begun.is_set()

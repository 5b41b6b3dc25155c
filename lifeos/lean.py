"""Less memory: without libraries that others would bring along, and nobody uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*names: str) -> Iterator[None]:
    """What is imported within finds none of these; who imports them later does.

    For libraries that can do without them, and say so by catching ImportError.
    """
    hidden = [name for name in names if name not in sys.modules]
    # What Python itself takes for "there is none".
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]

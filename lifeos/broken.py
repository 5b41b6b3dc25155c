"""Answers of daphne that fail in their middle are broken off, so that readers notice.

daphne would begin a second answer, which it does not allow itself: that exception ends
its look after finished requests, for this one and all later ones, and the reader waits
for a rest that never comes.
"""

from __future__ import annotations

from typing import Any

from lifeos.daphnes import WebRequest

_daphnes = WebRequest.handle_exception


def _handle_exception(request: Any, exception: BaseException) -> None:
    if not request._response_started:
        _daphnes(request, exception)
    elif not request.finished:
        # Without its end: a browser and a proxy know by the length or the last piece.
        request.loseConnection()


def install() -> None:
    """For every server of this process, also for daphne's own command."""
    WebRequest.handle_exception = _handle_exception

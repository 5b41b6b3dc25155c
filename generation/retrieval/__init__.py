"""From a finished run's output to an open file, by the way that its server has.

Over HTTP from the server itself; from its output folder, mounted here; or from a
bucket that the server's side uploads to. HTTP is what all of them fall back to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from django.conf import settings

from generation.comfy.run import Output
from generation.models import Attempt, Server
from generation.retrieval import bucket, http, shared
from generation.retrieval.errors import Elsewhere, NotYet

log = logging.getLogger(__name__)
Way = Callable[[Attempt, Output], BinaryIO]
WAYS: dict[str, Way] = {
    Server.Retrieval.SHARED: shared.imported,
    Server.Retrieval.IN_PLACE: shared.in_place,
    Server.Retrieval.BUCKET: bucket.fetched,
}


@contextmanager
def opened(attempt: Attempt, output: Output) -> Iterator[BinaryIO]:
    """The output's content, to be read and sought in.

    Raises NotYet while a folder or bucket may still get it, up to
    LIFEOS_RETRIEVAL_TRIES tries; then, and wherever the server's own way does not
    serve, it comes over HTTP. That raises ComfyError or OSError.
    """
    with _fetched(attempt, output) as file:
        yield file


def _fetched(attempt: Attempt, output: Output) -> BinaryIO:
    # Only the output folder is shared and uploaded; previews are in another.
    way = WAYS.get(attempt.server.retrieval) if output.type == "output" else None
    if way is None:
        return http.fetched(attempt, output)
    try:
        return way(attempt, output)
    except NotYet as exc:
        if attempt.save_tries < settings.LIFEOS_RETRIEVAL_TRIES:
            raise
        why = str(exc)
    except Elsewhere as exc:
        why = str(exc)
    log.warning("%s, over HTTP instead: %s", attempt.server, why)
    return http.fetched(attempt, output)


def trouble(server: Server) -> str:
    """Why outputs cannot come by the server's own way now; empty if they can."""
    if server.retrieval in (Server.Retrieval.SHARED, Server.Retrieval.IN_PLACE):
        return shared.trouble(server)
    return bucket.trouble() if server.retrieval == Server.Retrieval.BUCKET else ""


__all__ = ["NotYet", "opened", "trouble"]

"""Over HTTP, by ComfyUI's `/view`."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Coroutine
from typing import Any, BinaryIO, TypeVar, cast

from django.conf import settings

from generation.comfy.client import ComfyClient
from generation.comfy.errors import ComfyError
from generation.comfy.run import Output
from generation.models import Attempt, Server

T = TypeVar("T")

# In memory up to this size, then on disk.
SPOOL = 16 * 1024 * 1024


def spooled() -> BinaryIO:
    """An empty file of ours that is gone when it is closed."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(SPOOL))


def fetched(attempt: Attempt, output: Output) -> BinaryIO:
    """Raises ComfyError."""
    spool = spooled()
    try:
        _lines.run(_download(attempt, output, spool))
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool


async def _download(attempt: Attempt, output: Output, into: BinaryIO) -> None:
    client = await _lines.to(attempt.server)
    most = settings.LIFEOS_MAX_OUTPUT_BYTES
    async with client.stream_view(output, max_bytes=most) as chunks:
        async for chunk in chunks:
            into.write(chunk)


def size_of(attempt: Attempt, output: Output) -> int | None:
    """The output's bytes as its server has them; None when it can't be asked."""

    async def ask() -> int | None:
        client = await _lines.to(attempt.server)
        return await client.output_size(output)

    try:
        return _lines.run(ask())
    except ComfyError:
        return None


class _Lines(threading.local):
    """This thread's loop, and its client of each server that it has fetched from.

    To make both and to connect anew took longer than a small picture itself. What a
    server has closed meanwhile, httpx finds out before it sends anything on it.
    """

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._clients: dict[int, tuple[str, ComfyClient]] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """We are in a task's thread, and no transaction is open."""
        return self._runner.run(work)

    async def to(self, server: Server) -> ComfyClient:
        """An edited server gets a new client."""
        way = server.way
        known, client = self._clients.get(server.pk, ("", None))
        if client is not None and known == way:
            return client
        if client is not None:
            await client.aclose()
        client = server.client("lifeos-fetch")
        self._clients[server.pk] = (way, client)
        return client


_lines = _Lines()

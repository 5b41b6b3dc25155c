"""Over HTTP, by ComfyUI's `/view`."""

from __future__ import annotations

import asyncio
import tempfile
from typing import BinaryIO, cast

from django.conf import settings

from generation.comfy.errors import ComfyError
from generation.comfy.run import Output
from generation.models import Attempt

# In memory up to this size, then on disk.
SPOOL = 16 * 1024 * 1024


def spooled() -> BinaryIO:
    """An empty file of ours that is gone when it is closed."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(SPOOL))


def fetched(attempt: Attempt, output: Output) -> BinaryIO:
    """Raises ComfyError."""
    spool = spooled()
    try:
        # A loop of its own: we are in a task's thread, and no transaction is open.
        asyncio.run(_download(attempt, output, spool))
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool


async def _download(attempt: Attempt, output: Output, into: BinaryIO) -> None:
    async with (
        attempt.server.client(attempt.client_id) as client,
        client.stream_view(
            output, max_bytes=settings.LIFEOS_MAX_OUTPUT_BYTES
        ) as chunks,
    ):
        async for chunk in chunks:
            into.write(chunk)


def size_of(attempt: Attempt, output: Output) -> int | None:
    """The output's bytes as its server has them; None when it can't be asked."""

    async def ask() -> int | None:
        async with attempt.server.client(attempt.client_id) as client:
            return await client.output_size(output)

    try:
        return asyncio.run(ask())
    except ComfyError:
        return None

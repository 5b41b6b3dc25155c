"""Pictures on their way out of ``/view`` and into ``/upload/mask``."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from generation.simulator.faults import BadFiles
from generation.simulator.files import FileStore

SLOW_PIECES, SLOW_SECONDS = 8, 0.25
NOT_A_PICTURE = b"<html><body>Sign in to the proxy first.</body></html>"


def converted(path: Path, preview: str) -> tuple[bytes, str]:
    """Return a picture as ``webp;90`` or ``jpeg`` asks, and its content type."""
    kind, _, quality = preview.partition(";")
    if kind not in ("webp", "jpeg"):
        kind = "webp"
    level = int(quality) if quality.isdigit() else 90
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(buffer, kind, quality=level)
    return buffer.getvalue(), f"image/{kind}"


def masked(files: FileStore, original: dict[str, Any], mask: bytes) -> bytes:
    """Return the original as PNG with the mask's alpha. Raises ValueError, OSError."""
    path = files.path(
        str(original.get("type", "output")),
        str(original.get("subfolder", "")),
        str(original.get("filename", "")),
    )
    with Image.open(path) as picture, Image.open(io.BytesIO(mask)) as drawn:
        result = picture.convert("RGBA")
        result.putalpha(drawn.convert("RGBA").getchannel("A").resize(result.size))
    buffer = io.BytesIO()
    result.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


async def send_badly(
    request: web.Request, path: Path, how: BadFiles
) -> web.StreamResponse:
    """Answer ``/view`` with half a file, with something else, or drop by drop."""
    content = await asyncio.to_thread(path.read_bytes)
    if how == "wrong":
        return web.Response(body=NOT_A_PICTURE, content_type="image/png")
    if how == "truncated":
        half = content[: len(content) // 2]
        return web.Response(body=half, content_type="image/png")
    response = web.StreamResponse(headers={"Content-Type": "image/png"})
    response.content_length = len(content)
    await response.prepare(request)
    size = len(content) // SLOW_PIECES + 1
    for start in range(0, len(content), size):
        await asyncio.sleep(SLOW_SECONDS)
        await response.write(content[start : start + size])
    await response.write_eof()
    return response

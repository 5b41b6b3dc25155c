"""Files of pictures: what they really are, their thumbnails, their delivery."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol
from urllib.parse import quote
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from PIL import Image as Pillow
from PIL import ImageOps

# Pillow's name of each format that we keep: (mime type, extension).
FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "AVIF": ("image/avif", "avif"),
    "GIF": ("image/gif", "gif"),
}
SMALL, LARGE, TINY = 320, 960, 20
CHUNK = 1 << 18


class Seekable(Protocol):
    """What of a file is used: Django's uploads and Python's files have it."""

    def read(self, size: int = ..., /) -> bytes: ...

    def seek(self, offset: int, whence: int = ..., /) -> Any: ...

    def tell(self) -> int: ...


class BadPicture(Exception):
    """The file is no picture that we keep; the text says why."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a file is, by its content alone. Sizes in pixels and bytes."""

    mime_type: str
    extension: str
    width: int
    height: int
    bytes: int
    sha256: str
    animated: bool


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """WebP files and a tiny blurred picture as a data: URI."""

    small: bytes
    large: bytes
    placeholder: str


def inspect(file: Seekable, *, max_pixels: int) -> Inspected:
    """Decode the picture fully; raises BadPicture with a sentence.

    The header's size is checked before a pixel is decoded, so that a small file
    cannot claim gigabytes of memory.
    """
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    if not size:
        raise BadPicture("The file is empty.")
    with _opened(file) as picture:
        if picture.width * picture.height > max_pixels:
            message = f"{picture.width}×{picture.height} pixels are too many."
            raise BadPicture(message)
        frames = int(getattr(picture, "n_frames", 1))
        _decode(picture)
        mime_type, extension = FORMATS[str(picture.format)]
        turned = ImageOps.exif_transpose(picture)
        width, height = turned.size
    return Inspected(
        mime_type, extension, width, height, size, digest.hexdigest(), frames > 1
    )


def _opened(file: Seekable) -> Pillow.Image:
    file.seek(0)
    with warnings.catch_warnings():
        # We check the size ourselves, with a limit of our own.
        warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
        try:
            return Pillow.open(file, formats=list(FORMATS))  # type: ignore[arg-type]
        except Pillow.DecompressionBombError as exc:
            raise BadPicture("The picture has far too many pixels.") from exc
        except Exception as exc:  # broken files raise nearly anything in Pillow
            message = "This is not a picture (PNG, JPEG, WebP, AVIF or GIF)."
            raise BadPicture(message) from exc


def _decode(picture: Pillow.Image) -> None:
    try:
        picture.load()
    except Exception as exc:  # broken files raise nearly anything in Pillow
        raise BadPicture("The picture is damaged or cut off.") from exc


def thumbnails(file: Seekable) -> Thumbnails:
    """Of a file that `inspect` has accepted. Never larger than the picture."""
    with _opened(file) as picture:
        # JPEG can be decoded at a fraction of its size; other formats ignore it.
        picture.draft("RGB", (LARGE, LARGE))
        _decode(picture)
        upright = ImageOps.exif_transpose(picture)
        flat = _flatten(upright)
    large = _fit(flat, LARGE)
    small = _fit(large, SMALL)
    tiny = _webp(_fit(small, TINY), quality=50)
    return Thumbnails(
        small=_webp(small, quality=78),
        large=_webp(large, quality=82),
        placeholder=f"data:image/webp;base64,{_base64(tiny)}",
    )


def _base64(data: bytes) -> str:
    from base64 import b64encode

    return b64encode(data).decode()


def _flatten(picture: Pillow.Image) -> Pillow.Image:
    """As 8-bit RGB or RGBA, whatever it was."""
    if picture.mode.startswith("I") or picture.mode == "F":
        # 16-bit grey: Pillow would clip it instead of scaling it.
        wide = picture.convert("F")
        high = wide.getextrema()[1]
        top = 65535.0 if float(high) > 255 else 255.0  # type: ignore[arg-type]
        return wide.point(lambda value: value * (255.0 / top)).convert("RGB")
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    return picture.convert("RGBA" if has_alpha else "RGB")


def _fit(picture: Pillow.Image, width: int) -> Pillow.Image:
    """At most `width` wide and three times as high, in proportion."""
    copy = picture.copy()
    copy.thumbnail((width, width * 3), Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    return copy


def _webp(picture: Pillow.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


def key(owner_id: int, image_id: UUID, name: str) -> str:
    """Where a picture's file lies: made from ids, so the same again overwrites."""
    text = image_id.hex
    return f"images/{owner_id}/{text[:2]}/{text}/{name}"


# Delivery -------------------------------------------------------------------------

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def serve(
    request: HttpRequest,
    file: FieldFile,
    *,
    mime_type: str,
    filename: str,
    etag: str,
    inline: bool = True,
) -> HttpResponseBase:
    """A stored file for whoever may see it: the caller has checked that.

    Constant memory (FileResponse would read it whole under ASGI), with ETag and one
    range. Content never changes under an address, so browsers keep it for a year.
    """
    tag = f'"{etag}"'
    if tag in [
        part.strip() for part in request.headers.get("If-None-Match", "").split(",")
    ]:
        return _with_headers(HttpResponse(status=304), mime_type, filename, tag, inline)
    try:
        size = file.size
        handle = file.storage.open(str(file.name), "rb")
    except (FileNotFoundError, OSError) as exc:
        raise Http404("The file is gone.") from exc
    start, end = 0, size - 1
    status = 200
    wanted = _range(request.headers.get("Range", ""), size)
    if wanted == "bad":
        handle.close()
        response = HttpResponse(
            status=416, headers={"Content-Range": f"bytes */{size}"}
        )
        return _with_headers(response, mime_type, filename, tag, inline)
    if isinstance(wanted, tuple):
        (start, end), status = wanted, 206
    length = end - start + 1
    answer = _answer(request, handle, start, length, status)
    answer["Content-Length"] = str(length)
    if status == 206:
        answer["Content-Range"] = f"bytes {start}-{end}/{size}"
    return _with_headers(answer, mime_type, filename, tag, inline)


def _answer(
    request: HttpRequest, handle: IO[bytes], start: int, length: int, status: int
) -> HttpResponseBase:
    if request.method == "HEAD":
        handle.close()
        return HttpResponse(status=status)
    under_asgi = isinstance(request, ASGIRequest)
    chunks: Any = (_chunks_async if under_asgi else _chunks)(handle, start, length)
    return StreamingHttpResponse(chunks, status=status)


def _range(header: str, size: int) -> tuple[int, int] | str | None:
    """(first, last) of a satisfiable single range, "bad", or None for the whole."""
    match = RANGE.fullmatch(header.strip())
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size), size - 1)
    return (start, end) if start <= end and start < size else "bad"


def _with_headers(
    response: HttpResponseBase, mime_type: str, filename: str, tag: str, inline: bool
) -> HttpResponseBase:
    kind = "inline" if inline else "attachment"
    ascii_name = re.sub(r"[^A-Za-z0-9._-]", "_", filename)
    response["Content-Type"] = mime_type
    response["Content-Disposition"] = (
        f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(filename)}"
    )
    response["ETag"] = tag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    # Should a browser ever take it for a document: nothing in it may run.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _chunks(handle: IO[bytes], start: int, length: int) -> Iterator[bytes]:
    with handle:
        handle.seek(start)
        while length > 0 and (chunk := handle.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk


async def _chunks_async(
    handle: IO[bytes], start: int, length: int
) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(handle.seek, start)
        while length > 0:
            chunk = await asyncio.to_thread(handle.read, min(CHUNK, length))
            if not chunk:
                return
            length -= len(chunk)
            yield chunk
    finally:
        handle.close()

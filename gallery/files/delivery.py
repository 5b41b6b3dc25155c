"""A stored file on its way to a browser.

Three ways, the first that is set up: nginx reads it (`LIFEOS_ACCEL_PREFIX`, local
files), the browser gets it from the bucket (`LIFEOS_S3_DIRECT`, signed addresses that
stay the same for an hour), or we read it ourselves, with ranges and constant memory.
Who may have it is the caller's to check, before.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from gallery.files.reading import CHUNK
from gallery.storage import signed_url
from gallery.storage_base import StorageAway

RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})")
# What a browser shows without running anything in it. SVG is not here: it runs.
INLINE = frozenset(
    f"{kind}/{name}"
    for kind, names in {
        "image": ("png", "jpeg", "webp", "avif", "gif"),
        "video": ("mp4", "webm", "quicktime", "ogg"),
        "audio": ("mpeg", "wav", "flac", "ogg", "mp4", "webm"),
    }.items()
    for name in names
)
YEAR = "private, max-age=31536000, immutable"
HOUR = 3600


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for, and how it is called."""

    mime_type: str
    filename: str
    tag: str
    inline: bool

    @property
    def disposition(self) -> str:
        kind = "inline" if self.inline and self.mime_type in INLINE else "attachment"
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", self.filename)
        full = quote(self.filename, safe="")
        return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{full}"


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

    With ETag and one range. Content never changes under an address, so browsers keep
    it for a year. Raises Http404 where the file is gone, StorageAway where nobody
    knows.
    """
    wanted = _Wanted(mime_type, filename, f'"{etag}"', inline)
    if _is_known(request, wanted.tag):
        return _with_headers(HttpResponse(status=304), wanted)
    if direct := _direct(file, wanted):
        return direct
    if accelerated := _accelerated(file):
        return _with_headers(accelerated, wanted)
    return _with_headers(_streamed(request, file), wanted)


def _is_known(request: HttpRequest, tag: str) -> bool:
    """Also without `W/`, which a proxy that compresses puts before it."""
    known = request.headers.get("If-None-Match", "").split(",")
    return any(part.strip().removeprefix("W/") in (tag, "*") for part in known)


def _with_headers(response: HttpResponseBase, wanted: _Wanted) -> HttpResponseBase:
    response["Content-Type"] = wanted.mime_type
    response["Content-Disposition"] = wanted.disposition
    response["ETag"] = wanted.tag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = YEAR
    return guarded(response)


def guarded(response: HttpResponseBase) -> HttpResponseBase:
    """Should a browser ever take it for a document: nothing in it may run."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def passed_on(
    request: HttpRequest, file: IO[bytes], *, mime_type: str, filename: str
) -> StreamingHttpResponse:
    """A file that was made for this answer alone, as a download; closed at its end."""
    size = file.seek(0, 2)
    response = streamed(request, _read(file, 0, None))
    response["Content-Type"] = mime_type
    response["Content-Length"] = str(size)
    wanted = _Wanted(mime_type, filename, "", inline=False)
    response["Content-Disposition"] = wanted.disposition
    response["Cache-Control"] = "private, no-store"
    guarded(response)
    return response


def streamed(
    request: HttpRequest, chunks: Iterator[bytes], status: int = 200
) -> StreamingHttpResponse:
    """With constant memory; under ASGI Django would gather plain chunks first."""
    under_asgi = isinstance(request, ASGIRequest)
    content: Any = in_threads(chunks) if under_asgi else chunks
    return StreamingHttpResponse(content, status=status)


# From the bucket, and by nginx ----------------------------------------------------


def _direct(file: FieldFile, wanted: _Wanted) -> HttpResponseBase | None:
    """302 to a signed address; None where the file is not in the bucket, or browsers
    are not to reach it there.
    """
    if not settings.LIFEOS_S3_DIRECT:
        return None
    address = signed_url(
        str(file.name), content_type=wanted.mime_type, disposition=wanted.disposition
    )
    if not address:
        return None
    response = HttpResponse(status=302, headers={"Location": address})
    # An address works for an hour more than anybody gets it.
    response["Cache-Control"] = f"private, max-age={HOUR // 2}"
    return response


def _accelerated(file: FieldFile) -> HttpResponseBase | None:
    """An empty answer that names the file to nginx."""
    prefix = settings.LIFEOS_ACCEL_PREFIX
    if not prefix or (path := _local(file)) is None:
        return None
    if not path.exists():
        raise Http404("The file is gone.")
    within = path.relative_to(settings.LIFEOS_ACCEL_ROOT).as_posix()
    where = f"{prefix.rstrip('/')}/{quote(within)}"
    return HttpResponse(headers={"X-Accel-Redirect": where})


def _local(file: FieldFile) -> Path | None:
    """Where nginx finds it; None where it does not."""
    try:
        path = Path(file.storage.path(str(file.name)))
    except NotImplementedError:
        return None
    return path if path.is_relative_to(settings.LIFEOS_ACCEL_ROOT) else None


# By ourselves ---------------------------------------------------------------------


def _streamed(request: HttpRequest, file: FieldFile) -> HttpResponseBase:
    try:
        size = int(file.size)
        wanted = _range(request, size)
        if wanted == "bad":
            headers = {"Content-Range": f"bytes */{size}"}
            return HttpResponse(status=416, headers=headers)
        start, end = wanted if isinstance(wanted, tuple) else (0, size - 1)
        status = 206 if wanted else 200
        answer = _answer(request, file, (start, end - start + 1), status)
    except StorageAway:
        raise
    except OSError as exc:
        raise Http404("The file is gone.") from exc
    answer["Content-Length"] = str(end - start + 1)
    if status == 206:
        answer["Content-Range"] = f"bytes {start}-{end}/{size}"
    return answer


def _answer(
    request: HttpRequest, file: FieldFile, part: tuple[int, int], status: int
) -> HttpResponseBase:
    if request.method == "HEAD":
        return HttpResponse(status=status)
    return streamed(request, _begun(stored(file, *part)), status)


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same. What is wrong with its first piece is raised here, before an answer
    that would have to be broken off: a bucket tells so that it is away.
    """
    first = next(chunks, b"")
    return _rest(first, chunks)


def _rest(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from chunks


def _range(request: HttpRequest, size: int) -> tuple[int, int] | str | None:
    """(first, last) of a satisfiable single range, "bad", or None for the whole."""
    match = RANGE.fullmatch(request.headers.get("Range", "").strip())
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size), size - 1)
    return (start, end) if start <= end and start < size else "bad"


def stored(
    file: FieldFile, start: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """A part of a stored file. Raises OSError at once if it is not there."""
    return _read(file.storage.open(str(file.name), "rb"), start, length)


def _read(handle: Any, start: int, length: int | None) -> Iterator[bytes]:
    """Opened already, so that a file that is gone is found out before the answer."""
    with handle:
        handle.seek(start)
        left = length
        while left is None or left > 0:
            chunk = handle.read(CHUNK if left is None else min(CHUNK, left))
            if not chunk:
                return
            left = left if left is None else left - len(chunk)
            yield chunk


def _next(chunks: Iterator[bytes]) -> bytes | None:
    """Each time on another thread, whose database connection nobody else closes."""
    try:
        return next(chunks, None)
    finally:
        connections.close_all()


async def in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, each made in a thread; closed when the browser goes away."""
    try:
        while (chunk := await asyncio.to_thread(_next, chunks)) is not None:
            yield chunk
    finally:
        if close := getattr(chunks, "close", None):
            # A thread that is still reading ends with its chunk, and lets go then.
            with suppress(ValueError):
                await asyncio.to_thread(close)

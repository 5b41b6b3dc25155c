"""A file without what it tells of its making: no prompt, workflow, place or camera.

Pixels and sound are not encoded again. Where a part can't be left out it is filled
with zeros, so that nothing else in the file moves. What a viewer needs stays: colour
profiles, animation, and which way up the picture is.
"""

from __future__ import annotations

import io
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from PIL import Image as Pillow

from gallery.files import chunks, films, heif
from gallery.files.chunks import Broken, Part
from gallery.files.inspecting import ORIENTATION
from gallery.files.reading import CHUNK, Seekable, bytes_at

PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs hIST sPLT acTL fcTL"
    b" fdAT cICP mDCV cLLI".split()
)
WEBP_KEPT = frozenset(b"VP8X,VP8 ,VP8L,ALPH,ANIM,ANMF,ICCP".split(b","))
WAV_KEPT = frozenset(b"fmt ,data,fact,cue ,smpl".split(b","))
GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
ICC = b"ICC_PROFILE\0"
# An offset, and a TIFF with an empty directory.
NO_EXIF = b"\0\0\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
EXIF, XMP = 0x08, 0x04
# Boxes whose content says something of the film, and whose place is known by no other.
MP4_TOLD = frozenset({b"udta", b"meta", b"uuid"})
MP4_HOLDERS = frozenset({b"moov", b"trak", b"mdia"})


class CannotStrip(Exception):
    """The text says why, in a sentence."""


def stripped(file: Seekable, mime_type: str) -> IO[bytes]:
    """A temporary file at its start; the caller closes it. Raises CannotStrip."""
    out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        _strip(file, mime_type, out)
    except (Broken, struct.error, IndexError) as exc:
        out.close()
        raise CannotStrip("The file is damaged, so nothing can be left out.") from exc
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def _strip(file: Seekable, mime_type: str, out: IO[bytes]) -> None:
    if mime_type.startswith("text/"):
        _copy(file, 0, None, out)
    elif mime_type in REWRITTEN:
        for piece in REWRITTEN[mime_type](file):
            out.write(piece)
    elif mime_type in PATCHED:
        _copy(file, 0, None, out)
        for start, length, put in PATCHED[mime_type](file):
            _blank(out, start, length, put)
    else:
        _by_ffmpeg(file, mime_type, out)


def _copy(file: Seekable, start: int, end: int | None, out: IO[bytes]) -> None:
    for piece in _span(file, start, end):
        out.write(piece)


def _span(file: Seekable, start: int, end: int | None) -> Iterator[bytes]:
    """Seeks for each piece: walkers use the same file."""
    while end is None or start < end:
        most = CHUNK if end is None else min(CHUNK, end - start)
        piece = bytes_at(file, start, most)
        if not piece:
            return
        start += len(piece)
        yield piece


def _blank(out: IO[bytes], start: int, length: int, put: bytes) -> None:
    out.seek(start)
    out.write(put)
    left = length - len(put)
    while left > 0:
        left -= out.write(b"\0" * min(left, CHUNK))


def _orientation(exif: bytes) -> bytes:
    """EXIF with nothing but which way up it is; empty where that is the usual way."""
    read = Pillow.Exif()
    try:
        read.load(exif)
        turned = read.get(ORIENTATION, 1)
    except Exception:  # damaged EXIF turns nothing
        return b""
    if turned not in range(2, 9):
        return b""
    plain = Pillow.Exif()
    plain[ORIENTATION] = turned
    return plain.tobytes()


# Pictures -------------------------------------------------------------------------


def _png(file: Seekable) -> Iterator[bytes]:
    yield chunks.PNG
    for part in chunks.png(file):
        if part.kind in PNG_KEPT:
            yield from _span(file, part.start, part.end)
        elif part.kind == b"eXIf" and (
            exif := _orientation(b"Exif\0\0" + part.read(file))
        ):
            data = exif.removeprefix(b"Exif\0\0")
            yield struct.pack(">I", len(data)) + b"eXIf" + data
            yield struct.pack(">I", zlib.crc32(b"eXIf" + data))


def _jpeg(file: Seekable) -> Iterator[bytes]:
    yield b"\xff\xd8"
    for part in chunks.jpeg(file):
        marker = part.kind[0]
        is_application = 0xE0 <= marker <= 0xEF
        if part.kind == b"\xe1" and (exif := _orientation(part.read(file))):
            yield b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        elif marker == 0xFE or (
            is_application and not _is_needed(marker, part.read(file, 16))
        ):
            continue
        else:
            yield from _span(file, part.start, part.end)


def _is_needed(marker: int, head: bytes) -> bool:
    """JFIF's header, profiles of colours, and how Adobe wrote the colours."""
    return (marker in (0xE0, 0xEE) and not head.startswith(b"JFXX")) or head.startswith(
        ICC
    )


def _webp(file: Seekable) -> Iterator[bytes]:
    kept: list[Part | bytes] = []
    turned = b""
    for part in chunks.webp(file):
        if part.kind in WEBP_KEPT:
            kept.append(part)
        elif part.kind == b"EXIF" and (turned := _orientation(part.read(file))):
            kept.append(_chunk(b"EXIF", turned))
    sizes = (len(k) if isinstance(k, bytes) else k.size + k.size % 2 + 8 for k in kept)
    yield b"RIFF" + struct.pack("<I", 4 + sum(sizes)) + b"WEBP"
    for one in kept:
        if isinstance(one, bytes):
            yield one
        elif one.kind == b"VP8X":
            data = bytearray(one.read(file))
            data[0] &= ~(XMP | (0 if turned else EXIF))
            yield _chunk(b"VP8X", bytes(data))
        else:
            yield one.kind + struct.pack("<I", one.size)
            yield from _span(file, one.inner, one.inner + one.size)
            yield b"\0" * (one.size % 2)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _gif(file: Seekable) -> Iterator[bytes]:
    at = 0
    for part in chunks.gif(file):
        is_told = part.kind == b"!\xfe" or (
            part.kind == b"!\xff" and part.read(file, 12)[1:] not in GIF_LOOPS
        )
        if is_told:
            yield from _span(file, at, part.start)
            at = part.end
        elif part.kind == b";":
            yield from _span(file, at, part.end)


def _wav(file: Seekable) -> Iterator[bytes]:
    kept = [part for part in chunks.webp(file) if part.kind in WAV_KEPT]
    size = 4 + sum(8 + part.size + part.size % 2 for part in kept)
    yield b"RIFF" + struct.pack("<I", size) + b"WAVE"
    for part in kept:
        yield part.kind + struct.pack("<I", part.size)
        yield from _span(file, part.inner, part.inner + part.size)
        yield b"\0" * (part.size % 2)


# Filled with zeros ----------------------------------------------------------------

Patch = tuple[int, int, bytes]  # where, how many bytes, what they begin with


def _mp4(file: Seekable) -> Iterator[Patch]:
    yield from _told(file, list(chunks.boxes(file)), 0)


def _told(file: Seekable, found: list[Part], depth: int) -> Iterator[Patch]:
    """Boxes of words become boxes called `free`, of the same size."""
    for box in found:
        if box.kind in MP4_TOLD:
            yield box.start + 4, 4, b"free"
            yield box.inner, box.size, b""
        elif box.kind in MP4_HOLDERS and depth < chunks.MAX_DEPTH:
            inner = list(chunks.boxes(file, box.inner, box.end))
            yield from _told(file, inner, depth + 1)


def _flac(file: Seekable) -> Iterator[Patch]:
    """Comments, pictures and what programs wrote become padding."""
    at = 4
    for _ in range(chunks.MAX_PARTS):
        head = bytes_at(file, at, 4)
        size = int.from_bytes(head[1:4], "big")
        if head[0] & 0x7F in (2, 4, 5, 6):
            yield at, 1, bytes([head[0] & 0x80 | 1])
            yield at + 4, size, b""
        if head[0] & 0x80:
            return
        at += 4 + size


def _avif(file: Seekable) -> Iterator[Patch]:
    """Which way up it is stands elsewhere in this format."""
    for start, length, kind in heif.told(file):
        empty = NO_EXIF if kind == b"Exif" and length >= len(NO_EXIF) else b""
        yield start, length, empty


REWRITTEN = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/gif": _gif,
    "audio/wav": _wav,
}
PATCHED = {
    "image/avif": _avif,
    "video/mp4": _mp4,
    "video/quicktime": _mp4,
    "audio/mp4": _mp4,
    "audio/flac": _flac,
}


def _by_ffmpeg(file: Seekable, mime_type: str, out: IO[bytes]) -> None:
    with tempfile.TemporaryDirectory(prefix="lifeos-") as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        with source.open("wb") as copy:
            _copy(file, 0, None, copy)
        if not films.without_tags(source, target, mime_type):
            message = "What this file tells of its making can't be left out here."
            raise CannotStrip(message)
        with target.open("rb") as made:
            shutil.copyfileobj(made, out, CHUNK)


def strip_bytes(data: bytes, mime_type: str) -> bytes:
    """As `stripped`, in memory."""
    with stripped(io.BytesIO(data), mime_type) as made:
        return made.read()

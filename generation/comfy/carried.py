"""Workflows that lie in pictures and films, as ComfyUI writes them there. Pure.

PNG     tEXt, zTXt or iTXt chunks called `prompt` and `workflow`
WebP    an EXIF chunk; its texts begin with `prompt:` and `workflow:`
MP4     `moov/udta/meta`: keys `prompt` and `workflow`, or a comment with both in JSON

Only the structure is walked, within limits; no pixel is decoded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from generation.comfy.convert import Unconvertible
from generation.comfy.convert.reading import MAX_BYTES

PNG = b"\x89PNG\r\n\x1a\n"
WANTED = ("prompt", "workflow", "comment")
# More parts than any honest file has.
MAX_PARTS = 20_000
MAX_BOX_DEPTH = 8
# Boxes of an MP4 that hold other boxes on the way to its texts.
BOXES = frozenset({b"moov", b"udta", b"meta", b"ilst"})


def texts(data: bytes) -> dict[str, bytes] | None:
    """{"prompt", "workflow", "comment": JSON} of a file; None if it is no such file.

    Raises Unconvertible if the file is damaged.
    """
    try:
        if data.startswith(PNG):
            return _wanted(_png(data))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _wanted(_webp(data))
        if data[4:8] == b"ftyp":
            return _wanted(_mp4(data))
    except (struct.error, zlib.error, IndexError, ValueError):
        raise Unconvertible("The file is damaged.") from None
    return None


def _wanted(found: Iterator[tuple[str, bytes]]) -> dict[str, bytes]:
    kept: dict[str, bytes] = {}
    for name, value in found:
        if name in WANTED and name not in kept:
            if len(value) > MAX_BYTES:
                raise Unconvertible("The workflow in the file is too large.")
            kept[name] = value
    return kept


# PNG ------------------------------------------------------------------------------


def _png(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = len(PNG)
    for _ in range(MAX_PARTS):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"tEXt", b"zTXt", b"iTXt") and at + 8 + size <= len(data):
            yield _png_text(kind, data[at + 8 : at + 8 + size])
        at += size + 12
    raise Unconvertible("The file has too many parts.")


def _png_text(kind: bytes, chunk: bytes) -> tuple[str, bytes]:
    name, _, rest = chunk.partition(b"\0")
    packed = False
    if kind == b"tEXt":
        # Latin-1 by the letter; ComfyUI writes ASCII, others UTF-8.
        return name.decode("latin-1").lower(), rest
    if kind == b"zTXt":
        packed, rest = True, rest[1:]
    else:
        packed, rest = rest[:1] == b"\1", rest[2:]
        rest = rest.split(b"\0", 2)[2]  # after language and translated keyword
    if packed:
        rest = zlib.decompressobj().decompress(rest, MAX_BYTES + 1)
    return name.decode("latin-1").lower(), rest


# WebP -----------------------------------------------------------------------------


def _webp(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 12
    for _ in range(MAX_PARTS):
        if at + 8 > len(data):
            return
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            yield from _exif(data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0"))
        at += 8 + size + size % 2
    raise Unconvertible("The file has too many parts.")


def _exif(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The texts of the first directory; each begins with its name and a colon."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for number in range(min(count, 100)):
        entry = start + 2 + 12 * number
        _, kind, length, at = struct.unpack_from(f"{order}HHII", data, entry)
        if kind != 2:  # ASCII
            continue
        at = entry + 8 if length <= 4 else at
        name, colon, value = data[at : at + length].rstrip(b"\0").partition(b":")
        if colon:
            yield name[:20].decode("latin-1").lower(), value


# MP4 ------------------------------------------------------------------------------


def _mp4(data: bytes) -> Iterator[tuple[str, bytes]]:
    keys: list[str] = []
    parts = 0
    # (from, to, depth, is the list of texts)
    todo = [(0, len(data), 0, False)]
    while todo:
        at, end, depth, listed = todo.pop()
        while at + 8 <= end:
            parts += 1
            if parts > MAX_PARTS or depth > MAX_BOX_DEPTH:
                raise Unconvertible("The file has too many parts.")
            size, kind = struct.unpack_from(">I4s", data, at)
            inner = at + 8
            if size == 1:
                (size,) = struct.unpack_from(">Q", data, inner)
                inner += 8
            after = end if size == 0 else at + size
            if after > end or after < inner:
                break  # cut off
            if listed:
                yield from _item(data[inner:after], kind, keys)
            elif kind == b"keys":
                keys += _keys(data[inner:after])
            elif kind in BOXES:
                # `meta` begins with four bytes of version, in MP4 though not in MOV.
                versioned = kind == b"meta" and data[inner + 4 : inner + 8] != b"hdlr"
                start = inner + 4 * versioned
                todo.append((start, after, depth + 1, kind == b"ilst"))
            at = after


def _keys(data: bytes) -> Iterator[str]:
    (count,) = struct.unpack_from(">I", data, 4)
    at = 8
    for _ in range(min(count, 1000)):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 8 : at + size].decode("latin-1").lower()[:40]
        at += max(size, 8)


def _item(data: bytes, kind: bytes, keys: list[str]) -> Iterator[tuple[str, bytes]]:
    """One text: its kind is the number of a key, or a code of four letters."""
    number = int.from_bytes(kind, "big")
    name = keys[number - 1] if 1 <= number <= len(keys) else ""
    if kind == b"\xa9cmt":
        name = "comment"
    size, box = struct.unpack_from(">I4s", data, 0)
    if name and box == b"data":
        yield name, data[16:size]

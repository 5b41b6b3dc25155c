"""Workflows that lie in pictures and films, as ComfyUI writes them there. Pure.

PNG     tEXt, zTXt or iTXt chunks called `prompt` and `workflow`
WebP    an EXIF chunk; its texts begin with `prompt:` and `workflow:`
MP4     `moov/udta/meta`: keys `prompt` and `workflow`, or a comment with both in JSON

Only the structure is walked, within limits; no pixel is decoded.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from gallery.files import chunks
from gallery.files.chunks import Broken, Part
from gallery.files.reading import Seekable, bytes_at
from generation.comfy.convert import Unconvertible
from generation.comfy.convert.reading import MAX_BYTES

WANTED = ("prompt", "workflow", "comment")
# Boxes of an MP4 that hold other boxes on the way to its texts.
BOXES = frozenset({b"moov", b"udta", b"meta", b"ilst"})


def texts(data: bytes) -> dict[str, bytes] | None:
    """{"prompt", "workflow", "comment": JSON} of a file; None if it is no such file.

    Raises Unconvertible if the file is damaged.
    """
    file = io.BytesIO(data)
    try:
        if data.startswith(chunks.PNG):
            found = ((name.lower(), text) for name, text, _ in png_texts(file))
            return _wanted(found)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _wanted(_webp(file))
        if data[4:8] == b"ftyp":
            return _wanted(_mp4(file))
    except Broken as exc:
        raise Unconvertible(str(exc)) from None
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


def png_texts(file: Seekable) -> Iterator[tuple[str, bytes, str]]:
    """(name, content, encoding) of each text chunk, unpacked within MAX_BYTES.

    Of a file that is cut off, those before the cut. Raises Broken or zlib.error.
    """
    for part in _before_the_cut(chunks.png(file)):
        if part.kind in (b"tEXt", b"zTXt", b"iTXt"):
            name, text = _png_text(part.kind, part.read(file, 2 * MAX_BYTES))
            encoding = "utf-8" if part.kind == b"iTXt" else "latin-1"
            yield name.decode("latin-1"), text, encoding


def _before_the_cut(parts: Iterator[Part]) -> Iterator[Part]:
    try:
        yield from parts
    except Broken as exc:
        if str(exc) != chunks.CUT:
            raise


def _png_text(kind: bytes, chunk: bytes) -> tuple[bytes, bytes]:
    name, _, rest = chunk.partition(b"\0")
    packed = False
    if kind == b"tEXt":
        # Latin-1 by the letter; ComfyUI writes ASCII, others UTF-8.
        return name, rest
    if kind == b"zTXt":
        packed, rest = True, rest[1:]
    else:
        packed, rest = rest[:1] == b"\1", rest[2:]
        rest = rest.split(b"\0", 2)[2]  # after language and translated keyword
    if packed:
        rest = zlib.decompressobj().decompress(rest, MAX_BYTES + 1)
    return name, rest


# WebP -----------------------------------------------------------------------------


def _webp(file: Seekable) -> Iterator[tuple[str, bytes]]:
    for part in _before_the_cut(chunks.webp(file)):
        if part.kind == b"EXIF":
            exif = part.read(file, 2 * MAX_BYTES)
            yield from _exif(exif.removeprefix(b"Exif\0\0"))


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


def _mp4(file: Seekable) -> Iterator[tuple[str, bytes]]:
    keys: list[str] = []
    # (parts, depth, is the list of texts)
    todo = [(chunks.boxes(file), 0, False)]
    while todo:
        found, depth, listed = todo.pop()
        if depth > chunks.MAX_DEPTH:
            raise Broken(chunks.MANY)
        for box in _before_the_cut(found):
            if listed:
                yield from _item(box.read(file, 2 * MAX_BYTES), box.kind, keys)
            elif box.kind == b"keys":
                keys += _keys(box.read(file, MAX_BYTES))
            elif box.kind in BOXES:
                # `meta` begins with four bytes of version, in MP4 though not in MOV.
                begins = bytes_at(file, box.inner + 4, 4)
                start = box.inner + 4 * (box.kind == b"meta" and begins != b"hdlr")
                inner = chunks.boxes(file, start, box.end)
                todo.append((inner, depth + 1, box.kind == b"ilst"))


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

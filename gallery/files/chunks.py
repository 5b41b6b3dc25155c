"""The parts that files are made of: PNG, JPEG, WebP, GIF, MP4 and AVIF.

Only the structure is walked, within limits; no pixel is decoded and no part is read
that nobody asks for. Every walker raises Broken where the parts do not fit together.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from gallery.files.reading import Seekable, bytes_at, size_of

PNG = b"\x89PNG\r\n\x1a\n"
# More parts than any honest picture has; an animation has two for each frame.
MAX_PARTS = 50_000
MAX_DEPTH = 8


class Broken(Exception):
    """The parts do not fit together; the text says how, in a sentence."""


class Part(NamedTuple):
    """`start` and `end` bound the whole part, `inner` is where its content begins."""

    kind: bytes
    start: int
    inner: int
    end: int
    # Of the content; PNG's checksum and padding are not content.
    size: int

    def read(self, file: Seekable, most: int = 1 << 24) -> bytes:
        return bytes_at(file, self.inner, min(self.size, most))


CUT = "The file is damaged or cut off."
MANY = "The file has too many parts."
BEHIND = "There is something else behind the end of the picture."


def _counted(number: int) -> None:
    if number >= MAX_PARTS:
        raise Broken(MANY)


def png(file: Seekable) -> Iterator[Part]:
    """Up to and with IEND; what is behind it is the caller's to judge."""
    at, end = len(PNG), size_of(file)
    for number in range(MAX_PARTS + 1):
        _counted(number)
        head = bytes_at(file, at, 8)
        if len(head) < 8:
            raise Broken(CUT)
        size, kind = struct.unpack(">I4s", head)
        part = Part(kind, at, at + 8, at + 12 + size, size)
        if part.end > end:
            raise Broken(CUT)
        yield part
        if kind == b"IEND":
            return
        at = part.end


def webp(file: Seekable) -> Iterator[Part]:
    """The chunks of a RIFF file, padding counted in."""
    (told,) = struct.unpack("<I", bytes_at(file, 4, 4).ljust(4, b"\0"))
    at, end = 12, told + 8
    if end > size_of(file):
        raise Broken(CUT)
    for number in range(MAX_PARTS + 1):
        if at + 8 > end:
            return
        _counted(number)
        kind, size = struct.unpack("<4sI", bytes_at(file, at, 8))
        part = Part(kind, at, at + 8, at + 8 + size + size % 2, size)
        if at + 8 + size > end:
            raise Broken(CUT)
        yield part
        at = part.end


def jpeg(file: Seekable) -> Iterator[Part]:
    """The segments before the first scan, then one part `scan` up to the end of the
    picture. `kind` is the marker's byte.
    """
    at, end = 2, size_of(file)
    for number in range(MAX_PARTS + 1):
        _counted(number)
        head = bytes_at(file, at, 4)
        if len(head) < 4 or head[0] != 0xFF:
            raise Broken(CUT)
        if head[1] == 0xFF:  # a byte to fill up
            at += 1
            continue
        if head[1] == 0xDA:
            stop = _end_of_scans(file, at)
            yield Part(b"scan", at, at, stop, stop - at)
            return
        size = int.from_bytes(head[2:4], "big")
        part = Part(head[1:2], at, at + 4, at + 2 + size, size - 2)
        if size < 2 or part.end > end:
            raise Broken(CUT)
        yield part
        at = part.end


def _end_of_scans(file: Seekable, start: int) -> int:
    """Where the picture ends: behind the first EOI that follows the first scan."""
    at, carry = start, b""
    file.seek(start)
    while block := file.read(1 << 18):
        found = (carry + block).find(b"\xff\xd9")
        if found >= 0:
            return at - len(carry) + found + 2
        at += len(block)
        carry = block[-1:]
    raise Broken(CUT)


def gif(file: Seekable) -> Iterator[Part]:
    """Extensions (`kind` is `!` and the label) and frames (`,`), then the end (`;`)."""
    screen = bytes_at(file, 6, 7)
    if len(screen) < 7:
        raise Broken(CUT)
    at = 13 + _table(screen[4])
    for number in range(2 * MAX_PARTS + 1):
        _counted(number // 2)
        head = bytes_at(file, at, 10)
        if head[:1] == b";":
            yield Part(b";", at, at, at + 1, 0)
            return
        if head[:1] == b"!" and len(head) > 1:
            inner = at + 2
        elif head[:1] == b"," and len(head) == 10:
            inner = at + 11 + _table(head[9])
        else:
            raise Broken(CUT)
        stop = _blocks_end(file, inner)
        kind = head[:2] if head[:1] == b"!" else b","
        yield Part(kind, at, inner, stop, stop - inner)
        at = stop


def _table(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks_end(file: Seekable, at: int) -> int:
    while True:
        length = bytes_at(file, at, 1)
        if not length:
            raise Broken(CUT)
        at += 1 + length[0]
        if length[0] == 0:
            return at


def boxes(file: Seekable, start: int = 0, end: int | None = None) -> Iterator[Part]:
    """Of MP4, MOV, M4A and AVIF: those directly between `start` and `end`."""
    at, stop = start, size_of(file) if end is None else end
    for number in range(MAX_PARTS + 1):
        if at >= stop:
            return
        _counted(number)
        head = bytes_at(file, at, 16)
        if len(head) < 8:
            raise Broken(CUT)
        size, kind = struct.unpack_from(">I4s", head)
        inner = at + 8
        if size == 1:
            if len(head) < 16:
                raise Broken(CUT)
            (size,) = struct.unpack_from(">Q", head, 8)
            inner += 8
        after = stop if size == 0 else at + size
        if after > stop or after < inner:
            raise Broken(CUT)
        yield Part(kind, at, inner, after, after - inner)
        at = after

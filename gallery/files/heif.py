"""Where an AVIF keeps its EXIF and XMP. Only the lists of its items are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gallery.files import chunks
from gallery.files.chunks import CUT, Broken, Part
from gallery.files.reading import Seekable, bytes_at

TOLD = (b"Exif", b"mime")
MAX_LIST = 1 << 20


class _Numbers:
    """Big-endian numbers, one after another. Raises Broken at the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> int:
        part = self.data[self.at : self.at + size]
        if len(part) < size:
            raise Broken(CUT)
        self.at += size
        return int.from_bytes(part, "big")


def told(file: Seekable) -> Iterator[tuple[int, int, bytes]]:
    """(start, length, kind) in the file of each piece of EXIF and XMP."""
    for box in chunks.boxes(file):
        if box.kind == b"meta":
            # Four bytes of version and flags come first.
            inner = {b.kind: b for b in chunks.boxes(file, box.inner + 4, box.end)}
            if b"iinf" in inner and b"iloc" in inner:
                items = dict(_items(file, inner[b"iinf"]))
                base = inner[b"idat"].inner if b"idat" in inner else 0
                yield from _places(inner[b"iloc"].read(file, MAX_LIST), items, base)


def _items(file: Seekable, listed: Part) -> Iterator[tuple[int, bytes]]:
    """Number and kind of the items that hold words."""
    version = bytes_at(file, listed.inner, 1)
    skip = 6 if version == b"\0" else 8
    for entry in chunks.boxes(file, listed.inner + skip, listed.end):
        data = entry.read(file, 64)
        wide = 4 if data[:1] == b"\x03" else 2
        kind = data[4 + wide + 2 : 4 + wide + 6]
        if entry.kind == b"infe" and kind in TOLD:
            yield int.from_bytes(data[4 : 4 + wide], "big"), kind


def _places(
    data: bytes, items: Mapping[int, bytes], idat: int
) -> Iterator[tuple[int, int, bytes]]:
    numbers = _Numbers(data)
    version = numbers.take(1)
    numbers.take(3)
    sizes, more = numbers.take(1), numbers.take(1)
    wide_offset, wide_length, wide_base = sizes >> 4, sizes & 15, more >> 4
    wide_index = more & 15 if version in (1, 2) else 0
    wide_id = 4 if version == 2 else 2
    for _ in range(numbers.take(wide_id)):
        item = numbers.take(wide_id)
        method = numbers.take(2) & 15 if version in (1, 2) else 0
        numbers.take(2)
        base = numbers.take(wide_base) + (idat if method == 1 else 0)
        for _ in range(numbers.take(2)):
            numbers.take(wide_index)
            offset, length = numbers.take(wide_offset), numbers.take(wide_length)
            if item in items and method in (0, 1):
                yield base + offset, length, items[item]

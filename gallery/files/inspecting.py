"""What a file is, by its content alone: never by its name, nor by anybody's word."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace

from PIL import Image as Pillow

from gallery.files import chunks, media
from gallery.files.chunks import Broken, Part
from gallery.files.reading import (
    BadPicture,
    Inspected,
    Seekable,
    bytes_at,
    digest_of,
    size_of,
)

# Pillow's name of each format that we keep: (mime type, extension).
FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "AVIF": ("image/avif", "avif"),
    "GIF": ("image/gif", "gif"),
}
MAX_FRAMES = 10_000
# All frames of an animation together may have so many times a picture's pixels.
MAX_ANIMATION = 25
ORIENTATION = 0x0112
# What makes a browser, a shell or a server run a text that it takes for its own.
ACTIVE = re.compile(
    rb"<(script|html|body|iframe|svg|object|embed|!doctype|\?php)|javascript:", re.I
)
AVIF_BOXES = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip"})


def inspect(file: Seekable, *, max_pixels: int) -> Inspected:
    """Decode the picture fully; raises BadPicture with a sentence.

    The header's size is checked before a pixel is decoded, so that a small file
    cannot claim gigabytes of memory. Frames are counted before any is decoded.
    """
    sha256, size = digest_of(file)
    with opened(file) as picture:
        kind, pixels = str(picture.format), picture.width * picture.height
        if pixels > max_pixels:
            message = f"{picture.width}×{picture.height} pixels are too many."
            raise BadPicture(message)
    frames, seconds = _structure(file, kind)
    if frames * pixels > MAX_ANIMATION * max_pixels:
        raise BadPicture(f"An animation of {frames} such frames is too large.")
    with opened(file) as picture:
        decode(picture, max_pixels // pixels, frames)
        width, height = upright_size(picture)
    mime_type, extension = FORMATS[kind]
    seen = Inspected(mime_type, extension, width, height, size, sha256)
    if frames <= 1:
        return seen
    return replace(seen, animated=True, media="animation", seconds=seconds)


def recognise(file: Seekable, *, max_pixels: int) -> Inspected:
    """Whatever it is that we keep: a picture, film, sound, 3D model or text."""
    try:
        found = media.recognised(file)
    except Broken as exc:
        raise BadPicture(str(exc)) from exc
    if found is None:
        return inspect(file, max_pixels=max_pixels)
    sha256, size = digest_of(file)
    return Inspected(
        found.mime_type, found.extension, 0, 0, size, sha256, media=found.media
    )


def opened(file: Seekable) -> Pillow.Image:
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


def decode(picture: Pillow.Image, most: int, frames: int) -> None:
    """The first frames, as many as have a still picture's pixels; one at least."""
    try:
        picture.load()
        for number in range(1, min(frames, most)):
            picture.seek(number)
            picture.load()
        if frames > 1:
            picture.seek(0)
    except Exception as exc:  # broken files raise nearly anything in Pillow
        raise BadPicture("The picture is damaged or cut off.") from exc


def upright_size(picture: Pillow.Image) -> tuple[int, int]:
    """As a viewer turns it. Damaged EXIF turns nothing."""
    try:
        turned = picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # whatever is wrong with it: the picture itself is well
        turned = False
    return (picture.height, picture.width) if turned else picture.size


# Structure ------------------------------------------------------------------------


def _structure(file: Seekable, kind: str) -> tuple[int, float | None]:
    """(frames, seconds that they play). Refuses what is cut off, and what carries
    another file behind its end or a program in its comments.
    """
    walk = {
        "PNG": _png,
        "WEBP": _webp,
        "GIF": _gif,
        "JPEG": _jpeg,
        "AVIF": _avif,
    }[kind]
    try:
        frames, seconds = walk(file)
    except Broken as exc:
        raise BadPicture(str(exc)) from exc
    if frames > MAX_FRAMES:
        raise BadPicture(f"The animation has more than {MAX_FRAMES} frames.")
    return frames, seconds


def _png(file: Seekable) -> tuple[int, float | None]:
    frames, seconds, end = 0, 0.0, 0
    for part in chunks.png(file):
        end = part.end
        if part.kind == b"fcTL" and part.size >= 26:
            frames += 1
            data = part.read(file, 26)
            top, bottom = (int.from_bytes(data[n : n + 2], "big") for n in (20, 22))
            seconds += top / (bottom or 100)
    _nothing_behind(file, end)
    return max(frames, 1), seconds


def _webp(file: Seekable) -> tuple[int, float | None]:
    frames, seconds, end = 0, 0.0, 12
    for part in chunks.webp(file):
        end = part.end
        if part.kind == b"ANMF":
            frames += 1
            data = part.read(file, 16)
            seconds += int.from_bytes(data[12:15], "little") / 1000
    _nothing_behind(file, end)
    return max(frames, 1), seconds


def _gif(file: Seekable) -> tuple[int, float | None]:
    frames, seconds, end = 0, 0.0, 0
    for part in chunks.gif(file):
        end = part.end
        if part.kind == b",":
            frames += 1
        elif part.kind == b"!\xf9":
            # Browsers take what is faster than 0.02 s for 0.1 s.
            delay = int.from_bytes(part.read(file, 5)[2:4], "little") / 100
            seconds += delay if delay >= 0.02 else 0.1
        elif part.kind == b"!\xfe":
            _no_program(part, file)
    _nothing_behind(file, end)
    return max(frames, 1), seconds


def _jpeg(file: Seekable) -> tuple[int, float | None]:
    end = 0
    for part in chunks.jpeg(file):
        end = part.end
        if part.kind == b"\xfe":
            _no_program(part, file)
        elif part.kind == b"\xe0":
            _sane_jfif(part, file)
    _nothing_behind(file, end, as_cameras=True)
    return 1, None


def _sane_jfif(part: Part, file: Seekable) -> None:
    """A header that is longer than its thumbnail hides something."""
    head = part.read(file, 14)
    if head[:5] == b"JFIF\0" and part.size != 14 + 3 * head[-2] * head[-1]:
        raise Broken("The header of the picture hides something.")
    if head[:4] not in (b"JFIF", b"JFXX", b"AVI1", b"Ocad"):
        raise Broken("The header of the picture hides something.")


def _avif(file: Seekable) -> tuple[int, float | None]:
    for part in chunks.boxes(file):
        if part.kind not in AVIF_BOXES:
            raise Broken(chunks.BEHIND)
    with opened(file) as picture:
        return int(getattr(picture, "n_frames", 1)), None


def _no_program(part: Part, file: Seekable) -> None:
    if ACTIVE.search(part.read(file, 1 << 20)):
        raise Broken("There is a program in the comment of the picture.")


def _nothing_behind(file: Seekable, end: int, *, as_cameras: bool = False) -> None:
    """Zeros are no harm. Cameras put further pictures and a short film behind one."""
    rest = size_of(file) - end
    if rest <= 0:
        return
    if as_cameras and _is_cameras(bytes_at(file, end, 64)):
        if not any(_zip_or_program(block) for block in _blocks(file, end)):
            return
    elif not any(block.strip(b"\0") for block in _blocks(file, end)):
        return
    raise Broken(chunks.BEHIND)


def _is_cameras(head: bytes) -> bool:
    plain = head.lstrip(b"\0")
    return not plain or plain[:3] == b"\xff\xd8\xff" or plain[4:8] == b"ftyp"


def _zip_or_program(block: bytes) -> bool:
    return b"PK\x05\x06" in block or ACTIVE.search(block) is not None


def _blocks(file: Seekable, start: int) -> Iterator[bytes]:
    file.seek(start)
    carry = b""
    while block := file.read(1 << 18):
        yield carry + block
        carry = block[-16:]

"""Files that people bring: what they really are, by their content. Masks."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from PIL import Image as Pillow
from PIL import ImageOps

from gallery import files
from generation.fields import Kind

HEAD = 64
CHUNK = 1 << 18
MASK_PIXELS = 64_000_000
# (offset, bytes, mime type, extension); the first that fits.
VIDEOS = (
    (4, b"ftypqt  ", "video/quicktime", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm", "webm"),
    (8, b"AVI ", "video/x-msvideo", "avi"),
)
SOUNDS = (
    (8, b"WAVE", "audio/wav", "wav"),
    (0, b"fLaC", "audio/flac", "flac"),
    (0, b"OggS", "audio/ogg", "ogg"),
    (0, b"ID3", "audio/mpeg", "mp3"),
    (4, b"ftypM4A", "audio/mp4", "m4a"),
)
ACCEPT = {
    Kind.IMAGE: "image/png,image/jpeg,image/webp",
    Kind.MASK: "image/png",
    Kind.VIDEO: "video/mp4,video/webm,video/quicktime,.mkv,.avi",
    Kind.AUDIO: "audio/*",
}


class BadFile(Exception):
    """The file is not of the kind that is asked for; the text says why."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a file is. `content`: what is to be stored instead of the upload."""

    mime_type: str
    extension: str
    sha256: str
    content: bytes | None = None


def inspect(file: files.Seekable, kind: Kind, *, max_pixels: int) -> Inspected:
    """Raises BadFile with a sentence where the content is not of this kind."""
    try:
        if kind == Kind.IMAGE:
            seen = files.inspect(file, max_pixels=max_pixels)
            return Inspected(seen.mime_type, seen.extension, seen.sha256)
        if kind == Kind.MASK:
            files.inspect(file, max_pixels=min(max_pixels, MASK_PIXELS))
            return _mask(file)
    except files.BadPicture as exc:
        raise BadFile(str(exc)) from exc
    return _sniffed(file, kind)


def _sniffed(file: files.Seekable, kind: Kind) -> Inspected:
    file.seek(0)
    head = file.read(HEAD)
    if not head:
        raise BadFile("The file is empty.")
    mime_type, extension = _video(head) if kind == Kind.VIDEO else _sound(head)
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return Inspected(mime_type, extension, digest.hexdigest())


def _video(head: bytes) -> tuple[str, str]:
    if found := _signed(head, VIDEOS):
        is_matroska = found[1] == "webm" and b"webm" not in head
        return ("video/x-matroska", "mkv") if is_matroska else found
    if head[4:8] == b"ftyp" and not _signed(head, SOUNDS):
        return "video/mp4", "mp4"
    raise BadFile("This is not a video (MP4, WebM, MOV, MKV or AVI).")


def _sound(head: bytes) -> tuple[str, str]:
    if found := _signed(head, SOUNDS):
        return found
    # An MP3 without tags begins with a frame: eleven bits set, layer III.
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "audio/mpeg", "mp3"
    raise BadFile("This is not a sound (MP3, WAV, FLAC, OGG or M4A).")


def _signed(
    head: bytes, known: tuple[tuple[int, bytes, str, str], ...]
) -> tuple[str, str] | None:
    for offset, signature, mime_type, extension in known:
        if head.startswith(signature, offset):
            return mime_type, extension
    return None


# Masks ----------------------------------------------------------------------------


def _mask(file: files.Seekable) -> Inspected:
    """White is what was painted. Stored so that ComfyUI reads the same mask from its
    red channel and from its transparency.
    """
    file.seek(0)
    with Pillow.open(file) as picture:  # type: ignore[arg-type]
        painted = _painted(picture)
    if not painted.getbbox():
        raise BadFile("Nothing is painted in this mask.")
    alpha = painted.point(lambda value: 255 - value)
    content = _png(Pillow.merge("RGBA", (painted, painted, painted, alpha)))
    digest = hashlib.sha256(content).hexdigest()
    return Inspected("image/png", "png", digest, content)


def _painted(picture: Pillow.Image) -> Pillow.Image:
    """What is painted, in white on black, of a mask in either way of writing it."""
    if "A" in picture.getbands():
        alpha = picture.convert("RGBA").getchannel("A")
        if alpha.getextrema()[0] < 255:  # type: ignore[operator]
            return alpha.point(lambda value: 255 - value)
    return picture.convert("RGB").convert("L")


def with_mask(picture: bytes, mask: bytes) -> bytes:
    """The picture as a PNG that is transparent where the mask is painted."""
    with (
        Pillow.open(io.BytesIO(picture)) as opened,
        Pillow.open(io.BytesIO(mask)) as over,
    ):
        # Upright, as the browser showed it and ComfyUI loads it.
        base = ImageOps.exif_transpose(opened).convert("RGBA")
        painted = _painted(over).resize(base.size, Pillow.Resampling.BILINEAR)
    base.putalpha(painted.point(lambda value: 255 - value))
    return _png(base)


def _png(picture: Pillow.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=4)
    return out.getvalue()

"""Right-sized pictures, and tiles for what has no picture.

WebP at 320 and 960 pixels is made at intake and always there. Other widths and AVIF
are made when a browser first asks, out of the 960 where that is wide enough, and kept
beside it (docs/gallery-files.md has what each costs).
"""

from __future__ import annotations

import contextlib
import io
from base64 import b64encode
from dataclasses import dataclass
from uuid import UUID

from PIL import Image as Pillow
from PIL import ImageCms, ImageDraw, ImageFont, ImageOps

from gallery.files.inspecting import decode, opened, upright_size
from gallery.files.reading import Inspected, Seekable, bytes_at

SMALL, LARGE, TINY = 320, 960, 20
WIDTHS = (320, 640, 960, 1280)
MAX_PROFILE = 4 * 1024 * 1024
TILE = (960, 600)
GROUND, INK, FAINT = (31, 34, 44), (214, 222, 240), (110, 122, 150)


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """WebP files and a tiny blurred picture as a data: URI."""

    small: bytes
    large: bytes
    placeholder: str


def key(owner_id: int, image_id: UUID, name: str) -> str:
    """Where a picture's file lies: made from ids, so the same again overwrites."""
    text = image_id.hex
    return f"images/{owner_id}/{text[:2]}/{text}/{name}"


def thumbnails(file: Seekable) -> Thumbnails:
    """Of a file that `inspect` has accepted. Never larger than the picture."""
    large = shrunk(file, LARGE)
    small = _fit(large, SMALL)
    tiny = encoded(_fit(small, TINY), "webp", quality=50)
    return Thumbnails(
        small=encoded(small, "webp", quality=78),
        large=encoded(large, "webp", quality=82),
        placeholder=f"data:image/webp;base64,{b64encode(tiny).decode()}",
    )


def shrunk(file: Seekable, width: int) -> Pillow.Image:
    """Upright, 8-bit sRGB with or without alpha, at most `width` wide.

    The full picture is in memory once, however large it is: it is made small before
    anything else is done to it.
    """
    with opened(file) as picture:
        # JPEG can be decoded at a fraction of its size; other formats ignore it.
        picture.draft("RGB", (width, width))
        decode(picture, 1, 1)
        profile = picture.info.get("icc_profile")
        small = _fit_in_place(_shrinkable(picture), width, _is_turned(picture))
    upright = _upright(small)
    return _flatten(upright, profile)


def _shrinkable(picture: Pillow.Image) -> Pillow.Image:
    """In a mode that can be scaled: not by numbers of colours, not clipped."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return picture.convert("F")
    if picture.mode in ("P", "PA") or "transparency" in picture.info:
        return picture.convert("RGBA")
    if picture.mode == "1":
        return picture.convert("L")
    return picture


def _is_turned(picture: Pillow.Image) -> bool:
    return upright_size(picture) != picture.size


def _fit_in_place(picture: Pillow.Image, width: int, turned: bool) -> Pillow.Image:
    """At most `width` wide and three times as high, once it is turned upright."""
    box = (width * 3, width) if turned else (width, width * 3)
    picture.thumbnail(box, Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    return picture


def _upright(small: Pillow.Image) -> Pillow.Image:
    try:
        return ImageOps.exif_transpose(small)
    except Exception:  # damaged EXIF turns nothing
        return small


def _flatten(picture: Pillow.Image, profile: object) -> Pillow.Image:
    """As 8-bit RGB or RGBA, whatever it was."""
    if picture.mode == "F":
        # 16-bit grey: Pillow would clip it instead of scaling it.
        high = picture.getextrema()[1]
        top = 65535.0 if float(high) > 255 else 255.0  # type: ignore[arg-type]
        return picture.point(lambda value: value * (255.0 / top)).convert("RGB")
    if isinstance(profile, bytes) and 0 < len(profile) <= MAX_PROFILE:
        picture = _in_srgb(picture, profile)
    return picture.convert("RGBA" if "A" in picture.getbands() else "RGB")


def _in_srgb(picture: Pillow.Image, profile: bytes) -> Pillow.Image:
    """By its profile of colours; as it is where the profile is no good."""
    if picture.mode not in ("RGB", "RGBA", "CMYK"):
        return picture
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    with contextlib.suppress(Exception):  # littleCMS tells nothing of what is wrong
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode=mode
        )
        if made is not None:
            return made
    return picture


def _fit(picture: Pillow.Image, width: int) -> Pillow.Image:
    copy = picture.copy()
    return _fit_in_place(copy, width, False)


def encoded(picture: Pillow.Image, kind: str, quality: int = 0) -> bytes:
    """`kind` is webp or avif."""
    out = io.BytesIO()
    if kind == "avif":
        picture.save(out, "AVIF", quality=quality or 52, speed=8)
    else:
        picture.save(out, "WEBP", quality=quality or 80, method=4)
    return out.getvalue()


def variant(file: Seekable, width: int, kind: str) -> bytes:
    """One thumbnail, of an original or of a larger thumbnail."""
    return encoded(shrunk(file, width), kind)


# Tiles ----------------------------------------------------------------------------


def tile(seen: Inspected, file: Seekable, name: str = "") -> Pillow.Image:
    """For what has no picture: its kind and length, a text's first lines."""
    picture = Pillow.new("RGB", TILE, GROUND)
    draw = ImageDraw.Draw(picture)
    if seen.media == "text":
        _write(draw, bytes_at(file, 0, 4000).decode("utf-8", "replace"))
    else:
        _mark(draw, seen.media)
    words = [seen.extension.upper(), length_of(seen.seconds), name[:40]]
    label = "  ·  ".join(word for word in words if word)
    draw.text((48, TILE[1] - 76), label, FAINT, ImageFont.load_default(30))
    return picture


def length_of(seconds: float | None) -> str:
    """1:05; empty where it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _write(draw: ImageDraw.ImageDraw, text: str) -> None:
    font = ImageFont.load_default(30)
    lines = [line.expandtabs(4)[:58] for line in text.splitlines()]
    for number, line in enumerate(lines[:11]):
        draw.text((48, 40 + 42 * number), line, INK, font)


def _mark(draw: ImageDraw.ImageDraw, media: str) -> None:
    middle, height = TILE[0] // 2, TILE[1] // 2 - 30
    if media == "audio":
        for number, tall in enumerate((40, 90, 150, 70, 120, 170, 100, 60, 30)):
            x = middle - 160 + 40 * number
            box = (x - 9, height - tall, x + 9, height + tall)
            draw.rounded_rectangle(box, 9, INK)
    elif media == "model":
        _cube(draw, middle, height)
    else:
        draw.ellipse(
            (middle - 110, height - 110, middle + 110, height + 110), None, INK, 10
        )
        play = [
            (middle - 34, height - 56),
            (middle - 34, height + 56),
            (middle + 62, height),
        ]
        draw.polygon(play, INK)


def _cube(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    top, right, left = (x, y - 130), (x + 113, y - 65), (x - 113, y - 65)
    below = [(x + 113, y + 65), (x, y + 130), (x - 113, y + 65)]
    draw.line([top, right, *below, left, top], INK, 9, "curve")
    draw.line([left, (x, y), right], INK, 9, "curve")
    draw.line([(x, y), (x, y + 130)], INK, 9)

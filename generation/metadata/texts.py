"""The texts in a picture's file, by name. Whatever the file is, within bounds."""

from __future__ import annotations

import warnings

from PIL import Image as Pillow

from gallery.files import Seekable
from generation.metadata.carried import png_texts

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_TEXT = 2_000_000
# Where ComfyUI puts its JSON in EXIF: `prompt:{…}` and `workflow:{…}` in any tag.
COMFYUI = ("prompt", "workflow")
EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
COMMENT = "UserComment"


class NoSettings(Exception):
    """The text says why there are none."""


def texts_of(file: Seekable) -> dict[str, str]:
    """Text chunks of a PNG, and EXIF. No pixel is decoded. Raises NoSettings."""
    file.seek(0)
    with warnings.catch_warnings():
        # The size does not matter where nothing is decoded.
        warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
        try:
            with Pillow.open(file, formats=FORMATS) as picture:  # type: ignore[arg-type]
                is_png = picture.format == "PNG"
                found = _exif(picture)
            return found | (_chunks(file) if is_png else {})
        except Exception as exc:  # broken files raise nearly anything in Pillow
            raise NoSettings("This is not a PNG, JPEG or WebP picture.") from exc


def _chunks(file: Seekable) -> dict[str, str]:
    return {
        name: text.decode(encoding, "replace")
        for name, text, encoding in png_texts(file)
        if len(text) <= MAX_TEXT
    }


def _exif(picture: Pillow.Image) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        exif = picture.getexif()
        texts = [text for text in exif.values() if isinstance(text, str)]
        comment = exif.get_ifd(EXIF_IFD).get(USER_COMMENT)
    except Exception:  # damaged EXIF, too; the picture's other texts may be well
        return found
    for text in texts:
        name, colon, rest = text.partition(":")
        if colon and name.lower() in COMFYUI and len(rest) <= MAX_TEXT:
            found[name.lower()] = rest
    text = _decoded(comment)
    if text and len(text) <= MAX_TEXT:
        found[COMMENT] = text
    return found


def _decoded(comment: object) -> str:
    """A UserComment: eight bytes name its encoding, but not the order of bytes."""
    if isinstance(comment, str):
        return comment
    if not isinstance(comment, bytes):
        return ""
    kind, content = comment[:8], comment[8 : 2 * MAX_TEXT]
    if not kind.startswith(b"UNICODE"):
        plain = content if kind.rstrip(b"\0 ") in (b"ASCII", b"JIS", b"") else comment
        return plain.decode("utf-8", "replace").strip("\0")
    readings = [content.decode(f"utf-16-{end}", "replace") for end in ("be", "le")]
    # Read the wrong way round, nearly nothing is a Latin letter or a blank.
    return max(readings, key=lambda text: sum(c < "\u0250" for c in text[:500]))

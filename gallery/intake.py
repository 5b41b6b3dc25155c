"""From an opened file, and what is known of it, to a stored row of the gallery.

The caller names the row: an id made from where the file comes from makes the same file
the same row, however often it is taken in.
"""

from __future__ import annotations

import io
import re
from collections.abc import Container
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from PIL import Image as Pillow

from gallery import files
from gallery.files import films, shrinking
from gallery.files.reading import Inspected, Seekable, digest_of
from gallery.models import Image, Provenance

MAX_TEXT = 1024 * 1024
NOT_WELCOME = "This is neither a picture nor a film, a sound or a 3D model."
# Path separators, control letters, and those that turn the direction of writing.
UNFIT = re.compile("[\x00-\x1f\x7f/\\\\\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def take(
    file: Seekable,
    image: Image,
    made: Provenance | None = None,
    *,
    told: str = "",
    only: Container[str] = Image.Media.values,
) -> Image:
    """Check and store the file, and insert `image` (unsaved, with owner, place and
    facts) and how it was made.

    `told` is a text that came without a file: whatever it says, it is a text. `only`
    are the kinds of media that are welcome. Files come first, then the row: what a row
    names is there. Raises BadPicture with a sentence for what is not kept; OSError
    where storage fails.
    """
    if told:
        file, seen = _spoken(told)
    else:
        seen = files.recognise(file, max_pixels=settings.LIFEOS_MAX_OUTPUT_PIXELS)
    if seen.media not in only:
        raise files.BadPicture(NOT_WELCOME)
    seen, small = _seen(file, seen, image.source_name)
    _store(file, image, seen, small)
    return _insert(image, made)


def clean_name(name: str) -> str:
    """What a file was called, without what could fool a reader or a file system."""
    base = re.split(r"[/\\]", name.split("\x00")[0])[-1]
    return UNFIT.sub("", base).strip(". ")[:255]


def _spoken(text: str) -> tuple[Seekable, Inspected]:
    content = text.replace("\x00", "").encode("utf-8", "replace")[:MAX_TEXT]
    file = io.BytesIO(content)
    sha256, size = digest_of(file)
    return file, Inspected("text/plain", "txt", 0, 0, size, sha256, media="text")


def _seen(
    file: Seekable, seen: Inspected, name: str
) -> tuple[Inspected, files.Thumbnails]:
    """With its size, length and thumbnails; a tile's where it has no picture."""
    if seen.media in (Image.Media.PICTURE, Image.Media.ANIMATION):
        return seen, files.thumbnails(file)
    film = films.film(file, seen.mime_type)
    seen = replace(seen, seconds=film.seconds)
    picture = None
    if film.poster:
        picture = _poster(film.poster)
    if picture is None:
        picture = shrinking.tile(seen, file, name)
    width, height = film.width or picture.width, film.height or picture.height
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return replace(seen, width=width, height=height), files.thumbnails(out)


def _poster(content: bytes) -> Pillow.Image | None:
    """As ffmpeg made it; what it made of a hostile film is not trusted either."""
    try:
        files.inspect(io.BytesIO(content), max_pixels=20_000_000)
        picture = shrinking.shrunk(io.BytesIO(content), 1280)
    except files.BadPicture:
        return None
    if picture.mode == "RGBA":
        # A sound's wave, on the ground of tiles.
        ground = Pillow.new("RGBA", picture.size, shrinking.GROUND)
        picture = Pillow.alpha_composite(ground, picture).convert("RGB")
    return picture


def _store(
    file: Seekable, image: Image, seen: Inspected, small: files.Thumbnails
) -> None:
    file.seek(0)
    contents: dict[str, tuple[str, File[Any]]] = {
        "file": (f"original.{seen.extension}", File(file)),  # type: ignore[arg-type]
        "thumb_small": (f"{files.SMALL}.webp", ContentFile(small.small)),
        "thumb_large": (f"{files.LARGE}.webp", ContentFile(small.large)),
    }
    for field, (base, content) in contents.items():
        key = files.key(image.owner_id, image.pk, base)
        setattr(image, field, default_storage.save(key, content))
    image.media = seen.media
    image.placeholder = small.placeholder
    image.sha256, image.bytes = seen.sha256, seen.bytes
    image.width, image.height = seen.width, seen.height
    image.mime_type, image.seconds = seen.mime_type, seen.seconds


def _insert(image: Image, made: Provenance | None) -> Image:
    try:
        with transaction.atomic():
            image.save(force_insert=True)
            if made is not None:
                made.image = image
                made.save(force_insert=True)
    except IntegrityError:
        # Somebody else stored the same file: the row and files are the same.
        if not _exists(image.pk):
            raise
    return image


def _exists(pk: UUID) -> bool:
    return Image.objects.filter(pk=pk).exists()

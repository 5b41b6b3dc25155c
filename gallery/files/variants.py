"""Thumbnails in every width, as AVIF or WebP: made when first asked for, and kept.

What is kept can be thrown away at any time. While too many are being made at once, a
browser gets the WebP that is always there, and asks again in a minute.
"""

from __future__ import annotations

import logging
import threading

from django.core.cache import cache
from django.core.files.base import ContentFile
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from gallery.files.delivery import serve
from gallery.files.reading import BadPicture
from gallery.files.shrinking import LARGE, SMALL, WIDTHS, key, variant
from gallery.models import Image

log = logging.getLogger(__name__)

NAMES = {"small": SMALL, "large": LARGE} | {str(width): width for width in WIDTHS}
# Of each process: the rest of its threads serve pages.
_makers = threading.BoundedSemaphore(2)
PATIENCE = 0.5  # seconds
MADE_FOR = 24 * 3600


def thumbnail(request: HttpRequest, image: Image, name: str) -> HttpResponseBase:
    """`name` is small, large or one of WIDTHS. Raises Http404 for any other, and for
    what has no look.
    """
    if name not in NAMES or not image.thumb_large:
        raise Http404("There is no such size.")
    width = NAMES[name]
    kind = "avif" if "image/avif" in request.headers.get("Accept", "") else "webp"
    response = _best(request, image, width, kind)
    patch_vary_headers(response, ["Accept"])
    return response


def _best(
    request: HttpRequest, image: Image, width: int, kind: str
) -> HttpResponseBase:
    if kind == "webp" and width in (SMALL, LARGE):
        return _kept(request, image, width)
    file = _file(image, f"{width}.{kind}")
    try:
        if _is_made(file) or _make(image, file, width, kind):
            return _answer(request, image, file, (width, kind))
    except (OSError, BadPicture, Http404):
        log.warning("no thumbnail could be made", extra={"image": image.pk})
        cache.delete(_mark(file))
    response = _kept(request, image, SMALL if width <= SMALL else LARGE)
    response["Cache-Control"] = "private, max-age=60"
    return response


def _kept(request: HttpRequest, image: Image, width: int) -> HttpResponseBase:
    file = image.thumb_small if width == SMALL else image.thumb_large
    return _answer(request, image, file, (width, "webp"))


def _answer(
    request: HttpRequest, image: Image, file: FieldFile, what: tuple[int, str]
) -> HttpResponseBase:
    width, kind = what
    return serve(
        request,
        file,
        mime_type=f"image/{kind}",
        filename=f"{image.pk}-{width}.{kind}",
        etag=f"{image.sha256[:32]}-{width}-{kind}",
    )


def _file(image: Image, name: str) -> FieldFile:
    """Beside the others; no column knows of it."""
    where = key(image.owner_id, image.pk, name)
    return FieldFile(image, image.thumb_large.field, where)


def _mark(file: FieldFile) -> str:
    return f"thumbnail:{file.name}"


def _is_made(file: FieldFile) -> bool:
    if cache.get(_mark(file)):
        return True
    if not file.storage.exists(str(file.name)):
        return False
    cache.set(_mark(file), 1, MADE_FOR)
    return True


def _make(image: Image, file: FieldFile, width: int, kind: str) -> bool:
    """False: others are at work. Raises OSError, BadPicture."""
    if not _makers.acquire(timeout=PATIENCE):
        return False
    try:
        source = _source(image, width)
        with source.storage.open(str(source.name), "rb") as opened:
            content = variant(opened, width, kind)
        file.storage.save(str(file.name), ContentFile(content))
        cache.set(_mark(file), 1, MADE_FOR)
        return True
    finally:
        _makers.release()


def _source(image: Image, width: int) -> FieldFile:
    """The thumbnail that is wide enough, else the picture; a film has only those."""
    is_picture = image.media in (Image.Media.PICTURE, Image.Media.ANIMATION)
    return image.file if is_picture and width > LARGE else image.thumb_large

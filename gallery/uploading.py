"""Files that people bring into their gallery themselves."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from accounts.models import User
from gallery import files, intake
from gallery.files.reading import Seekable, digest_of
from gallery.keeping import disks, quota
from gallery.models import Image

log = logging.getLogger(__name__)

KIND = "upload"
SPACE = uuid.UUID("5f0d3e6c-7f0b-4c41-9b43-3f3a2c8f8d11")
WELCOME = {
    Image.Media.PICTURE,
    Image.Media.ANIMATION,
    Image.Media.VIDEO,
    Image.Media.AUDIO,
    Image.Media.MODEL,
}

Reader = Callable[[Seekable, Image], None]
_readers: list[Reader] = []


class Refused(Exception):
    """The file is not kept; the text says why, to the person who brought it."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of one file: a picture, or a reason; a note besides."""

    name: str
    image: Image | None = None
    reason: str = ""


def read_with(reader: Reader) -> None:
    """Ask this, too, what a file says of its making: it sets the row's facts."""
    if reader not in _readers:
        _readers.append(reader)


def bring(owner: User, upload: UploadedFile[Any]) -> Brought:
    """Check and keep one file; never raises for what is wrong with it."""
    name = intake.clean_name(upload.name or "") or "File"
    try:
        return Brought(name, _keep(owner, upload, name))
    except (Refused, files.BadPicture, quota.Full) as exc:
        return Brought(name, reason=str(exc))
    except OSError:
        log.exception("an upload could not be stored")
        reason = "It could not be stored just now. Please try again."
        return Brought(name, reason=reason)


def _keep(owner: User, upload: UploadedFile[Any], name: str) -> Image:
    size, most = upload.size or 0, settings.LIFEOS_MAX_UPLOAD_BYTES
    if size > most:
        raise Refused(f"The file is larger than {filesizeformat(most)}.")
    if sentence := disks.no_room():
        raise Refused(sentence)
    quota.check(owner, size)
    sha256, _ = digest_of(upload)
    # The same file of the same person is the same row, however often it comes.
    pk = uuid.uuid5(SPACE, f"{owner.pk}/{sha256}")
    _again(owner, pk)
    image = Image(id=pk, owner=owner, node="", kind=KIND, index=0, source_name=name)
    for reader in _readers:
        reader(upload, image)
    return intake.take(upload, image, only=WELCOME)


def _again(owner: User, pk: uuid.UUID) -> None:
    """Raises Refused if the file is here; what is in the trash comes out of it."""
    if Image.objects.owned_by(owner).filter(pk=pk).exists():
        raise Refused("This file is in your gallery already.")
    if Image.objects.filter(pk=pk, owner=owner).update(deleted_at=None):
        raise Refused("This file was in your trash, and is back in your gallery.")

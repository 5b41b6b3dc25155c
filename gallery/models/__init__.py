"""What the gallery keeps."""

from __future__ import annotations

from gallery.models.image import Image, ImageQuerySet
from gallery.models.organising import (
    Album,
    AlbumItem,
    AlbumShare,
    SavedSearch,
    Tag,
    Tagged,
)
from gallery.models.provenance import Provenance
from gallery.models.undo import Undo

__all__ = [
    "Album",
    "AlbumItem",
    "AlbumShare",
    "Image",
    "ImageQuerySet",
    "Provenance",
    "SavedSearch",
    "Tag",
    "Tagged",
    "Undo",
]

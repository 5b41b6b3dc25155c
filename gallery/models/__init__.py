"""What the gallery keeps."""

from __future__ import annotations

from gallery.models.image import Home, Image, ImageQuerySet
from gallery.models.keeping import StorageUse
from gallery.models.organising import (
    Album,
    AlbumItem,
    AlbumShare,
    SavedSearch,
    Tag,
    Tagged,
)
from gallery.models.provenance import Provenance

__all__ = [
    "Album",
    "AlbumItem",
    "AlbumShare",
    "Home",
    "Image",
    "ImageQuerySet",
    "Provenance",
    "SavedSearch",
    "StorageUse",
    "Tag",
    "Tagged",
]

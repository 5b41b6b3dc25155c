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
from gallery.models.search import Facet, SearchEntry, SearchMark

__all__ = [
    "Album",
    "AlbumItem",
    "AlbumShare",
    "Facet",
    "Home",
    "Image",
    "ImageQuerySet",
    "Provenance",
    "SavedSearch",
    "SearchEntry",
    "SearchMark",
    "StorageUse",
    "Tag",
    "Tagged",
]

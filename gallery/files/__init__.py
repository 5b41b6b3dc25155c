"""Files that people keep: what they really are, how they look small, how they go out.

reading      what of a file is used, and what a refusal is called
chunks       the parts that PNG, JPEG, WebP, GIF and MP4 are made of
inspecting   what a file is, by its content alone
media        films, sounds, 3D models and texts, by magic and structure
films        ffmpeg, on a short leash: lengths and posters
shrinking    right-sized pictures, and tiles for what has no picture
stripping    the same file without what it tells of its making
delivery     a stored file on its way to a browser
"""

from __future__ import annotations

from gallery.files.delivery import serve
from gallery.files.inspecting import FORMATS, inspect, recognise
from gallery.files.reading import CHUNK, BadPicture, Inspected, Seekable
from gallery.files.shrinking import (
    LARGE,
    SMALL,
    TINY,
    Thumbnails,
    key,
    thumbnails,
)

__all__ = [
    "CHUNK",
    "FORMATS",
    "LARGE",
    "SMALL",
    "TINY",
    "BadPicture",
    "Inspected",
    "Seekable",
    "Thumbnails",
    "inspect",
    "key",
    "recognise",
    "serve",
    "thumbnails",
]

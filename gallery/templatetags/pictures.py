"""Pictures in templates: right-sized, and as tiles of the grid."""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.safestring import SafeString

from gallery import cells
from gallery.grid import Tile

register = template.Library()
register.simple_tag(cells.srcset)
register.simple_tag(cells.media_icon)


@register.simple_tag(takes_context=True)
def cell(context: Context, tile: Tile) -> SafeString:
    """A tile, that knows among which pictures it is seen."""
    album = context.get("album")
    private = bool(album and album.private)
    return cells.cell(tile, _whence(context), private=private)


def _whence(context: Context) -> str:
    if album := context.get("album"):
        return f"?in=album:{album.pk}"
    if stack := context.get("stack"):
        return f"?in=stack:{stack}"
    search = context.get("search")
    return f"?{search.encoded}" if search and search.encoded else ""

"""Pictures in templates: right-sized, and as tiles of the grid."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from gallery import cells
from gallery.grid import Tile

register = template.Library()
register.simple_tag(cells.srcset)
register.simple_tag(cells.media_icon)


@register.simple_tag(takes_context=True)
def cell(context: Context, tile: Tile) -> SafeString:
    """A tile, that knows among which pictures it is seen."""
    return cells.cell(tile, _whence(context), private=_private(context))


@register.simple_tag(takes_context=True)
def days(context: Context, tiles: Sequence[Tile]) -> SafeString:
    """Tiles as `cell` makes them, each day's under its heading."""
    query, private, today = _whence(context), _private(context), timezone.localdate()
    made = (
        (cells.heading(tile.day, today) if tile.day else "")
        + cells.cell(tile, query, private=private)
        for tile in tiles
    )
    # Both are HTML whose values were escaped.
    return mark_safe("".join(made))  # nosec B308, B703


def _private(context: Context) -> bool:
    album = context.get("album")
    return bool(album and album.private)


def _whence(context: Context) -> str:
    if album := context.get("album"):
        return f"?in=album:{album.pk}"
    if stack := context.get("stack"):
        return f"?in=stack:{stack}"
    search = context.get("search")
    return f"?{search.encoded}" if search and search.encoded else ""

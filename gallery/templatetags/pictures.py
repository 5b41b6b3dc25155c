"""Right-sized pictures in templates."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from django import template
from django.template import Context
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from gallery.files.shrinking import WIDTHS
from gallery.models import Image

register = template.Library()
WIDTH = "WIDTH"
ANY = str(UUID(int=0))
ICON = '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>'


@register.simple_tag
def srcset(image: Image, sizes: str = "(max-width: 52rem) 45vw, 18rem") -> SafeString:
    """`src`, `srcset`, `sizes`, `width` and `height` of an <img>: no layout shift.

    Widths stop at the picture's own: nothing larger would be sharper.
    """
    edge = image.width
    widths = [width for width in WIDTHS if width < edge]
    if len(widths) < len(WIDTHS):
        widths.append(WIDTHS[len(widths)])
    address = address_of("gallery:image-thumbnail", image.pk, WIDTH)
    addresses = [address.replace(WIDTH, str(width)) for width in widths]
    listed = ", ".join(
        f"{address} {min(width, edge)}w"
        for address, width in zip(addresses, widths, strict=True)
    )
    # Nothing that needs to be escaped is in an address of ours or in a number.
    return mark_safe(
        f'src="{addresses[0]}" srcset="{listed}" sizes="{escape(sizes)}"'
        f' width="{edge}" height="{image.height}"'
    )


@register.simple_tag
def address_of(name: str, pk: UUID, *rest: str) -> str:
    """As `url`, which takes longer, for each tile of a page."""
    return _pattern(name, get_script_prefix(), *rest).replace(ANY, str(pk))


@cache
def _pattern(name: str, prefix: str, *rest: str) -> str:
    return reverse(name, args=[ANY, *rest])


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """As `components/_icon.html`, which takes longer, for each tile of a page."""
    return format_html(ICON, static("icons.svg"), name)


@register.simple_tag(takes_context=True)
def whence(context: Context) -> str:
    """The query of a picture's page that says among which pictures it was seen."""
    if album := context.get("album"):
        return f"?in=album:{album.pk}"
    if stack := context.get("stack"):
        return f"?in=stack:{stack}"
    search = context.get("search")
    return f"?{search.encoded}" if search and search.encoded else ""


@register.simple_tag(takes_context=True)
def veil(context: Context, image: Image) -> str:
    """The class of a tile that is blurred until it is looked at."""
    album = context.get("album")
    return " veiled" if image.private or (album and album.private) else ""

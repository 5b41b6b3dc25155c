"""Right-sized pictures in templates."""

from __future__ import annotations

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gallery.files.shrinking import WIDTHS
from gallery.models import Image

register = template.Library()
WIDTH = "WIDTH"
ICON = '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>'


@register.simple_tag
def srcset(image: Image, sizes: str = "(max-width: 52rem) 45vw, 18rem") -> SafeString:
    """`src`, `srcset`, `sizes`, `width` and `height` of an <img>: no layout shift.

    Widths stop at the picture's own: nothing larger would be sharper.
    """
    widths = [width for width in WIDTHS if width < image.width]
    if len(widths) < len(WIDTHS):
        widths.append(WIDTHS[len(widths)])
    # One look at the addresses: a page of the gallery has hundreds of these.
    address = reverse("gallery:image-thumbnail", args=[image.pk, WIDTH])
    addresses = [
        (address.replace(WIDTH, str(width)), min(width, image.width))
        for width in widths
    ]
    listed = ", ".join(f"{address} {width}w" for address, width in addresses)
    return format_html(
        'src="{}" srcset="{}" sizes="{}" width="{}" height="{}"',
        addresses[0][0],
        listed,
        sizes,
        image.width,
        image.height,
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """As `components/_icon.html`, which takes longer, for each tile of a page."""
    return format_html(ICON, static("icons.svg"), name)

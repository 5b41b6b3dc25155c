"""A tile of the gallery's grid, as HTML.

No template: a page has sixty of them, and most of its time went into these few lines,
of which a template takes each variable by itself through all its layers.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from html import escape
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import naturalday
from django.template.defaultfilters import capfirst, floatformat
from django.utils.safestring import SafeString, mark_safe

from accounts.templatetags import addresses
from accounts.templatetags.icons import icon
from gallery.files.shrinking import WIDTHS
from gallery.grid import Tile, short
from gallery.models import Image

# What stands for them in an address until it is known.
WIDTH, ANY = "WIDTH", str(UUID(int=0))
MEDIA_ICONS = {
    Image.Media.VIDEO: "film",
    Image.Media.ANIMATION: "film",
    Image.Media.AUDIO: "music",
    Image.Media.MODEL: "box",
    Image.Media.TEXT: "file-text",
}
NAMES = {kind: str(label) for kind, label in Image.Media.choices}

CELL = (
    '<div class="cell" id="cell-{pk}" data-id="{pk}"{data}'
    ' data-favourite="{favourite}" data-rating="{rating}">'
    '<a class="tile{veil}" href="{href}" draggable="false">{look}{caption}</a>'
    '<label class="pick"><input type="checkbox" form="marking" {pick}></label>'
    '<span class="cell-marks"><span class="cell-heart" title="Favourite">{heart}'
    '<span class="visually-hidden">Favourite</span></span>'
    '<span class="cell-stars" title="Rating">{star}'
    "<span data-stars>{rating}</span></span></span>{badge}</div>"
)
HEADING = '<h2 class="day" data-day="{}">{}</h2>'
BEHIND = '<img class="tile-behind" src="{}" alt="" aria-hidden="true">'
FRONT = (
    '<img class="tile-front" {} alt="{}" loading="lazy" decoding="async"'
    ' draggable="false">'
)
PLAIN = '<span class="tile-plain">{}<span>{}</span></span>'
CAPTION = '<span class="tile-caption" aria-hidden="true">{}</span>'
BADGE = '<span class="cell-badge">{}</span>'
PICK = 'name="{}" value="{}" aria-label="Select this {}"'


def cell(tile: Tile, query: str = "", *, private: bool = False) -> SafeString:
    """A tile that can be selected.

    `query` is what its picture's page is opened with; `private`: all here are.
    """
    image, pile = tile.image, tile.stack
    href = address_of("gallery:stack", pile) if pile else _page(image, query)
    noun = f"stack of {tile.count}" if pile else NAMES[image.media].lower()
    html = CELL.format(
        pk=image.pk,
        data=_data(tile),
        favourite=int(image.favourite),
        rating=image.rating,
        veil=" veiled" if private or image.private else "",
        href=href,
        look=_look(tile),
        caption=CAPTION.format(escape(tile.caption)) if tile.caption else "",
        pick=PICK.format("stacks" if pile else "ids", pile or image.pk, noun),
        heart=icon("heart-full"),
        star=icon("star-full"),
        badge=_badge(tile),
    )
    # All that people or files say was escaped where it was taken.
    return mark_safe(html)  # nosec B308, B703


@lru_cache(maxsize=4096)
def heading(day: date, today: date) -> str:
    """`today` is what a heading is kept for: it may say "Today"."""
    return HEADING.format(day.isoformat(), capfirst(str(naturalday(day, "j F Y"))))


def _page(image: Image, query: str) -> str:
    return address_of("gallery:image", image.pk) + escape(query)


def _data(tile: Tile) -> str:
    stack = f' data-stack="{tile.stack}"' if tile.stack else ""
    return stack + (' data-foreign="1"' if tile.foreign else "")


def _look(tile: Tile) -> str:
    image = tile.image
    if not image.thumb_small:
        name = short(image.source_name or NAMES[image.media], 40)
        return PLAIN.format(media_icon(image), escape(name))
    behind = BEHIND.format(escape(image.placeholder)) if image.placeholder else ""
    return behind + FRONT.format(srcset(image, tile.sizes), escape(tile.alt))


def _badge(tile: Tile) -> str:
    image = tile.image
    if tile.stack:
        hidden = '<span class="visually-hidden"> pictures</span>'
        return BADGE.format(f"{icon('layers')}{tile.count}{hidden}")
    if image.media == Image.Media.PICTURE:
        return ""
    said = f"{floatformat(image.seconds, 0)} s" if image.seconds else NAMES[image.media]
    return BADGE.format(media_icon(image) + said)


def media_icon(image: Image) -> SafeString:
    return icon(MEDIA_ICONS.get(Image.Media(image.media), "file"))


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
    attributes = (
        f'src="{addresses[0]}" srcset="{listed}" sizes="{escape(sizes)}"'
        f' width="{edge}" height="{image.height}"'
    )
    return mark_safe(attributes)  # nosec B308, B703


def address_of(name: str, pk: UUID, *rest: str) -> str:
    """As `url`, which takes longer."""
    return addresses.kept(name, ANY, *rest).replace(ANY, str(pk))

"""The gallery's pages of tiles: stacks as one, a heading for each day, up and down.

Costs grow with the page: the rows by one index, the heights of their stacks by another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from django.db.models import BigIntegerField, Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.paging import decode, encode, newest_first, newest_from, oldest_first
from accounts.prepared import Prepared, Slot
from gallery.models import Album, Image, Tag
from gallery.search.finding import NEWEST, OLDEST, Found

PAGE = 60
# Height of a row of tiles, by density: wide screens and narrow ones, in rem.
DENSITIES = {1: (7, 5), 2: (10, 7), 3: (15, 9.5), 4: (20, 14), 5: (27, 22)}
DENSITY = 3
# Columns that no tile shows, some of them long.
UNSEEN = ("negative_prompt", "notes", "sha256", "seed", "model")
SUGGESTED = 200
# Orders in which a day follows a day, so that a heading makes sense.
DATED = (NEWEST, OLDEST)


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture, or the first of a stack of `count`; `day` is a heading before it.

    `foreign`: somebody else's, in an album; it can be looked at and taken out only.
    """

    image: Image
    count: int = 1
    day: date | None = None
    density: int = DENSITY
    foreign: bool = False

    @property
    def stack(self) -> UUID | None:
        return self.image.stack if self.count > 1 else None

    @property
    def alt(self) -> str:
        said = short(self.image.prompt, 120) or self.image.workflow_title
        return said or self.image.get_media_display()

    @property
    def caption(self) -> str:
        return short(self.image.prompt, 80) or self.image.workflow_title

    @property
    def sizes(self) -> str:
        """How wide it is shown, so that the browser takes the right thumbnail."""
        ratio = self.image.width / max(1, self.image.height)
        wide, narrow = DENSITIES[self.density]
        return f"(max-width: 52rem) {narrow * ratio:.1f}rem, {wide * ratio:.1f}rem"


def short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass(frozen=True, slots=True)
class Grid:
    """`next`: the cursor of older ones. `newer`: the picture that newer ones precede.

    `upwards`: these tiles go before those that a page shows already.
    """

    tiles: Sequence[Tile]
    next: str | None
    newer: UUID | None = None
    upwards: bool = False


def read(rows: QuerySet[Image], params: Mapping[str, str], density: int) -> Grid:
    """A page of `rows`, which are one person's.

    `cursor`: what comes after it; `at`: beginning with this picture; `newer`: what is
    before this one; none of them: the newest. Raises BadCursor.
    """
    rows = rows.defer(*UNSEEN)
    if anchor := _anchor(rows, params.get("newer", "")):
        items, more = oldest_first(rows, anchor, PAGE)
        newer = items[0].pk if more else None
        after = encode(items[-1]) if items else None
        return Grid(tiles(items, density), after, newer, upwards=True)
    if anchor := _anchor(rows, params.get("at", "")):
        page = newest_from(rows, anchor, PAGE)
        above, _ = oldest_first(rows, anchor, 1)
        newer = anchor.pk if above else None
        return Grid(tiles(page.items, density), page.next, newer)
    cursor = params.get("cursor", "")
    page = newest_first(rows, cursor, PAGE)
    before = timezone.localdate(decode(cursor)[0]) if cursor else None
    return Grid(tiles(page.items, density, before), page.next)


def found(search: Found, cursor: str, density: int) -> Grid:
    """A page of what a search finds, each picture by itself and in its own order."""
    page = search.page(cursor, PAGE)
    shown = tiles(page.items, density, stacked=False)
    if search.order not in DATED:
        shown = [replace(tile, day=None) for tile in shown]
    return Grid(shown, page.next)


def _anchor(rows: QuerySet[Image], text: str) -> Image | None:
    """The picture itself need not be among the rows: it may be in the trash by now."""
    try:
        pk = UUID(text)
    except ValueError:
        return None
    found = Image.objects.filter(pk=pk).only("created", "owner").first()
    # A stranger's picture says nothing, not even when it was made.
    owner = rows.values_list("owner_id", flat=True)[:1]
    return found if found and found.owner_id in owner else None


def tiles(
    images: Sequence[Image],
    density: int,
    before: date | None = None,
    *,
    stacked: bool = True,
) -> list[Tile]:
    """Tiles, with the heights of their stacks where each stack is one tile.

    `before` is the day of the one before.
    """
    counts = heights(images) if stacked else {}
    made, zone = [], timezone.get_current_timezone()
    for image in images:
        day = image.created.astimezone(zone).date()
        count = counts.get(image.stack, 1) if image.stack else 1
        made.append(Tile(image, count, day if day != before else None, density))
        before = day
    return made


def heights(images: Sequence[Image]) -> dict[UUID, int]:
    """How many pictures there are in each stack that leads one of these."""
    stacks = {image.stack for image in images if image.stack}
    rows = Image.objects.filter(stack__in=stacks, deleted_at=None).order_by()
    counted = rows.values("stack").annotate(height=Count("pk"))
    if not stacks:
        return {}
    return {row["stack"]: row["height"] for row in counted if row["stack"]}


def density_of(request: HttpRequest) -> int:
    """How large this person wants the tiles in this browser, from 1 to 5."""
    text = request.COOKIES.get("density", "")
    return int(text) if text in {"1", "2", "3", "4", "5"} else DENSITY


_PERSON = Slot("person", BigIntegerField())
_tags: Prepared[Tag] = Prepared(
    lambda: (
        Tag.objects.filter(owner=_PERSON)
        .order_by("name")
        .values_list("name")[:SUGGESTED]
    )
)
_albums: Prepared[Album] = Prepared(
    lambda: (
        Album.objects.open_to(_PERSON)
        .order_by("-created")
        .values_list("id", "title")[:SUGGESTED]
    )
)


def marking_context(user: User) -> dict[str, object]:
    """What the bar of actions offers: tags, and albums that one may add to."""
    return {
        "mark_tags": [name for (name,) in _tags.rows(person=user.pk)],
        "mark_albums": _albums.rows(person=user.pk),
    }

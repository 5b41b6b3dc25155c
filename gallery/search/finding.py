"""A person's search: its pictures page by page, and what was wrong with it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import BigIntegerField, UUIDField
from django.utils import timezone

from accounts.models import User
from accounts.paging import BadCursor, Page
from accounts.prepared import Prepared, Slot
from gallery.models import Image, ImageQuerySet, SearchEntry
from gallery.search import indexing
from gallery.search.compiling import Compiled, compiled
from gallery.search.guard import TooSlow, limited
from gallery.search.language import Parsed, Problem
from gallery.search.parsing import parse
from gallery.search.walking import ENTRY, STARS, Key, Statement, Walk

ORDERS = {"newest": "Newest", "oldest": "Oldest", "rating": "Best rated"}
NEWEST, OLDEST, RATING = ORDERS
# So many matches are sorted by their stars.
FEW = 500
# An owner's number that nobody has.
NOBODY = 0

# Pictures of a page that one statement for all pages reads.
AT_ONCE = 60
_own: Prepared[Image] = Prepared(
    lambda: Image.objects.filter(
        owner=Slot("owner", BigIntegerField()),
        deleted_at=None,
        pk__in=[Slot(f"image{n}", UUIDField()) for n in range(AT_ONCE)],
    )
)


@dataclass
class Found:
    """What `find` answers. `problems` are sentences; with any, no picture is found."""

    user: User | AnonymousUser
    text: str
    parsed: Parsed
    order: str = NEWEST
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    @cached_property
    def compiled(self) -> Compiled:
        return compiled(self.parsed, timezone.localdate())

    def page(
        self, cursor: str, limit: int, rows: ImageQuerySet | None = None
    ) -> Page[Image]:
        """One page of pictures, taken out of `rows`, by default the person's own.

        Raises BadCursor. A search that takes too long is a problem of this object, and
        an empty page.
        """
        key = _decode(cursor, self.order) if cursor else None
        entries = self._entries(key, limit + 1)
        shown = entries[:limit]
        ids = [image for _, _, image in shown]
        there = self._own(ids) if rows is None else rows.in_bulk(ids)
        items = [there[image] for _, _, image in shown if image in there]
        more = len(entries) > limit
        return Page(items, _encode(shown[-1], self.order) if more else None)

    def _own(self, ids: list[UUID]) -> dict[UUID, Image]:
        if not 0 < len(ids) <= AT_ONCE:
            return Image.objects.owned_by(self.user).in_bulk(ids)
        # What is missing to so many is the last once more.
        padded = ids + ids[-1:] * (AT_ONCE - len(ids))
        wanted = {f"image{n}": image for n, image in enumerate(padded)}
        return {image.pk: image for image in _own.objects(owner=self.user.pk, **wanted)}

    def ids(self, limit: int) -> list[UUID]:
        """The first pictures' ids, in order, as for a download or a selection."""
        return [image for _, _, image in self._entries(None, limit)]

    def facets(self, limit: int) -> list[str]:
        """What is counted of each of the first matches: see SearchEntry."""
        sql, values = self._statement(None, limit)
        sql = (
            f"SELECT w.stars, w.place, e.facets FROM ({sql}) w"
            f" CROSS JOIN {ENTRY} e WHERE e.place = w.place"
        )
        return [str(facets) for _, _, facets in self._rows([(sql, values)])[0]]

    def neighbours(self, image: Image) -> tuple[Image | None, Image | None]:
        """The matches before and after one, by date where the best rated come first."""
        entry = SearchEntry.objects.filter(pk=image.pk, owner=self.user.pk).first()
        if entry is None:
            return None, None
        key = Key(entry.place)
        walks = [replace(self, order=o)._statement(key, 1) for o in (OLDEST, NEWEST)]
        ids = [[_uuid(pk) for _, _, pk in rows] for rows in self._rows(walks)]
        there = Image.objects.owned_by(self.user).in_bulk(
            [pk for pks in ids for pk in pks]
        )
        newer, older = (there.get(pks[0]) if pks else None for pks in ids)
        return (older, newer) if self.order == OLDEST else (newer, older)

    def _entries(self, key: Key | None, limit: int) -> list[tuple[int, int, UUID]]:
        """(stars, place, image) of so many matches; stars are 0 in other orders."""
        [rows] = self._rows([self._statement(key, limit)])
        return [(stars, place, _uuid(image)) for stars, place, image in rows]

    def _rows(self, statements: Sequence[Statement]) -> list[list[Any]]:
        """What each statement finds, in order, or nothing where it may not look."""
        if self.user.is_anonymous or not self.ok:
            return [[] for _ in statements]
        indexing.catch_up(self.user.pk)
        try:
            found = _answers(statements)
        except TooSlow as exc:
            self.problems.append(Problem(str(exc)))
            return [[] for _ in statements]
        for rows in found:
            rows.sort(key=lambda row: row[:2], reverse=self.order != OLDEST)
        return found

    def _statement(self, key: Key | None, limit: int) -> Statement:
        walk = Walk(
            compiled=self.compiled,
            owner=self.user.pk or NOBODY,
            limit=limit,
            after=key.place if key else None,
            oldest_first=self.order == OLDEST,
        )
        return self._best_rated(walk, key) if self.order == RATING else _sql(walk)

    def _best_rated(self, walk: Walk, key: Key | None) -> Statement:
        """Few matches are sorted. Of many there is one walk for each number of stars,
        the best first: a database goes through them in this order, and no further than
        to the limit.
        """
        few, looked_for = _sql(replace(walk, after=None, limit=FEW + 1))
        best, place = (key.stars, key.place) if key else (STARS[0] + 1, 0)
        # A limit of none keeps either database from beginning with a walk.
        most = (
            f"CASE WHEN (SELECT count(*) FROM few) > {FEW} THEN {walk.limit} ELSE 0 END"
        )
        whole = replace(walk, after=None)
        many, values = (
            whole.for_postgres_by_stars(key, most)
            if connection.vendor == "postgresql"
            else whole.for_sqlite_by_stars(key, most)
        )
        sql = f"""
            WITH few AS MATERIALIZED ({few})
            SELECT * FROM (
              SELECT * FROM (
                SELECT i.rating AS stars, few.place AS place, few.image AS image
                FROM few JOIN gallery_image i ON i.id = few.image
                WHERE (SELECT count(*) FROM few) <= {FEW}
                AND (i.rating < %s OR (i.rating = %s AND few.place < %s))
                ORDER BY 1 DESC, 2 DESC LIMIT %s
              ) sorted UNION ALL {many}
            ) w LIMIT %s"""
        limits = [best, best, place, walk.limit]
        return sql, [*looked_for, *limits, *values, walk.limit]


def that_find(searches: Sequence[Found]) -> list[bool]:
    """Which of one person's searches find anything; none of them if it takes too long.

    In one round trip.
    """
    if not searches:
        return []
    walks = [search._statement(None, 1) for search in searches]
    return [bool(rows) for rows in searches[0]._rows(walks)]


def _answers(statements: Sequence[Statement]) -> list[list[Any]]:
    """The rows of each, all in one round trip. Raises TooSlow."""
    sql = " UNION ALL ".join(
        f"SELECT {n}, s{n}.* FROM ({sql}) s{n}" for n, (sql, _) in enumerate(statements)
    )
    found: list[list[Any]] = [[] for _ in statements]
    with limited(), connection.cursor() as cursor:
        cursor.execute(sql, [value for _, some in statements for value in some])
        for number, *row in cursor.fetchall():
            found[number].append(row)
    return found


def _uuid(image: UUID | str) -> UUID:
    """As either database gives it."""
    return image if isinstance(image, UUID) else UUID(image)


def _sql(walk: Walk) -> Statement:
    postgres = connection.vendor == "postgresql"
    return walk.for_postgres() if postgres else walk.for_sqlite()


def find(user: User | AnonymousUser, text: str, order: str = NEWEST) -> Found:
    """The person's pictures that a query in the search language asks for.

    Never raises for what a person typed: see `problems`. An order that there is not is
    the newest first.
    """
    parsed = parse(text)
    known = order if order in ORDERS else NEWEST
    return Found(user, text, parsed, known, list(parsed.problems))


def _encode(row: Sequence[Any], order: str) -> str:
    stars, place, _ = row
    text = f"{order[0]}{stars}|{place}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, order: str) -> Key:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.urlsafe_b64decode(padded.encode()).decode("ascii")
        stars, _, place = text.removeprefix(order[0]).partition("|")
        key = Key(int(place), int(stars))
        if text[:1] != order[0] or key.stars not in STARS or abs(key.place) >= 2**63:
            raise BadCursor("This page does not exist.")
        return key
    except (ValueError, binascii.Error) as exc:
        raise BadCursor("This page does not exist.") from exc


def sentences(problems: Iterable[Problem]) -> list[str]:
    return list(dict.fromkeys(problem.sentence for problem in problems))

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
from django.utils import timezone

from accounts.models import User
from accounts.paging import BadCursor, Page
from gallery.models import Image, ImageQuerySet, SearchEntry
from gallery.search import indexing
from gallery.search.compiling import Compiled, compiled
from gallery.search.guard import TooSlow, limited
from gallery.search.language import Parsed, Problem
from gallery.search.parsing import parse
from gallery.search.walking import NEAR, Walk

ORDERS = {"newest": "Newest", "oldest": "Oldest", "rating": "Best rated"}
NEWEST, OLDEST, RATING = ORDERS
STARS = (5, 4, 3, 2, 1, 0)
# So many matches are sorted by their stars.
FEW = 500
# An owner's number that nobody has.
NOBODY = 0


@dataclass(frozen=True, slots=True)
class Key:
    """Where a page ended: a place, and the stars when these come first."""

    place: int
    stars: int = 0


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
        if rows is None:
            rows = Image.objects.owned_by(self.user)
        entries = self._entries(key, limit + 1)
        shown = entries[:limit]
        there = rows.in_bulk([image for _, _, image in shown])
        items = [there[image] for _, _, image in shown if image in there]
        more = len(entries) > limit
        return Page(items, _encode(shown[-1], self.order) if more else None)

    def ids(self, limit: int) -> list[UUID]:
        """The first pictures' ids, in order, as for a download or a selection."""
        return [image for _, _, image in self._entries(None, limit)]

    def neighbours(self, image: Image) -> tuple[Image | None, Image | None]:
        """The matches before and after one, by date where the best rated come first."""
        entry = SearchEntry.objects.filter(pk=image.pk, owner=self.user.pk).first()
        if entry is None:
            return None, None
        pair = []
        for order in (OLDEST, NEWEST):
            found = replace(self, order=order)._entries(Key(entry.place), 1)
            rows = Image.objects.owned_by(self.user)
            pair.append(rows.filter(pk__in=[pk for _, _, pk in found]).first())
        newer, older = pair
        return (older, newer) if self.order == OLDEST else (newer, older)

    def _entries(self, key: Key | None, limit: int) -> list[tuple[int, int, UUID]]:
        """(stars, place, image) of so many matches; stars are 0 in other orders."""
        if self.user.is_anonymous or not self.ok:
            return []
        indexing.catch_up(self.user.pk)
        found: list[tuple[int, int, UUID]] = []
        sql, values = self._statement(key, limit)
        try:
            with limited(), connection.cursor() as cursor:
                cursor.execute(sql, values)
                for stars, place, image in cursor.fetchall():
                    pk = image if isinstance(image, UUID) else UUID(image)
                    found.append((stars, place, pk))
            found.sort(key=lambda row: row[:2], reverse=self.order != OLDEST)
        except TooSlow as exc:
            self.problems.append(Problem(str(exc)))
        return found

    def _statement(self, key: Key | None, limit: int) -> tuple[str, list[Any]]:
        walk = Walk(
            compiled=self.compiled,
            owner=self.user.pk or NOBODY,
            limit=limit,
            after=key.place if key else None,
            oldest_first=self.order == OLDEST,
            near=NEAR,
        )
        return self._best_rated(walk, key) if self.order == RATING else _sql(walk)

    def _best_rated(self, walk: Walk, key: Key | None) -> tuple[str, list[Any]]:
        """Few matches are sorted. Of many there is one walk for each number of stars,
        the best first: a database goes through them in this order, and no further than
        to the limit.
        """
        few, looked_for = _sql(replace(walk, after=None, limit=FEW + 1))
        best, place = (key.stars, key.place) if key else (STARS[0] + 1, 0)
        walks = [
            _sql(
                replace(
                    walk,
                    compiled=self.compiled.and_rating(stars),
                    after=key.place if key and stars == key.stars else None,
                    stars=stars,
                )
            )
            for stars in STARS
            if key is None or stars <= key.stars
        ]
        # A limit of none keeps either database from beginning with a walk.
        most = (
            f"CASE WHEN (SELECT count(*) FROM few) > {FEW} THEN {walk.limit} ELSE 0 END"
        )
        many = " UNION ALL ".join(
            f"SELECT * FROM (SELECT * FROM ({sql}) v LIMIT {most}) w{n}"
            for n, (sql, _) in enumerate(walks)
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
        values = [value for _, some in walks for value in some]
        limits = [best, best, place, walk.limit]
        return sql, [*looked_for, *limits, *values, walk.limit]


def _sql(walk: Walk) -> tuple[str, list[Any]]:
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

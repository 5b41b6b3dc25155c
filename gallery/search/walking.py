"""The statement that reads matches in the order of age, for either database.

FTS5 keeps its lists in this order: it gives the next match whenever it is asked. A GIN
index of PostgreSQL gives all that match, in no order. So the newest pictures are looked
through first, a bounded number, which is enough for whatever is frequent; when these
are too few the index is asked, one stretch of time after the other. It keeps each word
once for each stretch: a stretch without the word costs next to nothing, and no list is
longer than a stretch has pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gallery.search import schema
from gallery.search.compiling import STRETCH, Compiled
from gallery.search.document import RATING, STRETCH_BITS

# Pictures that are looked through before the index is asked, for each so many matches
# that are wanted.
NEAR, WANTED = 1000, 250
# Of so many it is taken which of the conditions is met least often: GIN looks for the
# next picture by the first, and asks the others about it.
SAMPLE = 200
# The index is asked for so many conditions, the rest is looked up in what it finds:
# each costs it as much as it has pictures, and four leave few.
MOST = 4
EDGE = 2**63 - 1
ENTRY = "gallery_searchentry"
# SQL and its values, by their order.
Statement = tuple[str, list[Any]]
STARS = (5, 4, 3, 2, 1, 0)


@dataclass(frozen=True, slots=True)
class Key:
    """Where a page ended: a place, and the stars when these come first."""

    place: int
    stars: int = 0

    @property
    def rest(self) -> list[int]:
        """The stars of what comes after it."""
        return [stars for stars in STARS if stars <= self.stars]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a walk's own statement on PostgreSQL has in these places, as SQL; `count`:
    how many conditions there are.
    """

    count: int
    stars: str = "0"
    high: str = "%(high)s"
    words: str = "%(words)s::tsquery"
    conditions: str = "%(by_time)s::text[]"


@dataclass(frozen=True, slots=True)
class Walk:
    """Matches of one person from a place on, each with its `stars`, on SQLite."""

    compiled: Compiled
    owner: int
    limit: int
    after: int | None = None
    oldest_first: bool = False
    stars: int = 0

    @property
    def near(self) -> int:
        if self.limit == 1:  # it need not be the newest by far
            return min(NEAR, SAMPLE)
        return NEAR * max(1, self.limit // WANTED)

    @property
    def bounds(self) -> tuple[int, int]:
        """Places between which matches are: from the first, up to before the second."""
        low, high = self.compiled.low, self.compiled.high
        low, high = (-EDGE if low is None else low), (EDGE if high is None else high)
        if self.after is not None:
            if self.oldest_first:
                low = max(low, self.after + 1)
            else:
                high = min(high, self.after)
        return low, high

    def for_sqlite(self) -> Statement:
        name = schema.FULL_TEXT
        order = "ASC" if self.oldest_first else "DESC"
        sql = (
            f"SELECT {self.stars} AS stars, e.place AS place, e.image AS image"
            f" FROM {name} f CROSS JOIN {ENTRY} e ON e.place = f.rowid"
            f" WHERE {name} MATCH %s AND f.rowid >= %s AND f.rowid < %s"
            f" ORDER BY f.rowid {order} LIMIT %s"
        )
        return sql, [self.compiled.for_sqlite(self.owner), *self.bounds, self.limit]

    def for_sqlite_by_stars(self, key: Key | None, most: str) -> Statement:
        """One such walk for each number of stars, the best first, from `key` on.

        `most` is SQL: of each walk so many.
        """
        walks = [
            replace(
                self,
                compiled=self.compiled.and_rating(stars),
                after=key.place if key and stars == key.stars else None,
                stars=stars,
            ).for_sqlite()
            for stars in (key.rest if key else STARS)
        ]
        sql = " UNION ALL ".join(
            f"SELECT * FROM (SELECT * FROM ({sql}) v LIMIT {most}) w{n}"
            for n, (sql, _) in enumerate(walks)
        )
        return sql, [value for _, some in walks for value in some]

    def for_postgres(self) -> Statement:
        """Its rows are the first matches, in no promised order among themselves."""
        values = self._values
        return _by_position(self._walked(Terms(len(values["by_time"]))), values)

    def for_postgres_by_stars(self, key: Key | None, most: str) -> Statement:
        """As `for_sqlite_by_stars`. One text for all: six of them take PostgreSQL
        longer to plan than to answer.
        """
        star = f"{self.owner}{RATING}' || star || '"
        values = self._values | {"every": [*STARS]}
        rated = Terms(
            len(values["by_time"]) + 1,
            stars="star",
            words=f"(%(words)s::tsquery && ('''{star}''')::tsquery)",
            conditions=f"(%(by_time)s::text[] || ('''{STRETCH}{star}'''))",
        )
        if key:
            begun = "CASE WHEN star = %(best)s THEN %(place)s ELSE %(high)s END"
            rated = replace(rated, high=f"least(%(high)s, {begun})")
            values |= {"every": key.rest, "best": key.stars, "place": key.place}
        sql = f"""
            SELECT w.stars, w.place, w.image FROM unnest(%(every)s::int[]) AS star
            CROSS JOIN LATERAL (SELECT * FROM ({self._walked(rated)}) v LIMIT {most}) w
            """
        return _by_position(sql, values)

    @property
    def _values(self) -> dict[str, Any]:
        low, high = self.bounds
        return {
            "owner": self.owner,
            "words": self.compiled.for_postgres(self.owner),
            "by_time": self.compiled.by_time(self.owner),
            "limit": self.limit,
            "low": low,
            "high": high,
        }

    def _walked(self, terms: Terms) -> str:
        order, end = ("ASC", EDGE) if self.oldest_first else ("DESC", -EDGE)
        nearer, farther = ("<=", ">") if self.oldest_first else (">=", "<")
        within = f"place >= %(low)s AND place < {terms.high}"
        start = f"number << {STRETCH_BITS}"
        if self.oldest_first:
            after = f"place > (({start}) | {2**STRETCH_BITS - 1})"
        else:
            after = f"place < ({start})"
        met = " AND ".join(
            "gallery_words_by_time(words, place) @@ replace("
            f"(SELECT rarest[{n}] FROM ranked), '{STRETCH}', number || ':')::tsquery"
            for n in range(1, min(terms.count, MOST) + 1)
        )
        is_exact = self.compiled.is_exact and terms.count <= MOST
        exactly = "" if is_exact else f"AND words @@ {terms.words}"
        # "OFFSET 0": in the order of age, not by the index of the words; and a
        # condition is read once, not for each picture.
        # "+ 0": by no index but that of the words.
        return f"""
            WITH RECURSIVE edge AS MATERIALIZED (
              SELECT coalesce((
                SELECT place FROM {ENTRY} WHERE owner_id = %(owner)s AND {within}
                ORDER BY place {order} OFFSET {self.near} LIMIT 1), {end}) AS place
            ), near AS MATERIALIZED (
              SELECT place, image FROM (
                SELECT place, image, words FROM {ENTRY}
                WHERE owner_id = %(owner)s AND {within}
                AND place {nearer} (SELECT place FROM edge)
                ORDER BY place {order} OFFSET 0
              ) newest WHERE words @@ {terms.words} LIMIT %(limit)s
            ), stretch AS (
              (SELECT place >> {STRETCH_BITS} AS number FROM {ENTRY}
              WHERE owner_id = %(owner)s AND {within}
              AND place {farther} (SELECT place FROM edge)
              ORDER BY place {order} LIMIT 1)
              UNION ALL
              SELECT (
                SELECT place >> {STRETCH_BITS} FROM {ENTRY}
                WHERE owner_id = %(owner)s AND {within} AND {after}
                ORDER BY place {order} LIMIT 1
              ) FROM stretch WHERE number IS NOT NULL
            ), ranked AS MATERIALIZED (
              SELECT array_agg(condition ORDER BY hits) AS rarest FROM (
                SELECT condition, (SELECT count(*) FROM (
                  SELECT words FROM {ENTRY} WHERE owner_id = %(owner)s AND {within}
                  ORDER BY place {order} LIMIT {SAMPLE}
                ) sample WHERE words @@ wanted) AS hits FROM (
                  SELECT condition,
                  replace(condition, '{STRETCH}', '')::tsquery AS wanted
                  FROM unnest({terms.conditions}) AS condition OFFSET 0
                ) each
              ) counted
            )
            SELECT {terms.stars} AS stars, place, image FROM near
            UNION ALL
            SELECT {terms.stars} AS stars, far.place, far.image
            FROM stretch CROSS JOIN LATERAL (
              SELECT place, image FROM {ENTRY}
              WHERE {met} {exactly}
              AND place + 0 >= %(low)s AND place + 0 < {terms.high}
              AND place + 0 {farther} (SELECT place FROM edge)
              ORDER BY place + 0 {order} LIMIT %(limit)s
            ) far
            WHERE number IS NOT NULL AND (SELECT count(*) FROM near) < %(limit)s
            LIMIT %(limit)s"""


def _by_position(sql: str, values: dict[str, Any]) -> Statement:
    """As statements that are put together need it: values by their order."""
    order: list[Any] = []
    pieces = sql.split("%(")
    text = pieces[0]
    for piece in pieces[1:]:
        name, _, rest = piece.partition(")s")
        order.append(values[name])
        text += f"%s{rest}"
    return text, order

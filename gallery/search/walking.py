"""The statement that reads matches in the order of age, for either database.

FTS5 keeps its lists in this order: it gives the next match whenever it is asked. A GIN
index of PostgreSQL gives all that match, in no order. So the newest pictures are looked
through first, a bounded number, which is enough for whatever is frequent; when these
are too few the index is asked, one stretch of time after the other. It keeps each word
once for each stretch: a stretch without the word costs next to nothing, and no list is
longer than a stretch has pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gallery.search import schema
from gallery.search.compiling import STRETCH, Compiled
from gallery.search.document import STRETCH_BITS

# Pictures that are looked through before the index is asked.
NEAR = 2000
# Of so many it is taken which of the conditions is met least often: GIN looks for the
# next picture by the first, and asks the others about it.
SAMPLE = 200
EDGE = 2**63 - 1
ENTRY = "gallery_searchentry"


@dataclass(frozen=True, slots=True)
class Walk:
    """Matches of one person from a place on; `stars` is given back with each."""

    compiled: Compiled
    owner: int
    limit: int
    after: int | None = None
    oldest_first: bool = False
    stars: int = 0
    near: int = NEAR  # pictures, on PostgreSQL

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

    def for_sqlite(self) -> tuple[str, list[Any]]:
        name = schema.FULL_TEXT
        order = "ASC" if self.oldest_first else "DESC"
        sql = (
            f"SELECT {self.stars} AS stars, e.place AS place, e.image AS image"
            f" FROM {name} f CROSS JOIN {ENTRY} e ON e.place = f.rowid"
            f" WHERE {name} MATCH %s AND f.rowid >= %s AND f.rowid < %s"
            f" ORDER BY f.rowid {order} LIMIT %s"
        )
        return sql, [self.compiled.for_sqlite(self.owner), *self.bounds, self.limit]

    def for_postgres(self) -> tuple[str, list[Any]]:
        """Its rows are the first matches, in no promised order among themselves."""
        order, end = ("ASC", EDGE) if self.oldest_first else ("DESC", -EDGE)
        nearer, farther = ("<=", ">") if self.oldest_first else (">=", "<")
        within = "place >= %(low)s AND place < %(high)s"
        start = f"number << {STRETCH_BITS}"
        if self.oldest_first:
            after = f"place > (({start}) | {2**STRETCH_BITS - 1})"
        else:
            after = f"place < ({start})"
        by_time = self.compiled.by_time(self.owner)
        met = " AND ".join(
            "gallery_words_by_time(words, place) @@ replace("
            f"(SELECT rarest[{n}] FROM ranked), '{STRETCH}', number || ':')::tsquery"
            for n in range(1, len(by_time) + 1)
        )
        exactly = "" if self.compiled.is_exact else "AND words @@ %(words)s::tsquery"
        # "OFFSET 0": in the order of age, not by the index of the words.
        # "+ 0": by no index but that of the words.
        sql = f"""
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
              ) newest WHERE words @@ %(words)s::tsquery LIMIT %(limit)s
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
                ) sample WHERE words @@ replace(condition, '{STRETCH}', '')::tsquery
                ) AS hits FROM unnest(%(by_time)s::text[]) AS condition
              ) counted
            )
            SELECT {self.stars} AS stars, place, image FROM near
            UNION ALL
            SELECT {self.stars} AS stars, far.place, far.image
            FROM stretch CROSS JOIN LATERAL (
              SELECT place, image FROM {ENTRY}
              WHERE {met} {exactly}
              AND place + 0 >= %(low)s AND place + 0 < %(high)s
              AND place + 0 {farther} (SELECT place FROM edge)
              ORDER BY place + 0 {order} LIMIT %(limit)s
            ) far
            WHERE number IS NOT NULL AND (SELECT count(*) FROM near) < %(limit)s
            LIMIT %(limit)s"""
        low, high = self.bounds
        values: dict[str, Any] = {
            "owner": self.owner,
            "words": self.compiled.for_postgres(self.owner),
            "by_time": by_time,
            "limit": self.limit,
            "low": low,
            "high": high,
        }
        return _by_position(sql, values)


def _by_position(sql: str, values: dict[str, Any]) -> tuple[str, list[Any]]:
    """As statements that are put together need it: values by their order."""
    order: list[Any] = []
    pieces = sql.split("%(")
    text = pieces[0]
    for piece in pieces[1:]:
        name, _, rest = piece.partition(")s")
        order.append(values[name])
        text += f"%s{rest}"
    return text, order

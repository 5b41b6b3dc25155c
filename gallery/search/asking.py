"""What a gallery page was asked for, as its search field, chips and links show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict

from accounts.http import PersonRequest
from gallery.search.counting import Count
from gallery.search.fields import FIELDS, FLAGS, Field
from gallery.search.finding import NEWEST, ORDERS, Found, find, sentences, that_find
from gallery.search.language import Filter, Node, Not, Or
from gallery.search.parsing import MAX_LENGTH, parse

# More hints than these are no help. Of a long search fewer parts are tried: each try
# costs as much as the search did, and seldom is it one word that is in the way.
MAX_HINTS, MAX_HINTS_OF_MANY = 4, 2
MANY = 5


class Chip(NamedTuple):
    """A part of the search, and the address of the search without it."""

    text: str
    without: str


class Hint(NamedTuple):
    """A part without which there would be pictures."""

    part: str
    query: str


def encoded(text: str, order: str = NEWEST) -> str:
    """The query string of the gallery's page for a search."""
    values = {"q": text} if text.strip() else {}
    return urlencode(values | ({"order": order} if order != NEWEST else {}))


@dataclass(frozen=True)
class Asked:
    """`?q=` and `?order=` of a gallery page."""

    found: Found

    max_length: ClassVar[int] = MAX_LENGTH
    fields: ClassVar[list[Field]] = list(FIELDS.values())
    flags: ClassVar[list[tuple[str, str]]] = list(FLAGS.items())

    @property
    def text(self) -> str:
        return self.found.text

    @property
    def order(self) -> str:
        return self.found.order

    @property
    def orders(self) -> list[tuple[str, str]]:
        return list(ORDERS.items())

    @property
    def is_plain(self) -> bool:
        """Nothing is asked for but the gallery as it is."""
        return not self.text.strip() and self.order == NEWEST

    @property
    def searching(self) -> bool:
        return bool(self.text.strip())

    @property
    def problems(self) -> list[str]:
        return sentences(self.found.problems)

    @property
    def more(self) -> str:
        """The beginning of the address of another page of this."""
        query = self.address(self.text)
        return f"{query}&" if query else ""

    @property
    def encoded(self) -> str:
        return self.address(self.text)

    def address(self, text: str) -> str:
        """The query string of another search, in this order."""
        return encoded(text, self.order)

    @property
    def chips(self) -> list[Chip]:
        parsed = self.found.parsed
        return [
            Chip(str(part), self.address(parsed.without(n)))
            for n, part in enumerate(parsed.parts)
        ]

    @cached_property
    def hints(self) -> list[Hint]:
        """For a search that finds nothing: which single part is in the way."""
        return list(self._hints()) if self.found.ok else []

    def _hints(self) -> Iterator[Hint]:
        parsed = self.found.parsed
        if len(parsed.parts) < 2:
            return
        numbered = sorted(enumerate(parsed.parts), key=lambda pair: _rank(pair[1]))
        most = MAX_HINTS if len(numbered) < MANY else MAX_HINTS_OF_MANY
        parts = [(str(p), parsed.without(n)) for n, p in numbered[:most]]
        found = that_find([find(self.found.user, text) for _, text in parts])
        for (part, text), finds in zip(parts, found, strict=True):
            if finds:
                yield Hint(part, self.address(text))


@dataclass(frozen=True, slots=True)
class Choice:
    """A facet's value: chosen or not, and the search with it, or without."""

    count: Count
    chosen: bool
    address: str

    @classmethod
    def of(cls, asked: Asked, count: Count) -> Choice:
        parsed = asked.found.parsed
        wanted = parse(count.query).tree
        if wanted in parsed.parts:
            without = parsed.without(parsed.parts.index(wanted))
            return cls(count, True, asked.address(without))
        if isinstance(parsed.tree, Or):
            both = f"({parsed}) {count.query}"
        else:
            both = f"{parsed} {count.query}".strip()
        return cls(count, False, asked.address(both))


def _rank(part: Node) -> bool:
    """Filters come first: they are what people forget to take out."""
    return not isinstance(part, Filter | Not)


def of(request: PersonRequest) -> Asked:
    values: QueryDict = request.GET
    found = find(request.user, values.get("q", ""), values.get("order", NEWEST))
    return Asked(found)

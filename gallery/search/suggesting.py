"""What a word that is being typed may become: fields, and a person's own values."""

from __future__ import annotations

import re
from typing import NamedTuple

from accounts.models import User
from gallery.models import Facet
from gallery.search import words
from gallery.search.counting import Count
from gallery.search.fields import FIELDS, FLAGS, TYPES

LIMIT = 8
# Of each kind, the most frequent values are looked through; nobody remembers more.
LOOKED_AT = 400
VALUED = ("tag", "album", "model", "lora", "template")
FIXED = {
    "is": FLAGS,
    "type": dict.fromkeys(TYPES, ""),
    "date": dict.fromkeys(("today", "yesterday", "7d", "30d", "1y"), ""),
    "rating": {"5": "", ">3": "four stars or more", "0": "no rating"},
    "size": {">1024": "", ">2048": "", "1024x1024": ""},
}
FIELD = re.compile(r'(-?)([^\W\d_]+):"?([^"]*)"?')


class Suggestion(NamedTuple):
    """`text` takes the typed word's place; `about` says what it means."""

    text: str
    about: str


def suggest(user: User, word: str) -> list[Suggestion]:
    """At most LIMIT of them; none for a word that means nothing yet."""
    match = FIELD.fullmatch(word)
    if match is None:
        return _fields(word) + (_values(user, word) if len(word) > 1 else [])
    minus, name, begun = match.groups()
    if name.casefold() not in FIELDS:
        return []
    found = _of_field(user, name.casefold(), begun)
    return [Suggestion(minus + text, about) for text, about in found[:LIMIT]]


def _fields(word: str) -> list[Suggestion]:
    minus = "-" * word.startswith("-")
    begun = word.removeprefix("-").casefold()
    return [
        Suggestion(f"{minus}{field.name}:", field.about)
        for field in FIELDS.values()
        if field.name.startswith(begun)
    ][: LIMIT if begun else len(FIELDS)]


def _of_field(user: User, name: str, begun: str) -> list[Suggestion]:
    if name in FIXED:
        return [
            Suggestion(f"{name}:{value}", about)
            for value, about in FIXED[name].items()
            if value.startswith(begun.casefold())
        ]
    return _counted(user, (name,), begun) if name in VALUED else []


def _values(user: User, word: str) -> list[Suggestion]:
    minus = "-" * word.startswith("-")
    found = _counted(user, VALUED, word.removeprefix("-"))[: LIMIT - 2]
    return [Suggestion(minus + text, about) for text, about in found]


def _counted(user: User, kinds: tuple[str, ...], begun: str) -> list[Suggestion]:
    """A person's own values of which a word begins so, the most frequent first."""
    wanted = words.folded(begun)
    rows = Facet.objects.filter(owner=user, kind__in=kinds, count__gt=0)
    counts = rows.order_by("-count", "value").values_list("kind", "value", "count")
    return [
        Suggestion(Count(kind, value, n).query, f"{n:,}")
        for kind, value, n in counts[:LOOKED_AT]
        if _begins(words.folded(value), wanted)
    ][:LIMIT]


def _begins(value: str, wanted: str) -> bool:
    return value.startswith(wanted) or any(
        word.startswith(wanted) for word in words.words(value)
    )

"""From a tree to the text of a full-text query, for either database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from gallery.search import document as doc
from gallery.search import fields, words
from gallery.search.language import And, Filter, Node, Not, Or, Parsed, Text


@dataclass(frozen=True, slots=True)
class Labels:
    """Words of the index in a row; `open`: the last may go on."""

    labels: tuple[str, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Neither:
    part: Expression


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Expression, ...]


Expression = Labels | Neither | Every | Some
EVERYTHING = Labels((doc.ALL,))
NOTHING = Labels((doc.NOTHING,))
# A sign that is in no word.
STRETCH = "#"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What to look for, and between which places: from `low`, up to before `high`."""

    expression: Expression
    low: int | None = None
    high: int | None = None

    def and_rating(self, rating: int) -> Compiled:
        parts = (self.expression, Labels((f"{doc.RATING}{rating}",)))
        return Compiled(Every(parts), self.low, self.high)

    def for_postgres(self, owner: int) -> str:
        return _tsquery(self.expression, str(owner))

    def by_time(self, owner: int) -> list[str]:
        """For the index that has no positions: all that match meet each of these
        conditions, and maybe more do.

        One by one, since GIN drops a picture at the first of several conditions that
        it fails, but looks up every word of one: for six frequent words that takes
        twice as long. Before each word is a STRETCH, for the number of a stretch of
        time.
        """
        conditions = dict.fromkeys(_conditions(_loose(self.expression)))
        return [_tsquery(one, f"{STRETCH}{owner}") for one in conditions]

    @property
    def is_exact(self) -> bool:
        """No more than what matches is found by `by_time`."""
        return _loose(self.expression) == self.expression

    def for_sqlite(self, owner: int) -> str:
        return _fts5(self.expression, owner)


def compiled(parsed: Parsed, today: date) -> Compiled:
    tree = parsed.tree
    expression = EVERYTHING if tree is None else _compile(tree, today)
    periods = [
        doc.places(*fields.days(part, today))
        for part in parsed.parts
        if isinstance(part, Filter) and part.name == "date"
    ]
    # A walk in the order of age then begins and ends where the period does.
    low = max((first for first, _ in periods), default=None)
    high = min((last for _, last in periods), default=None)
    return Compiled(expression, low, high)


def _compile(node: Node, today: date) -> Expression:
    match node:
        case Text():
            return _words(doc.TEXT, node.value, node.open)
        case Filter():
            return _filter(node, today)
        case Not():
            return Neither(_compile(node.part, today))
        case And():
            return Every(tuple(_compile(part, today) for part in node.parts))
        case Or():
            return Some(tuple(_compile(part, today) for part in node.parts))


def _words(letter: str, text: str, is_open: bool) -> Labels:
    return Labels(tuple(letter + word for word in words.words(text)), is_open)


def _any(labels: Iterable[str]) -> Expression:
    parts = tuple(Labels((label,)) for label in labels)
    if len(parts) == 1:
        return parts[0]
    return Some(parts) if parts else NOTHING


LETTERS = {
    "model": doc.MODEL,
    "lora": doc.LORA,
    "template": doc.TEMPLATE,
    "neg": doc.NEGATIVE,
    "tag": doc.TAG,
    "album": doc.ALBUM,
    "size": doc.SIZE,
    "width": doc.WIDTH,
    "height": doc.HEIGHT,
}


def _filter(found: Filter, today: date) -> Expression:
    name, value = found.name, found.value
    match fields.FIELDS[name].kind:
        case "words":
            # What is typed of a file's name is its beginning, mostly.
            is_open = found.open or (name != "neg" and not found.phrase)
            return _words(LETTERS[name], value, is_open)
        case "name":
            return Labels((LETTERS[name] + words.key(value),), found.open)
        case "flag":
            return Labels((doc.FLAG + fields.flag(found),))
        case "type":
            return Labels((doc.TYPE + fields.flag(found),))
        case "seed":
            return Labels((doc.SEED + value,), found.open)
        case "rating":
            low, high = fields.ratings(found)
            return _any(f"{doc.RATING}{n}" for n in range(low, high + 1))
        case "date":
            period = words.period_words(*fields.days(found, today))
            return _any(doc.DATE + word for word in period)
    if name == "size" and (both := fields.pixels(found)):
        wide, high = both
        parts = ((doc.WIDTH, wide), (doc.HEIGHT, high))
        return Every(tuple(_number(letter, n, n) for letter, n in parts))
    return _number(LETTERS[name], *fields.numbers(found))


def _number(letter: str, low: int, high: int) -> Expression:
    return _any(letter + word for word in words.range_words(low, high))


def _tsquery(node: Expression, before: str) -> str:
    """`before` stands before each word: the owner's number."""
    match node:
        case Labels(labels, is_open):
            parts = [f"'{before}{label}'" for label in labels]
            if is_open:
                parts[-1] += ":*"
            return parts[0] if len(parts) == 1 else f"({' <-> '.join(parts)})"
        case Neither(part):
            # Beside a word that all have: an index finds what is there, no gaps.
            return f"('{before}{doc.ALL}' & !{_tsquery(part, before)})"
        case Every(some):
            return f"({' & '.join(_tsquery(part, before) for part in some)})"
        case Some(some):
            return f"({' | '.join(_tsquery(part, before) for part in some)})"


def _loose(node: Expression) -> Expression:
    """Without the order of words: it matches whatever the expression matches."""
    match node:
        case Labels((*first, last), is_open) if first:
            return Every((*(Labels((n,)) for n in first), Labels((last,), is_open)))
        case Neither(part):
            return node if _loose(part) == part else EVERYTHING
        case Every(some):
            return Every(tuple(map(_loose, some)))
        case Some(some):
            return Some(tuple(map(_loose, some)))
    return node


def _conditions(node: Expression) -> Iterator[Expression]:
    """What has to be true each for itself."""
    if isinstance(node, Every):
        for part in node.parts:
            yield from _conditions(part)
    else:
        yield node


def _fts5(node: Expression, owner: int) -> str:
    match node:
        case Labels(labels, is_open):
            star = " *" if is_open else ""
            return f'"{" ".join(f"{owner}{label}" for label in labels)}"{star}'
        case Neither(part):
            return f'("{owner}{doc.ALL}" NOT {_fts5(part, owner)})'
        case Every(some):
            return f"({' AND '.join(_fts5(part, owner) for part in some)})"
        case Some(some):
            return f"({' OR '.join(_fts5(part, owner) for part in some)})"

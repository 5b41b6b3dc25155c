"""What is indexed of a picture: everything that can be asked for is a word.

A filter is a word like any other ("a rating of 4", "made in 2026-11"), so that one
index answers every combination, and no combination has to read all rows. A word's
first letter says of what it is; the owner's number stands before it, so that one
person's words are never counted, or looked through, with another's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.utils import timezone

from gallery.search import words

# The first letters.
ALL, BREAK, NOTHING = "a", "z", "q"
TEXT, NEGATIVE, MODEL, LORA, TEMPLATE = "w", "n", "m", "l", "p"
TAG, ALBUM, SEED, TYPE, FLAG = "t", "b", "s", "y", "i"
RATING, SIZE, WIDTH, HEIGHT, DATE = "r", "x", "u", "v", "d"
# What both databases keep of a text exactly.
MAX_WORDS, MAX_REPEATS = 6000, 200
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TIE_BITS = 12
# The places of a stretch of 25 days differ in these bits only.
STRETCH_BITS = TIE_BITS + 41


def place(created: datetime, image_id: UUID) -> int:
    """Where a picture stands in the order of age: a whole number, larger is newer.

    Microseconds, then the first bits of the id, as the gallery's order has it. 63
    bits last until 2091, and back to 1948.
    """
    micros: int = (created - EPOCH) // MICROSECOND
    limit = 2 ** (63 - TIE_BITS) - 1
    micros = min(max(micros, -limit), limit)
    tie: int = image_id.int >> (128 - TIE_BITS)
    return (micros << TIE_BITS) | tie


def places(first: date, last: date) -> tuple[int, int]:
    """The places of a period in local time: from the first, up to before the second."""
    zone = timezone.get_current_timezone()
    ends = (words.clamped(first), words.clamped(last) + timedelta(days=1))
    low, high = (
        place(datetime(d.year, d.month, d.day, tzinfo=zone), UUID(int=0)) for d in ends
    )
    return low, high


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about one picture that a search can ask for."""

    created: datetime
    prompt: str = ""
    negative: str = ""
    notes: str = ""
    title: str = ""
    slug: str = ""
    model: str = ""
    loras: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()
    seed: str = ""
    media: str = "picture"
    mime_type: str = "image/png"
    favourite: bool = False
    rating: int = 0
    width: int = 0
    height: int = 0
    uploaded: bool = False

    @property
    def day(self) -> date:
        return timezone.localtime(self.created).date()

    @property
    def flags(self) -> frozenset[str]:
        wide, high = self.width, self.height
        shape = "landscape" if wide > high else "portrait" if high > wide else "square"
        found = {
            self.media,
            shape if wide and high else "",
            "favourite" if self.favourite else "",
            "rated" if self.rating else "unrated",
            "tagged" if self.tags else "untagged",
            "upload" if self.uploaded else "made",
            "noted" if self.notes.strip() else "",
        }
        return frozenset(found - {""})

    @property
    def types(self) -> frozenset[str]:
        """The kind of media and the format, as `type:` names them."""
        format_name = self.mime_type.casefold().partition("/")[2]
        plain = "".join(s for s in format_name if s.isascii() and s.isalnum())
        return frozenset({self.media, plain} - {""})

    @property
    def texts(self) -> list[tuple[str, str]]:
        """(first letter, text) of all that is read word by word."""
        found = [(TEXT, self.prompt), (TEXT, self.title), (TEXT, self.notes)]
        found += [(TEXT, tag) for tag in self.tags]
        found += [(NEGATIVE, self.negative), (MODEL, self.model)]
        found += [(LORA, lora) for lora in self.loras]
        return [*found, (TEMPLATE, self.slug), (TEMPLATE, self.title)]

    def stream(self) -> list[str]:
        """The texts' words in order; a break parts two texts, phrases end there."""
        found: list[str] = []
        seen: Counter[str] = Counter()
        for letter, text in self.texts:
            for word in words.words(text):
                if len(found) >= MAX_WORDS:
                    return found
                label = letter + word
                seen[label] += 1
                found.append(label if seen[label] <= MAX_REPEATS else BREAK)
            if found and found[-1] != BREAK:
                found.append(BREAK)
        return found

    def labels(self) -> frozenset[str]:
        """The words for everything that is not text."""
        return frozenset(self._labels())

    def _labels(self) -> Iterator[str]:
        yield ALL
        yield from (TAG + words.key(tag) for tag in self.tags)
        yield from (ALBUM + words.key(album) for album in self.albums)
        seed = "".join(sign for sign in self.seed if sign in "0123456789")
        yield SEED + seed
        yield from (TYPE + name for name in self.types)
        yield from (FLAG + name for name in self.flags)
        yield f"{RATING}{self.rating}"
        longest = max(self.width, self.height)
        for letter, value in (
            (SIZE, longest),
            (WIDTH, self.width),
            (HEIGHT, self.height),
        ):
            yield from (letter + word for word in words.number_words(value))
        yield from (DATE + word for word in words.day_words(self.day))

    def facets(self) -> list[tuple[str, str]]:
        """(kind, value) of what the panel beside the grid counts."""
        found = [("model", self.model), ("template", self.title)]
        found += [("lora", lora) for lora in self.loras]
        found += [("tag", tag) for tag in self.tags]
        found += [("album", album) for album in self.albums]
        found += [("month", f"{words.clamped(self.day):%Y-%m}"), ("type", self.media)]
        found += [("rating", str(self.rating))]
        return [(kind, value) for kind, value in dict.fromkeys(found) if value]


def for_postgres(owner: int, facts: Facts) -> str:
    """The document as the text of a `tsvector`: words with their positions."""
    positions: dict[str, list[int]] = {}
    for number, label in enumerate(facts.stream(), 1):
        if label != BREAK:
            positions.setdefault(label, []).append(number)
    marked = [
        f"'{owner}{label}':{','.join(map(str, found))}"
        for label, found in positions.items()
    ]
    return " ".join([*marked, *(f"'{owner}{label}'" for label in facts.labels())])


def for_sqlite(owner: int, facts: Facts) -> str:
    """The document as text whose words stand in their order."""
    found = [*facts.stream(), *sorted(facts.labels())]
    return " ".join(f"{owner}{label}" for label in found)


def kept_facets(facts: Facts) -> str:
    return json.dumps(facts.facets(), ensure_ascii=False, separators=(",", ":"))

"""The fields that a search may name, and which values they take."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, timedelta

from gallery.search import words
from gallery.search.language import Filter

COMPARES = ("", ">", ">=", "<", "<=", "=")
FLAGS = {
    "favourite": "marked as a favourite",
    "rated": "with one star or more",
    "unrated": "without a rating",
    "tagged": "with a tag",
    "untagged": "without a tag",
    "upload": "added by you, not made here",
    "made": "made here",
    "noted": "with notes",
    "landscape": "wider than high",
    "portrait": "higher than wide",
    "square": "as wide as high",
    "picture": "a still picture",
    "animation": "an animation",
    "video": "a video",
    "audio": "audio",
    "model": "a 3D model",
    "text": "a text",
}
SAME = {"favorite": "favourite", "image": "picture", "3d": "model", "jpg": "jpeg"}
TYPES = (
    *("picture", "animation", "video", "audio", "model", "text", "other"),
    *("png", "jpeg", "webp", "gif", "avif", "mp4", "webm", "mp3", "flac", "wav"),
)
PERIOD = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
AGO = re.compile(r"(\d{1,4})([dwmy])")
UNITS = {"d": 1, "w": 7, "m": 30, "y": 365}
PIXELS = re.compile(r"(\d{1,6})[x×](\d{1,6})")
NUMBER = re.compile(r"\d{1,6}")
SEED = re.compile(r"\d{1,20}")


class BadValue(ValueError):
    """A value that the field does not take; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` says how a value is read: words, name, seed, number, size, date…"""

    name: str
    kind: str
    about: str
    example: str


FIELDS = {
    field.name: field
    for field in (
        Field("model", "words", "model", "model:dreamshaper"),
        Field("lora", "words", "LoRA", "lora:detail"),
        Field("template", "words", "template", "template:portrait"),
        Field("neg", "words", "words of the negative prompt", "neg:blurry"),
        Field("tag", "name", "tag", 'tag:"to print"'),
        Field("album", "name", "album", "album:holidays"),
        Field("is", "flag", "kind or state", "is:favourite"),
        Field("type", "type", "kind of file", "type:video"),
        Field("rating", "rating", "stars, 0 to 5", "rating:>3"),
        Field("date", "date", "day, month or year it was made", "date:2026-11"),
        Field("size", "size", "longest side in pixels", "size:>1024"),
        Field("width", "number", "width in pixels", "width:1024"),
        Field("height", "number", "height in pixels", "height:<800"),
        Field("seed", "seed", "seed", "seed:12345"),
    )
}


def nearest(name: str) -> str | None:
    found = difflib.get_close_matches(name, FIELDS, 1, 0.6)
    return found[0] if found else None


def check(found: Filter) -> None:
    """Raises BadValue, with a sentence, for a value that means nothing here."""
    kind = FIELDS[found.name].kind
    compared = found.compare not in ("", "=")
    if compared and kind not in ("number", "size", "date", "rating"):
        raise BadValue(f"“{found.name}:” cannot be compared with “{found.compare}”.")
    if found.open and kind not in ("words", "name", "seed"):
        raise BadValue(f"“{found.name}:” takes no “*”.")
    if kind in CHECKS:
        CHECKS[kind](found)


def _words(found: Filter) -> None:
    if not words.words(found.value):
        raise BadValue(f"Write a word after “{found.name}:”.")


def _name(found: Filter) -> None:
    if not words.key(found.value):
        raise BadValue(f"Write a name after “{found.name}:”.")


def _flag(found: Filter) -> None:
    if flag(found) not in FLAGS:
        raise BadValue(f"“is:” takes one of {', '.join(FLAGS)}.")


def _type(found: Filter) -> None:
    if not re.fullmatch(r"[a-z0-9]{2,30}", flag(found)):
        raise BadValue(f"“type:” takes one of {', '.join(TYPES)}.")


def _seed(found: Filter) -> None:
    if not SEED.fullmatch(found.value) or not found.value.isascii():
        raise BadValue("A seed is a whole number, as in “seed:12345”.")


def flag(found: Filter) -> str:
    name = found.value.casefold()
    return SAME.get(name, name)


def numbers(found: Filter) -> tuple[int, int]:
    """(low, high), both included, of a number's filter. Raises BadValue."""
    low, dots, high = found.value.partition("..")
    parts = (low, high) if dots else (low,)
    if not all(part.isascii() and NUMBER.fullmatch(part) for part in parts):
        example = FIELDS[found.name].example
        raise BadValue(f"“{found.name}:” takes a whole number, as in “{example}”.")
    if dots and found.compare:
        raise BadValue("A range takes no comparison, as in “512..1024”.")
    return _compared(found.compare, int(parts[0]), int(parts[-1]))


def _compared(compare: str, low: int, high: int) -> tuple[int, int]:
    return {
        ">": (high + 1, words.LARGEST),
        ">=": (low, words.LARGEST),
        "<": (0, low - 1),
        "<=": (0, high),
    }.get(compare, (low, high))


def pixels(found: Filter) -> tuple[int, int] | None:
    """(width, height) of `size:1024x768`."""
    match = PIXELS.fullmatch(found.value.casefold())
    if match is None or not found.value.replace("×", "x").isascii():
        return None
    if found.compare not in ("", "="):
        raise BadValue("Compare the longest side only, as in “size:>1024”.")
    return int(match[1]), int(match[2])


def _size(found: Filter) -> None:
    if pixels(found) is None:
        numbers(found)


def ratings(found: Filter) -> tuple[int, int]:
    low, high = numbers(found)
    if not found.compare and high > 5:
        raise BadValue("A rating is from 0 to 5, as in “rating:>3”.")
    return low, min(high, 5)


def days(found: Filter, today: date) -> tuple[date, date]:
    """The first and the last day, both included, of a date's filter."""
    first, dots, last = found.value.casefold().partition("..")
    if dots and found.compare:
        raise BadValue("A range takes no comparison, as in “2026-01..2026-03”.")
    begin, end = _period(first, today)
    if dots:
        end = _period(last, today)[1]
    one = timedelta(days=1)
    match found.compare:
        case ">":
            return min(end, date.max - one) + one, date.max
        case ">=":
            return begin, date.max
        case "<":
            return date.min, max(begin, date.min + one) - one
        case "<=":
            return date.min, end
    return begin, end


def _period(text: str, today: date) -> tuple[date, date]:
    if text in ("today", "yesterday"):
        day = today - timedelta(days=text == "yesterday")
        return day, day
    if text.isascii() and (ago := AGO.fullmatch(text)):
        span = int(ago[1]) * UNITS[ago[2]]
        return today - timedelta(days=min(max(span, 1) - 1, 365 * 1000)), today
    if text.isascii() and (match := PERIOD.fullmatch(text)):
        try:
            return _calendar(int(match[1]), match[2], match[3])
        except ValueError as exc:
            raise BadValue(f"There is no “{text}” in the calendar.") from exc
    example = "“date:2026-11-30”, “date:2026-11”, “date:7d” or “date:yesterday”"
    raise BadValue(f"A date is written as in {example}.")


def _calendar(year: int, month: str | None, day: str | None) -> tuple[date, date]:
    if not MINYEAR < year < MAXYEAR:
        raise ValueError(year)
    if month is None:
        return date(year, 1, 1), date(year, 12, 31)
    if day is not None:
        found = date(year, int(month), int(day))
        return found, found
    first = date(year, int(month), 1)
    after = (first + timedelta(days=31)).replace(day=1)
    return first, after - timedelta(days=1)


def _date(found: Filter) -> None:
    days(found, date(2000, 1, 1))


def _numbers(found: Filter) -> None:
    numbers(found)


def _ratings(found: Filter) -> None:
    ratings(found)


CHECKS = {
    "words": _words,
    "name": _name,
    "flag": _flag,
    "type": _type,
    "seed": _seed,
    "number": _numbers,
    "size": _size,
    "rating": _ratings,
    "date": _date,
}

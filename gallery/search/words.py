"""What text, numbers and days are in the index: words, the same on every database.

Both databases are given finished words, so that neither one's own idea of a word, of
case or of an accent can make them answer differently.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta

MAX_WORD = 60
# Chinese, Japanese: written without spaces, so each sign is a word.
SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
WORD = re.compile(f"[{SIGNS}]|[^\\W_{SIGNS}]+")
# Sizes are indexed in steps of 16: any range is a few dozen words at most.
STEP, LEVELS = 4, 4
LARGEST = 2 ** (STEP * LEVELS) - 1
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2099, 12, 31)


def folded(text: str) -> str:
    """Without case and accents: "Élan" and "elan" are the same."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text).casefold()
    signs = unicodedata.normalize("NFKD", plain)
    return "".join(sign for sign in signs if unicodedata.category(sign) != "Mn")


def words(text: str) -> list[str]:
    """The words of a text, in order: letters and digits, whatever is between them."""
    return [word[:MAX_WORD] for word in WORD.findall(folded(text))]


def key(name: str) -> str:
    """A whole name as one word, as "sea side" of a tag; spaces and signs count."""
    return "".join(
        sign if sign.isalnum() or ord(sign) > 0xFFF else chr(0xE000 + ord(sign))
        for sign in " ".join(folded(name).split())
    )


def number_words(value: int) -> list[str]:
    """The words of a number: itself, and the ranges of 16, 256 and 4096 it is in."""
    value = min(value, LARGEST)
    return [f"{level}{value >> STEP * level:x}" for level in range(LEVELS)]


def range_words(low: int, high: int) -> Iterator[str]:
    """Words of which every number from low to high has one, and no other number."""
    low, high = max(low, 0), min(high, LARGEST)
    for level in range(LEVELS):
        last = level == LEVELS - 1
        while low <= high and (last or low % 16):
            yield f"{level}{low:x}"
            low += 1
        while low <= high and (high + 1) % 16:
            yield f"{level}{high:x}"
            high -= 1
        low, high = low >> STEP, ((high + 1) >> STEP) - 1


def day_words(day: date) -> list[str]:
    """The words of a day: its decade, year, month, and itself."""
    text = f"{clamped(day):%Y%m%d}"
    return [text[:3], text[:4], text[:6], text]


def clamped(day: date) -> date:
    return min(max(day, FIRST_DAY), LAST_DAY)


def period_words(first: date, last: date) -> Iterator[str]:
    """Words of which every day of the period has one, and no other day."""
    day, last = clamped(first), clamped(last)
    while day <= last:
        end, length = _largest(day, last)
        yield f"{day:%Y%m%d}"[:length]
        day = end + timedelta(days=1)


def _largest(day: date, last: date) -> tuple[date, int]:
    """The end of the largest unit that begins on this day, and how long its word is."""
    if day.day == 1:
        if day.month == 1:
            decade = date(day.year + 9, 12, 31)
            if day.year % 10 == 0 and decade <= last:
                return decade, 3
            if (year := date(day.year, 12, 31)) <= last:
                return year, 4
        month = day.replace(day=monthrange(day.year, day.month)[1])
        if month <= last:
            return month, 6
    return day, 8

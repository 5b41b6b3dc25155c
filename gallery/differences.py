"""How two to four pictures differ, for people. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

# A word with the blanks behind it: blanks alone are alike in any two texts.
PIECE = re.compile(r"\w+\s*|[^\w\s]\s*|\s+", re.UNICODE)
# Longer prompts are shown whole: comparing costs the product of both lengths.
LONGEST = 3000
# Texts that share less than one word of so many are others, not changed ones: word by
# word, nobody could read either.
ALIKE = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One setting over all pictures; None where a picture has no such setting."""

    label: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        return any(value != self.values[0] for value in self.values[1:])


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text: "same", "added" or "removed" against the first picture's."""

    text: str
    how: str = "same"


def rows(settings: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row for each label, in the order in which they are first told."""
    labels = dict.fromkeys(label for one in settings for label in one)
    return [Row(label, tuple(o.get(label) for o in settings)) for label in labels]


def texts(given: Sequence[str]) -> list[list[Piece]]:
    """Each text in pieces: the first plain, the others against it by words."""
    first = PIECE.findall(given[0])
    return [[Piece(given[0])], *(_against(first, text) for text in given[1:])]


def _against(first: list[str], text: str) -> list[Piece]:
    words = PIECE.findall(text)
    if len(first) > LONGEST or len(words) > LONGEST:
        return [Piece(text)]
    found = []
    matcher = SequenceMatcher(None, first, words, autojunk=False)
    shared = sum(block.size for block in matcher.get_matching_blocks())
    if shared * ALIKE < min(len(first), len(words)):
        return [Piece(text)]
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            found.append(Piece("".join(words[c:d])))
            continue
        if a < b:
            found.append(Piece("".join(first[a:b]), "removed"))
        if c < d:
            found.append(Piece("".join(words[c:d]), "added"))
    return found

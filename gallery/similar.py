"""Prompts that are alike, by the words that they share. Pure.

A word counts the more, the fewer of the prompts have it: two pictures "of a lighthouse"
are alike by the lighthouse, not by "masterpiece, best quality".
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

WORD = re.compile(r"\w+", re.UNICODE)
# Words of one prompt that are looked at.
MOST = 300

K = TypeVar("K", bound=Hashable)


def words(prompt: str) -> frozenset[str]:
    return frozenset(WORD.findall(prompt.lower())[:MOST])


def ranked(
    prompt: str, others: Iterable[tuple[K, str]], *, least: float = 0.35
) -> list[tuple[K, float]]:
    """(key, likeness from `least` to 1) of the prompts like this one, the best first.

    Among equals the given order holds.
    """
    ours = words(prompt)
    if not ours:
        return []
    found = [(key, words(text)) for key, text in others]
    seen = Counter(word for _, theirs in found for word in theirs)
    total = len(found) + 1

    def weight(theirs: frozenset[str]) -> float:
        return sum(math.log(total / (1 + seen[word])) + 0.05 for word in theirs)

    scored = []
    for key, theirs in found:
        shared = ours & theirs
        if shared:
            # As a cosine: a long prompt with a short one's words is like it, too.
            alike = weight(shared) / math.sqrt(weight(ours) * weight(theirs))
            if alike >= least:
                scored.append((key, alike))
    return sorted(scored, key=lambda pair: -pair[1])

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
    seen: Counter[str] = Counter()
    for _, theirs in found:
        seen.update(theirs)
    weights = {w: math.log((len(found) + 1) / (1 + n)) + 0.05 for w, n in seen.items()}
    unseen = math.log(len(found) + 1) + 0.05

    def weight(some: frozenset[str]) -> float:
        return sum(weights.get(word, unseen) for word in some)

    whole = weight(ours)
    scored = []
    for key, theirs in found:
        shared = weight(ours & theirs)
        # Too little in common whatever else they say: most are spared the sum below.
        if not shared or shared < least * least * whole:
            continue
        # As a cosine: a long prompt with a short one's words is like it, too.
        alike = shared / math.sqrt(whole * weight(theirs))
        if alike >= least:
            scored.append((key, alike))
    return sorted(scored, key=lambda pair: -pair[1])

r"""Texts with choices: `{a|b|c}` and `__name__`, one of a saved list. Pure.

Braces nest. A backslash takes the meaning from `{`, `}`, `|` and `__`. Braces
without a `|` stay as they are: they are no choice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

# A list's words may name lists again, and so on.
MAX_DEPTH = 16
MAX_CHOICES = 500
TOKEN = re.compile(
    r"\\(?P<escaped>[{}|]|__)|(?P<mark>[{}|])|__(?P<list>[a-z0-9]+(?:[_-][a-z0-9]+)*)__"
)

Words = Callable[[str], "Sequence[str] | None"]


class TooWild(Exception):
    """The text cannot be expanded; the message says why."""


def escape(text: str) -> str:
    """The text that expands to this text."""
    return re.sub(r"([{}|]|__)", r"\\\1", text)


def expand(text: str, words: Words, *, chance: random.Random, longest: int) -> str:
    """One of the texts that this may become. `words`: a saved list by its name.

    Raises TooWild for a list that is not there, for lists that go round in circles
    and for texts that grow longer than `longest`.
    """
    return _Expansion(words, chance, longest).expand(text, 0)


class _Expansion:
    """One text; counts what it does, so that it comes to an end."""

    def __init__(self, words: Words, chance: random.Random, longest: int) -> None:
        self.words, self.chance, self.longest = words, chance, longest
        self.choices = 0

    def expand(self, text: str, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise TooWild("Its choices are nested too deeply, or go round in a circle.")
        # A stack of the open braces; each holds its alternatives so far.
        stack: list[list[str]] = [[""]]
        at = 0
        for token in TOKEN.finditer(text):
            self._add(stack, text[at : token.start()])
            at = token.end()
            if (escaped := token["escaped"]) is not None:
                # Left as it is for now: an alternative is expanded when chosen.
                self._add(stack, f"\\{escaped}" if len(stack) > 1 else escaped)
            elif name := token["list"]:
                inner = token[0] if len(stack) > 1 else self._from_list(name, depth)
                self._add(stack, inner)
            else:
                self._mark(stack, token["mark"], depth)
        self._add(stack, text[at:])
        while len(stack) > 1:  # a brace that is never closed is a brace
            self._unfold(stack, "", depth)
        return stack[0][0]

    def _mark(self, stack: list[list[str]], mark: str, depth: int) -> None:
        if mark == "{":
            stack.append([""])
        elif mark == "|" and len(stack) > 1:
            stack[-1].append("")
        elif mark == "}" and len(stack) > 1:
            if len(stack[-1]) == 1:
                self._unfold(stack, "}", depth)
            elif len(stack) == 2:
                self._add(stack[:-1], self._choose(stack.pop(), depth))
            else:
                # Within other braces: chosen only if those are.
                self._add(stack[:-1], "{" + "|".join(stack.pop()) + "}")
        else:
            self._add(stack, mark)

    def _unfold(self, stack: list[list[str]], end: str, depth: int) -> None:
        """Braces that are no choice: what is between them, expanded, and they."""
        inside = "|".join(stack.pop())
        if len(stack) == 1:
            self._add(stack, "{" + self.expand(inside, depth + 1) + end)
        else:
            mark = "\\}" if end else ""
            self._add(stack, "\\{" + inside + mark)

    def _choose(self, alternatives: list[str], depth: int) -> str:
        self.choices += 1
        if self.choices > MAX_CHOICES:
            raise TooWild(f"It has more than {MAX_CHOICES} choices.")
        return self.expand(self.chance.choice(alternatives), depth + 1)

    def _from_list(self, name: str, depth: int) -> str:
        words = self.words(name)
        if not words:
            raise TooWild(f"You have no word list “{name}”, or it is empty.")
        return self._choose(list(words), depth)

    def _add(self, stack: list[list[str]], text: str) -> None:
        stack[-1][-1] += text
        if len(stack[-1][-1]) > self.longest:
            raise TooWild(f"It becomes longer than {self.longest} characters.")

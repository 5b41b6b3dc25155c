"""The search language's tree. `str` of a tree is a query that means the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """Where in the text it stands: from `start` up to, not including, `end`."""

    start: int
    end: int


NOWHERE = Span(0, 0)


def quoted(value: str, wanted: bool = True) -> str:
    return '"' + value.replace('"', " ") + '"' if wanted else value


@dataclass(frozen=True, slots=True)
class Text:
    """Words; a phrase where they are several. `open`: the last may go on."""

    value: str
    phrase: bool = False
    open: bool = False
    span: Span = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return quoted(self.value, self.phrase) + "*" * self.open


@dataclass(frozen=True, slots=True)
class Filter:
    """As in `rating:>3`: a field's name, how to compare, and with what."""

    name: str
    value: str
    compare: str = ""
    phrase: bool = False
    open: bool = False
    span: Span = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        value = quoted(self.value, self.phrase)
        return f"{self.name}:{self.compare}{value}" + "*" * self.open


@dataclass(frozen=True, slots=True)
class Not:
    part: Node
    span: Span = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        inner = str(self.part)
        return f"-({inner})" if isinstance(self.part, And | Or) else f"-{inner}"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]
    span: Span = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return " ".join(
            f"({part})" if isinstance(part, And | Or) else str(part)
            for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]
    span: Span = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return " OR ".join(
            f"({part})" if isinstance(part, Or) else str(part) for part in self.parts
        )


Node = Text | Filter | Not | And | Or


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a query, as a sentence, and where."""

    sentence: str
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Parsed:
    """A query's tree, None when it asks for nothing, and what is wrong with it."""

    tree: Node | None
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return "" if self.tree is None else str(self.tree)

    @property
    def parts(self) -> tuple[Node, ...]:
        """What must all hold: each may be taken out by itself."""
        if self.tree is None:
            return ()
        return self.tree.parts if isinstance(self.tree, And) else (self.tree,)

    def without(self, index: int) -> str:
        """The query without its part of this number."""
        rest = tuple(p for n, p in enumerate(self.parts) if n != index)
        return str(And(rest)) if len(rest) > 1 else str(rest[0]) if rest else ""


def leaves(tree: Node | None) -> Iterator[Text | Filter]:
    if isinstance(tree, Text | Filter):
        yield tree
    elif isinstance(tree, Not):
        yield from leaves(tree.part)
    elif tree is not None:
        for part in tree.parts:
            yield from leaves(part)

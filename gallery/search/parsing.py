"""From what a person typed to a tree, and sentences about what was not understood.

query  = all { "OR" all }
all    = one { ["AND"] one }
one    = { "-" | "NOT" } ( "(" query ")" | [ field ":" [ compare ] ] value )
value  = word | word "*" | '"' words '"' [ "*" ]
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import Enum

from gallery.search import fields, words
from gallery.search.language import (
    And,
    Filter,
    Node,
    Not,
    Or,
    Parsed,
    Problem,
    Span,
    Text,
)

MAX_LENGTH, MAX_PARTS, MAX_DEPTH = 500, 60, 12


class Kind(Enum):
    OPEN = "("
    CLOSE = ")"
    MINUS = "-"
    OR = "OR"
    AND = "AND"
    TERM = "term"


TOKEN = re.compile(
    r"""\s*(?:
    (?P<open>\() | (?P<close>\)) |
    (?P<minus>-(?=\S)) |
    (?P<field>[^\W\d_]{1,20}):(?P<compare>>=|<=|>|<|=)?
        (?:"(?P<fq>[^"]*)(?P<fend>"\*?|$)|(?P<fv>[^\s()"]*)) |
    "(?P<quoted>[^"]*)(?P<end>"\*?|$) |
    (?P<bare>[^\s()"]+)
    )""",
    re.VERBOSE,
)


def parse(text: str) -> Parsed:
    """Never raises: what is wrong is in `problems`, each with its place."""
    clean = text.encode("utf-8", "replace").decode().replace("\x00", " ")
    if len(clean) > MAX_LENGTH:
        sentence = f"A search has at most {MAX_LENGTH} characters."
        return Parsed(None, (Problem(sentence, Span(MAX_LENGTH, len(clean))),))
    parser = _Parser(clean)
    tree = parser.query(0)
    return Parsed(tree, tuple(parser.problems))


class _Parser:
    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self.at = 0
        self.tokens = self._tokens(text)
        if sum(kind is Kind.TERM for kind, *_ in self.tokens) > MAX_PARTS:
            self.problem(f"A search has at most {MAX_PARTS} parts.", Span(0, len(text)))
            self.tokens = []

    def problem(self, sentence: str, span: Span) -> None:
        self.problems.append(Problem(sentence, span))

    # Words ------------------------------------------------------------------------

    def _tokens(self, text: str) -> list[tuple[Kind, Node | None, Span]]:
        found: list[tuple[Kind, Node | None, Span]] = []
        for match in TOKEN.finditer(text):
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            span = Span(start, match.end())
            if match["open"]:
                found.append((Kind.OPEN, None, span))
            elif match["close"]:
                found.append((Kind.CLOSE, None, span))
            elif match["minus"] or match["bare"] == "NOT":
                found.append((Kind.MINUS, None, span))
            elif match["bare"] in ("OR", "AND"):
                found.append((Kind(match["bare"]), None, span))
            elif node := self._term(match, span):
                found.append((Kind.TERM, node, span))
        return found

    def _term(self, match: re.Match[str], span: Span) -> Node | None:
        if "" in (match["end"], match["fend"]):
            self.problem("A quotation mark is opened and not closed.", span)
        if match["field"]:
            return self._filter(match, span)
        if match["quoted"] is not None:
            whole = " ".join(match["quoted"].split())
            if not words.words(whole):
                return None
            return Text(whole, True, match["end"].endswith("*"), span)
        bare = match["bare"].rstrip("*")
        # Commas and brackets of a prompt that was pasted are nothing to look for.
        if not words.words(bare):
            return None
        return Text(bare, False, bare != match["bare"], span)

    def _filter(self, match: re.Match[str], span: Span) -> Node | None:
        name = match["field"].casefold()
        is_quoted = match["fq"] is not None
        raw = " ".join(match["fq"].split()) if is_quoted else match["fv"]
        value = raw if is_quoted else raw.rstrip("*")
        starred = match["fend"].endswith("*") if is_quoted else value != raw
        found = Filter(name, value, match["compare"] or "", is_quoted, starred, span)
        if name not in fields.FIELDS:
            near = fields.nearest(name)
            hint = f" Did you mean “{near}:”?" if near else ""
            again = match[0].strip().replace('"', "")
            self.problem(
                f"There is no field “{name}:”.{hint} To look for these words "
                f'themselves, put them in quotation marks: "{again}".',
                span,
            )
            return None
        if not value:
            example = fields.FIELDS[name].example
            self.problem(f"Write a value after “{name}:”, as in “{example}”.", span)
            return None
        try:
            fields.check(found)
        except fields.BadValue as exc:
            self.problem(str(exc), span)
            return None
        return found

    # Sentences --------------------------------------------------------------------

    @property
    def next(self) -> Kind | None:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else None

    def take(self) -> tuple[Kind, Node | None, Span]:
        self.at += 1
        return self.tokens[self.at - 1]

    def query(self, depth: int) -> Node | None:
        parts: list[Node] = []
        while True:
            if node := self._all(depth):
                parts.extend(node.parts if isinstance(node, Or) else (node,))
            if self.next is Kind.OR:
                _, _, span = self.take()
                missing = node is None or self.next in (None, Kind.OR, Kind.CLOSE)
                if missing:
                    self.problem("“OR” stands between two things to look for.", span)
            elif self.next is Kind.CLOSE and depth == 0:
                _, _, span = self.take()
                self.problem("A parenthesis is closed that was not opened.", span)
            else:
                break
        return _joined(parts, Or)

    def _all(self, depth: int) -> Node | None:
        parts: list[Node] = []
        while self.next not in (None, Kind.OR, Kind.CLOSE):
            if self.next is Kind.AND:
                self.take()
            elif node := self._one(depth):
                parts.extend(node.parts if isinstance(node, And) else (node,))
        return _joined(parts, And)

    def _one(self, depth: int) -> Node | None:
        minus = 0
        first = self.tokens[self.at][2]
        while self.next is Kind.MINUS:
            self.take()
            minus += 1
        if self.next not in (Kind.TERM, Kind.OPEN):
            # "NOT" or "-" before nothing.
            if minus:
                self.problem("Nothing stands after the minus sign.", first)
            return None
        kind, node, span = self.take()
        if kind is Kind.OPEN:
            node, span = self._group(depth, span)
        if node is None:
            return None
        if minus % 2 == 0:
            return node
        # Twice not is not "not": one tree for one meaning.
        whole = Span(first.start, span.end)
        return node.part if isinstance(node, Not) else Not(node, whole)

    def _group(self, depth: int, span: Span) -> tuple[Node | None, Span]:
        if depth >= MAX_DEPTH:
            self.problem("Parentheses stand too deep in each other.", span)
            self.at = len(self.tokens)
            return None, span
        node = self.query(depth + 1)
        if self.next is Kind.CLOSE:
            _, _, end = self.take()
            whole = Span(span.start, end.end)
            return (replace(node, span=whole) if node else None), whole
        self.problem("A parenthesis is opened and not closed.", span)
        return node, span


def _joined(parts: list[Node], kind: type[And] | type[Or]) -> Node | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return kind(tuple(parts), Span(parts[0].span.start, parts[-1].span.end))

"""What a page replaces in texts at the moment of a run.

In a text field, comments go away and `{one|two}` becomes one of its choices; in a file
name, `%Node.widget%` becomes a value of another node and `%date:…%` the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime

from generation.comfy.convert.errors import Unconvertible
from generation.comfy.convert.javascript import text
from generation.comfy.convert.model import Node, defined
from generation.comfy.convert.nodes import ALIAS

Choose = Callable[[int], int]
# Beyond this, choices in choices and values in names are no text any more.
MAX_WORK = 2_000_000
MAX_NAME = 100_000
PLACEHOLDER = re.compile(r"%([^%]+)%")
FORBIDDEN = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
SPECIAL = re.compile(r"[\\{]")
DATE_PARTS = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
LINE_END = re.compile(r"[\n\r\u2028\u2029]")


def first(count: int) -> int:
    """The choice that is the same every time."""
    return 0


def without_comments(value: str) -> str:
    """Without `// …` to the end of the line and `/* … */`."""
    kept: list[str] = []
    start, closed = 0, True
    position = value.find("/")
    while position >= 0:
        end = None
        following = value[position + 1 : position + 2]
        if following == "*" and closed:
            found = value.find("*/", position + 2)
            closed = found >= 0
            end = found + 2 if closed else None
        elif following == "/":
            line = LINE_END.search(value, position)
            end = line.start() if line else len(value)
        if end is not None:
            kept.append(value[start:position])
            start = end
        position = value.find("/", position + 1 if end is None else end)
    return "".join([*kept, value[start:]])


def dynamic_prompt(value: str, choose: Choose = first) -> str:
    """The text with one of the choices in each pair of braces."""
    return _Chooser(choose).apply(value)


class _Chooser:
    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._work = 0

    def apply(self, value: str) -> str:
        value = without_comments(value)
        if "{" not in value and "\\" not in value:
            return value
        self._work += len(value)
        if self._work > MAX_WORK:
            raise Unconvertible("A text has too many choices in braces.")
        result: list[str] = []
        position = 0
        while position < len(value):
            plain = SPECIAL.search(value, position)
            end = plain.start() if plain else len(value)
            result.append(value[position:end])
            position = end + 1
            if plain is None:
                break
            if plain[0] == "\\":
                result.append(_escaped(value, position))
                position += 1
            else:
                options, position = _options(value, position)
                result.append(self.apply(options[self._choose(len(options))]))
        # Braces that shall stay are written with a backslash.
        return re.sub(r"\\([{}|])", r"\1", "".join(result))


def _escaped(value: str, position: int) -> str:
    return "\\" + (value[position : position + 1] or "undefined")


def _options(value: str, position: int) -> tuple[list[str], int]:
    """The choices in braces, from behind the opening one, and where they end."""
    options, choice, depth = [], [], 0
    while position < len(value):
        char = value[position]
        position += 1
        if char == "\\":
            choice.append(_escaped(value, position))
            position += 1
            continue
        if char == "{":
            depth += 1
        elif char == "}":
            if not depth:
                break
            depth -= 1
        elif char == "|" and not depth:
            options.append("".join(choice))
            choice = []
            continue
        choice.append(char)
    return [*options, "".join(choice)], position


class Replacements:
    """Puts values of other nodes, and the date, into a text."""

    def __init__(self, nodes: Iterable[Node], now: datetime | None) -> None:
        self._nodes = list(nodes)
        self._now = now
        self._length = 0
        self._by_alias: dict[str, Node] | None = None
        self._by_title: dict[str, Node] = {}

    def apply(self, value: str) -> str:
        return PLACEHOLDER.sub(self._replace, value)

    def _replace(self, match: re.Match[str]) -> str:
        parts = match[1].split(".")
        if len(parts) != 2:
            if parts[0].startswith("date:") and self._now is not None:
                return _date(parts[0][5:], self._now)
            return match[0]
        node = self._node(parts[0])
        widget = node.widget(parts[1]) if node is not None else None
        if widget is None:
            return match[0]
        value = text(defined(widget.get(), ""))
        self._length += len(value)
        if self._length > MAX_NAME:
            raise Unconvertible("A file name would become far too long.")
        return FORBIDDEN.sub("_", value)

    def _node(self, name: str) -> Node | None:
        if self._by_alias is None:
            self._by_alias = {}
            for node in self._nodes:
                alias = node.properties.get(ALIAS)
                if isinstance(alias, str):
                    self._by_alias.setdefault(alias, node)
                self._by_title.setdefault(node.title, node)
        return self._by_alias.get(name) or self._by_title.get(name)


def _date(pattern: str, now: datetime) -> str:
    values = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute}
    values["s"] = now.second

    def part(match: re.Match[str]) -> str:
        found = match[0]
        if found == "yy":
            return str(now.year)[2:]
        if found == "yyyy":
            return str(now.year)
        return str(values[found[0]]).zfill(len(found)) if found[0] in values else found

    return DATE_PARTS.sub(part, pattern)

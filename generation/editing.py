"""The rows of the form's editor: from a version's fields to a page, and back. Pure.

A row is an entry of the fields' JSON with a key of its own, so that rows can be moved.
What the editor has no control for stays in the entry untouched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generation import parameters
from generation.comfy import graph as graphs
from generation.comfy.discover import Found
from generation.fields import LABELS, BadFields, read, write
from generation.parameters import Choices

if TYPE_CHECKING:
    from django.http import QueryDict

ARROW = " → "
TEXTS = ("name", "label", "group", "help_text")
NUMBERS = ("minimum", "maximum", "step")
FLAGS = ("required", "advanced", "slider")
EDITED = frozenset({*TEXTS, *NUMBERS, *FLAGS, "kind", "default", "choices", "targets"})
WHERE = re.compile(r"Field (\d+)(?: \(\w+\))?: ")
MAX_ROWS = 300


@dataclass
class Row:
    """One field as the editor shows it."""

    key: str
    entry: dict[str, Any]
    errors: list[str] = field(default_factory=list)
    # The targets, each with what a person calls it.
    places: list[tuple[str, str]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return str(self.entry.get("kind", ""))

    @property
    def group(self) -> str:
        return str(self.entry.get("group", ""))

    @property
    def title(self) -> str:
        return str(self.entry.get("label") or self.entry.get("name") or "")

    @property
    def required(self) -> bool:
        return self.entry.get("required", True) is not False

    @property
    def default(self) -> str:
        """As it is written in the editor."""
        value = self.entry.get("default")
        if isinstance(value, bool):
            return "yes" if value else "no"
        if value is None or isinstance(value, str | int | float):
            return "" if value is None else str(value)
        return json.dumps(value)

    @property
    def choices(self) -> str:
        return "\n".join(str(choice) for choice in self.entry.get("choices") or ())

    @property
    def targets(self) -> list[str]:
        found = self.entry.get("targets")
        return [ARROW.join(map(str, t)) for t in found or () if isinstance(t, list)]

    @property
    def rest(self) -> str:
        """What the editor has no control for, as JSON."""
        kept = {k: v for k, v in self.entry.items() if k not in EDITED}
        return json.dumps(kept) if kept else ""


def rows_of(fields: Iterable[Any]) -> list[Row]:
    return [Row(f"r{n}", dict(entry)) for n, entry in enumerate(fields)]


def row_of(found: Found, made: Any, key: str) -> Row:
    return Row(key, write([made])[0])


# From the page --------------------------------------------------------------------


def rows_from(data: QueryDict) -> list[Row]:
    """The rows of a posted form, in the order in which they stood."""
    keys = list(dict.fromkeys(data.getlist("row-key")))[:MAX_ROWS]
    return [Row(key, _entry(data, key)) for key in keys if _is_key(key)]


def _is_key(key: object) -> bool:
    return isinstance(key, str) and re.fullmatch(r"r[0-9a-f]{1,16}", key) is not None


def _entry(data: QueryDict, key: str) -> dict[str, Any]:
    def get(name: str) -> str:
        return str(data.get(f"{key}-{name}", "")).replace("\r\n", "\n")

    entry = _rest(get("rest"))
    entry |= {name: text for name in TEXTS if (text := get(name).strip())}
    entry["kind"] = kind = get("kind")
    entry |= {name: _number(text) for name in NUMBERS if (text := get(name).strip())}
    if get("default").strip():
        entry["default"] = _default(kind, get("default"))
    choices = [line.strip() for line in get("choices").splitlines() if line.strip()]
    if choices:
        entry["choices"] = choices
    entry["required"] = bool(get("required"))
    entry |= {name: True for name in ("advanced", "slider") if get(name)}
    texts = [*data.getlist(f"{key}-target"), *data.getlist(f"{key}-more")]
    targets = [text.strip() for text in map(str, texts) if text.strip()]
    entry["targets"] = [text.split(ARROW) for text in dict.fromkeys(targets)]
    return entry


def _rest(text: str) -> dict[str, Any]:
    try:
        kept = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict):
        return {text.strip()[:40]: None}  # nothing that a field has: it is refused
    return {name: value for name, value in kept.items() if name not in EDITED}


def _number(text: str) -> Any:
    """A number; what is none stays text, and is refused as such."""
    if re.fullmatch(r"[+-]?\d{1,40}", text):
        return int(text)
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text


def _default(kind: str, text: str) -> Any:
    words = text.strip().lower()
    if kind == "boolean":
        known = {"yes": True, "true": True, "no": False, "false": False}
        return known.get(words, text)
    if kind in ("integer", "float", "batch"):
        return _number(text.strip())
    if kind in ("seed", "size", "lora"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


# Deeds ----------------------------------------------------------------------------


def moved(rows: Sequence[Row], key: str, by: int) -> list[Row]:
    """The rows with one moved up or down; it joins the group that it comes into."""
    order = [row.key for row in rows]
    if key not in order:
        return list(rows)
    at = order.index(key)
    to = min(max(at + by, 0), len(rows) - 1)
    changed = list(rows)
    row = changed.pop(at)
    changed.insert(to, row)
    above = changed[to - 1] if to else None
    below = changed[to + 1] if to + 1 < len(changed) else None
    if to != at and row.group not in {n.group for n in (above, below) if n}:
        neighbour = above or below
        assert neighbour is not None
        row.entry["group"] = neighbour.group
    return changed


def without(rows: Sequence[Row], key: str) -> list[Row]:
    return [row for row in rows if row.key != key]


# Checking -------------------------------------------------------------------------


def check(rows: Sequence[Row], graph: Mapping[str, Any], choices: Choices) -> bool:
    """Write what is wrong into each row; True if nothing is."""
    names: set[Any] = set()
    for row in rows:
        row.errors = _errors(row.entry, graph, choices)
        if row.entry.get("name") in names:
            row.errors.append("another field has this name already.")
        names.add(row.entry.get("name"))
    sound = not any(row.errors for row in rows)
    if sound:
        try:
            read([row.entry for row in rows], graph)
        except BadFields as exc:
            for error in exc.errors:
                _blamed(rows, error).errors.append(WHERE.sub("", error))
            return False
    return sound


def _blamed(rows: Sequence[Row], error: str) -> Row:
    """The row that a sentence about all fields speaks of, else the first."""
    if match := WHERE.match(error):
        return rows[int(match[1]) - 1]
    named = [row for row in rows if error.startswith(f"{row.entry.get('name')} ")]
    return named[0] if named else rows[0]


def _errors(
    entry: Mapping[str, Any], graph: Mapping[str, Any], choices: Choices
) -> list[str]:
    # Only the field itself; what refers to other fields is checked with them.
    alone = {k: v for k, v in entry.items() if k in EDITED}
    try:
        [made] = read([alone], graph)
    except BadFields as exc:
        return [WHERE.sub("", error) for error in exc.errors]
    # Where people have to write something, nothing is what they begin with.
    if made.default in (None, ""):
        return []
    wrong = parameters.clean([made], {}, choices).errors
    return [f"the default does not fit: {sentence}" for sentence in wrong.values()]


def fields_of(rows: Sequence[Row], graph: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As they are stored. Raises BadFields."""
    return write(read([row.entry for row in rows], graph))


# What can be added ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """An input that a field can set."""

    place: str
    title: str
    label: str
    now: str
    used: bool


def offers(
    found: Iterable[Found], rows: Sequence[Row], query: str, limit: int
) -> list[Offer]:
    """What matches all words of the query, what no field sets yet first."""
    used = {ARROW.join(t.split(ARROW)[:2]) for row in rows for t in row.targets}
    words = query.lower().split()
    made = []
    for one in found:
        place = f"{one.node}{ARROW}{one.input}"
        text = (
            f"{one.title} {one.class_type} {one.input} {one.label} {one.node}".lower()
        )
        if all(word in text for word in words):
            now = str(one.default)[:60]
            made.append(Offer(place, one.title, one.input, now, place in used))
    return sorted(made, key=lambda offer: offer.used)[:limit]


def place_title(graph: Mapping[str, Any], target: str) -> str:
    """How a person reads a target: the node's title and the input."""
    node, _, name = target.partition(ARROW)
    return f"{graphs.title(graph, node)}{ARROW}{name}"


def fitting(
    fields: Iterable[Mapping[str, Any]], graph: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """(fields that another graph has all inputs for, labels of the others)."""
    kept: list[dict[str, Any]] = []
    lost: list[str] = []
    for entry in fields:
        try:
            read([{k: v for k, v in entry.items() if k in EDITED}], graph)
        except BadFields:
            lost.append(str(entry.get("label") or entry.get("name")))
        else:
            kept.append(dict(entry))
    return kept, lost


KINDS = [(str(kind), label) for kind, label in LABELS.items()]

"""How two versions of a template differ, for people. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generation.comfy.graph import is_link, title

LONGEST = 300


@dataclass(frozen=True, slots=True)
class Change:
    """One thing; `old` or `new` is empty where it was added or removed."""

    what: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field or a node that differs: "added", "removed", "changed" or "moved"."""

    name: str
    how: str
    changes: tuple[Change, ...] = ()


def fields(old: Sequence[Any], new: Sequence[Any]) -> list[Difference]:
    before = {entry["name"]: entry for entry in old}
    after = {entry["name"]: entry for entry in new}
    found = [_field(name, entry, after.get(name)) for name, entry in before.items()]
    found += [
        Difference(_label(entry), "added")
        for name, entry in after.items()
        if name not in before
    ]
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        found.append(Difference("The order of the fields", "moved"))
    return [one for one in found if one is not None]


def _field(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any] | None
) -> Difference | None:
    if new is None:
        return Difference(_label(old), "removed")
    changes = _changes(old, new)
    return Difference(_label(new), "changed", changes) if changes else None


def nodes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    found = []
    for node_id, node in old.items():
        if node_id not in new:
            found.append(Difference(_node(old, node_id), "removed"))
            continue
        other = new[node_id]
        changes = _changes(_flat(old, node), _flat(new, other))
        if changes:
            found.append(Difference(_node(new, node_id), "changed", changes))
    added = [node_id for node_id in new if node_id not in old]
    return found + [Difference(_node(new, node_id), "added") for node_id in added]


def _flat(graph: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {"type": node["class_type"]}
    for name, value in node["inputs"].items():
        linked = is_link(value)
        flat[name] = f"from {_node(graph, value[0])}" if linked else value
    return flat


def _node(graph: Mapping[str, Any], node_id: str) -> str:
    return f"{title(graph, node_id)} ({node_id})"


def _label(entry: Mapping[str, Any]) -> str:
    return str(entry.get("label") or entry["name"])


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    names = list(dict.fromkeys([*old, *new]))
    return tuple(
        Change(name.replace("_", " "), _shown(old, name), _shown(new, name))
        for name in names
        if old.get(name) != new.get(name)
    )


def _shown(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "–"
    value = values[name]
    if isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"

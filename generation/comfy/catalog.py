"""What a server offers: its `/object_info`, in both dialects. Pure.

Old servers write choices as a list (`[["a", "b"], {…}]`), newer ones as a type with
options (`["COMBO", {"options": ["a", "b"]}]`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generation.comfy.graph import ALL_MODEL_INPUTS, MODEL_SUFFIXES, Graph, is_link

UPLOADS = ("image_upload", "video_upload", "audio_upload", "file_upload")

GROUPS = ("required", "optional")
# A choice that brings inputs along, and an input that grows by as many as are used.
DYNAMIC, GROWING = "COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a node: `type` is INT, FLOAT, STRING, BOOLEAN, COMBO or a link's."""

    name: str
    type: str
    required: bool
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    choices: tuple[Any, ...] | None = None
    multiline: bool = False
    upload: bool = False
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a graph needs and the server has not."""

    kind: str  # "node", "model" or "choice"
    node_id: str
    class_type: str
    input: str = ""
    value: str = ""

    def __str__(self) -> str:
        if self.kind == "node":
            return f"lacks the node {self.class_type}"
        if self.kind == "model":
            return f"lacks {self.value}" if self.value else f"has no {self.input}"
        return f"{self.class_type} does not know {self.input} {self.value}"


class Catalog:
    """Answers questions about one server's `/object_info`."""

    def __init__(self, object_info: Mapping[str, Any]) -> None:
        self._info = object_info

    @property
    def nodes(self) -> frozenset[str]:
        return frozenset(self._info)

    def has(self, class_type: str) -> bool:
        return class_type in self._info

    def inputs(self, class_type: str) -> Iterator[InputSpec]:
        """All inputs of a node in the server's order; none for an unknown node."""
        groups = self._groups(class_type)
        for group in ("required", "optional"):
            entries = groups.get(group)
            if isinstance(entries, Mapping):
                for name, raw in entries.items():
                    yield _spec(name, raw, required=group == "required")

    def input(self, class_type: str, name: str) -> InputSpec | None:
        groups = self._groups(class_type)
        for group in ("required", "optional"):
            entries = groups.get(group)
            if isinstance(entries, Mapping) and name in entries:
                return _spec(name, entries[name], required=group == "required")
        return None

    def inner(
        self, class_type: str, name: str, inputs: Mapping[str, Any]
    ) -> InputSpec | None:
        """As `input`, also of an input that another one brings along: `size.width`.

        `inputs` are the node's: what is brought along depends on what is chosen.
        """
        head, *rest = name.split(".")
        entry = self._raw(class_type, head)
        if not rest or self._raw(class_type, name) is not None:
            return self.input(class_type, name)
        path = head
        for part in rest:
            entry = _brought(entry, part, inputs.get(path))
            path = f"{path}.{part}"
        return None if entry is None else _spec(name, entry, required=True)

    def keys(
        self, class_type: str, name: str, inputs: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """What a dynamic choice may become without inputs that are not there."""
        return tuple(
            str(option["key"])
            for option in _options(self._raw(class_type, name))
            if all(f"{name}.{each}" in inputs for each in _group(option, "required"))
        )

    def choices(self, class_type: str, name: str) -> tuple[str, ...] | None:
        """The values to choose from, or None where the input is no choice."""
        spec = self.input(class_type, name)
        if spec is None or spec.choices is None:
            return None
        return tuple(str(choice) for choice in spec.choices)

    def lacks(self, graph: Graph) -> tuple[Lack, ...]:
        """What keeps this server from running the graph; empty: it can."""
        found: list[Lack] = []
        for node_id, node in graph.items():
            if not isinstance(node, Mapping):
                continue
            class_type = str(node.get("class_type", ""))
            if not self.has(class_type):
                found.append(Lack("node", node_id, class_type))
                continue
            for name, value in node.get("inputs", {}).items():
                if lack := self._lack(node_id, class_type, name, value):
                    found.append(lack)
        return tuple(dict.fromkeys(found))

    def _lack(
        self, node_id: str, class_type: str, name: str, value: object
    ) -> Lack | None:
        if is_link(value):
            return None
        spec = self.input(class_type, name)
        if spec is None or spec.choices is None or spec.upload:
            return None
        known = {str(choice) for choice in spec.choices}
        # Some inputs take several of their choices.
        wanted = value if isinstance(value, list) else [value]
        missing = [str(one) for one in wanted if str(one) not in known]
        if not missing:
            return None
        text = ", ".join(missing)
        is_model = name in ALL_MODEL_INPUTS or text.lower().endswith(MODEL_SUFFIXES)
        kind = "model" if is_model else "choice"
        return Lack(kind, node_id, class_type, name, text)

    def _raw(self, class_type: str, name: str) -> object:
        groups = self._groups(class_type)
        found = (_entries(groups, group).get(name) for group in GROUPS)
        return next((entry for entry in found if entry is not None), None)

    def _groups(self, class_type: str) -> Mapping[str, Any]:
        entry = self._info.get(class_type)
        groups = entry.get("input") if isinstance(entry, Mapping) else None
        return groups if isinstance(groups, Mapping) else {}


def _entries(groups: object, group: str) -> Mapping[str, Any]:
    entries = groups.get(group) if isinstance(groups, Mapping) else None
    return entries if isinstance(entries, Mapping) else {}


def _details(entry: object, kind: str) -> Mapping[str, Any]:
    """What a server says of an input of this kind; nothing of others."""
    if isinstance(entry, list) and len(entry) > 1 and entry[0] == kind:
        return entry[1] if isinstance(entry[1], Mapping) else {}
    return {}


def _options(entry: object) -> list[Mapping[str, Any]]:
    """The options of a dynamic choice; each brings inputs along."""
    options = _details(entry, DYNAMIC).get("options")
    listed = options if isinstance(options, list) else []
    return [one for one in listed if isinstance(one, Mapping) and "key" in one]


def _group(option: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    return _entries(option.get("inputs"), group)


def _brought(entry: object, part: str, chosen: object) -> object:
    """The entry of an input that this one brings along, if it does."""
    for option in _options(entry):
        if option["key"] == chosen:
            found = (_group(option, group).get(part) for group in GROUPS)
            return next((each for each in found if each is not None), None)
    template = _details(entry, GROWING).get("template")
    groups = (_entries(_entries(template, "input"), group) for group in GROUPS)
    return next((each for one in groups for each in one.values()), None)


def _spec(name: str, raw: object, *, required: bool) -> InputSpec:
    parts = raw if isinstance(raw, list | tuple) and raw else ["*"]
    kind = parts[0]
    options = parts[1] if len(parts) > 1 and isinstance(parts[1], Mapping) else {}
    choices: tuple[Any, ...] | None = None
    if isinstance(kind, list | tuple):
        choices, kind = tuple(kind), "COMBO"
    elif kind == "COMBO":
        listed = options.get("options")
        if isinstance(listed, list | tuple):
            choices = tuple(listed)
        elif not options.get("remote"):
            # Remote choices are fetched by the page: any value may be right.
            choices = ()
    return InputSpec(
        name=name,
        type=str(kind),
        required=required,
        default=options.get("default"),
        min=_number(options.get("min")),
        max=_number(options.get("max")),
        step=_number(options.get("step")),
        choices=choices,
        multiline=bool(options.get("multiline")),
        upload=any(options.get(flag) for flag in UPLOADS),
        tooltip=str(options.get("tooltip") or ""),
    )


def _brought_along(
    groups: Mapping[str, Any], prefix: str, name: str, inputs: Mapping[str, Any]
) -> InputSpec | None:
    for group in ("required", "optional"):
        entries = groups.get(group)
        for key, raw in entries.items() if isinstance(entries, Mapping) else ():
            full = prefix + key
            if full == name:
                return _spec(name, raw, required=group == "required")
            if name.startswith(f"{full}."):
                chosen = _chosen(raw, inputs.get(full))
                return _brought_along(chosen, f"{full}.", name, inputs)
    return None


def _chosen(raw: object, value: object) -> Mapping[str, Any]:
    """The inputs that belong to one of the options of a dynamic choice."""
    parts = raw if isinstance(raw, list | tuple) else []
    options = parts[1] if len(parts) > 1 and isinstance(parts[1], Mapping) else {}
    listed = options.get("options")
    for option in listed if isinstance(listed, list | tuple) else ():
        if isinstance(option, Mapping) and option.get("key") == value:
            inputs = option.get("inputs")
            return inputs if isinstance(inputs, Mapping) else {}
    return {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value

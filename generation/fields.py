"""The fields of a template's form: what a person may set, and where it goes. Pure.

Stored as JSON with each version of a template, so that a version is one whole. `read`
is the only way from that JSON to values, and names everything that is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from enum import StrEnum
from typing import Any, NamedTuple

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
# What the form asks for itself, beside the template's fields.
RESERVED = frozenset({"count", "priority", "csrfmiddlewaretoken"})
MAX_FIELDS = 200
MAX_LABEL, MAX_HELP = 100, 300


class Kind(StrEnum):
    TEXT = "text"
    LONG_TEXT = "long_text"
    INTEGER = "integer"
    FLOAT = "float"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    SEED = "seed"
    MODEL = "model"
    SAMPLER = "sampler"
    SCHEDULER = "scheduler"
    COLOR = "color"
    IMAGE = "image"
    SIZE = "size"
    LORA = "lora"
    BATCH = "batch"
    MASK = "mask"
    VIDEO = "video"
    AUDIO = "audio"


LABELS = {
    Kind.TEXT: "Short text",
    Kind.LONG_TEXT: "Long text",
    Kind.INTEGER: "Whole number",
    Kind.FLOAT: "Number",
    Kind.CHOICE: "Choice",
    Kind.BOOLEAN: "Yes or no",
    Kind.SEED: "Seed",
    Kind.MODEL: "Model",
    Kind.SAMPLER: "Sampler",
    Kind.SCHEDULER: "Scheduler",
    Kind.COLOR: "Colour",
    Kind.IMAGE: "Picture",
    Kind.SIZE: "Width and height",
    Kind.LORA: "LoRA with strength",
    Kind.BATCH: "How many at once",
    Kind.MASK: "Mask painted over a picture",
    Kind.VIDEO: "Video",
    Kind.AUDIO: "Sound",
}
# What people bring as a file: the value is a key of our storage.
FILES = frozenset({Kind.IMAGE, Kind.MASK, Kind.VIDEO, Kind.AUDIO})
TEXTS = frozenset({Kind.TEXT, Kind.LONG_TEXT})
# What no server has to know: people write or bring it.
FREE = frozenset({Kind.COLOR, *TEXTS, *FILES})
# Values of several parts: each target takes one of them.
PARTS = {Kind.SIZE: ("width", "height"), Kind.LORA: ("name", "strength")}


class Target(NamedTuple):
    """An input of the graph; of a value with several parts, it takes this one."""

    node: str
    input: str
    part: str = ""


class Condition(NamedTuple):
    """A field is shown only while another has one of these values."""

    parameter: str
    values: tuple[str | int | float | bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One field of a form; it sets one or several inputs of the graph.

    `choices` narrows what the servers offer. `slider` shows a number as one. The
    limits of a size are those of both sides, the ones of a LoRA its strength's.
    `paints` names the picture field over which a mask is painted.
    """

    name: str
    label: str
    kind: Kind
    targets: tuple[Target, ...] = ()
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    required: bool = True
    help_text: str = ""
    group: str = ""
    advanced: bool = False
    slider: bool = False
    paints: str = ""
    shown_if: Condition | None = None

    def at(self, part: str) -> tuple[Target, ...]:
        """The targets that take this part of the value."""
        return tuple(target for target in self.targets if target.part == part)


class BadFields(Exception):
    """`errors`: a sentence for each thing that is wrong."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = list(errors)
        super().__init__(" ".join(self.errors))


def read(raw: object, graph: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The parameters in order. Raises BadFields, which names every fault."""
    if not isinstance(raw, list):
        raise BadFields(["The fields of a template are a list."])
    if len(raw) > MAX_FIELDS:
        raise BadFields([f"A form has at most {MAX_FIELDS} fields."])
    found: list[Parameter] = []
    errors: list[str] = []
    for number, entry in enumerate(raw, 1):
        reader = _Reader(entry, graph)
        parameter = reader.parameter()
        if parameter is not None and any(p.name == parameter.name for p in found):
            reader.errors.append("another field has this name already.")
        where = f"Field {number}" + (f" ({parameter.name})" if parameter else "")
        errors += [f"{where}: {error}" for error in reader.errors]
        if parameter is not None:
            found.append(parameter)
    errors += _among_each_other(found)
    if errors:
        raise BadFields(errors)
    return tuple(found)


def _among_each_other(found: list[Parameter]) -> list[str]:
    """What is wrong with the names by which fields speak of others."""
    known = {parameter.name: parameter for parameter in found}
    errors = []
    for parameter in found:
        other = known.get(parameter.paints)
        if parameter.paints and (other is None or other.kind != Kind.IMAGE):
            errors.append(f"{parameter.name} paints over a field that is no picture.")
        seen, condition = {parameter.name}, parameter.shown_if
        while condition is not None:
            other = known.get(condition.parameter)
            if other is None or other.kind in FILES or other.kind in PARTS:
                what = f"“{condition.parameter[:60]}”"
                errors.append(f"{parameter.name} cannot depend on {what}.")
                break
            if other.name in seen:
                errors.append(f"{parameter.name} depends on itself.")
                break
            seen.add(other.name)
            condition = other.shown_if
    return errors


def write(parameters: Iterable[Parameter]) -> list[dict[str, Any]]:
    """The inverse of `read`: JSON without what says nothing."""
    return [_plain(parameter) for parameter in parameters]


def _plain(parameter: Parameter) -> dict[str, Any]:
    said = {
        each.name: getattr(parameter, each.name)
        for each in dataclass_fields(Parameter)
        if getattr(parameter, each.name) != each.default
    }
    said["kind"] = str(parameter.kind)
    said["targets"] = [[part for part in t if part] for t in parameter.targets]
    if parameter.choices:
        said["choices"] = list(parameter.choices)
    if condition := parameter.shown_if:
        shown = {"parameter": condition.parameter, "is": list(condition.values)}
        said["shown_if"] = shown
    return said


@dataclass
class _Reader:
    """Reads one entry; what is wrong collects in `errors`."""

    raw: object
    graph: Mapping[str, Any]
    errors: list[str] = field(default_factory=list)

    def parameter(self) -> Parameter | None:
        if not isinstance(self.raw, Mapping):
            self.errors.append("this is no object.")
            return None
        entry = self.raw
        known = Parameter.__dataclass_fields__
        self.errors += [
            f"“{str(name)[:40]}” is nothing that a field has."
            for name in entry
            if name not in known
        ]
        name, kind = entry.get("name"), entry.get("kind")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.errors.append("the name is written with a-z, 0-9 and _.")
            return None
        if name in RESERVED:
            self.errors.append(f"every form has a “{name}” of its own.")
            return None
        if not isinstance(kind, str) or kind not in list(Kind):
            self.errors.append(f"“{str(kind)[:40]}” is no kind of field.")
            return None
        limits = {key: self._number(key) for key in ("minimum", "maximum", "step")}
        self._check_limits(limits)
        parts = PARTS.get(Kind(kind), ("",))
        return Parameter(
            name=name,
            label=self._text("label", MAX_LABEL) or name,
            kind=Kind(kind),
            targets=self._targets(parts),
            default=self._default(parts),
            choices=self._choices(),
            required=self._flag("required", True),
            help_text=self._text("help_text", MAX_HELP),
            group=self._text("group", MAX_LABEL),
            advanced=self._flag("advanced", False),
            slider=self._flag("slider", False),
            paints=self._text("paints", MAX_LABEL),
            shown_if=self._condition(),
            **limits,
        )

    def _get(self, name: str) -> Any:
        assert isinstance(self.raw, Mapping)
        return self.raw.get(name)

    def _text(self, name: str, limit: int) -> str:
        value = self._get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > limit:
            self.errors.append(f"{name} is text of at most {limit} characters.")
            return ""
        return value.strip()

    def _flag(self, name: str, default: bool) -> bool:
        value = self._get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.errors.append(f"{name} is true or false.")
        return value is True

    def _number(self, name: str) -> float | None:
        value = self._get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.errors.append(f"{name} is a number.")
            return None
        if not abs(value) < 2**64:  # also refuses NaN
            self.errors.append(f"{name} is far too large.")
            return None
        return value

    def _check_limits(self, limits: Mapping[str, float | None]) -> None:
        low, high, step = (limits[key] for key in ("minimum", "maximum", "step"))
        if low is not None and high is not None and low > high:
            self.errors.append("the minimum is above the maximum.")
        if step is not None and step <= 0:
            self.errors.append("the step must be above 0.")

    def _default(self, parts: tuple[str, ...]) -> Any:
        value = self._get("default")
        if isinstance(value, Mapping) and len(parts) > 1:
            if set(value) == set(parts) and all(map(_is_plain, value.values())):
                return dict(value)
            self.errors.append(f"the default has {' and '.join(parts)}.")
            return None
        if isinstance(value, str) and len(value) > 20_000:
            self.errors.append("the default is too long.")
            return None
        if value is not None and not _is_plain(value):
            self.errors.append("the default is text, a number, true or false.")
            return None
        return value

    def _condition(self) -> Condition | None:
        value = self._get("shown_if")
        if value is None:
            return None
        name = value.get("parameter") if isinstance(value, Mapping) else None
        wanted = value.get("is") if isinstance(value, Mapping) else None
        if (
            not isinstance(name, str)
            or not isinstance(wanted, list)
            or not wanted
            or not all(map(_is_plain, wanted))
        ):
            example = '{"parameter": "mode", "is": ["a", "b"]}'
            self.errors.append(f"shown_if is written as {example}.")
            return None
        return Condition(name, tuple(wanted))

    def _choices(self) -> tuple[str, ...]:
        value = self._get("choices")
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(c, str) for c in value):
            self.errors.append("choices are a list of texts.")
            return ()
        return tuple(dict.fromkeys(value))

    def _targets(self, parts: tuple[str, ...]) -> tuple[Target, ...]:
        value = self._get("targets")
        example = '["6", "text"]' if parts == ("",) else f'["6", "…", "{parts[0]}"]'
        if not isinstance(value, list) or not value:
            self.errors.append(f"targets are written as [{example}].")
            return ()
        found = []
        for raw in value:
            words = raw if isinstance(raw, list | tuple) else ()
            if len(words) not in (2, 3) or not all(isinstance(w, str) for w in words):
                self.errors.append(f"targets are written as [{example}].")
                continue
            target = Target(*words)
            node = self.graph.get(target.node)
            inputs = node.get("inputs") if isinstance(node, Mapping) else None
            if not isinstance(inputs, Mapping) or target.input not in inputs:
                what = f"{target.input[:60]} at node {target.node[:40]}"
                self.errors.append(f"the graph has no input {what}.")
            elif target.part not in parts:
                self.errors.append(f"its targets are written as [{example}].")
            else:
                found.append(target)
        missing = set(parts) - {target.part for target in found}
        if len(parts) > 1 and found and missing:
            self.errors.append(f"nothing takes its {' and '.join(sorted(missing))}.")
        return tuple(found)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)

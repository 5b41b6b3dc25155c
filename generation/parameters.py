"""From what a person typed to a checked value and a resolved graph. Pure."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generation.comfy.graph import set_inputs
from generation.fields import Kind, Parameter

MAX_TEXT = 20_000
MAX_SHORT_TEXT = 1_000
MAX_SEED = 2**64 - 1
# Random seeds stay below 2**53, so that JSON and JavaScript keep them exactly.
MAX_RANDOM_SEED = 2**53 - 1
CHOICE_KINDS = (Kind.CHOICE, Kind.MODEL, Kind.SAMPLER, Kind.SCHEDULER)
COLOR = re.compile(r"#[0-9a-fA-F]{6}")
RANDOM = (None, "", "random", -1, "-1")


Choices = Callable[[Parameter], "Sequence[str] | None"]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Checked values by name, or sentences by name where a value is wrong."""

    values: dict[str, Any]
    errors: dict[str, str] = field(default_factory=dict)


class Wrong(Exception):
    """A value that cannot be taken; the text says what to do instead."""


def clean(
    parameters: Iterable[Parameter],
    given: Mapping[str, Any],
    choices: Choices,
) -> Cleaned:
    """Check every value; what is missing takes its default."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    known = set()
    for parameter in parameters:
        known.add(parameter.name)
        try:
            values[parameter.name] = _clean_one(parameter, given, choices(parameter))
        except Wrong as exc:
            errors[parameter.name] = str(exc)
    for name in given:
        if name not in known:
            errors[str(name)] = "This template has no such parameter."
    return Cleaned(values, errors)


def _clean_one(
    parameter: Parameter, given: Mapping[str, Any], choices: Sequence[str] | None
) -> Any:
    missing = parameter.name not in given
    value = default(parameter, choices) if missing else given[parameter.name]
    if parameter.kind == "seed":
        return _seed(value)
    if value is None or (value == "" and parameter.kind not in ("text", "long_text")):
        if parameter.required:
            raise Wrong("Please fill in this field.")
        return None
    return _READERS[parameter.kind](parameter, value, choices)


def default(parameter: Parameter, choices: Sequence[str] | None) -> Any:
    """The default; a choice that no server has becomes the first that one has."""
    value = parameter.default
    if parameter.kind in CHOICE_KINDS and choices and str(value) not in choices:
        return choices[0]
    return value


# One reader a kind ----------------------------------------------------------------


def _seed(value: Any) -> int:
    if value is None or (not isinstance(value, bool) and value in RANDOM):
        return random.SystemRandom().randint(0, MAX_RANDOM_SEED)
    number = _integer(value)
    if not 0 <= number <= MAX_SEED:
        raise Wrong(f"Choose a seed from 0 to {MAX_SEED}.")
    return number


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise Wrong("Enter a whole number.")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,40}\s*", value):
        return int(value)
    raise Wrong("Enter a whole number.")


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Wrong("Enter a number.")
    try:
        number = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        raise Wrong("Enter a number.") from None
    if not math.isfinite(number):
        raise Wrong("Enter a number.")
    return number


def _within(parameter: Parameter, number: float) -> None:
    low, high = parameter.minimum, parameter.maximum
    if low is not None and number < low:
        raise Wrong(f"Choose at least {low:g}.")
    if high is not None and number > high:
        raise Wrong(f"Choose at most {high:g}.")


def _read_integer(parameter: Parameter, value: Any, choices: object) -> int:
    number = _integer(value)
    _within(parameter, number)
    step = int(parameter.step or 1)
    start = int(parameter.minimum or 0)
    if step > 1 and (number - start) % step:
        low = number - (number - start) % step
        raise Wrong(f"Choose a multiple of {step}, such as {low} or {low + step}.")
    return number


def _read_float(parameter: Parameter, value: Any, choices: object) -> float:
    number = _float(value)
    _within(parameter, number)
    return number


def _read_text(parameter: Parameter, value: Any, choices: object) -> str:
    if not isinstance(value, str):
        raise Wrong("Enter text.")
    limit = MAX_SHORT_TEXT if parameter.kind == "text" else MAX_TEXT
    text = value.replace("\r\n", "\n").replace("\x00", "")
    if len(text) > limit:
        raise Wrong(f"This is {len(text) - limit} characters too long.")
    if parameter.required and not text.strip():
        raise Wrong("Please fill in this field.")
    return text


def _read_choice(
    parameter: Parameter, value: Any, choices: Sequence[str] | None
) -> str:
    text = str(value) if isinstance(value, str | int | float) else ""
    if choices is None:
        # No server has told yet what it offers: it will check the value itself.
        if not text or len(text) > MAX_SHORT_TEXT:
            raise Wrong("Choose one of the list.")
        return text
    if text not in choices:
        raise Wrong(f"“{text[:80]}” is not to be had. Choose one of the list.")
    return text


def _read_boolean(parameter: Parameter, value: Any, choices: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "on", "1", "yes"):
        return True
    if isinstance(value, str) and value.lower() in ("false", "off", "0", "no"):
        return False
    raise Wrong("Answer yes or no.")


def _read_color(parameter: Parameter, value: Any, choices: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 24:
        return f"#{value:06x}"
    if isinstance(value, str) and COLOR.fullmatch(value):
        return value.lower()
    raise Wrong("Write the colour as #rrggbb, such as #336699.")


def _read_image(parameter: Parameter, value: Any, choices: object) -> str:
    """A key of our storage; the caller has checked that it is the person's own."""
    if not isinstance(value, str) or len(value) > 300:
        raise Wrong("Upload a picture.")
    return value


_READERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "text": _read_text,
    "long_text": _read_text,
    "integer": _read_integer,
    "float": _read_float,
    "choice": _read_choice,
    "model": _read_choice,
    "sampler": _read_choice,
    "scheduler": _read_choice,
    "boolean": _read_boolean,
    "color": _read_color,
    "image": _read_image,
}


# Graph ----------------------------------------------------------------------------


def resolve(
    graph: Mapping[str, Any],
    parameters: Iterable[Parameter],
    values: Mapping[str, Any],
) -> dict[str, Any]:
    """The graph with every value set at each of its targets."""
    settings = []
    for parameter in parameters:
        value = values.get(parameter.name)
        if value is None:
            continue
        if parameter.kind == "color":
            value = int(value[1:], 16)
        settings += [(node, name, value) for node, name in parameter.targets]
    return set_inputs(graph, settings)


def values_from(
    graph: Mapping[str, Any], parameters: Iterable[Parameter]
) -> dict[str, Any]:
    """The inverse of `resolve`: the values that a graph has at the targets."""
    values: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.targets:
            node, name = parameter.targets[0]
            value = graph[str(node)]["inputs"][name]
            is_color = parameter.kind == "color"
            values[parameter.name] = f"#{value:06x}" if is_color else value
    return values


# JSON Schema ----------------------------------------------------------------------

_TYPES = {
    "integer": "integer",
    "float": "number",
    "boolean": "boolean",
    "seed": "integer",
}


def json_schema(parameters: Iterable[Parameter], choices: Choices) -> dict[str, Any]:
    """The parameters of a template as a JSON Schema, for the API."""
    properties = {p.name: _property(p, choices(p)) for p in parameters}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _property(parameter: Parameter, choices: Sequence[str] | None) -> Any:
    schema: dict[str, Any] = {
        "title": parameter.label,
        "type": _TYPES.get(parameter.kind, "string"),
        "x-kind": parameter.kind,
    }
    if parameter.help_text:
        schema["description"] = parameter.help_text
    if parameter.kind == "seed":
        return schema | {"minimum": 0, "maximum": MAX_SEED, "x-default": "random"}
    value = default(parameter, choices)
    if value is not None:
        schema["default"] = value
    for name, key in (("minimum", "minimum"), ("maximum", "maximum")):
        if (limit := getattr(parameter, name)) is not None:
            schema[key] = int(limit) if parameter.kind == "integer" else limit
    if (
        parameter.kind == "integer"
        and parameter.step
        and not (int(parameter.minimum or 0) % int(parameter.step))
    ):
        schema["multipleOf"] = int(parameter.step)
    if choices is not None:
        schema["enum"] = list(choices)
    if parameter.kind == "color":
        schema["pattern"] = "^#[0-9a-fA-F]{6}$"
    return schema

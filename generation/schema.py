"""A template's parameters as a JSON Schema, for the API. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from generation.fields import PARTS, Kind, Parameter
from generation.parameters import (
    MAX_BATCH,
    NO_LORA,
    SEED_MODES,
    Choices,
    default,
    seed_limits,
)

_TYPES = {
    "integer": "integer",
    "batch": "integer",
    "float": "number",
    "boolean": "boolean",
    "size": "object",
    "lora": "object",
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
    if condition := parameter.shown_if:
        shown = {"parameter": condition.parameter, "is": list(condition.values)}
        schema["x-shown-if"] = shown
    if parameter.kind == Kind.SEED:
        return schema | _seed_schema(parameter)
    value = default(parameter, choices)
    if value is not None:
        schema["default"] = value
    if parameter.kind == Kind.SIZE:
        return schema | _parts(
            {side: _number(parameter, True) for side in PARTS[Kind.SIZE]}
        )
    if parameter.kind == Kind.LORA:
        name: dict[str, Any] = {"type": "string"}
        if choices is not None:
            name["enum"] = [NO_LORA, *choices]
        return schema | _parts({"name": name, "strength": _number(parameter, False)})
    if parameter.kind in (Kind.INTEGER, Kind.BATCH, Kind.FLOAT):
        return schema | _number(parameter, parameter.kind != Kind.FLOAT)
    if choices is not None:
        schema["enum"] = list(choices)
    if parameter.kind == Kind.COLOR:
        schema["pattern"] = "^#[0-9a-fA-F]{6}$"
    return schema


def _seed_schema(parameter: Parameter) -> dict[str, Any]:
    """A number, or a number and how it goes on from job to job."""
    low, high = seed_limits(parameter)
    number = {"type": "integer", "minimum": low, "maximum": high}
    mode = {"type": "string", "enum": list(SEED_MODES)}
    both = _parts({"value": number, "mode": mode}) | {"type": "object"}
    return {"type": ["integer", "object", "string", "null"]} | {
        "anyOf": [number, both, {"enum": ["random", "", -1, None]}],
        "x-default": "random",
    }


def _parts(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"properties": dict(properties), "additionalProperties": False}


def _number(parameter: Parameter, whole: bool) -> dict[str, Any]:
    low, high, step = parameter.minimum, parameter.maximum, int(parameter.step or 1)
    if parameter.kind == Kind.BATCH:
        low, high = low or 1, high or MAX_BATCH
    schema: dict[str, Any] = {"type": "integer" if whole else "number"}
    if low is not None:
        schema["minimum"] = math.ceil(low) if whole else low
    if high is not None:
        schema["maximum"] = math.floor(high) if whole else high
    if whole and step > 1 and not int(low or 0) % step:
        schema["multipleOf"] = step
    return schema

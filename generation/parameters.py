"""From what a person typed to a checked value and a resolved graph. Pure."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from generation.comfy.graph import set_inputs
from generation.fields import FILES, PARTS, TEXTS, Kind, Parameter

MAX_TEXT = 20_000
MAX_SHORT_TEXT = 1_000
MAX_SEED = 2**64 - 1
# Random seeds stay below 2**53, so that JSON and JavaScript keep them exactly.
MAX_RANDOM_SEED = 2**53 - 1
CHOICE_KINDS = (Kind.CHOICE, Kind.MODEL, Kind.SAMPLER, Kind.SCHEDULER)
COLOR = re.compile(r"#[0-9a-fA-F]{6}")
SIZE = re.compile(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*")
RANDOM = (None, "", "random", -1, "-1")
SEED_MODES = ("random", "fixed", "increment")
# What a LoRA field has when no LoRA is wanted; it runs with strength 0.
NO_LORA = "none"
MAX_BATCH = 64


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
    """Check every value; what is missing or not shown takes its default."""
    fields = list(parameters)
    by_name = {parameter.name: parameter for parameter in fields}
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for parameter in _controllers_first(fields, by_name):
        offered = choices(parameter)
        if not is_shown(parameter, by_name, values):
            values[parameter.name] = _unseen(parameter, offered)
            continue
        try:
            values[parameter.name] = _clean_one(parameter, given, offered)
        except Wrong as exc:
            errors[parameter.name] = str(exc)
    errors |= _masks_without_picture(fields, by_name, values)
    for name in given:
        if name not in by_name:
            errors[str(name)] = "This template has no such parameter."
    in_order = {p.name: values[p.name] for p in fields if p.name in values}
    return Cleaned(in_order, errors)


def _masks_without_picture(
    fields: Iterable[Parameter],
    by_name: Mapping[str, Parameter],
    values: Mapping[str, Any],
) -> dict[str, str]:
    """A mask that becomes the transparency of a picture needs that picture."""
    return {
        mask.name: f"Choose the {picture.label.lower()} that it is painted over."
        for mask in fields
        if mask.kind == Kind.MASK and values.get(mask.name)
        if (picture := by_name.get(mask.paints)) is not None
        if set(mask.targets) & set(picture.targets) and not values.get(picture.name)
    }


def is_shown(
    parameter: Parameter, by_name: Mapping[str, Parameter], values: Mapping[str, Any]
) -> bool:
    """Whether the field on which it depends is shown and has one of its values."""
    condition = parameter.shown_if
    if condition is None:
        return True
    other = by_name.get(condition.parameter)
    if other is None:
        return True
    return is_shown(other, by_name, values) and any(
        _same(values.get(other.name), wanted) for wanted in condition.values
    )


def _same(value: object, wanted: object) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted or str(value) == str(wanted)


def _controllers_first(
    fields: Iterable[Parameter], by_name: Mapping[str, Parameter]
) -> list[Parameter]:
    """Each field after the one on which it depends; `fields.read` refuses circles."""

    def depth(parameter: Parameter) -> int:
        condition = parameter.shown_if
        other = by_name.get(condition.parameter) if condition else None
        return 1 + depth(other) if other else 0

    return sorted(fields, key=depth)


def _unseen(parameter: Parameter, choices: Sequence[str] | None) -> Any:
    """The default of a field that is not shown; None leaves the graph as it is."""
    try:
        return _clean_one(parameter, {}, choices)
    except Wrong:
        return None


def _clean_one(
    parameter: Parameter, given: Mapping[str, Any], choices: Sequence[str] | None
) -> Any:
    missing = parameter.name not in given
    value = default(parameter, choices) if missing else given[parameter.name]
    if parameter.kind == Kind.SEED:
        return _seed(parameter, value)
    if parameter.kind == Kind.LORA:
        return _read_lora(parameter, value, choices)
    if value is None or (value == "" and parameter.kind not in TEXTS):
        if parameter.required:
            raise Wrong("Please fill in this field.")
        return None
    return _READERS[parameter.kind](parameter, value, choices)


def default(parameter: Parameter, choices: Sequence[str] | None) -> Any:
    """The default; a choice that no server has becomes the first that one has."""
    value = parameter.default
    if parameter.kind == Kind.LORA:
        known = isinstance(value, Mapping) and (choices or ())
        if not known or value["name"] not in known:
            return {"name": NO_LORA, "strength": 0.0}
        return dict(value)
    if parameter.kind in CHOICE_KINDS and choices and str(value) not in choices:
        return choices[0]
    if parameter.kind == Kind.BATCH and value is None:
        return 1
    return value


def fitted(
    parameters: Iterable[Parameter], values: Mapping[str, Any], choices: Choices
) -> tuple[dict[str, Any], list[str]]:
    """(what of older values fits these parameters, a sentence for each that does
    not). Values stay as they were written; what is missing takes its default.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    fit: dict[str, Any] = {}
    misfits = []
    for name, value in values.items():
        parameter = by_name.get(name)
        if parameter is None:
            misfits.append(f"{name}: there is no such field any more.")
            continue
        if value is None or value == "":
            fit[name] = value
            continue
        try:
            _clean_one(parameter, {name: value}, choices(parameter))
        except Wrong as exc:
            misfits.append(f"{parameter.label}: {exc}")
        else:
            fit[name] = value
    return fit, misfits


def narrowed(
    parameter: Parameter, limits: Iterable[tuple[float | None, float | None]]
) -> Parameter:
    """The parameter with no value outside these limits as well (least, most)."""
    low, high, step = parameter.minimum, parameter.maximum, parameter.step
    base = low or 0
    whole = parameter.kind != Kind.FLOAT and step is not None and step >= 1
    for least, most in limits:
        if least is not None and (low is None or least > low):
            # On the steps of the field, which count from its own minimum.
            off = (base - least) % int(step) if whole and step else 0
            low = least + off
        if most is not None and (high is None or most < high):
            high = most
    return replace(parameter, minimum=low, maximum=high)


# One reader a kind ----------------------------------------------------------------


def seed_mode(value: Any) -> str:
    """How a seed goes on in a batch. A plain number counts up, without one each job
    draws its own; {"value": …, "mode": …} says it.
    """
    if isinstance(value, Mapping):
        mode = value.get("mode")
        if mode in SEED_MODES:
            return str(mode)
        value = value.get("value")
    return "random" if _is_random(value) else "increment"


def _is_random(value: Any) -> bool:
    return value is None or (not isinstance(value, bool) and value in RANDOM)


def seed_limits(parameter: Parameter) -> tuple[int, int]:
    low = max(0, math.ceil(parameter.minimum or 0))
    if parameter.maximum is None:
        return low, MAX_SEED
    return low, min(MAX_SEED, math.floor(parameter.maximum))


def draw_seed(parameter: Parameter) -> int:
    low, high = seed_limits(parameter)
    if low > high:
        raise Wrong("The servers take no seed here.")
    return random.SystemRandom().randint(low, max(low, min(high, MAX_RANDOM_SEED)))


def seed_after(parameter: Parameter, seed: int, steps: int) -> int:
    """The seed so many further on; after the last comes the first."""
    low, high = seed_limits(parameter)
    return low + (seed - low + steps) % (high - low + 1)


def _seed(parameter: Parameter, value: Any) -> int:
    mode = seed_mode(value)
    if isinstance(value, Mapping):
        if not set(value) <= {"value", "mode"}:
            raise Wrong('Write the seed as a number or as {"value": …, "mode": …}.')
        if value.get("mode") not in (None, "", *SEED_MODES):
            raise Wrong(f"The mode of a seed is one of {', '.join(SEED_MODES)}.")
        value = value.get("value")
    if mode == "random" or _is_random(value):
        return draw_seed(parameter)
    number = _integer(value)
    low, high = seed_limits(parameter)
    if not low <= number <= high:
        raise Wrong(f"Choose a seed from {low} to {high}.")
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
        raise Wrong(f"Choose at least {_spoken(low)}.")
    if high is not None and number > high:
        raise Wrong(f"Choose at most {_spoken(high)}.")


def _spoken(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


def _read_integer(parameter: Parameter, value: Any, choices: object) -> int:
    number = _integer(value)
    _within(parameter, number)
    step = int(parameter.step or 1)
    start = int(parameter.minimum or 0)
    if step > 1 and (number - start) % step:
        low = number - (number - start) % step
        raise Wrong(f"Choose a multiple of {step}, such as {low} or {low + step}.")
    return number


def _read_batch(parameter: Parameter, value: Any, choices: object) -> int:
    low = 1 if parameter.minimum is None else parameter.minimum
    high = MAX_BATCH if parameter.maximum is None else parameter.maximum
    return _read_integer(replace(parameter, minimum=low, maximum=high), value, None)


def _read_size(parameter: Parameter, value: Any, choices: object) -> dict[str, int]:
    if isinstance(value, str) and (match := SIZE.fullmatch(value)):
        value = dict(zip(PARTS[Kind.SIZE], match.groups(), strict=True))
    if not isinstance(value, Mapping) or set(value) != set(PARTS[Kind.SIZE]):
        raise Wrong("Enter a width and a height.")
    sides = {}
    for side in PARTS[Kind.SIZE]:
        try:
            sides[side] = _read_integer(parameter, value[side], None)
        except Wrong as exc:
            raise Wrong(f"{side.capitalize()}: {exc}") from exc
    return sides


def _read_lora(
    parameter: Parameter, value: Any, choices: Sequence[str] | None
) -> dict[str, Any]:
    """Its name and strength; without a name, or with strength 0, it is none."""
    if isinstance(value, str):
        value = {"name": value}
    if value is not None and not isinstance(value, Mapping):
        raise Wrong("Choose a LoRA and its strength.")
    name = (value or {}).get("name")
    if not isinstance(value, Mapping) or name in (None, "", NO_LORA):
        return {"name": NO_LORA, "strength": 0.0}
    usual = parameter.default if isinstance(parameter.default, Mapping) else {}
    strength = value.get("strength")
    if strength is None or strength == "":
        strength = usual.get("strength") or 1.0
    chosen = _read_choice(parameter, name, choices)
    number = _read_float(parameter, strength, None)
    if number == 0:
        return {"name": NO_LORA, "strength": 0.0}
    return {"name": chosen, "strength": number}


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


def _read_file(parameter: Parameter, value: Any, choices: object) -> str:
    """A key of our storage; the caller has checked that it is the person's own."""
    if not isinstance(value, str) or len(value) > 300:
        raise Wrong("Upload a file." if parameter.kind != "image" else UPLOAD)
    return value


UPLOAD = "Upload a picture."
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
    "size": _read_size,
    "batch": _read_batch,
} | {str(kind): _read_file for kind in FILES}


# Graph ----------------------------------------------------------------------------


def resolve(
    graph: Mapping[str, Any],
    parameters: Iterable[Parameter],
    values: Mapping[str, Any],
    choices: Choices | None = None,
) -> dict[str, Any]:
    """The graph with every value set at each of its targets.

    With `choices`, a LoRA of strength 0 is one that servers have: they check its name.
    """
    settings = []
    for parameter in parameters:
        value = values.get(parameter.name)
        if value is None:
            continue
        offered = choices(parameter) if choices else None
        for target in parameter.targets:
            now = graph[target.node]["inputs"][target.input]
            inner = _at_target(parameter, value, target.part, now, offered)
            settings.append((target.node, target.input, inner))
    return set_inputs(graph, settings)


def _at_target(
    parameter: Parameter,
    value: Any,
    part: str,
    now: Any,
    offered: Sequence[str] | None,
) -> Any:
    """What of the value goes to a target that has the value `now` in the graph."""
    if part:
        inner = value[part]
        if part == "name" and inner == NO_LORA:
            return now if not offered or now in offered else offered[0]
        return inner
    if parameter.kind == Kind.COLOR:
        return int(value[1:], 16)
    if parameter.kind in CHOICE_KINDS and type(now) in (int, float):
        # Choices are text in the form; this one is a number to the node.
        try:
            return type(now)(value)
        except ValueError:
            return value
    return value


def values_from(
    graph: Mapping[str, Any], parameters: Iterable[Parameter]
) -> dict[str, Any]:
    """The inverse of `resolve`: the values that a graph has at the targets."""
    return {p.name: _value_from(graph, p) for p in parameters if p.targets}


def _value_from(graph: Mapping[str, Any], parameter: Parameter) -> Any:
    def at(part: str) -> Any:
        target = parameter.at(part)[0]
        return graph[target.node]["inputs"][target.input]

    if parts := PARTS.get(parameter.kind):
        value = {part: at(part) for part in parts}
        is_none = parameter.kind == Kind.LORA and value["strength"] == 0
        return {"name": NO_LORA, "strength": 0.0} if is_none else value
    if parameter.kind == Kind.COLOR:
        return f"#{at(''):06x}"
    if parameter.kind in CHOICE_KINDS:
        return str(at(""))
    return at("")


def spoken(value: Any) -> Any:
    """A value as people read it: 512×768, or a LoRA and its strength."""
    if isinstance(value, Mapping) and set(value) == set(PARTS[Kind.SIZE]):
        return f"{value['width']}×{value['height']}"
    if isinstance(value, Mapping) and set(value) == set(PARTS[Kind.LORA]):
        none = value["name"] == NO_LORA
        return NO_LORA if none else f"{value['name']}, strength {value['strength']:g}"
    return value

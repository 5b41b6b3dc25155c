"""A first draft of a template's form, from what was discovered in its graph. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from generation.comfy.catalog import Catalog
from generation.comfy.discover import ROLES, Found, Sort, discover
from generation.fields import (
    MAX_FIELDS,
    MAX_HELP,
    MAX_LABEL,
    NAME,
    RESERVED,
    Kind,
    Parameter,
    Target,
)

# The nearest kind for what has none of its own, or needs more than one input.
NEAREST = {Sort.LORA: "choice", Sort.VIDEO: "text", Sort.AUDIO: "text"}
# A draft asks people for these: a new seed each time, and files of their own.
ASKED = ("seed", "image", "video", "audio")
# What people can do something with; servers allow far more.
SENSIBLE = {"steps": 100, "cfg": 30, "width": 4096, "height": 4096, "batch_size": 8}
# A draft with more is no form; the rest can be added by hand.
MAX_DRAFT = 60


def draft(graph: Mapping[str, Any], catalog: Catalog | None) -> list[Parameter]:
    """The inputs that people most likely want to set, as fields."""
    names: set[str] = set()
    made: list[Parameter] = []
    offered = discover(graph, catalog)
    joined: set[tuple[str, str]] = set()
    for found in offered:
        if not found.chosen or (found.node, found.input) in joined:
            continue
        if len(made) >= min(MAX_DRAFT, MAX_FIELDS):
            break
        one = _joined(found, offered, names) or parameter(found, names)
        joined |= {(target.node, target.input) for target in one.targets}
        names.add(one.name)
        made.append(one)
    return made


def _joined(
    found: Found, offered: Sequence[Found], taken: Collection[str]
) -> Parameter | None:
    """Width and height, or a LoRA and its strength, as the one field that they are.

    Where somebody has marked or named the two apart, they stay apart.
    """
    if found.label != _usual(found):
        return None
    near = {o.role or o.input: o for o in offered if o.node == found.node}
    if found.role == "width" and (height := near.get("height")):
        return _size(found, height, taken)
    if found.role == "lora" and (strength := near.get("lora_strength")):
        return _lora(found, strength, near.get("strength_clip"), taken)
    return None


def _usual(found: Found) -> str:
    return ROLES[found.role].label if found.role in ROLES else ""


def _size(width: Found, height: Found, taken: Collection[str]) -> Parameter | None:
    one, other = parameter(width), parameter(height)
    if height.label != _usual(height) or one.step != other.step:
        return None
    if one.default is None or other.default is None:
        return None
    return replace(
        one,
        name=free_name("size", taken),
        label="Size",
        kind=Kind.SIZE,
        targets=(
            Target(width.node, width.input, "width"),
            Target(height.node, height.input, "height"),
        ),
        default={"width": one.default, "height": other.default},
        minimum=_stricter(max, one.minimum, other.minimum),
        maximum=_stricter(min, one.maximum, other.maximum),
        group="",
    )


def _stricter(
    choose: Callable[[Iterable[float]], float], one: float | None, other: float | None
) -> float | None:
    """Of two limits, where one of them may be none."""
    limits = [limit for limit in (one, other) if limit is not None]
    return choose(limits) if limits else None


def _lora(
    name: Found, strength: Found, clip: Found | None, taken: Collection[str]
) -> Parameter | None:
    chosen, amount = parameter(name, taken), parameter(strength)
    if strength.label != _usual(strength) or not isinstance(
        amount.default, float | int
    ):
        return None
    targets = [
        Target(name.node, name.input, "name"),
        Target(strength.node, strength.input, "strength"),
    ]
    if clip is not None and clip.default == strength.default:
        targets.append(Target(clip.node, clip.input, "strength"))
    return replace(
        amount,
        name=chosen.name,
        label=chosen.label,
        kind=Kind.LORA,
        targets=tuple(targets),
        default={"name": chosen.default, "strength": amount.default},
        choices=chosen.choices,
        required=False,
    )


def kind_of(sort: Sort, role: str = "") -> Kind:
    if role == "batch_size" and sort is Sort.INTEGER:
        return Kind.BATCH
    wanted = NEAREST[sort] if sort is Sort.LORA else str(sort)
    return Kind(wanted if wanted in list(Kind) else NEAREST[sort])


def parameter(found: Found, taken: Collection[str] = ()) -> Parameter:
    """One field, under a name that is not taken."""
    kind = kind_of(found.sort, found.role)
    low, high = found.minimum, _sensible(found)
    if low is not None and high is not None and low > high:
        low = high = None
    whole = found.sort is Sort.INTEGER
    return Parameter(
        name=free_name(found.role or found.label or found.input, taken),
        label=found.label[:MAX_LABEL].strip() or found.input[:MAX_LABEL],
        kind=kind,
        targets=(Target(found.node, found.input),),
        default=_default(found, kind),
        minimum=_within(low, found.default, whole=whole, lower=True),
        maximum=_within(high, found.default, whole=whole, lower=False),
        step=found.step,
        choices=found.choices if found.narrowed else (),
        required=kind is not Kind.TEXT and found.role != "negative_prompt",
        help_text=found.tooltip[:MAX_HELP].strip(),
        group=found.group[:MAX_LABEL],
        advanced=found.advanced,
    )


def _sensible(found: Found) -> float | None:
    """The node's limit, or a closer one unless the workflow itself goes beyond it."""
    closer, limit = SENSIBLE.get(found.role), found.maximum
    is_number = isinstance(found.default, int | float)
    if closer is None or limit is None or not is_number or found.default > closer:
        return limit
    return min(closer, limit)


def free_name(words: str, taken: Collection[str]) -> str:
    """A name like `lora_strength_2`, made from words."""
    base = (
        re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:50].lstrip("0123456789_")
    )
    base = base if NAME.fullmatch(base) else "field"
    name, number = base, 1
    while name in taken or name in RESERVED:
        number += 1
        name = f"{base}_{number}"
    return name


def _default(found: Found, kind: Kind) -> Any:
    value = found.default
    if str(kind) in ASKED:
        return None
    if kind is Kind.COLOR:
        return f"#{value:06x}"
    if kind is Kind.BOOLEAN:
        return bool(value)
    if isinstance(value, str):
        return value[:20_000]
    if found.sort is Sort.INTEGER and isinstance(value, float) and value.is_integer():
        return int(value)
    is_number = isinstance(value, int | float) and abs(value) < 2**64
    if kind in (Kind.INTEGER, Kind.FLOAT, Kind.BATCH):
        return value if is_number else None
    return str(value) if is_number else None


def _within(
    limit: float | None, value: Any, *, whole: bool, lower: bool
) -> float | None:
    """The node's limit, unless the workflow itself goes beyond it."""
    if limit is None or not isinstance(value, int | float):
        return limit
    if (value < limit) if lower else (value > limit):
        return None
    return int(limit) if whole and float(limit).is_integer() else limit

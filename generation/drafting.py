"""A first draft of a template's form, from what was discovered in its graph. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from generation.comfy.catalog import Catalog
from generation.comfy.discover import Found, Sort, discover
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
    for found in discover(graph, catalog):
        if found.chosen and len(made) < min(MAX_DRAFT, MAX_FIELDS):
            made.append(parameter(found, names))
            names.add(made[-1].name)
    return made


def kind_of(sort: Sort) -> Kind:
    wanted = NEAREST[sort] if sort is Sort.LORA else str(sort)
    return Kind(wanted if wanted in list(Kind) else NEAREST[sort])


def parameter(found: Found, taken: Collection[str] = ()) -> Parameter:
    """One field, under a name that is not taken."""
    kind = kind_of(found.sort)
    low, high = found.minimum, _sensible(found)
    if low is not None and high is not None and low > high:
        low = high = None
    whole = kind is Kind.INTEGER
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
    if kind is Kind.INTEGER and isinstance(value, float) and value.is_integer():
        return int(value)
    is_number = isinstance(value, int | float) and abs(value) < 2**64
    if kind in (Kind.INTEGER, Kind.FLOAT):
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

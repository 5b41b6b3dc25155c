"""Values as a browser sees them.

The rules that this package follows are written in JavaScript, where every number is a
double, a value may be undefined, and keys that look like numbers come first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final

EXACT = 2**53
# From here on a browser writes numbers with an exponent.
EXPONENT = 1e21


class Undefined(Enum):
    """A value that is not there; it vanishes when it is written as JSON."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


def as_read(value: Any) -> Any:
    """What remains of a JSON value when a browser has read and written it."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        return {key: as_read(item) for key, item in value.items()}
    return [as_read(item) for item in value]


def _number(value: float) -> float:
    if isinstance(value, int) and -EXACT <= value <= EXACT:
        return value
    double = float(value)
    if not double.is_integer() or abs(double) >= EXPONENT:
        return double
    # The shortest digits that mean this double, as both languages print them.
    return int(Decimal(repr(double)))


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: object, default: float) -> float:
    """The number that was meant, or the default if there is none."""
    return value if is_number(value) else default  # type: ignore[return-value]


def rounded(value: float) -> float:
    """Halves go up, also below zero."""
    return math.floor(value + 0.5) if abs(value) < EXACT else value


def ordered_keys(names: Iterable[str]) -> list[str]:
    """The names in the order in which an object lists them: small integers first."""
    unique = list(dict.fromkeys(names))
    indexes = [name for name in unique if is_index(name)]
    return sorted(indexes, key=int) + [name for name in unique if not is_index(name)]


def is_index(name: str) -> bool:
    if not (name.isascii() and name.isdigit() and len(name) <= 10):
        return False
    return str(int(name)) == name and int(name) < 2**32 - 1


def text(value: object) -> str:
    """The value as text, as in a template string."""
    if value is UNDEFINED:
        return "undefined"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "[object Object]"
    if isinstance(value, list):
        return ",".join("" if item is None else text(item) for item in value)
    return str(value)


def fits(first: object, second: object) -> bool:
    """May an output of one type be connected to an input of the other?"""
    if _is_any(first) or _is_any(second) or first == second:
        return True
    left = set(text(first).lower().split(","))
    right = set(text(second).lower().split(","))
    if len(left) == len(right) == 1:
        return left == right
    return bool(left & right) or any(_is_any(part) for part in left | right)


def _is_any(kind: object) -> bool:
    return kind is UNDEFINED or kind in (None, "", "*", 0)


def common_type(kinds: Iterable[object]) -> str | None:
    """What all the types allow together; None if there is nothing."""
    found: list[str] | None = None
    for kind in kinds:
        if not isinstance(kind, str):
            return None
        if kind == "*":
            continue
        parts = list(dict.fromkeys(kind.split(",")))
        found = parts if found is None else [part for part in found if part in parts]
    if found is None:
        return "*"
    return ",".join(found) or None

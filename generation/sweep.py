"""Values of a sweep as a person types them: `1, 2, 3`, `1..9 step 2`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

from generation.fields import TEXTS, Kind, Parameter
from generation.parameters import CHOICE_KINDS

MAX_JOBS = 64
MAX_SWEPT = 2
# What makes a grid: one value that can be typed.
KINDS = frozenset(Kind) - {Kind.IMAGE, Kind.MASK, Kind.VIDEO, Kind.AUDIO}
RANGE = re.compile(
    r"(?P<first>-?\d+(?:\.\d+)?)\s*(?:\.\.|…)\s*(?P<last>-?\d+(?:\.\d+)?)"
    r"(?:\s*step\s*(?P<step>\d+(?:\.\d+)?))?",
    re.IGNORECASE,
)
NUMBERS = frozenset({Kind.INTEGER, Kind.FLOAT, Kind.BATCH, Kind.SEED})


class BadSweep(Exception):
    """The values make no grid; the message says why."""


def values(parameter: Parameter, typed: str) -> list[str]:
    """The values in their order, each once; the form's own checks come after.

    Texts are one a line, since they may have commas; so may the names of models, of
    which several lines are one each as well.
    """
    named = parameter.kind in (*CHOICE_KINDS, Kind.LORA) and "\n" in typed.lstrip()
    separator = r"\n" if named or parameter.kind in TEXTS else r"[,;\n]"
    found: list[str] = []
    for word in re.split(separator, typed.replace("\r", "")):
        match = RANGE.fullmatch(word.strip()) if parameter.kind in NUMBERS else None
        found += _range(match, parameter) if match else [word.strip()]
        if len(found) > MAX_JOBS:
            raise BadSweep(f"These are more than {MAX_JOBS} values.")
    found = [word for word in dict.fromkeys(found) if word]
    if not found:
        raise BadSweep("Write the values, such as 1, 2, 3 or 1..9 step 2.")
    return found


def _range(match: re.Match[str], parameter: Parameter) -> list[str]:
    first, last = Decimal(match["first"]), Decimal(match["last"])
    usual = parameter.step if parameter.kind != Kind.FLOAT else None
    step = Decimal(match["step"] or str(usual or 1))
    if not step:
        raise BadSweep("The step must be above 0.")
    count = int(abs(last - first) / step) + 1
    if count > MAX_JOBS:
        raise BadSweep(f"These are {count} values; at most {MAX_JOBS} are possible.")
    sign = 1 if last >= first else -1
    return [_plain(first + sign * step * index) for index in range(count)]


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def grid(swept: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination; the last field changes fastest. Without any: one empty."""
    names = list(swept)
    return [dict(zip(names, point, strict=True)) for point in product(*swept.values())]

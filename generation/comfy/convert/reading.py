"""Reading what somebody uploaded: JSON within limits, and nothing else. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from generation.comfy.convert.errors import Unconvertible

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 100
MAX_DIGITS = 308


def read(document: bytes | str) -> Any:
    """The JSON value in a document. Raises Unconvertible."""
    if len(document) > MAX_BYTES:
        raise Unconvertible(f"The file is larger than {MAX_BYTES // 1024**2} MB.")
    try:
        text = document if isinstance(document, str) else document.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unconvertible("The file is not text in UTF-8.") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_fraction,
        )
    except RecursionError:
        raise Unconvertible("The file is nested too deeply.") from None
    except ValueError as error:
        raise Unconvertible(f"The file is not JSON: {error}") from None
    check_depth(value)
    return value


def check_depth(value: object) -> None:
    """Raises Unconvertible if lists and objects lie too deep in each other."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _contents(outer)]
        if not level:
            return
    raise Unconvertible("The file is nested too deeply.")


def _contents(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                # Programs differ in which of the two they take.
                raise Unconvertible(f"The file names {_short(name)} twice in a place.")
            seen.add(name)
    return made


def _constant(name: str) -> NoReturn:
    raise Unconvertible(f"The file contains {name}, which is no number.")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Unconvertible("The file contains a number that is too large.")
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise Unconvertible("The file contains a number that is too large.")
    return value


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:40] + "…")

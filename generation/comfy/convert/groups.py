"""Group nodes (stub)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from generation.comfy.convert.model import Node, Page


def register_groups(
    page: Page, raw: Mapping[str, Any], make_node: Callable[[Page, str], Node]
) -> None:
    pass

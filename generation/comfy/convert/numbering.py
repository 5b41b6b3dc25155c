"""Node ids that occur in several graphs of a workflow are made unique.

The ids in the prompt contain the ids of the nodes inside of subgraphs, so they depend
on how a page resolves such clashes: by the order of the definitions.
"""

from __future__ import annotations

import copy
from typing import Any

from generation.comfy.convert.errors import Unconvertible
from generation.comfy.convert.model import Page, listing
from generation.comfy.convert.shapes import Workflow

MAX_NODE_ID = 100_000_000


def renumber(workflow: Workflow, page: Page) -> None:
    """Give every node of a definition an id that no other node has."""
    if not workflow.subgraphs:
        return
    used = {
        node["id"]
        for node in listing(workflow.root.get("nodes"))
        if _is_number(node.get("id"))
    }
    workflow.subgraphs = copy.deepcopy(workflow.subgraphs)
    for raw in workflow.subgraphs:
        renamed = _renamed(raw, used, page)
        if renamed:
            _follow(raw, renamed)


def _renamed(raw: dict[str, Any], used: set[Any], page: Page) -> dict[Any, Any]:
    renamed: dict[Any, Any] = {}
    for node in listing(raw.get("nodes")):
        node_id = node.get("id")
        if not _is_number(node_id):
            continue
        if node_id in used:
            node["id"] = _free(used, page)
            renamed[node_id] = node["id"]
        elif node_id > page.last_node_id:
            page.last_node_id = node_id
        used.add(node["id"])
    return renamed


def _free(used: set[Any], page: Page) -> Any:
    while True:
        page.last_node_id += 1
        if page.last_node_id > MAX_NODE_ID:
            raise Unconvertible("The workflow's node ids are too large.")
        if page.last_node_id not in used:
            return page.last_node_id


def _follow(raw: dict[str, Any], renamed: dict[Any, Any]) -> None:
    """Let the links find the nodes under their new ids."""
    for link in listing(raw.get("links")):
        origin, target = (
            ("origin_id", "target_id") if isinstance(link, dict) else (1, 3)
        )
        for end in (origin, target):
            if isinstance(link, list) and len(link) <= int(end):
                continue
            old = link.get(end) if isinstance(link, dict) else link[int(end)]
            if _is_number(old) and old in renamed:
                link[end] = renamed[old]


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

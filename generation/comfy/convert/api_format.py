"""Checks of workflows that are in API format already."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from generation.comfy.convert.errors import NodeProblem, Unconvertible
from generation.comfy.convert.shapes import MAX_NODES
from generation.comfy.graph import is_link


def is_api_format(document: object) -> bool:
    """Does it look like `{node id: {"class_type", "inputs"}}`?"""
    if not isinstance(document, Mapping) or not document or "nodes" in document:
        return False
    return any(isinstance(n, Mapping) and "class_type" in n for n in document.values())


def check_api_format(
    document: Mapping[str, Any], known: Container[str]
) -> dict[str, Any]:
    """The workflow as it is. Raises Unconvertible if no server could run it."""
    if len(document) > MAX_NODES:
        raise Unconvertible(f"The workflow has more than {MAX_NODES} nodes.")
    problems = [
        NodeProblem(node_id, _type(node), reason)
        for node_id, node in document.items()
        if (reason := _fault(document, node, known))
    ]
    if problems:
        raise Unconvertible("The workflow cannot run: see its nodes.", problems)
    if found := cycle(document):
        raise Unconvertible(
            "The links of the workflow go round in a circle.",
            [
                NodeProblem(one, _type(document[one]), "waits for its own result")
                for one in found
            ],
        )
    return dict(document)


def _type(node: object) -> str:
    kind = node.get("class_type") if isinstance(node, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _fault(document: Mapping[str, Any], node: object, known: Container[str]) -> str:
    if not isinstance(node, Mapping):
        return "it is not an object"
    kind, inputs = node.get("class_type"), node.get("inputs")
    if not isinstance(kind, str) or not kind:
        return "it has no class_type"
    if kind not in known:
        return "no server node of this type is known"
    if not isinstance(inputs, Mapping):
        return "it has no inputs"
    for name, value in inputs.items():
        if is_link(value) and (value[0] not in document or value[1] < 0):
            return f"its input {name} is linked to a node that does not exist"
    return ""


def cycle(workflow: Mapping[str, Any]) -> list[str]:
    """The ids of nodes that wait for each other; empty if there are none."""
    before = {
        node_id: [v[0] for v in node["inputs"].values() if is_link(v)]
        for node_id, node in workflow.items()
    }
    after: dict[str, list[str]] = {node_id: [] for node_id in before}
    waiting = {node_id: len(links) for node_id, links in before.items()}
    for node_id, links in before.items():
        for origin in links:
            after[origin].append(node_id)
    ready = [node_id for node_id, count in waiting.items() if not count]
    while ready:
        for node_id in after[ready.pop()]:
            waiting[node_id] -= 1
            if not waiting[node_id]:
                ready.append(node_id)
    left = {node_id for node_id, count in waiting.items() if count}
    return _circle(before, left) if left else []


def _circle(before: Mapping[str, list[str]], left: set[str]) -> list[str]:
    """One circle among the nodes that never became ready."""
    current = next(node_id for node_id in before if node_id in left)
    path: dict[str, None] = {}
    while current not in path:
        path[current] = None
        current = next(origin for origin in before[current] if origin in left)
    found = list(path)
    return found[found.index(current) :]

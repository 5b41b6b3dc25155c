"""Whether a document has the shape of a workflow, and a size that can be dealt with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generation.comfy.convert.errors import Unconvertible
from generation.comfy.convert.javascript import as_read, is_number
from generation.comfy.convert.model import listing, mapping
from generation.comfy.convert.reading import check_depth

MAX_NODES = 20_000
# More than a page itself loads into one graph.
MAX_NODES_IN_GRAPH = 10_000
MAX_LINKS = 100_000
MAX_SLOTS = 1_000
MAX_ALL_SLOTS = 200_000
MAX_SUBGRAPH_DEPTH = 30


@dataclass(slots=True)
class Workflow:
    """The root graph and the definitions of all its subgraphs, checked."""

    root: dict[str, Any]
    subgraphs: list[dict[str, Any]] = field(default_factory=list)
    last_node_id: float = 0


def check(document: Mapping[str, Any]) -> Workflow:
    """Raises Unconvertible if the document is no workflow, or far too large."""
    root = dict(document)
    subgraphs: list[dict[str, Any]] = []
    _collect(root, subgraphs, 0)
    graphs = [root, *subgraphs]
    if sum(len(listing(graph.get("nodes"))) for graph in graphs) > MAX_NODES:
        raise Unconvertible(f"The workflow has more than {MAX_NODES} nodes.")
    if sum(len(listing(graph.get("links"))) for graph in graphs) > MAX_LINKS:
        raise Unconvertible(f"The workflow has more than {MAX_LINKS} links.")
    for graph in graphs:
        _check_graph(graph)
    if sum(_slots(graph) for graph in graphs) > MAX_ALL_SLOTS:
        raise Unconvertible(f"The nodes have more than {MAX_ALL_SLOTS} slots.")
    _check_expansion(root, subgraphs)
    check_depth(root)
    root = as_read(root)
    subgraphs = [as_read(raw) for raw in subgraphs]
    state = mapping(root.get("state"))
    last = root.get("last_node_id", state.get("lastNodeId"))
    last = state.get("lastNodeId") if not is_number(last) else last
    found = last if is_number(last) else 0
    return Workflow(root, subgraphs, found)  # type: ignore[arg-type]


def _collect(graph: Mapping[str, Any], found: list[dict[str, Any]], depth: int) -> None:
    if depth > MAX_SUBGRAPH_DEPTH:
        raise Unconvertible("The workflow's subgraphs are nested too deeply.")
    subgraphs = mapping(graph.get("definitions")).get("subgraphs")
    if subgraphs is not None and not isinstance(subgraphs, list):
        raise Unconvertible("The workflow's subgraphs are not a list.")
    for raw in listing(subgraphs):
        if not isinstance(raw, dict):
            raise Unconvertible("A subgraph of the workflow is not an object.")
        _collect(raw, found, depth + 1)
        found.append(raw)


def _check_graph(graph: Mapping[str, Any]) -> None:
    nodes = graph.get("nodes", [])
    if not isinstance(nodes, list):
        raise Unconvertible("The workflow's nodes are not a list.")
    if len(nodes) > MAX_NODES_IN_GRAPH:
        raise Unconvertible(f"A graph has more than {MAX_NODES_IN_GRAPH} nodes.")
    for node in nodes:
        _check_node(node)
    links = graph.get("links")
    if links is not None and not isinstance(links, list):
        raise Unconvertible("The workflow's links are not a list.")
    for link in listing(links):
        if not isinstance(link, list | dict):
            raise Unconvertible("A link of the workflow is neither list nor object.")
    for name in ("inputs", "outputs"):
        if "id" in graph and len(listing(graph.get(name))) > MAX_SLOTS:
            raise Unconvertible(f"A subgraph has more than {MAX_SLOTS} {name}.")


def _slots(graph: Mapping[str, Any]) -> int:
    nodes = listing(graph.get("nodes"))
    return sum(
        len(listing(node.get("inputs"))) + len(listing(node.get("outputs")))
        for node in nodes
    )


def _check_node(node: object) -> None:
    if not isinstance(node, dict):
        raise Unconvertible("A node of the workflow is not an object.")
    if not isinstance(node.get("type"), str) or not node["type"]:
        raise Unconvertible("A node of the workflow has no type.")
    node_id = node.get("id")
    if node_id is not None and not _is_id(node_id):
        raise Unconvertible("A node of the workflow has an id that is no id.")
    for name in ("inputs", "outputs"):
        slots = node.get(name)
        if slots is not None and not isinstance(slots, list):
            raise Unconvertible(f"The {name} of node {node_id} are not a list.")
        if len(listing(slots)) > MAX_SLOTS:
            raise Unconvertible(f"Node {node_id} has more than {MAX_SLOTS} {name}.")
        if not all(isinstance(slot, dict) for slot in listing(slots)):
            raise Unconvertible(f"The {name} of node {node_id} are not objects.")
    values = node.get("widgets_values")
    if values is not None and not isinstance(values, list | dict):
        raise Unconvertible(f"The values of node {node_id} are not a list.")


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _check_expansion(root: Mapping[str, Any], subgraphs: list[dict[str, Any]]) -> None:
    """How large the workflow is with every subgraph in place, before doing so."""
    by_id = {raw.get("id"): raw for raw in subgraphs if _is_id(raw.get("id"))}
    sizes: dict[Any, int] = {}
    order = list(_innermost_first(root, by_id))
    for key, graph in order:
        inner = [sizes.get(kind, 0) for kind in _kinds(graph)]
        sizes[key] = len(inner) + sum(inner)
        if sizes[key] > MAX_NODES:
            message = (
                f"With its subgraphs, the workflow has more than {MAX_NODES} nodes."
            )
            raise Unconvertible(message)


def _kinds(graph: Mapping[str, Any]) -> Iterator[str]:
    for node in listing(graph.get("nodes")):
        yield node["type"]


def _innermost_first(
    root: Mapping[str, Any], by_id: Mapping[Any, Mapping[str, Any]]
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """The graphs that are used, each after all that it uses."""
    done: set[Any] = set()
    path: list[tuple[Any, Mapping[str, Any], Iterator[str]]] = []
    path.append((None, root, _kinds(root)))
    while path:
        key, graph, kinds = path[-1]
        kind = next((one for one in kinds if one in by_id and one not in done), None)
        if kind is None:
            done.add(key)
            path.pop()
            yield key, graph
            continue
        if any(kind == outer for outer, _, _ in path):
            raise Unconvertible("A subgraph of the workflow contains itself.")
        if len(path) > MAX_SUBGRAPH_DEPTH:
            raise Unconvertible("The workflow's subgraphs are nested too deeply.")
        path.append((kind, by_id[kind], _kinds(by_id[kind])))

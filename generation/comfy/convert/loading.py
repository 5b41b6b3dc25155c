"""From a saved workflow to a living graph, as a page loads it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from generation.comfy.convert.definitions import Definitions
from generation.comfy.convert.groups import register_groups
from generation.comfy.convert.inputs import match_types
from generation.comfy.convert.javascript import UNDEFINED, is_number, text
from generation.comfy.convert.model import (
    Graph,
    Link,
    Node,
    Page,
    Unmakeable,
    at,
    listing,
    mapping,
    visit,
)
from generation.comfy.convert.nodes import NoteNode, ServerNode, UnknownNode
from generation.comfy.convert.numbering import renumber
from generation.comfy.convert.shapes import Workflow
from generation.comfy.convert.subgraphs import Subgraph, SubgraphNode
from generation.comfy.convert.virtual import PrimitiveNode, RerouteNode
from generation.comfy.convert.widgets import show_audio

SAMPLERS = ("KSampler", "KSamplerAdvanced")


def load(workflow: Workflow, definitions: Definitions) -> Graph:
    """The graph of a workflow file. Raises Unconvertible."""
    page = Page(definitions, last_node_id=workflow.last_node_id)
    renumber(workflow, page)
    register_groups(page, workflow.root, make_node)
    root = Graph()
    for definition, subgraph in _declare(page, workflow):
        _build(page, subgraph, definition)
        subgraph.replace_lost_links()
    _build(page, root, workflow.root)
    _settle(root)
    page.configuring = False
    _repair_values(root)
    _check_types(root)
    return root


def _declare(
    page: Page, workflow: Workflow
) -> list[tuple[Mapping[str, Any], Subgraph]]:
    """Make the definitions known, those without others inside of them first."""
    made: dict[str, tuple[Mapping[str, Any], Subgraph]] = {}
    for raw in workflow.subgraphs:
        subgraph = Subgraph(raw)
        made[subgraph.id] = (raw, subgraph)
        page.makers[subgraph.id] = _instance_maker(page, subgraph)
    dependents: dict[str, list[str]] = {name: [] for name in made}
    waiting = dict.fromkeys(made, 0)
    for name, (definition, _) in made.items():
        for node in listing(definition.get("nodes")):
            inner = text(mapping(node).get("type"))
            if inner in made:
                dependents[inner].append(name)
                waiting[name] += 1
    ready = deque(name for name in made if not waiting[name])
    ordered: list[str] = []
    while ready:
        name = ready.popleft()
        ordered.append(name)
        for dependent in dependents[name]:
            waiting[dependent] -= 1
            if not waiting[dependent]:
                ready.append(dependent)
    return [made[name] for name in (ordered if len(ordered) == len(made) else made)]


def _instance_maker(page: Page, subgraph: Subgraph) -> Callable[[], Node]:
    return lambda: SubgraphNode(page, subgraph)


def make_node(page: Page, kind: str) -> Node:
    """A new node of a kind, as yet without anything that was saved of it."""
    try:
        return _make(page, kind)
    except Unmakeable:
        node = UnknownNode(page, kind)
        node.obstacle = "a page cannot make this node from its definition"
        return node


def _make(page: Page, kind: str) -> Node:
    if kind in page.makers:
        return page.makers[kind]()
    if kind == "PrimitiveNode":
        return PrimitiveNode(page)
    if kind == "Reroute":
        return RerouteNode(page)
    if kind in ("Note", "MarkdownNote"):
        return NoteNode(page, kind)
    definition = page.definitions.get(kind)
    if definition is not None:
        return ServerNode(page, definition)
    return UnknownNode(page, kind)


def _build(page: Page, graph: Graph, raw: Mapping[str, Any]) -> None:
    for entry in listing(raw.get("links")):
        link = read_link(entry)
        if link is not None:
            graph.links[link.id] = link
    saved: list[tuple[Node, Mapping[str, Any]]] = []
    for entry in map(mapping, listing(raw.get("nodes"))):
        node = make_node(page, text(entry.get("type")))
        node.id = entry.get("id")
        if node.id in (None, -1) or str(node.id) in graph.by_id:
            page.last_node_id += 1
            node.id = page.last_node_id
        node.graph = graph
        graph.nodes.append(node)
        graph.by_id[str(node.id)] = node
        saved.append((node, entry))
    for node, entry in saved:
        node.configure(entry)  # type: ignore[attr-defined]
    _remove_duplicate_links(graph)


def read_link(raw: object) -> Link | None:
    if isinstance(raw, list):
        parts = [*raw, *([None] * 6)][:6]
    else:
        names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        parts = [mapping(raw).get(name) for name in names]
    link_id, origin, origin_slot, target, target_slot, kind = parts
    if isinstance(link_id, bool) or not isinstance(link_id, int | str):
        return None
    return Link(link_id, origin, _slot(origin_slot), target, _slot(target_slot), kind)


def _slot(value: object) -> Any:
    """Slots are numbers, in some files written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    return value if is_number(value) else None


def _remove_duplicate_links(graph: Graph) -> None:
    """Of several links between the same two slots, keep the one that is in use."""
    groups: dict[tuple[str, ...], list[Any]] = {}
    for link in graph.links.values():
        ends = (link.origin_id, link.origin_slot, link.target_id, link.target_slot)
        groups.setdefault(tuple(map(text, ends)), []).append(link.id)
    for ids in groups.values():
        if len(ids) > 1:
            _keep_one(graph, ids)


def _keep_one(graph: Graph, ids: list[Any]) -> None:
    target = graph.node(graph.links[ids[0]].target_id)
    slots = target.inputs if target is not None else []
    kept = next((slot.link for slot in slots if slot.link in ids), ids[0])
    for link_id in ids:
        if link_id == kept:
            continue
        link = graph.links.pop(link_id)
        origin = graph.node(link.origin_id)
        output = at(origin.outputs, link.origin_slot) if origin is not None else None
        if output is not None:
            output.links = [one for one in output.links if one != link_id]
    for slot in slots:
        if slot.link is not None and slot.link in ids:
            slot.link = kept


def _settle(root: Graph) -> None:
    """What is done once all nodes are there."""
    nodes = list(visit(root))
    for node in nodes:
        for place, slot in enumerate(node.inputs):
            link = node.graph.link(slot.link) if node.graph and slot.link else None
            if link is not None:
                link.target_slot = place
    for node in nodes:
        if isinstance(node, ServerNode):
            node.remove_stray_inputs()
            if node.widget("upload") is not None:
                show_audio(node)
    for node in nodes:
        if isinstance(node, PrimitiveNode):
            node.make_widget()


def _repair_values(root: Graph) -> None:
    """Values that older pages saved, in today's words."""
    for node in visit(root):
        for widget in node.widgets:
            value = widget.get()
            if node.type in SAMPLERS and widget.name == "sampler_name":
                if isinstance(value, str) and value.startswith("sample_"):
                    widget.set(value[7:])
            elif widget.kind == "combo" and (value is None or value is UNDEFINED):
                choices = widget.options.get("values")
                if choices:
                    widget.set(choices[0])


def _check_types(root: Graph) -> None:
    """What a page does one frame later: types spread, and wrong links are cut."""
    nodes = list(visit(root))
    for node in nodes:
        for place in node.match_slots:
            match_types(node, place)
    for node in nodes:
        if isinstance(node, RerouteNode) and node.graph is not None:
            node.check_types(node.graph)

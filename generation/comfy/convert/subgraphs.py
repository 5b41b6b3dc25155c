"""Subgraphs: definitions that a workflow brings along, and nodes that stand for them.

All instances share the nodes of their definition, and so also the values in them: what
an instance shows as its own field is the field of a node inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generation.comfy.convert.definitions import InputDef
from generation.comfy.convert.javascript import UNDEFINED, text
from generation.comfy.convert.model import (
    Graph,
    Input,
    Link,
    Node,
    Output,
    Page,
    Widget,
    at,
    listing,
    mapping,
)
from generation.comfy.convert.nodes import configure, spec_of

MAX_CHAIN = 100


@dataclass(slots=True, eq=False)
class Boundary:
    """One input or output of a subgraph, seen from inside."""

    id: str
    name: str
    type: Any
    link_ids: list[Any] = field(default_factory=list)

    @classmethod
    def read(cls, raw: object) -> Boundary:
        slot = mapping(raw)
        links = [link for link in listing(slot.get("linkIds")) if _is_id(link)]
        name, kind = slot.get("name", UNDEFINED), slot.get("type", UNDEFINED)
        return cls(text(slot.get("id")), text(name), kind, links)


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


class Subgraph(Graph):
    """A definition: a graph with inputs and outputs."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        super().__init__()
        self.id = text(raw.get("id"))
        self.name = text(raw.get("name") or self.id)
        self.inputs = [Boundary.read(one) for one in listing(raw.get("inputs"))]
        self.outputs = [Boundary.read(one) for one in listing(raw.get("outputs"))]

    def inside(self, boundary: Boundary) -> Iterator[tuple[Link, Node]]:
        """The links from an input, with the nodes that they go to."""
        for link_id in boundary.link_ids:
            link = self.link(link_id)
            node = self.node(link.target_id) if link is not None else None
            if link is not None and node is not None:
                yield link, node

    def widgets_behind(self, boundary: Boundary) -> Iterator[Widget]:
        for link, node in self.inside(boundary):
            slot = at(node.inputs, link.target_slot)
            widget = node.widget(slot.widget) if slot is not None else None
            if slot is not None and slot.widget and widget is not None:
                yield widget

    def forget_outside(self, link: Link) -> None:
        boundary = at(self.inputs, link.origin_slot)
        if boundary is not None and link.id in boundary.link_ids:
            boundary.link_ids.remove(link.id)

    def replace_lost_links(self) -> None:
        """Point inputs and outputs at the link that is left of several equal ones."""
        ends = [("origin", -10, self.inputs), ("target", -20, self.outputs)]
        for end, outside, boundaries in ends:
            first: dict[Any, Any] = {}
            for link in self.links.values():
                if getattr(link, f"{end}_id") == outside:
                    first.setdefault(getattr(link, f"{end}_slot"), link.id)
            for index, boundary in enumerate(boundaries):
                boundary.link_ids = [
                    one if one in self.links else first.get(index, one)
                    for one in boundary.link_ids
                ]


class SubgraphNode(Node):
    """An instance of a definition."""

    virtual = True

    def __init__(self, page: Page, subgraph: Subgraph) -> None:
        super().__init__(page, subgraph.id, subgraph.name)
        self.subgraph = subgraph

    def configure(self, info: Mapping[str, Any]) -> None:
        """Slots are the definition's, only links are the file's."""
        by_name = {
            text(mapping(slot).get("name", UNDEFINED)): mapping(slot)
            for slot in listing(info.get("inputs"))
        }
        inputs: list[Input] = []
        for boundary in self.subgraph.inputs:
            link = by_name.get(boundary.name, {}).get("link")
            slot = Input(boundary.name, boundary.type)
            slot.link = link if _is_id(link) else None
            inputs.append(slot)
        saved = [mapping(slot) for slot in listing(info.get("outputs"))]
        outputs: list[Output] = []
        for index, boundary in enumerate(self.subgraph.outputs):
            links = listing((at(saved, index) or {}).get("links"))
            links = [link for link in links if _is_id(link)]
            outputs.append(Output(boundary.name, boundary.type, links))
        configure(self, {**info, "inputs": inputs, "outputs": outputs})
        for slot, boundary in zip(self.inputs, self.subgraph.inputs, strict=True):
            self._promote(slot, boundary)
        self.widgets = [one.promoted for one in self.inputs if one.promoted is not None]

    def _promote(self, slot: Input, boundary: Boundary) -> None:
        """Show the field of the first node inside that has one for this input."""
        for link, node in self.subgraph.inside(boundary):
            target = next((one for one in node.inputs if one.link == link.id), None)
            widget = node.widget_of(target) if target is not None else None
            if target is not None and widget is not None:
                slot.promoted = PromotedWidget(self, boundary, node, widget, target)
                slot.widget = boundary.name
                return


class PromotedWidget(Widget):
    """A field of a node inside, shown on the instance."""

    stored = False

    def __init__(
        self,
        host: SubgraphNode,
        boundary: Boundary,
        node: Node,
        widget: Widget,
        slot: Input,
    ) -> None:
        super().__init__(boundary.name, widget.kind, UNDEFINED, saved=False)
        self._host = host
        self._boundary = boundary
        self._source = (node, slot)
        self.node_id = str(node.id)
        self.widget_name = widget.name
        # Which of several equally named fields of a subgraph inside is meant.
        inner = isinstance(widget, PromotedWidget)
        self.inner_id = widget.node_id if isinstance(widget, PromotedWidget) else ""
        self.nested = inner and isinstance(node, SubgraphNode)

    def get(self) -> Any:
        linked = self._linked()
        found = linked[0] if linked else self._deepest()
        if found is not None and found.stored and found.value is not None:
            return found.value
        widget = self._at_host()
        return widget.get() if widget is not None else UNDEFINED

    def set(self, value: Any) -> None:
        linked, deepest = self._linked(), self._deepest()
        stored = [w for w in (*linked, deepest) if w is not None and w.stored]
        for widget in stored:
            # The value alone: a choice does not bring its inputs in this way.
            widget.value = value
        host = self._at_host()
        if not stored and host is not None:
            host.set(value)

    def call_back(self, value: Any) -> None:
        widget = self._at_host()
        if widget is not None:
            widget.call_back(value)

    def spec(self) -> InputDef | None:
        """What the field is made of, wherever it is defined."""
        return widget_spec(*self._source)

    def _linked(self) -> list[Widget]:
        found = self._host.subgraph.widgets_behind(self._boundary)
        return [widget for widget in found if widget.stored]

    def _at_host(self) -> Widget | None:
        node = self._host.subgraph.node(self.node_id)
        inner_id = self.inner_id if self.nested else ""
        return _find(node, self.widget_name, inner_id) if node is not None else None

    def _deepest(self) -> Widget | None:
        widget = self._at_host()
        for _ in range(MAX_CHAIN):
            if not isinstance(widget, PromotedWidget):
                return widget
            node = widget._host.subgraph.node(widget.node_id)
            widget = _find(node, widget.widget_name, "") if node is not None else None
        return None


def _find(node: Node, name: str, inner_id: str) -> Widget | None:
    if not inner_id:
        return node.widget(name)
    for widget in node.widgets:
        if isinstance(widget, PromotedWidget):
            names = (widget.widget_name, widget.name)
            if widget.node_id == inner_id and name in names:
                return widget
    return None


def widget_spec(node: Node, slot: Input) -> InputDef | None:
    """The definition behind the widget of an input."""
    if slot.promoted is not None:
        return slot.promoted.spec()
    if slot.widget is None:
        return None
    return slot.source or spec_of(node, slot.widget)


def shared_values(graph: Graph) -> None:
    """Give all nodes behind one input of an instance the value of the first.

    A page does so whenever it saves a workflow, which it also does before a run.
    """
    waiting, seen = [graph], {id(graph)}
    while waiting:
        current = waiting.pop(0)
        for node in current.nodes:
            if not isinstance(node, SubgraphNode):
                continue
            for slot, boundary in zip(node.inputs, node.subgraph.inputs, strict=False):
                if slot.promoted is not None:
                    for widget in list(node.subgraph.widgets_behind(boundary)):
                        widget.set(slot.promoted.get())
            if id(node.subgraph) not in seen:
                seen.add(id(node.subgraph))
                waiting.append(node.subgraph)

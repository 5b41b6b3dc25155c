"""The page's own nodes that shape a workflow and vanish from the prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from generation.comfy.convert.definitions import InputDef
from generation.comfy.convert.inputs import connected
from generation.comfy.convert.javascript import fits, is_number, number
from generation.comfy.convert.model import Graph, Input, Node, Output, Page, Widget, at
from generation.comfy.convert.nodes import configure
from generation.comfy.convert.subgraphs import widget_spec
from generation.comfy.convert.widgets import MAKERS, PLAIN

REPLACES = "Run widget replace on values"
# What two specs may differ in and still share one primitive.
FREE_OPTIONS = frozenset(
    {"default", "forceInput", "defaultInput", "control_after_generate", "multiline"}
    | {"tooltip", "dynamicPrompts"}
)


class PrimitiveNode(Node):
    """One field for the widgets that it is linked to."""

    virtual = True

    def __init__(self, page: Page) -> None:
        super().__init__(page, "PrimitiveNode", "Primitive")
        self.outputs = [Output("connect to widget input", "*")]
        self.properties = {REPLACES: False}
        self._saved: Any = None

    def configure(self, info: Mapping[str, Any]) -> None:
        configure(self, info)
        self._saved = info.get("widgets_values")

    def make_widget(self) -> None:
        """Once all nodes are there: a field like the one of the first target."""
        links = self.outputs[0].links if self.outputs else []
        if not links or self.widgets or self.graph is None:
            return
        target = self._target(links[0])
        spec = self._spec(*target) if target is not None else None
        if target is None or spec is None:
            return
        widget = self._create(spec, *target)
        if isinstance(self._saved, list) and self._saved:
            widget.set(self._saved[0])
        if spec.type in ("INT", "FLOAT"):
            self._keep_limits(spec, widget)

    def apply(self, replace: Any) -> None:
        """Put the value into the widgets of all targets."""
        if not self.widgets or not self.outputs:
            return
        value = self.widgets[0].get()
        if value and self.properties.get(REPLACES) and isinstance(value, str):
            value = replace(value)
        for link_id in self.outputs[0].links:
            target = self._target(link_id)
            widget = target[0].widget(target[1].widget) if target is not None else None
            if target is not None and target[1].widget and widget is not None:
                widget.hand_over(value)

    def _target(self, link_id: object) -> tuple[Node, Input] | None:
        link = self.graph.link(link_id) if self.graph is not None else None
        node = self.graph.node(link.target_id) if self.graph and link else None
        slot = at(node.inputs, link.target_slot) if node and link else None
        return (node, slot) if node is not None and slot is not None else None

    def _spec(self, node: Node, slot: Input) -> InputDef | None:
        if slot.widget is None:
            plain = isinstance(slot.type, str) and slot.type in PLAIN
            return InputDef(slot.name, slot.type) if plain else None
        return widget_spec(node, slot)

    def _create(self, spec: InputDef, node: Node, slot: Input) -> Widget:
        self.widgets = []
        maker = MAKERS.get(spec.type) if spec.type in PLAIN else None
        if maker is not None:
            own = InputDef("value", spec.type, False, spec.options, spec.choices)
            widget = maker(self, own)
        else:
            widget = Widget("value", spec.type.lower(), None)
            self.widgets = [widget]
        theirs = node.widget(slot.widget or slot.name)
        if theirs is not None:
            widget.set(theirs.get())
        return widget

    def _keep_limits(self, spec: InputDef, widget: Widget) -> None:
        """Keep a number within the limits of all targets, and rounded as they are."""
        first = self._target(self.outputs[0].links[0])
        common = spec
        for link_id in self.outputs[0].links:
            target = self._target(link_id)
            theirs = widget_spec(*target) if target is not None else None
            merged = merge(common, theirs) if theirs is not None else None
            if merged is None or first is None:
                continue
            common, value = merged, widget.get()
            widget = self._create(common, *first)
            widget.set(value)
            low, high = widget.options.get("min"), widget.options.get("max")
            if is_number(value) and value < number(low, -math.inf):
                widget.set(low)
            if is_number(value) and value > number(high, math.inf):
                widget.set(high)
            widget.call_back(widget.get())


def merge(one: InputDef, other: InputDef) -> InputDef | None:
    """What two numeric inputs have in common; None if they do not go together."""
    if one.type != other.type:
        return None
    low = max(_limit(one, "min", -math.inf), _limit(other, "min", -math.inf))
    high = min(_limit(one, "max", math.inf), _limit(other, "max", math.inf))
    if low > high:
        return None
    step = _common_step(_limit(one, "step", 1), _limit(other, "step", 1))
    limits = {"min": low, "max": high, "step": step}
    mine, theirs = {**one.options, **limits}, {**other.options, **limits}
    for key in {*mine, *theirs} - FREE_OPTIONS:
        if not _same(mine.get(key), theirs.get(key)):
            return None
    return InputDef(one.name, one.type, one.optional, {**mine, **theirs}, one.choices)


def _limit(spec: InputDef, name: str, default: float) -> float:
    return number(spec.options.get(name), default)


def _same(one: object, other: object) -> bool:
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        return one is other
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _common_step(one: float, other: float) -> float:
    """The least common multiple."""
    if one <= 0 or other <= 0:
        return max(one, other)
    first, second = one, other
    while second > 1e-12:
        first, second = second, math.fmod(first, second)
    return one * other / first


class RerouteNode(Node):
    """A bend in a link."""

    virtual = True

    def __init__(self, page: Page) -> None:
        super().__init__(page, "Reroute", "Reroute")
        self.inputs = [Input("", "*")]
        self.outputs = [Output("", "*")]

    def configure(self, info: Mapping[str, Any]) -> None:
        configure(self, info)

    def check_types(self, graph: Graph) -> None:
        """Cut links to inputs that cannot take what comes in."""
        chain = self._chain(graph)
        if chain is None:
            return
        nodes, kind = chain
        waiting, seen = [self], {id(self)}
        while waiting:
            current = waiting.pop()
            self.page.spend(1)
            for link_id in list(current.outputs[0].links) if current.outputs else []:
                link = graph.link(link_id)
                target = graph.node(link.target_id) if link is not None else None
                if link is None or target is None:
                    continue
                if not isinstance(target, RerouteNode):
                    _check(graph, target, link.target_slot, kind)
                elif id(target) not in seen:
                    seen.add(id(target))
                    waiting.append(target)
                    nodes.append(target)
        for node in nodes:
            if node.outputs:
                node.outputs[0].type = kind or "*"

    def _chain(self, graph: Graph) -> tuple[list[RerouteNode], Any] | None:
        """The bends before this one and the type that comes into them."""
        nodes: list[RerouteNode] = []
        current: RerouteNode = self
        seen: set[int] = set()
        while id(current) not in seen:
            seen.add(id(current))
            nodes.append(current)
            self.page.spend(1)
            slot = at(current.inputs, 0)
            if slot is None or slot.link is None:
                return nodes, None
            link = graph.link(slot.link)
            origin = graph.node(link.origin_id) if link is not None else None
            if link is None or origin is None:
                return None
            if not isinstance(origin, RerouteNode):
                output = at(origin.outputs, link.origin_slot)
                return nodes, output.type if output is not None else None
            if origin is self:
                graph.disconnect(current, 0)
                return nodes, None
            current = origin
        return nodes, None


def _check(graph: Graph, node: Node, place: Any, kind: Any) -> None:
    slot = at(node.inputs, place)
    if slot is None:
        return
    if kind and slot.type and not fits(kind, slot.type):
        graph.disconnect(node, place)
    else:
        connected(node, place)

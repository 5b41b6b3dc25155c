"""From a living graph to what is sent to the server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from generation.comfy.convert.api_format import cycle
from generation.comfy.convert.errors import NodeProblem, Unconvertible
from generation.comfy.convert.groups import GroupExecutable, GroupNode
from generation.comfy.convert.javascript import UNDEFINED
from generation.comfy.convert.model import Graph, Node, Widget, execution_order, visit
from generation.comfy.convert.nodes import SAVERS
from generation.comfy.convert.resolving import Executable, Resolver, Unresolvable
from generation.comfy.convert.subgraphs import shared_values
from generation.comfy.convert.texts import Choose, Replacements, dynamic_prompt
from generation.comfy.convert.virtual import PrimitiveNode

NO_GROUPS = "a group node cannot be in a subgraph"


def prompt(root: Graph, choose: Choose, now: datetime | None) -> dict[str, Any]:
    """The workflow in API format. Raises Unconvertible."""
    writer = _Writer(root, choose, now)
    return writer.write()


class _Writer:
    def __init__(self, root: Graph, choose: Choose, now: datetime | None) -> None:
        self._root = root
        self._choose = choose
        self._replacements = Replacements(visit(root), now)
        self._problems: list[NodeProblem] = []

    def write(self) -> dict[str, Any]:
        for node in _with_inner(execution_order(self._root)):
            if isinstance(node, PrimitiveNode):
                node.apply(self._replacements.apply)
        shared_values(self._root)
        for node in visit(self._root):
            if isinstance(node, GroupNode) and node.graph is not self._root:
                self._blame(Executable(node), NO_GROUPS)
        known = _executables(self._root)
        resolver = Resolver(known)
        sent = [one for one in known.values() if not one.virtual and not one.silent]
        output = {one.id: self._node(one, resolver) for one in sent}
        if self._problems:
            raise Unconvertible(_sentence(self._problems), self._problems)
        _drop_dangling(output)
        _refuse_cycle(output)
        return output

    def _node(self, one: Executable, resolver: Resolver) -> dict[str, Any]:
        node, inputs = one.node, dict[str, Any]()
        if node.server_class is None:
            self._blame(one, node.obstacle)
        try:
            for widget in node.widgets:
                if widget.name and widget.sent:
                    inputs[widget.name] = self._value(node, widget)
            for place, slot in enumerate(node.inputs):
                origin = one.resolve_input(place, resolver)
                if origin is None:
                    continue
                linked = [origin.id, origin.slot]
                inputs[slot.name] = (
                    _wrapped(origin.value, "") if origin.has_value else linked
                )
        except Unresolvable as error:
            self._blame(one, str(error))
        except Unconvertible as error:
            if not error.nodes:
                raise
            self._blame(one, error.nodes[0].reason)
        sent = {name: value for name, value in inputs.items() if value is not UNDEFINED}
        return {
            "inputs": sent,
            "class_type": node.server_class,
            "_meta": {"title": node.title},
        }

    def _blame(self, one: Executable, reason: str) -> None:
        self._problems.append(NodeProblem(one.id, one.node.type, reason))

    def _value(self, node: Node, widget: Widget) -> Any:
        value = widget.get()
        if widget.serialize is not None:
            value = widget.serialize(value)
        elif widget.options.get("replaced") and isinstance(value, str):
            value = dynamic_prompt(value, self._choose)
        elif node.type in SAVERS and widget is node.widget("filename_prefix"):
            if not isinstance(value, str):
                raise Unresolvable("its filename_prefix is no text")
            value = self._replacements.apply(value)
        return _wrapped(value, widget.kind)


def _sentence(problems: list[NodeProblem]) -> str:
    first, more = problems[0], len(problems) - 1
    others = f", and {more} more" if more else ""
    return f"Node {first.id} ({first.type}) is in the way: {first.reason}{others}."


def _wrapped(value: Any, kind: str) -> Any:
    """Lists would be taken for links."""
    if not isinstance(value, list):
        return value
    if kind == "curve":
        return {"__type__": "CURVE", "__value__": value}
    return {"__value__": value}


def _with_inner(nodes: list[Node]) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        inner = getattr(node, "subgraph", None)
        found += list(visit(inner)) if isinstance(inner, Graph) else [node]
    return found


def _executables(root: Graph) -> dict[str, Executable]:
    known: dict[str, Executable] = {}
    for node in execution_order(root):
        is_group = isinstance(node, GroupNode)
        one = GroupExecutable(node) if is_group else Executable(node)
        known[one.id] = one
        if not one.silent:
            for inner in one.inner(known):
                known[inner.id] = inner
    return known


def _drop_dangling(output: Mapping[str, Any]) -> None:
    """Links to nodes that are not sent are left out."""
    for node in output.values():
        inputs = node["inputs"]
        for name, value in list(inputs.items()):
            if isinstance(value, list) and len(value) == 2 and value[0] not in output:
                del inputs[name]


def _refuse_cycle(output: Mapping[str, Any]) -> None:
    found = cycle(output)
    if found:
        problems = [
            NodeProblem(one, output[one]["class_type"], "waits for its own result")
            for one in found
        ]
        raise Unconvertible("The links of the workflow go round in a circle.", problems)

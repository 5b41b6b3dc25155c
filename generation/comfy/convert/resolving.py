"""Where a link really comes from: through subgraphs, bypassed nodes and reroutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from generation.comfy.convert.errors import Unconvertible
from generation.comfy.convert.javascript import fits
from generation.comfy.convert.model import BYPASS, NEVER, Node, at, is_mode
from generation.comfy.convert.subgraphs import SubgraphNode

MAX_STEPS = 300_000


class Unresolvable(Exception):
    """A link leads nowhere; on a page the run fails with this reason."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The output of a node, or a value that stands in for one."""

    id: str = ""
    slot: Any = None
    has_value: bool = False
    value: Any = None


class Executable:
    """A node in its place: one that is in a subgraph occurs once per instance."""

    def __init__(
        self, node: Node, path: tuple[str, ...] = (), host: SubgraphNode | None = None
    ) -> None:
        self.node = node
        self.path = path
        self.host = host
        self.id = ":".join([*path, str(node.id)])

    @property
    def virtual(self) -> bool:
        return self.node.virtual

    @property
    def silent(self) -> bool:
        return is_mode(self.node.mode, NEVER) or is_mode(self.node.mode, BYPASS)

    def inner(self, known: dict[str, Executable]) -> list[Executable]:
        if isinstance(self.node, SubgraphNode):
            return expand(self.node, self.path, self.host, known)
        return [self]

    def own_origin(self, slot: Any) -> Origin | None:
        return Origin(self.id, slot)

    def passed_through(self, slot: Any, kind: Any) -> int | None:
        """Which input goes on as this output while the node is bypassed."""
        return _passed_through(self.node, slot, kind)

    def resolve_input(self, place: int, resolver: Resolver) -> Origin | None:
        return resolver.follow(self, place)


def expand(
    instance: SubgraphNode,
    path: tuple[str, ...],
    host: SubgraphNode | None,
    known: dict[str, Executable],
) -> list[Executable]:
    """All nodes of an instance and of the instances in it, but not those themselves."""
    itself = Executable(instance, path, host)
    known[itself.id] = itself
    inner_path = (*path, str(instance.id))
    found: list[Executable] = []
    for node in instance.subgraph.nodes:
        if isinstance(node, SubgraphNode):
            found += expand(node, inner_path, instance, known)
        else:
            made = Executable(node, inner_path, instance)
            known[made.id] = made
            found.append(made)
    return found


class Resolver:
    """Follows links from input to output until something is there that runs."""

    def __init__(self, known: dict[str, Executable]) -> None:
        self.known = known
        self._steps = 0

    def follow(self, start: Executable, place: int) -> Origin | None:
        """Where the input gets its value from; None: from its own widget."""
        step: Any = ("input", start, place, None)
        visited: set[tuple[Any, ...]] = set()
        while step is not None and not isinstance(step, Origin):
            way, at_node, slot, kind = step
            key = (way, id(at_node.node.graph), str(at_node.node.id), slot)
            if key in visited:
                raise Unresolvable("a link of it goes round in a circle")
            visited.add(key)
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise Unconvertible("The workflow's links are too long to follow.")
            move = self._input if way == "input" else self._output
            step = move(at_node, slot, kind)
        return step

    def _input(self, current: Executable, place: Any, kind: Any) -> Any:
        slot = at(current.node.inputs, place)
        if slot is None:
            raise Unresolvable(f"a link goes to input {place}, which does not exist")
        if slot.link is None:
            return None
        graph = current.node.graph
        link = graph.link(slot.link) if graph is not None else None
        if graph is None or link is None:
            raise Unresolvable(f"the link of its input {slot.name} does not exist")
        if current.host is not None and link.from_outside:
            return self._outside(current, current.host, link.origin_slot)
        origin = graph.node(link.origin_id)
        if origin is None:
            message = f"its input {slot.name} is linked to a node that does not exist"
            raise Unresolvable(message)
        found = self._known((*current.path, str(origin.id)))
        return ("output", found, link.origin_slot, slot.type if kind is None else kind)

    def _outside(self, current: Executable, host: SubgraphNode, slot: Any) -> Any:
        """Out of a subgraph: to the link or the field of its instance."""
        entrance = at(host.inputs, slot)
        if entrance is None:
            raise Unresolvable(f"its subgraph has no input {slot}")
        if entrance.link is None:
            widget = host.widget_of(entrance)
            if widget is None:
                return None
            return Origin(current.id, -1, has_value=True, value=widget.get())
        link = host.graph.link(entrance.link) if host.graph is not None else None
        if link is None:
            message = f"the link to its subgraph's input {entrance.name} does not exist"
            raise Unresolvable(message)
        return ("input", self._known(current.path), link.target_slot, None)

    def _output(self, current: Executable, slot: Any, kind: Any) -> Any:
        node = current.node
        if is_mode(node.mode, NEVER):
            return None
        if is_mode(node.mode, BYPASS):
            place = current.passed_through(slot, kind)
            return None if place is None else ("input", current, place, None)
        if isinstance(node, SubgraphNode):
            return self._inside(current, node, slot, kind)
        if type(current) is Executable and node.virtual:
            # An output of a page's own node is what its input of that place is.
            link = node.input_link(slot) if isinstance(slot, int) else None
            if link is None:
                return None
            target = node.graph.node(link.target_id) if node.graph else None
            if target is None:
                raise Unresolvable("a link goes through a node that does not exist")
            found = self._known((*current.path, str(target.id)))
            return ("input", found, link.target_slot, kind)
        return current.own_origin(slot)

    def _inside(
        self, current: Executable, node: SubgraphNode, slot: Any, kind: Any
    ) -> Any:
        boundary = at(node.subgraph.outputs, slot)
        if boundary is None or at(node.outputs, slot) is None:
            raise Unresolvable(f"subgraph {node.label()} has no output {slot}")
        links = [node.subgraph.link(one) for one in boundary.link_ids]
        link = next((one for one in links if one is not None), None)
        if link is None:
            return None
        origin = node.subgraph.node(link.origin_id)
        if origin is None:
            message = f"output {boundary.name} of subgraph {node.label()} has no node"
            raise Unresolvable(message)
        found = self._known((*current.path, str(node.id), str(origin.id)))
        return ("output", found, link.origin_slot, kind)

    def _known(self, path: tuple[str, ...]) -> Executable:
        found = self.known.get(":".join(path))
        if found is None:
            raise Unresolvable("a link comes from a node that is left out")
        return found


def _passed_through(node: Node, slot: Any, kind: Any) -> int | None:
    output, opposite = at(node.outputs, slot), at(node.inputs, slot)
    if output is None:
        raise Unresolvable(f"bypassed node {node.label()} has no output {slot}")
    if kind in ("*", ""):
        return slot if opposite is not None else 0
    if opposite is not None and _suits(opposite.type, output.type, kind):
        return int(slot)
    for place, one in enumerate(node.inputs):
        if one.type == kind:
            return place
    for place, one in enumerate(node.inputs):
        if _suits(one.type, output.type, kind):
            return place
    return None


def _suits(kind: Any, output: Any, wanted: Any) -> bool:
    return fits(kind, output) and fits(kind, wanted)

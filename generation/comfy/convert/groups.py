"""Group nodes: the nodes inside of them take their place when the prompt is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from generation.comfy.convert.group_types import PREFIX, GroupType
from generation.comfy.convert.javascript import text
from generation.comfy.convert.model import Link, Node, Page, at, listing, mapping
from generation.comfy.convert.nodes import ServerNode
from generation.comfy.convert.resolving import (
    Executable,
    Origin,
    Resolver,
    Unresolvable,
)

Maker = Callable[[Page, str], Node]
OLD_PREFIX = "workflow/"
OWN_KINDS = frozenset({"PrimitiveNode", "Reroute", "Note", "MarkdownNote"})


def register_groups(page: Page, root: dict[str, Any], make_node: Maker) -> None:
    """Make the groups that a workflow brings along known as kinds of nodes."""
    groups = mapping(mapping(root.get("extra")).get("groupNodes"))
    if not groups:
        return
    root["nodes"] = [_renamed(node) for node in root["nodes"]]
    for name, raw in groups.items():
        data = mapping(raw)
        kinds = [text(mapping(n).get("type")) for n in listing(data.get("nodes"))]
        if all(_is_known(page, kind) for kind in kinds):
            group = GroupType(name, data, page.definitions)
            page.makers[PREFIX + name] = _maker(page, group, make_node)


def _maker(page: Page, group: GroupType, make_node: Maker) -> Callable[[], Node]:
    return lambda: GroupNode(page, group, make_node)


def _renamed(node: dict[str, Any]) -> dict[str, Any]:
    kind = node["type"]
    if kind.startswith(OLD_PREFIX):
        return {**node, "type": PREFIX + kind[len(OLD_PREFIX) :]}
    return node


def _is_known(page: Page, kind: str) -> bool:
    return kind in page.definitions or kind in OWN_KINDS or kind in page.makers


class GroupNode(ServerNode):
    """One node on the page, several in the prompt."""

    virtual = True

    def __init__(self, page: Page, group: GroupType, make_node: Maker) -> None:
        super().__init__(page, group.definition)
        self.group = group
        self._make_node = make_node
        self._inner: list[Node] | None = None

    def inner_nodes(self) -> list[Node]:
        """The nodes inside, with the values that the group's fields have now."""
        if self._inner is None:
            self._inner = []
            for index, saved in enumerate(self.group.nodes):
                node = self._make_node(self.page, text(saved.get("type")))
                node.configure(saved)  # type: ignore[attr-defined]
                node.id, node.graph = f"{self.id}:{index}", self.graph
                self._inner.append(node)
        self._hand_down(self._inner)
        return self._inner

    def _hand_down(self, inner: list[Node]) -> None:
        for name, (index, field) in self.group.fields.items():
            widget = self.widget(name)
            if widget is None:
                continue
            node, value = inner[index], widget.get()
            targets = [(index, field)]
            if node.type == "PrimitiveNode":
                targets = self.group.fed.get(index, [])
            elif node.type == "Reroute":
                targets = [*self._behind(inner, index), (index, field)]
            for target, target_field in targets:
                found = at(inner, target)
                inner_widget = found.widget(target_field) if found is not None else None
                if inner_widget is not None:
                    inner_widget.set(value)

    def _behind(self, inner: list[Node], index: int) -> list[tuple[int, str]]:
        """The fields that an inner reroute leads to."""
        found: list[tuple[int, str]] = []
        for link in self.group.links_from.get(index, {}).get(0, []):
            node = at(inner, link[2])
            slot = at(node.inputs, link[3]) if node is not None else None
            if slot is not None and slot.widget is not None:
                found.append((link[2], slot.widget))
        return found

    def source(self, index: int, slot: int) -> tuple[Node, Any] | None:
        """The node and the slot that an inner input is linked to."""
        outer = self.group.inputs.get(index, {}).get(slot)
        if outer is not None:
            link = self.input_link(outer)
            graph = self.graph
            node = graph.node(link.origin_id) if graph and link else None
            return (node, link.origin_slot) if node is not None and link else None
        inner = self.group.links_to.get(index, {}).get(slot)
        node = at(self._inner or [], inner[0]) if inner is not None else None
        if node is None or inner is None or node.type == "PrimitiveNode":
            return None
        return node, inner[1]

    def origin(self, link: Link) -> tuple[Node, Any] | None:
        """The inner node and slot that an output of the group really is."""
        index, slot = self.group.outputs.get(link.origin_slot, (None, None))
        inner = self._inner or []
        node = at(inner, index)
        seen: set[int] = set()
        while node is not None and node.type == "Reroute" and id(node) not in seen:
            seen.add(id(node))
            place = inner.index(node) if node in inner else -1
            found = self.source(place, 0)
            node, slot = found if found is not None else (None, None)
        return (node, slot) if node is not None else None


class GroupExecutable(Executable):
    """A group in its place; its outputs are those of the nodes inside."""

    node: GroupNode

    def inner(self, known: dict[str, Executable]) -> list[Executable]:
        nodes = self.node.inner_nodes()
        return [GroupChild(self.node, index, node) for index, node in enumerate(nodes)]

    def passed_through(self, slot: Any, kind: Any) -> int | None:
        places = [slot, *range(len(self.node.inputs))]
        for place in places:
            found = at(self.node.inputs, place)
            if found is not None and found.type == kind:
                return int(place)
        return None

    def own_origin(self, slot: Any) -> Origin | None:
        output = at(self.node.outputs, slot)
        graph = self.node.graph
        link = graph.link(at(output.links, 0)) if graph and output else None
        found = self.node.origin(link) if link is not None else None
        if found is None:
            raise Unresolvable(
                f"group {self.node.label()} has nothing at output {slot}"
            )
        node, inner_slot = found
        last = str(node.id).rpartition(":")[2]
        if node not in self.node.inner_nodes():
            raise Unresolvable(f"group {self.node.label()} passes its input through")
        return Origin(f"{self.id}:{last}", inner_slot)


class GroupChild(Executable):
    """A node inside of a group."""

    def __init__(self, group: GroupNode, index: int, node: Node) -> None:
        super().__init__(node)
        self._group = group
        self._index = index
        self.id = f"{group.id}:{index}"

    def resolve_input(self, place: int, resolver: Resolver) -> Origin | None:
        found = self._group.source(self._index, place)
        if found is None:
            return None
        node, slot = found
        if resolver.known.get(str(node.id)) is None:
            last = str(node.id).rpartition(":")[2]
            if resolver.known.get(last) is None:
                raise Unresolvable(
                    "an input of it is linked to a node that is left out"
                )
        return Origin(str(node.id), slot)

"""The graph as it lives on a page: nodes with slots and widgets, and links.

A workflow file holds a graph as it was saved; what is sent to the server depends on
what the page makes of it. These are its parts; `loading` builds them from a file,
`prompt` reads them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generation.comfy.convert.definitions import Definitions, InputDef, NodeDef
from generation.comfy.convert.errors import Unconvertible
from generation.comfy.convert.javascript import UNDEFINED

if TYPE_CHECKING:
    from generation.comfy.convert.subgraphs import PromotedWidget

MAX_STEPS = 300_000
NEVER = 2
BYPASS = 4
# Links inside a subgraph that come from its inputs.
FROM_OUTSIDE = -10


class Unmakeable(Exception):
    """A page fails to make such a node from its definition."""


class Widget:
    """A field on a node. `kind` is the page's word for it: number, combo, text …"""

    # Whether its value can be looked up by node and name.
    stored = True

    def __init__(
        self,
        name: str,
        kind: str,
        value: Any,
        *,
        saved: bool = True,
        sent: bool = True,
        **options: Any,
    ) -> None:
        self.name = name
        self.kind = kind
        self.value = value
        # Whether it has a place in `widgets_values`, and one in the prompt.
        self.saved = saved
        self.sent = sent
        self.options: dict[str, Any] = options
        # Lines and choices in braces are replaced when the prompt is made.
        self.dynamic = False
        # What is sent in place of the value.
        self.serialize: Callable[[Any], Any] | None = None
        # What happens to a value that another node hands over.
        self.accept: Callable[[Any], Any] | None = None

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        self.value = value

    def hand_over(self, value: Any) -> None:
        """Take a value that another node has put in."""
        self.set(value)
        self.call_back(self.get())

    def call_back(self, value: Any) -> None:
        """Do what the page does when somebody changes the field."""
        if self.accept is not None:
            self.set(self.accept(value))


@dataclass(slots=True, eq=False)
class Input:
    name: str
    type: Any
    link: Any = None
    # The name of the widget that this input can replace, and what it is made of.
    widget: str | None = None
    source: InputDef | None = None
    promoted: PromotedWidget | None = None


@dataclass(slots=True, eq=False)
class Output:
    name: str
    type: Any
    links: list[Any] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Link:
    id: Any
    origin_id: Any
    origin_slot: Any
    target_id: Any
    target_slot: Any
    type: Any = None

    @property
    def from_outside(self) -> bool:
        return bool(self.origin_id == FROM_OUTSIDE)


@dataclass(frozen=True, slots=True)
class Autogrow:
    """A group of inputs of which there is always one more than is used."""

    specs: tuple[InputDef, ...]
    minimum: int
    maximum: int
    prefix: str = ""
    names: tuple[str, ...] | None = None


@dataclass(slots=True, eq=False)
class Page:
    """What all graphs of one workflow share."""

    definitions: Definitions
    # While a graph is being built, nodes do not react to their links.
    configuring: bool = True
    last_node_id: float = 0
    # How to make a node of a kind that this workflow defines itself.
    makers: dict[str, Callable[[], Node]] = field(default_factory=dict)
    _steps: int = 0

    def spend(self, steps: int) -> None:
        """Count work that grows faster than the file. Raises Unconvertible."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise Unconvertible("The workflow is too entangled to be converted.")


class Node:
    """Any node. What a kind does differently is said by its subclass."""

    virtual = False
    # The class that the server knows it by; if it has none, why it cannot run.
    server_class: str | None = None
    obstacle = "no server node of this type is known"

    def __init__(self, page: Page, kind: str, title: str = "") -> None:
        self.page = page
        self.id: Any = -1
        self.type = kind
        self.title = title
        self.default_title = title
        self.mode: Any = 0
        self.graph: Graph | None = None
        self.inputs: list[Input] = []
        self.outputs: list[Output] = []
        self.widgets: list[Widget] = []
        self.properties: dict[str, Any] = {}
        self.definition: NodeDef | None = None
        self.autogrow: dict[str, Autogrow] = {}
        # Template → input → allowed types, for inputs that must agree on a type.
        self.match_types: dict[str, dict[str, str]] = {}
        # The place that each of them had when the node was made.
        self.match_slots: list[int] = []

    def widget(self, name: str | None) -> Widget | None:
        return next((one for one in self.widgets if one.name == name), None)

    def widget_of(self, slot: Input) -> Widget | None:
        if slot.promoted is not None:
            return slot.promoted
        return self.widget(slot.widget) if slot.widget is not None else None

    def input_link(self, slot: int) -> Link | None:
        if self.graph is None or not 0 <= slot < len(self.inputs):
            return None
        return self.graph.link(self.inputs[slot].link)

    def label(self) -> str:
        return self.title or self.type


def is_mode(mode: object, wanted: int) -> bool:
    return not isinstance(mode, bool) and mode == wanted


class Graph:
    """The nodes and links of a workflow, or of one definition of a subgraph."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.by_id: dict[str, Node] = {}
        self.links: dict[Any, Link] = {}

    def node(self, node_id: object) -> Node | None:
        return self.by_id.get(str(node_id)) if node_id is not None else None

    def link(self, link_id: object) -> Link | None:
        if link_id is None or isinstance(link_id, list | dict):
            return None
        return self.links.get(link_id)

    def disconnect(self, node: Node, slot: int) -> None:
        """Take the link off an input, at both of its ends."""
        found = node.inputs[slot]
        link, found.link = self.link(found.link), None
        if link is None:
            return
        self.links.pop(link.id, None)
        if link.from_outside:
            self.forget_outside(link)
            return
        origin = self.node(link.origin_id)
        output = at(origin.outputs, link.origin_slot) if origin is not None else None
        if output is not None and link.id in output.links:
            output.links.remove(link.id)

    def forget_outside(self, link: Link) -> None:
        """A link from a subgraph's input is gone."""


def at(items: list[Any], index: object) -> Any:
    """The item, or None where there is none."""
    if isinstance(index, int) and 0 <= index < len(items):
        return items[index]
    return None


def visit(graph: Graph) -> Iterator[Node]:
    """Every node once, those inside of a subgraph before its first instance."""
    yield from _visit(graph, set())


def _visit(graph: Graph, seen: set[int]) -> Iterator[Node]:
    for node in list(graph.nodes):
        inner = getattr(node, "subgraph", None)
        if isinstance(inner, Graph) and id(inner) not in seen:
            seen.add(id(inner))
            yield from _visit(inner, seen)
        yield node


def execution_order(graph: Graph) -> list[Node]:
    """The nodes in the order in which data would flow; cycles come last."""
    waiting = {
        str(node.id): sum(slot.link is not None for slot in node.inputs)
        for node in graph.nodes
    }
    ready = [node for node in graph.nodes if not waiting[str(node.id)]]
    pending = {str(node.id): node for node in graph.nodes}
    followed: set[Any] = set()
    position = 0
    while position < len(ready):
        node = ready[position]
        position += 1
        pending.pop(str(node.id), None)
        for target in _targets(graph, node, followed):
            key = str(target.id)
            waiting[key] = waiting.get(key, 0) - 1
            if waiting[key] == 0:
                ready.append(target)
    return ready + list(pending.values())


def _targets(graph: Graph, node: Node, followed: set[Any]) -> Iterable[Node]:
    for output in node.outputs:
        for link_id in output.links:
            link = graph.link(link_id)
            if link is None or link.id in followed:
                continue
            followed.add(link.id)
            target = graph.node(link.target_id)
            if target is not None:
                yield target


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def listing(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def defined(value: Any, default: Any) -> Any:
    """The value, or the default where it is null or not there."""
    return default if value is None or value is UNDEFINED else value

"""How a node gets its inputs, also those that come and go with what is chosen.

Three types are no data but rules: a dynamic combo brings inputs of its own with each
choice, an autogrow group always offers one input more than is used, and inputs of a
match type take on the type of what is linked to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from generation.comfy.convert.definitions import InputDef, input_def
from generation.comfy.convert.javascript import (
    common_type,
    fits,
    number,
    ordered_keys,
    text,
)
from generation.comfy.convert.model import (
    Autogrow,
    Graph,
    Input,
    Link,
    Node,
    Output,
    Unmakeable,
    Widget,
    at,
    listing,
    mapping,
)
from generation.comfy.convert.widgets import MAKERS, Shim, add

# Up to so many inputs of a group are no reason to count them.
USUAL = 20
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
AUTOGROW = "COMFY_AUTOGROW_V3"
MATCH_TYPE = "COMFY_MATCHTYPE_V3"
DIGITS_AT_END = re.compile(r"[0-9]+\Z")


def has_widget(kind: str) -> bool:
    return kind in MAKERS or kind == DYNAMIC_COMBO


def add_input(node: Node, spec: InputDef) -> None:
    add_socket(node, spec)
    add_widget(node, spec)


def add_socket(node: Node, spec: InputDef) -> None:
    if has_widget(spec.widget_type) and not spec.forced:
        return
    if spec.type == AUTOGROW:
        _apply_autogrow(node, spec)
    elif spec.type == MATCH_TYPE:
        _apply_match_type(node, spec)
    else:
        node.inputs.append(Input(spec.name, spec.type or 0))


def add_widget(node: Node, spec: InputDef) -> None:
    if not has_widget(spec.widget_type) or spec.forced:
        return
    if spec.widget_type == DYNAMIC_COMBO:
        DynamicCombo.make(node, spec)
    else:
        MAKERS[spec.widget_type](node, spec)
    node.inputs.append(Input(spec.name, spec.type, widget=spec.name, source=spec))


def input_specs(groups: object, prefix: str = "") -> Iterator[InputDef]:
    for group in ("required", "optional"):
        entries = mapping(mapping(groups).get(group))
        for key in ordered_keys(entries):
            yield input_def(prefix + key, entries[key], optional=group == "optional")


class DynamicCombo(Widget):
    """A choice that brings inputs of its own, named `choice.input`."""

    def __init__(self, node: Node, name: str, options: Mapping[str, Any]) -> None:
        keys = ordered_keys(options)
        super().__init__(name, "combo", keys[0] if keys else None, values=keys)
        self._node = node
        self._inputs = options

    @classmethod
    def make(cls, node: Node, spec: InputDef) -> DynamicCombo:
        options = {
            entry["key"]: entry.get("inputs")
            for entry in map(mapping, listing(spec.options.get("options")))
            if isinstance(entry.get("key"), str)
        }
        widget = cls(node, spec.name, options)
        add(node, widget)
        widget.set(widget.value)
        return widget

    def set(self, value: Any) -> None:
        self.value = value
        node, prefix = self._node, f"{self.name}."
        before = [slot for slot in node.inputs if slot.name.startswith(prefix)]
        node.inputs[:] = [one for one in node.inputs if one not in before]
        node.widgets[:] = [w for w in node.widgets if not w.name.startswith(prefix)]
        chosen = self._inputs.get(text(value)) if value else None
        if chosen is None or self not in node.widgets:
            return
        self._insert(chosen, prefix)
        self._reconnect(before)

    def _insert(self, chosen: object, prefix: str) -> None:
        """Make the inputs of a choice right after the choice itself."""
        node = self._node
        fields, sockets = len(node.widgets), len(node.inputs)
        for spec in input_specs(chosen, prefix):
            add_input(node, spec)
        added = node.widgets[fields:]
        del node.widgets[fields:]
        place = node.widgets.index(self) + 1
        node.widgets[place:place] = added
        own = _index(node, self.name)
        # While the node is made, its own input comes only after these.
        if own is None and not added and len(node.inputs) > sockets:
            raise Unmakeable
        if own is not None:
            slots = node.inputs[sockets:]
            del node.inputs[sockets:]
            kept = [_take(node, slot.name) or slot for slot in slots]
            own = _index(node, self.name)
            splice(node, len(node.inputs) if own is None else own + 1, kept)

    def _reconnect(self, before: list[Input]) -> None:
        node = self._node
        if _index(node, self.name) is None:
            return
        for slot in before:
            place = _index(node, slot.name)
            if place is None:
                _drop(node, slot)
                continue
            node.inputs[place].link = slot.link
            link = node.graph.link(slot.link) if node.graph and slot.link else None
            if link is not None:
                link.target_slot = place
                connected(node, place)


def _drop(node: Node, slot: Input) -> None:
    """An input is gone, and with it the link to it."""
    if node.graph is not None:
        node.inputs.append(slot)
        node.graph.disconnect(node, len(node.inputs) - 1)
        node.inputs.pop()


def _index(node: Node, name: str) -> int | None:
    places = (place for place, slot in enumerate(node.inputs) if slot.name == name)
    return next(places, None)


def _take(node: Node, name: str) -> Input | None:
    place = _index(node, name)
    return None if place is None else node.inputs.pop(place)


def splice(node: Node, place: int, slots: list[Input]) -> None:
    """Insert inputs; the links to those behind move along."""
    node.inputs[place:place] = slots
    if node.graph is None:
        return
    for index in range(place, len(node.inputs)):
        link = node.graph.link(node.inputs[index].link)
        if link is not None:
            link.target_slot = index


def ensure_widget(node: Node, slot: Input) -> None:
    if slot.widget is None or node.widget(slot.widget) is None:
        add(node, Shim(slot.name))
        slot.widget, slot.source = slot.name, None


def _apply_autogrow(node: Node, spec: InputDef) -> None:
    template = mapping(spec.options.get("template"))
    names = template.get("names")
    minimum, maximum = template.get("min"), template.get("max")
    group = Autogrow(
        specs=tuple(input_specs(template.get("input"))),
        minimum=int(number(minimum, 1)),
        maximum=int(number(maximum, 100)),
        prefix=text(template.get("prefix") or ""),
    )
    if isinstance(names, list):
        group = Autogrow(
            group.specs,
            group.minimum,
            len(names),
            names=tuple(text(name) for name in names),
        )
    node.autogrow[spec.name] = group
    for ordinal in range(max(1, min(group.minimum + 1, group.maximum))):
        _grow(node, spec.name, ordinal)


def _grown_name(group: Autogrow, name: str, key: str, ordinal: int) -> str:
    if group.names is not None:
        known = 0 <= ordinal < len(group.names)
        return f"{name}.{group.names[ordinal] if known else 'undefined'}"
    return f"{name}.{group.prefix if len(group.specs) == 1 else key}{ordinal}"


def _grow(node: Node, name: str, ordinal: int) -> None:
    """Add the inputs of one more place in a group, or move those that are there."""
    group = node.autogrow[name]
    if ordinal >= group.maximum or not group.specs:
        return
    if ordinal > USUAL:
        node.page.spend(len(node.inputs))
    made = []
    for spec in group.specs:
        grown = _grown_name(group, name, spec.name, ordinal)
        before = len(node.inputs)
        add_input(node, InputDef(grown, spec.type, True, spec.options, spec.choices))
        if len(node.inputs) == before:
            continue
        slot = node.inputs.pop()
        if len(group.specs) != 1:
            ensure_widget(node, slot)
        made.append(slot)
    for slot in made:
        while (existing := _take(node, slot.name)) is not None:
            slot.link = existing.link if slot.link is None else slot.link
    before_it = _grown_name(group, name, group.specs[-1].name, ordinal - 1)
    places = [i for i, one in enumerate(node.inputs) if one.name.startswith(before_it)]
    splice(node, places[-1] + 1 if places else len(node.inputs), made)


def _ordinal(group: Autogrow, name: str, full: str) -> int | None:
    own = full[len(name) + 1 :]
    if group.names is not None:
        return group.names.index(own) if own in group.names else None
    found = DIGITS_AT_END.search(own)
    return int(found[0]) if found and len(found[0]) < 10 else None


def connected(node: Node, place: int) -> None:
    """An input has been linked."""
    slot = at(node.inputs, place)
    if slot is None:
        return
    if not node.page.configuring:
        match_types(node, place)
    name = slot.name[: slot.name.rfind(".")]
    group = node.autogrow.get(name)
    if group is None:
        return
    if node.page.configuring and slot.widget is not None:
        ensure_widget(node, slot)
    if node.graph is None or node.graph.link(slot.link) is None:
        return
    ordinal = _ordinal(group, name, slot.name)
    last = [one.name for one in node.inputs if one.name.startswith(f"{name}.")][-1]
    is_last = ordinal == _ordinal(group, name, last)
    if ordinal is not None and (is_last or node.page.configuring):
        _grow(node, name, ordinal + 1)


def _apply_match_type(node: Node, spec: InputDef) -> None:
    template = mapping(spec.options.get("template"))
    allowed, key = template.get("allowed_types"), template.get("template_id")
    if not isinstance(allowed, str) or not isinstance(key, str):
        return
    add_input(
        node, InputDef(spec.name, allowed, spec.optional, spec.options, spec.choices)
    )
    node.match_types.setdefault(key, {})[spec.name] = allowed
    node.match_slots.append(len(node.inputs) - 1)


def match_types(node: Node, place: int) -> None:
    """Give inputs and outputs of one template the type that is linked to them."""
    slot = at(node.inputs, place)
    if node.graph is None or slot is None:
        return
    for key, allowed in node.match_types.items():
        if slot.name in allowed:
            _match(node, node.graph, key, allowed)
            return


def _match(node: Node, graph: Graph, key: str, allowed: Mapping[str, str]) -> None:
    slots = [slot for slot in node.inputs if slot.name in allowed]
    types = [_linked_type(graph, slot) for slot in slots]
    for index, slot in enumerate(slots):
        others = types[:index] + types[index + 1 :]
        combined = common_type([*others, allowed[slot.name]])
        if combined is None:
            return
        slot.type = combined
    result = common_type(types)
    if result is None or node.definition is None:
        return
    for index, output in enumerate(node.outputs):
        if at(list(node.definition.match_types), index) == key:
            _change_type(graph, output, result)


def _linked_type(graph: Graph, slot: Input) -> Any:
    link = graph.link(slot.link)
    if link is None:
        return "*"
    if link.from_outside:
        source = at(getattr(graph, "inputs", []), link.origin_slot)
    else:
        origin = graph.node(link.origin_id)
        source = at(origin.outputs, link.origin_slot) if origin is not None else None
    return source.type if source is not None and source.type is not None else "*"


def _change_type(graph: Graph, output: Output, kind: str) -> None:
    if output.type == kind:
        return
    output.type = kind
    for link_id in list(output.links):
        link = graph.link(link_id)
        if link is not None:
            _pass_type_on(graph, link, kind)


def _pass_type_on(graph: Graph, link: Link, kind: str) -> None:
    target = graph.node(link.target_id)
    slot = at(target.inputs, link.target_slot) if target is not None else None
    if target is None or slot is None:
        return
    if not fits(kind, slot.type):
        graph.disconnect(target, link.target_slot)
    match_types(target, link.target_slot)

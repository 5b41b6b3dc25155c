"""Nodes that need no workflow to exist: the server's and some of the page's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from generation.comfy.convert.definitions import InputDef, NodeDef
from generation.comfy.convert.inputs import add_socket, add_widget, connected
from generation.comfy.convert.javascript import UNDEFINED, text
from generation.comfy.convert.model import (
    Input,
    Node,
    Output,
    Page,
    Widget,
    defined,
    listing,
    mapping,
)
from generation.comfy.convert.widgets import (
    Markdown,
    TextArea,
    accepted_fraction,
    accepted_integer,
    add,
)

SAVERS = frozenset(
    {"SaveImage", "SaveVideo", "SaveAnimatedWEBP", "SaveWEBM", "SaveAudio", "SaveGLB"}
    | {"SaveAnimatedPNG", "CLIPSave", "VAESave", "ModelSave", "LoraSave", "SaveLatent"}
)
ALIAS = "Node name for S&R"


def configure(node: Node, info: Mapping[str, Any]) -> None:
    """Take over what was saved of a node."""
    if info.get("id") is not None and info["id"] != -1:
        node.id = info["id"]
    node.mode = node.mode if info.get("mode") is None else info["mode"]
    node.type = text(info.get("type") or node.type)
    node.title = text(info.get("title") or node.default_title)
    node.properties.update(mapping(info.get("properties")))
    saved_inputs = [_input(slot) for slot in listing(info.get("inputs"))]
    node.inputs = saved_inputs + node.inputs[len(saved_inputs) :]
    saved_outputs = [_output(slot) for slot in listing(info.get("outputs"))]
    node.outputs = saved_outputs + node.outputs[len(saved_outputs) :]
    place = 0
    # Linked inputs may bring more inputs, which are looked at as well.
    while place < len(node.inputs):
        connected(node, place)
        place += 1


def restore_values(node: Node, saved: object) -> None:
    """Put the saved values into the widgets, in order or by name."""
    if isinstance(saved, Mapping):
        for widget in list(node.widgets):
            if widget.saved and widget.name in saved:
                widget.set(saved[widget.name])
        return
    values, place, index = listing(saved), 0, 0
    # A value may change which widgets come after it.
    while index < len(node.widgets) and place < len(values):
        widget = node.widgets[index]
        index += 1
        if widget.saved:
            widget.set(values[place])
            place += 1


def _input(raw: object) -> Input:
    if isinstance(raw, Input):
        return raw
    slot = mapping(raw)
    widget = mapping(slot.get("widget")).get("name")
    return Input(
        name=text(slot.get("name", UNDEFINED)),
        type=slot.get("type", UNDEFINED),
        link=_link_id(slot.get("link")),
        widget=widget if isinstance(widget, str) else None,
    )


def _output(raw: object) -> Output:
    if isinstance(raw, Output):
        return raw
    slot = mapping(raw)
    links = [_link_id(link) for link in listing(slot.get("links"))]
    return Output(text(slot.get("name", UNDEFINED)), slot.get("type", UNDEFINED), links)


def _link_id(value: object) -> Any:
    return value if isinstance(value, int | str) and value is not True else None


class ServerNode(Node):
    """A node that the server runs, made from its definition."""

    def __init__(self, page: Page, definition: NodeDef) -> None:
        super().__init__(page, definition.name, definition.title)
        self.server_class = definition.name
        self.definition = definition
        for spec in definition.inputs:
            add_socket(self, spec)
        for spec in definition.inputs:
            add_widget(self, spec)
        self.outputs = [Output(one.name, one.type) for one in definition.outputs]
        for widget in self.widgets:
            # Fields that come later, with a choice, are sent as they are.
            widget.options["replaced"] = widget.dynamic
        _on_created(self)

    def configure(self, info: Mapping[str, Any]) -> None:
        """Names and types are the definition's, only links are the file's."""
        by_name = {
            text(mapping(slot).get("name", UNDEFINED)): slot
            for slot in listing(info.get("inputs"))
        }
        own = {slot.name for slot in self.inputs}
        for slot in self.inputs:
            if slot.name in by_name:
                slot.link = _input(by_name[slot.name]).link
        more = [
            _input(slot)
            for slot in listing(info.get("inputs"))
            if text(mapping(slot).get("name", UNDEFINED)) not in own
        ]
        inputs = [*self.inputs, *more]
        outputs = [_output(slot) for slot in listing(info.get("outputs"))]
        for output, own_output in zip(outputs, self.outputs, strict=False):
            output.name, output.type = own_output.name, own_output.type
        outputs += self.outputs[len(outputs) :]
        values = self._without_forced(info.get("widgets_values"))
        configure(self, {**info, "inputs": inputs, "outputs": outputs})
        restore_values(self, values)

    def _without_forced(self, values: object) -> object:
        """Older pages saved values of inputs that can only be linked."""
        if self.definition is None or not isinstance(values, list):
            return values
        names = {widget.name for widget in self.widgets}
        forced: list[bool] = []
        for spec in self.definition.declared:
            if spec.name in names or spec.forced:
                controlled = spec.control is not UNDEFINED and spec.control
                forced += [spec.forced, False] if controlled else [spec.forced]
        if len(forced) != len(values):
            return values
        return [one for one, skip in zip(values, forced, strict=True) if not skip]

    def remove_stray_inputs(self) -> None:
        """An input for a widget that the node has no more goes away."""
        place = 0
        while place < len(self.inputs):
            slot = self.inputs[place]
            if slot.widget is not None and self.widget(slot.widget) is None:
                if self.graph is not None:
                    self.graph.disconnect(self, place)
                self.inputs.pop(place)
            # The next one moved up and is passed over, as it is on the page.
            place += 1


def _on_created(node: ServerNode) -> None:
    if node.type not in SAVERS:
        node.properties[ALIAS] = node.type
    if node.type == "CustomCombo":
        CustomCombo.attach(node)
    elif node.type == "PreviewAny":
        add(node, Markdown("preview_markdown", "MARKDOWN", "", saved=False, sent=False))
        add(node, TextArea("preview_text", "customtext", "", saved=False, sent=False))
        add(node, Widget("previewMode", "toggle", False, sent=False))
    elif node.type == "WebcamCapture":
        button = add(node, Widget("waiting for camera...", "button", "capture"))
        button.serialize = lambda _: UNDEFINED
    elif node.type in ("PrimitiveInt", "PrimitiveFloat") and node.widgets:
        value = node.widgets[0]
        value.accept = lambda given: _accepted_by_own_limits(node, value, given)


def _accepted_by_own_limits(node: ServerNode, widget: Widget, value: Any) -> Any:
    """These two have their limits among their properties, where people set them."""
    own = node.properties
    if node.type == "PrimitiveInt":
        limits = {"min": defined(own.get("min"), -(2**63))}
        widget.options |= limits | {"step": defined(own.get("step"), 1)}
        return accepted_integer(widget, value)
    digits = own.get("precision")
    grain = 10**-digits if isinstance(digits, int) and 0 <= digits <= 100 else 0.1
    widget.options["round"] = own.get("round") or grain
    widget.options["precision"] = defined(digits, 1)
    widget.options["min"] = defined(own.get("min"), -math.inf)
    widget.options["max"] = defined(own.get("max"), math.inf)
    return accepted_fraction(widget, value)


class CustomCombo:
    """A choice whose options are fields of the node itself."""

    @staticmethod
    def attach(node: Node) -> None:
        if node.widgets:
            node.widgets[0].options["values"] = []
            add(node, _ChosenIndex(node))
            add(node, _Option(node))


class _ChosenIndex(Widget):
    """Which of the options is chosen; nobody can set it."""

    stored = False

    def __init__(self, node: Node) -> None:
        super().__init__("index", "hidden", UNDEFINED)
        self._node = node

    def get(self) -> Any:
        chosen = self._node.widgets[0].get()
        options = [widget.get() for widget in self._node.widgets[2:]]
        return options.index(chosen) if chosen in options else -1

    def set(self, value: Any) -> None:
        pass


class _Option(Widget):
    """One option; the last one is empty, and filling it adds another."""

    def __init__(self, node: Node) -> None:
        super().__init__(f"option{len(node.widgets) - 1}", "string", "")
        self._node = node

    def set(self, value: Any) -> None:
        self.value = value
        widgets = self._node.widgets
        self._node.page.spend(len(widgets))
        self._list_choices()
        if widgets[-1] is self:
            if value:
                add(self._node, _Option(self._node))
        elif not value and widgets[-2] is self and not widgets[-1].get():
            widgets.pop()

    def _list_choices(self) -> None:
        """What can be chosen; outside of a load, the choice is kept valid."""
        options = [w for w in self._node.widgets if w.name.startswith("option")]
        values = [text(w.get()) for w in options if w.get()]
        chosen = self._node.widgets[0]
        chosen.options["values"] = values
        if not self._node.page.configuring and text(chosen.get()) not in values:
            chosen.set(values[0] if values else "")


class NoteNode(Node):
    """Text for people."""

    virtual = True

    def __init__(self, page: Page, kind: str) -> None:
        super().__init__(page, kind, "Note" if kind == "Note" else "Markdown Note")
        multiline = TextArea if kind == "Note" else Markdown
        add(self, multiline("text", "customtext", ""))

    def configure(self, info: Mapping[str, Any]) -> None:
        configure(self, info)
        restore_values(self, info.get("widgets_values"))


class UnknownNode(Node):
    """A node that neither the server nor the page knows: only its links remain."""

    def configure(self, info: Mapping[str, Any]) -> None:
        configure(self, info)


def spec_of(node: Node, name: str) -> InputDef | None:
    """The definition of an input, if the server has one under this very name."""
    if node.definition is None:
        return None
    found = (spec for spec in node.definition.declared if spec.name == name)
    return next(found, None)

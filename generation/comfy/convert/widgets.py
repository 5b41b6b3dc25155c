"""Which widgets each type of input makes, in which order and with which values.

A type that is not listed here has no widget: it can only be linked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from generation.comfy.convert import scenes
from generation.comfy.convert.definitions import InputDef
from generation.comfy.convert.errors import NodeProblem, Unconvertible
from generation.comfy.convert.javascript import (
    UNDEFINED,
    is_number,
    number,
    rounded,
    text,
)
from generation.comfy.convert.model import Node, Unmakeable, Widget, defined, mapping

Maker = Callable[[Node, InputDef], Widget]
CONTROL_CHOICES = ["fixed", "increment", "decrement", "randomize"]
SEEDS = ("seed", "noise_seed")
BOX = {"x": 0, "y": 0, "width": 512, "height": 512}
LINE = {"points": [[0, 0], [1, 1]], "interpolation": "monotone_cubic"}
# The page adds a random number so that no player shows an old file.
UNCACHED = "&rand=0.5"


class TextArea(Widget):
    """A text field of several lines, which is never null."""

    def get(self) -> Any:
        return "" if self.value is None else self.value


class Markdown(Widget):
    def get(self) -> Any:
        return self.value if isinstance(self.value, str) else ""


class Shim(Widget):
    """Holds the place of an input that has no widget of its own."""

    stored = False

    def __init__(self, name: str) -> None:
        super().__init__(name, "shim", UNDEFINED, saved=False)

    def set(self, value: Any) -> None:
        pass


def add(node: Node, widget: Widget) -> Widget:
    node.widgets.append(widget)
    return widget


def integer(node: Node, spec: InputDef) -> Widget:
    options = spec.options
    widget = add(
        node,
        Widget(
            spec.name,
            "number",
            defined(options.get("default"), 0),
            min=defined(options.get("min"), 0),
            max=defined(options.get("max"), 2048),
            step=defined(options.get("step"), 1),
        ),
    )
    widget.accept = lambda value: accepted_integer(widget, value)
    control = defined(spec.control, spec.name in SEEDS)
    if control:
        default = control if isinstance(control, str) else "randomize"
        add_control(node, widget, default, spec, with_filter=False)
    return widget


def accepted_integer(widget: Widget, value: Any) -> Any:
    """A value that was handed over is rounded to a step."""
    if not is_number(value):
        return value
    step = number(widget.options.get("step"), 1) or 1
    if step == 1:
        return rounded(value)
    offset = math.fmod(number(widget.options.get("min"), 0), step)
    return rounded((value - offset) / step) * step + offset


def fraction(node: Node, spec: InputDef) -> Widget:
    options = spec.options
    step = number(options.get("step"), 0.5)
    digits = max(0, -math.floor(math.log10(step))) if step > 0 else 0
    own = options.get("round")
    widget = add(
        node,
        Widget(
            spec.name,
            "number",
            defined(options.get("default"), 0),
            min=defined(options.get("min"), 0),
            max=defined(options.get("max"), 2048),
            step=step,
            precision=digits,
            round=10**-digits if digits and not own else own,
        ),
    )
    widget.accept = lambda value: accepted_fraction(widget, value)
    if spec.control is not UNDEFINED and spec.control:
        add_control(node, widget, "fixed", spec, with_filter=False)
    return widget


def accepted_fraction(widget: Widget, value: Any) -> Any:
    """A value that was handed over is rounded and kept within its limits."""
    grain = widget.options.get("round")
    if not is_number(grain) or not grain or not is_number(value):
        return value
    unit = number(grain, 1)
    digits = int(min(100, max(0, number(widget.options.get("precision"), 0))))
    result = round(rounded(number(value, 0) / unit) * unit, digits)
    low = number(widget.options.get("min"), -math.inf)
    return min(max(result, low), number(widget.options.get("max"), math.inf))


def boolean(node: Node, spec: InputDef) -> Widget:
    default = defined(spec.options.get("default"), False)
    return add(node, Widget(spec.name, "toggle", default))


def string(node: Node, spec: InputDef) -> Widget:
    default = defined(spec.options.get("default"), "")
    if spec.options.get("multiline"):
        widget: Widget = TextArea(spec.name, "customtext", default)
    else:
        widget = Widget(spec.name, "text", text(default))
    widget.dynamic = spec.options.get("dynamicPrompts") is True
    return add(node, widget)


def markdown(node: Node, spec: InputDef) -> Widget:
    default = defined(spec.options.get("default"), "")
    return add(node, Markdown(spec.name, "MARKDOWN", default))


def combo(node: Node, spec: InputDef) -> Widget:
    options = spec.options
    if options.get("multi_select"):
        widget = add(node, Widget(spec.name, "custom", []))
    else:
        widget = add(node, Widget(spec.name, "combo", _first_choice(spec)))
        widget.options["values"] = list(spec.choices)
    remote = mapping(options.get("remote"))
    if remote and not options.get("multi_select"):
        name = "Auto-refresh after generation"
        add(node, Widget(name, "toggle", False, sent=False))
        if remote.get("refresh_button"):
            add(node, Widget("refresh", "button", "refresh"))
    control = spec.control
    if control is not UNDEFINED and control:
        plain = "fixed" if options.get("multi_select") else "randomize"
        default = control if isinstance(control, str) else plain
        add_control(node, widget, default, spec, with_filter=widget.kind == "combo")
    return widget


def _first_choice(spec: InputDef) -> Any:
    if spec.options.get("default"):
        return spec.options["default"]
    if spec.choices:
        return spec.choices[0]
    return "Loading..." if spec.options.get("remote") else UNDEFINED


def add_control(
    node: Node, target: Widget, default: str, spec: InputDef, *, with_filter: bool
) -> None:
    """The field that says how a value changes after each run; it is never sent."""
    name = spec.control if isinstance(spec.control, str) else ""
    prefix = spec.options.get("control_prefix")
    named = f"{prefix} control_after_generate" if prefix else "control_after_generate"
    control = Widget(name or named, "combo", default or "randomize", sent=False)
    control.options["values"] = list(CONTROL_CHOICES)
    add(node, control)
    if with_filter:
        filter_name = (
            f"{prefix} control_filter_list" if prefix else "control_filter_list"
        )
        add(node, Widget(filter_name, "string", "", sent=False))
    target.options["linked"] = 2 if with_filter else 1


def color(node: Node, spec: InputDef) -> Widget:
    existing = node.widget(spec.name)
    if existing is not None and existing.kind == "color":
        return existing
    inner = mapping(spec.options.get("options")).get("default")
    default = defined(spec.options.get("default"), defined(inner, "#000000"))
    return add(node, Widget(spec.name, "color", default))


def image_compare(node: Node, spec: InputDef) -> Widget:
    return add(node, Widget(spec.name, "imagecompare", ["", ""], saved=False))


def bounding_box(node: Node, spec: InputDef) -> Widget:
    default = dict(mapping(spec.options.get("default")) or BOX)
    crop = spec.options.get("component") == "ImageCrop"
    box = add(node, Widget(spec.name, "imagecrop" if crop else "boundingbox", default))
    for side in BOX:
        value = default.get(side, UNDEFINED)
        add(node, Widget(side, "number", value, sent=False))
    return box


def chart(node: Node, spec: InputDef) -> Widget:
    data = mapping(spec.options.get("options")).get("data")
    return add(node, Widget(spec.name, "chart", data or {}))


def galleria(node: Node, spec: InputDef) -> Widget:
    images = mapping(spec.options.get("options")).get("images")
    return add(node, Widget(spec.name, "galleria", images or []))


def painter(node: Node, spec: InputDef) -> Widget:
    default = defined(spec.options.get("default"), "")
    return add(node, Widget(spec.name, "painter", default))


def text_area(node: Node, spec: InputDef) -> Widget:
    default = mapping(spec.options.get("options")).get("default")
    return add(node, Widget(spec.name, "textarea", default or ""))


def curve(node: Node, spec: InputDef) -> Widget:
    default = spec.options.get("default") or LINE
    return add(node, Widget(spec.name, "curve", default))


def value_range(node: Node, spec: InputDef) -> Widget:
    default = defined(spec.options.get("default"), {"min": 0, "max": 1})
    return add(node, Widget(spec.name, "range", default))


def image_upload(node: Node, spec: InputDef) -> Widget:
    if node.widget(spec.options.get("imageInputName")) is None:
        raise Unmakeable
    return add(node, Widget(spec.name, "button", "image", sent=False))


def audio_player(node: Node, spec: InputDef) -> Widget:
    return add(node, Widget(spec.name, "audioUI", "", saved=False))


def audio_upload(node: Node, spec: InputDef) -> Widget:
    show_audio(node)
    chosen = node.widget("audio")
    if chosen is None or node.widget("audioUI") is None:
        raise Unmakeable
    chosen.accept = lambda value: _heard(node, value)
    return add(node, Widget(spec.name, "button", "", sent=False))


def _heard(node: Node, value: Any) -> Any:
    show_audio(node)
    return value


def show_audio(node: Node) -> None:
    """The player shows the file that is chosen."""
    player, chosen = node.widget("audioUI"), node.widget("audio")
    if player is not None and chosen is not None:
        player.set(_audio_address(defined(chosen.get(), "")))


def _audio_address(path: object) -> str:
    folder, _, name = text(path).rpartition("/")
    return f"/api/view?filename={_quoted(name)}&type=input&subfolder={folder}{UNCACHED}"


def _quoted(name: str) -> str:
    return quote(name, safe="!*'()~", errors="replace")


def audio_recorder(node: Node, spec: InputDef) -> Widget:
    add(node, Widget(spec.name, "audioUI", ""))
    return add(node, Widget(spec.name, "audiorecord", "", sent=False))


def webcam(node: Node, spec: InputDef) -> Widget:
    widget = add(node, Widget(spec.name, "WEBCAM", ""))
    if node.type == "WebcamCapture":
        widget.serialize = lambda _: _no_camera(node)
    return widget


def _no_camera(node: Node) -> Any:
    reason = "takes its picture from the camera of whoever runs it"
    problem = NodeProblem(str(node.id), node.type, reason)
    raise Unconvertible(f"A node {reason}.", [problem])


def scene(node: Node, spec: InputDef) -> Widget:
    """The view of a 3D model; the page takes pictures of it for the server."""
    shown = ("Preview3DAdvanced", "PreviewGaussianSplat", "PreviewPointCloud")
    if node.widget("model_file") is not None:
        add(node, Widget("upload 3d model", "button", "upload3dmodel"))
        add(node, Widget("upload extra resources", "button", "uploadExtraResources"))
        add(node, Widget("clear", "button", "clear"))
    name = "viewport_state" if node.type in shown else "image"
    widget = add(node, Widget(name, "load3D", ""))
    if node.type == "Load3D":
        widget.serialize = lambda _: scenes.pictures(node)
    elif node.type in shown:
        widget.serialize = lambda _: scenes.preview(node)
    return widget


def preview_scene(node: Node, spec: InputDef) -> Widget:
    return add(node, Widget("image", "load3D", ""))


def advanced_scene(node: Node, spec: InputDef) -> Widget:
    widget = add(node, Widget("viewport_state", "load3DAdvanced", ""))
    if node.type == "Load3DAdvanced":
        widget.serialize = lambda _: scenes.view(node)
    return widget


MAKERS: dict[str, Maker] = {
    "INT": integer,
    "FLOAT": fraction,
    "BOOLEAN": boolean,
    "STRING": string,
    "MARKDOWN": markdown,
    "COMBO": combo,
    "IMAGEUPLOAD": image_upload,
    "COLOR": color,
    "IMAGECOMPARE": image_compare,
    "BOUNDING_BOX": bounding_box,
    "CHART": chart,
    "GALLERIA": galleria,
    "PAINTER": painter,
    "TEXTAREA": text_area,
    "CURVE": curve,
    "RANGE": value_range,
    "AUDIO_UI": audio_player,
    "AUDIOUPLOAD": audio_upload,
    "AUDIO_RECORD": audio_recorder,
    "WEBCAM": webcam,
    "LOAD_3D": scene,
    "PREVIEW_3D": preview_scene,
    "LOAD_3D_ADVANCED": advanced_scene,
}
# The types that a node without a definition can still show as a field.
PLAIN = frozenset(MAKERS) - {
    *("AUDIO_UI", "AUDIOUPLOAD", "AUDIO_RECORD", "WEBCAM"),
    *("LOAD_3D", "PREVIEW_3D", "LOAD_3D_ADVANCED"),
} | {"COMFY_DYNAMICCOMBO_V3"}

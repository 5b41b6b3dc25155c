"""What the page knows of each kind of node: `/object_info`, and its own additions.

Some nodes get inputs that the server does not know of, for buttons and players; they
take places in `widgets_values`, and some are sent to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generation.comfy.convert.javascript import UNDEFINED, as_read, ordered_keys

PLAYED = frozenset(
    {"LoadAudio", "SaveAudio", "PreviewAudio", "SaveAudioMP3", "SaveAudioOpus"}
    | {"SaveAudioAdvanced"}
)
UPLOADS = ("image_upload", "video_upload", "animated_image_upload")


@dataclass(frozen=True, slots=True)
class InputDef:
    """One input of a kind of node, whichever dialect the server wrote it in."""

    name: str
    type: str
    optional: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[Any, ...] = ()

    @property
    def forced(self) -> bool:
        """It is only ever linked and has no widget."""
        return bool(self.options.get("forceInput"))

    @property
    def widget_type(self) -> str:
        return str(self.options.get("widgetType") or self.type)

    @property
    def control(self) -> Any:
        """What the server says of the widget that changes this one after a run."""
        return self.options.get("control_after_generate", UNDEFINED)


@dataclass(frozen=True, slots=True)
class OutputDef:
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class NodeDef:
    """A kind of node, its inputs in the order in which the page makes them."""

    name: str
    title: str
    inputs: tuple[InputDef, ...]
    # As the server lists them, for values that were saved by older pages.
    declared: tuple[InputDef, ...]
    outputs: tuple[OutputDef, ...]
    match_types: tuple[Any, ...] = ()


class Definitions:
    """Node definitions, each read when it is first asked for."""

    def __init__(self, object_info: Mapping[str, Any]) -> None:
        self._info = object_info
        self._nodes: dict[str, NodeDef | None] = {}
        self._raw: dict[str, dict[str, Any] | None] = {}

    def get(self, name: str) -> NodeDef | None:
        if name not in self._nodes:
            raw = self.raw(name)
            self._nodes[name] = None if raw is None else node_def(name, raw)
        return self._nodes[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and isinstance(self._info.get(name), Mapping)

    def raw(self, name: str) -> dict[str, Any] | None:
        """The definition in the server's words, with the page's own inputs added."""
        if name not in self._raw:
            entry = self._info.get(name)
            known = isinstance(entry, Mapping)
            self._raw[name] = augmented(name, as_read(entry)) if known else None
        return self._raw[name]


def node_def(name: str, raw: Mapping[str, Any]) -> NodeDef:
    declared: dict[str, InputDef] = {}
    for group in ("required", "optional"):
        entries = _mapping(_mapping(raw.get("input")).get(group))
        for key in ordered_keys(entries):
            declared[key] = input_def(key, entries[key], optional=group == "optional")
    shown = raw.get("display_name") or raw.get("name") or name
    return NodeDef(
        name=name,
        title=str(shown),
        inputs=_ordered(declared, _mapping(raw.get("input_order"))),
        declared=tuple(declared.values()),
        outputs=_outputs(raw),
        match_types=tuple(_list(raw.get("output_matchtypes"))),
    )


def input_def(name: str, raw: object, *, optional: bool) -> InputDef:
    parts = _list(raw) or ["UNKNOWN"]
    kind = parts[0]
    options = dict(_mapping(parts[1])) if len(parts) > 1 else {}
    if optional and options.get("defaultInput"):
        options["forceInput"] = True
    choices: tuple[Any, ...] = ()
    if isinstance(kind, list):
        choices, kind = tuple(kind), "COMBO"
    elif kind == "COMBO":
        choices = tuple(_list(options.get("options")))
    kind = kind if isinstance(kind, str) else "UNKNOWN"
    return InputDef(name, kind, optional, options, choices)


def _ordered(
    declared: dict[str, InputDef], order: Mapping[str, Any]
) -> tuple[InputDef, ...]:
    chosen: dict[str, InputDef] = {}
    for group in ("required", "optional"):
        for name in _list(order.get(group)):
            found = declared.get(name) if isinstance(name, str) else None
            if found is not None and found.optional == (group == "optional"):
                chosen[found.name] = found
    return tuple((chosen | declared).values())


def _outputs(raw: Mapping[str, Any]) -> tuple[OutputDef, ...]:
    names = _list(raw.get("output_name"))
    found = []
    for index, kind in enumerate(_list(raw.get("output"))):
        name = names[index] if index < len(names) else None
        shown = "COMBO" if isinstance(kind, list) else str(kind)
        # What comes out of such a node depends on what goes in.
        shown = "*" if shown == "COMFY_MATCHTYPE_V3" else shown
        found.append(OutputDef(str(name or f"output_{index}"), shown))
    return tuple(found)


def augmented(name: str, raw: dict[str, Any]) -> dict[str, Any]:
    """The definition with what the page adds to it; changes `raw`."""
    groups = raw.get("input")
    required = groups.get("required") if isinstance(groups, dict) else None
    if not isinstance(required, dict):
        return raw
    if name in PLAYED:
        required["audioUI"] = ["AUDIO_UI", {}]
    if _options(required.get("audio")).get("audio_upload") is True:
        required["upload"] = ["AUDIOUPLOAD", {}]
    for key, spec in list(required.items()):
        options = _options(spec)
        if any(options.get(flag) is True for flag in UPLOADS) and _is_choice(spec):
            required["upload"] = ["IMAGEUPLOAD", {**options, "imageInputName": key}]
            break
    if name in ("Preview3D", "SaveGLB"):
        required["image"] = ["PREVIEW_3D"]
    if name == "Load3DAdvanced":
        required["viewport_state"] = ["LOAD_3D_ADVANCED", {}]
    return raw


def _is_choice(spec: object) -> bool:
    return isinstance(spec, list) and (isinstance(spec[0], list) or spec[0] == "COMBO")


def _options(spec: object) -> Mapping[str, Any]:
    return _mapping(spec[1]) if isinstance(spec, list) and len(spec) > 1 else {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []

"""Parameters that a workflow's author has marked, in the words of other tools. Pure.

Minimalistic-Comfy-Wrapper    a node title `<Label:category:order>`
ViewComfy                     a node title that begins with `VC_`
ComfyDeploy                   nodes ComfyUIDeployExternal…, with an id and a default
Krita                         nodes ETN_Parameter, with a name, a type and a default
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WRAPPER = re.compile(r"\s*<([^:<>]+):([^:<>]+):\s*([0-9]+(?:\.[0-9]+)?)\s*>")
VIEWCOMFY = re.compile(r"\s*VC_(.*)", re.DOTALL)
KRITA_NAME = re.compile(r"\s*(?:([0-9]+)\.\s*)?(?:(.*)/)?\s*(.*)", re.DOTALL)
DEPLOY = "ComfyUIDeployExternal"
DEPLOY_DEFAULTS = ("default_value", "default_value_url")
# The longer ends come first: the first that fits is the one.
DEPLOY_KINDS = {
    "NumberSliderInt": "integer",
    "NumberSlider": "float",
    "NumberInt": "integer",
    "Number": "float",
    "Boolean": "boolean",
    "Checkpoint": "model",
    "Lora": "lora",
    "Seed": "seed",
    "Mask": "mask",
    "Image": "image",
    "ImageAlpha": "image",
    "Video": "video",
    "Audio": "audio",
    "Color": "color",
    "Enum": "choice",
    "Text": "text",
}
KRITA_KINDS = {
    "number": "float",
    "number (integer)": "integer",
    "toggle": "boolean",
    "prompt (positive)": "long_text",
    "prompt (negative)": "long_text",
    "choice": "choice",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """What the author says of a node's inputs; `input` names a single one."""

    label: str = ""
    group: str = ""
    order: float = 0
    input: str = ""
    kind: str = ""
    minimum: float | None = None
    maximum: float | None = None
    tooltip: str = ""


def mark(node: Mapping[str, Any]) -> Mark | None:
    """The mark on a node in API format, or None."""
    kind, inputs = str(node.get("class_type") or ""), _mapping(node.get("inputs"))
    if kind == "ETN_Parameter":
        return _krita(inputs)
    if kind.startswith(DEPLOY):
        return _deploy(kind[len(DEPLOY) :], inputs)
    title = str(_mapping(node.get("_meta")).get("title") or "")
    if found := WRAPPER.match(title):
        label, group, order = found.groups()
        return Mark(label.strip(), group.strip(), float(order))
    if found := VIEWCOMFY.match(title):
        return Mark(found[1].replace("_", " ").strip())
    return None


def _krita(inputs: Mapping[str, Any]) -> Mark:
    found = KRITA_NAME.match(_text(inputs.get("name")))
    order, group, label = found.groups() if found else (None, None, "")
    return Mark(
        label=label.strip(),
        group=(group or "").strip(),
        order=float(order or 0),
        input="default",
        kind=KRITA_KINDS.get(_text(inputs.get("type")), "text"),
        minimum=_number(inputs.get("min")),
        maximum=_number(inputs.get("max")),
    )


def _deploy(ending: str, inputs: Mapping[str, Any]) -> Mark:
    kinds = (kind for name, kind in DEPLOY_KINDS.items() if ending.startswith(name))
    shown = _text(inputs.get("display_name")) or _text(inputs.get("input_id"))
    return Mark(
        label=shown,
        input=next((name for name in DEPLOY_DEFAULTS if name in inputs), ""),
        kind=next(kinds, "text"),
        minimum=_number(inputs.get("min_value")),
        maximum=_number(inputs.get("max_value")),
        tooltip=_text(inputs.get("description")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

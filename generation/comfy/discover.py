"""What of a graph can be set, and what of that people most likely want to set. Pure.

Everything that is no link is offered, with what a server says about it. If somebody
marked the workflow for another tool, those marks decide what is chosen beforehand:

Minimalistic-Comfy-Wrapper   a node's title `<Label:category:order> min,max,step`
ViewComfy                    a node's title begins with `VC_BASIC` or `VC_ADV`
ComfyDeploy                  nodes `ComfyUIDeployExternal…`
krita-ai-diffusion           nodes `ETN_Parameter`, named `1. Group/2. Name`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from generation.comfy.catalog import DYNAMIC, Catalog, InputSpec
from generation.comfy.graph import MODEL_INPUTS, TEXT_INPUTS, Graph, is_link

MAX_SEED_LIMIT = 2**64
TITLE_MARK = re.compile(r"<([^<>:]{1,100})(?::([^<>:]{0,100}))?(?::(-?\d{1,6}))?>(.*)")
NUMBERED = re.compile(r"\s*(\d{1,6})\.\s*(.*)")


class Sort(StrEnum):
    """What an input is to a person; finer than the server's type."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    INTEGER = "integer"
    FLOAT = "float"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    SEED = "seed"
    MODEL = "model"
    LORA = "lora"
    SAMPLER = "sampler"
    SCHEDULER = "scheduler"
    COLOR = "color"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One input that can be set. `role` is what it does, such as "prompt"."""

    node: str
    input: str
    class_type: str
    title: str
    sort: Sort
    label: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    # The choices are these, whatever a server offers under this name.
    narrowed: bool = False
    tooltip: str = ""
    role: str = ""
    chosen: bool = False
    group: str = ""
    advanced: bool = False
    order: float = 0


@dataclass(frozen=True, slots=True)
class Role:
    """What an input of this name does in nearly every workflow."""

    name: str
    label: str
    group: str = ""
    advanced: bool = False


# In the order of the form.
ROLES = {
    "prompt": Role("prompt", "Prompt"),
    "negative_prompt": Role("negative_prompt", "Negative prompt"),
    "image": Role("image", "Picture"),
    "video": Role("video", "Video"),
    "audio": Role("audio", "Audio"),
    "model": Role("model", "Model"),
    "lora": Role("lora", "LoRA"),
    "lora_strength": Role("lora_strength", "LoRA strength"),
    "width": Role("width", "Width", "Size"),
    "height": Role("height", "Height", "Size"),
    "length": Role("length", "Length", "Size"),
    "steps": Role("steps", "Steps", "Sampling", True),
    "cfg": Role("cfg", "Guidance", "Sampling", True),
    "sampler": Role("sampler", "Sampler", "Sampling", True),
    "scheduler": Role("scheduler", "Scheduler", "Sampling", True),
    "denoise": Role("denoise", "Strength of the change", "Sampling", True),
    "seed": Role("seed", "Seed", "Variation"),
    "batch_size": Role("batch_size", "Pictures", "Variation"),
}
ROLE_OF_INPUT = {
    "seed": "seed",
    "noise_seed": "seed",
    "steps": "steps",
    "cfg": "cfg",
    "guidance": "cfg",
    "sampler_name": "sampler",
    "scheduler": "scheduler",
    "denoise": "denoise",
    "batch_size": "batch_size",
    "lora_name": "lora",
    "strength_model": "lora_strength",
    **dict.fromkeys(MODEL_INPUTS, "model"),
}


def discover(graph: Graph, catalog: Catalog | None) -> list[Found]:
    """Every input that can be set; those chosen beforehand first, as a form has them.

    Without a catalog only the values themselves tell what they are.
    """
    prompts = dict(_prompts(graph))
    found = [
        _found(graph, node_id, name, value, catalog, prompts)
        for node_id, node in graph.items()
        for name, value in node["inputs"].items()
        if not isinstance(value, list | Mapping)
    ]
    marked = [mark for one in found if (mark := _marked(graph, one))]
    if marked:
        marked = _one_a_title(marked)
        places = {(one.node, one.input) for one in marked}
        rest = [replace(one, chosen=False) for one in found]
        found = marked + [one for one in rest if (one.node, one.input) not in places]
        return sorted(found, key=lambda one: (not one.chosen, one.order))
    ranks = {name: rank for rank, name in enumerate(ROLES)}
    return sorted(found, key=lambda o: (not o.chosen, ranks.get(o.role, len(ranks))))


# One input ------------------------------------------------------------------------


def _found(
    graph: Graph,
    node_id: str,
    name: str,
    value: Any,
    catalog: Catalog | None,
    prompts: Mapping[tuple[str, str], str],
) -> Found:
    node = graph[node_id]
    class_type, inputs = str(node["class_type"]), node["inputs"]
    spec = catalog.inner(class_type, name, inputs) if catalog else None
    role = prompts.get((node_id, name)) or _role(node, class_type, name)
    role = role or _prompt_role(name, value, spec, prompts)
    sort = _sort(class_type, name, value, spec)
    if sort in (Sort.IMAGE, Sort.VIDEO, Sort.AUDIO):
        role = str(sort)
    known = ROLES.get(role)
    ranged = spec if sort in (Sort.INTEGER, Sort.FLOAT) else None
    choices = spec.choices or () if spec and sort is Sort.CHOICE else ()
    if catalog and spec and spec.type == DYNAMIC:
        choices = catalog.keys(class_type, name, inputs)
    return Found(
        node=node_id,
        input=name,
        class_type=class_type,
        title=_title(node),
        sort=sort,
        label=known.label if known else _words(name),
        default=value,
        minimum=_limit(ranged.min) if ranged else None,
        maximum=_limit(ranged.max) if ranged else None,
        step=_step(ranged.step) if ranged else None,
        choices=tuple(map(str, choices)),
        narrowed=spec is not None and (spec.type == DYNAMIC or "." in name),
        tooltip=spec.tooltip if spec else "",
        role=role,
        chosen=known is not None,
        group=known.group if known else "",
        advanced=known.advanced if known else False,
    )


def _prompt_role(
    name: str, value: object, spec: InputSpec | None, prompts: Mapping[Any, str]
) -> str:
    """Of a text that no sampler leads to, as with nodes that do all by themselves."""
    last = name.rpartition(".")[2]
    long = spec is not None and spec.multiline and "system" not in last
    named = "prompt" in last or (not prompts and last in TEXT_INPUTS)
    if not (isinstance(value, str) and long and named):
        return ""
    return "negative_prompt" if "negative" in last else "prompt"


def _role(node: Mapping[str, Any], class_type: str, name: str) -> str:
    role = ROLE_OF_INPUT.get(name, "")
    if name in ("width", "height", "length"):
        # Of what is made, not of a picture that is scaled on its way.
        inputs = node["inputs"]
        made = "Empty" in class_type or ("width" in inputs and "height" in inputs)
        scaled = any(key in inputs for key in ("image", "images", "samples", "pixels"))
        return name if made and not scaled else ""
    if role == "model" and "Upscale" in class_type:
        return ""
    return role


def _sort(class_type: str, name: str, value: Any, spec: InputSpec | None) -> Sort:
    kind = spec.type if spec else ""
    if spec is not None and spec.upload:
        where = f"{class_type} {name}".lower()
        for sort in (Sort.VIDEO, Sort.AUDIO):
            if sort in where:
                return sort
        return Sort.IMAGE
    if isinstance(value, bool) or kind == "BOOLEAN":
        return Sort.BOOLEAN
    if isinstance(value, int | float):
        return _number_sort(name, value, kind)
    if kind in ("COMBO", DYNAMIC):
        return _choice_sort(name)
    long = spec.multiline if spec else name in TEXT_INPUTS
    return Sort.LONG_TEXT if long else Sort.TEXT


def _number_sort(name: str, value: float, kind: str) -> Sort:
    if name in ("seed", "noise_seed"):
        return Sort.SEED
    if name == "color" and isinstance(value, int) and 0 <= value < 1 << 24:
        return Sort.COLOR
    if kind == "FLOAT" or isinstance(value, float):
        return Sort.FLOAT
    return Sort.INTEGER


def _choice_sort(name: str) -> Sort:
    if name == "sampler_name":
        return Sort.SAMPLER
    if name == "scheduler":
        return Sort.SCHEDULER
    if name in MODEL_INPUTS:
        return Sort.MODEL
    return Sort.LORA if name.startswith("lora") else Sort.CHOICE


def _limit(value: float | None) -> float | None:
    """A limit that tells something: not the largest number that a computer has."""
    return value if value is not None and abs(value) < MAX_SEED_LIMIT // 2 else None


def _step(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _words(name: str) -> str:
    words = re.sub(r"[_.\s]+", " ", name).strip()[:100]
    return words[:1].upper() + words[1:]


def _title(node: Mapping[str, Any]) -> str:
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return str(title or node["class_type"])


# Prompts --------------------------------------------------------------------------


def _prompts(graph: Graph) -> Iterator[tuple[tuple[str, str], str]]:
    """((node, input), "prompt" or "negative_prompt") of the texts behind samplers."""
    told: set[tuple[str, str]] = set()
    for ends, role in (
        (("positive", "conditioning"), "prompt"),
        (("negative",), "negative_prompt"),
    ):
        links = [
            node["inputs"][end]
            for node in graph.values()
            for end in ends
            if is_link(node["inputs"].get(end))
        ]
        for place in _texts_behind(graph, links, role):
            if place not in told:
                told.add(place)
                yield place, role


def _texts_behind(
    graph: Graph, links: list[Any], role: str
) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    todo = [link[0] for link in links]
    while todo:
        node_id = todo.pop()
        if node_id in seen or node_id not in graph:
            continue
        seen.add(node_id)
        inputs = graph[node_id]["inputs"]
        texts = [name for name in TEXT_INPUTS if isinstance(inputs.get(name), str)]
        if texts:
            yield from ((node_id, name) for name in texts)
            continue
        both = {"positive", "negative"} <= set(inputs)
        way = "negative" if role == "negative_prompt" else "positive"
        todo += [
            value[0]
            for name, value in inputs.items()
            if is_link(value) and (name == way or not both)
        ]


# Marks of other tools -------------------------------------------------------------


def _marked(graph: Graph, one: Found) -> Found | None:
    if one.class_type.startswith("ComfyUIDeployExternal"):
        return _comfy_deploy(graph[one.node]["inputs"], one)
    if one.class_type == "ETN_Parameter":
        return _krita(graph[one.node]["inputs"], one)
    if match := re.match(r"VC_(BASIC|ADV)[\s:_-]*(.*)", one.title):
        label = one.label if not match[2] else f"{match[2]}: {one.label}"[:100]
        return replace(one, chosen=True, advanced=match[1] == "ADV", label=label)
    if match := TITLE_MARK.search(one.title):
        return _wrapper(match, one)
    return None


def _wrapper(match: re.Match[str], one: Found) -> Found:
    label, category, order, rest = match.groups()
    limits: list[float | None] = [None, None, None]
    if one.sort in (Sort.INTEGER, Sort.FLOAT):
        parts = [part.strip() for part in rest.split(",")[:3]]
        limits = [_parsed(part) for part in parts] + limits
    advanced = "advanced" in (category or "").lower()
    plain = ("", "prompt", "important", "advanced")
    group = "" if (category or "").strip().lower() in plain else str(category).strip()
    return replace(
        one,
        chosen=True,
        label=label.strip(),
        group=group,
        advanced=advanced,
        order=float(order or 0),
        minimum=limits[0] if limits[0] is not None else one.minimum,
        maximum=limits[1] if limits[1] is not None else one.maximum,
        step=_step(limits[2]) or one.step,
    )


def _one_a_title(marked: list[Found]) -> list[Found]:
    """A title marks one input: the one with a role, else the node's first."""
    kept: dict[str, Found] = {}
    rest: list[Found] = []
    for one in marked:
        if not TITLE_MARK.search(one.title) or one.class_type == "ETN_Parameter":
            rest.append(one)
        elif one.node not in kept or (one.role and not kept[one.node].role):
            kept[one.node] = one
    return [*kept.values(), *rest]


def _comfy_deploy(inputs: Mapping[str, Any], one: Found) -> Found | None:
    if not one.input.startswith("default_"):
        return None
    label = inputs.get("display_name") or inputs.get("input_id") or one.label
    name = _text(inputs.get("input_id"))
    return replace(
        one,
        chosen=True,
        label=_text(label)[:100],
        tooltip=_text(inputs.get("description")) or one.tooltip,
        role=name,
        minimum=_parsed(inputs.get("min_value")) or one.minimum,
        maximum=_parsed(inputs.get("max_value")) or one.maximum,
    )


_KRITA = {
    "number": Sort.FLOAT,
    "number (integer)": Sort.INTEGER,
    "toggle": Sort.BOOLEAN,
    "text": Sort.TEXT,
    "prompt (positive)": Sort.LONG_TEXT,
    "prompt (negative)": Sort.LONG_TEXT,
}


def _krita(inputs: Mapping[str, Any], one: Found) -> Found | None:
    if one.input != "default":
        return None
    group, _, label = _text(inputs.get("name")).rpartition("/")
    order = 0.0
    for weight, part in ((1000, group), (1, label)):
        if match := NUMBERED.fullmatch(part):
            order += weight * int(match[1])
    names = [m[2] if (m := NUMBERED.fullmatch(p)) else p for p in (group, label)]
    sort = _KRITA.get(_text(inputs.get("type")), one.sort)
    numeric = sort in (Sort.INTEGER, Sort.FLOAT)
    return replace(
        one,
        chosen=True,
        sort=sort,
        label=names[1].strip()[:100] or one.label,
        group=names[0].strip()[:100],
        order=order,
        minimum=_parsed(inputs.get("min")) if numeric else None,
        maximum=_parsed(inputs.get("max")) if numeric else None,
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _parsed(value: object) -> float | None:
    """A number, however it is written; whole ones stay whole."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not abs(value) < MAX_SEED_LIMIT:
        return None
    return int(value) if float(value).is_integer() else value

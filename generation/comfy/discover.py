"""What of a workflow could be a parameter of a template. Pure.

Every value that is not linked can be set; which of them people want to set is guessed
from the nodes, unless the workflow's author has marked some.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from generation.comfy.catalog import Catalog, InputSpec
from generation.comfy.graph import (
    ALL_MODEL_INPUTS,
    MODEL_SUFFIXES,
    Graph,
    is_link,
    title,
)
from generation.comfy.marks import Mark, mark

COLOR = re.compile(r"#[0-9a-fA-F]{6}")
SIZES = ("width", "height", "batch_size", "length")
SAMPLING = ("steps", "cfg", "guidance", "denoise", "shift", "fps")
PROMPTS = ("text", "text_g", "text_l", "prompt", "clip_l", "t5xxl", "negative_prompt")
FILES = ("image", "mask", "video", "audio")
SETTABLE = {"INT": "integer", "FLOAT": "float", "BOOLEAN": "boolean", "COLOR": "color"}
GROUPS = {
    "long_text": "Prompt",
    "seed": "Sampling",
    "sampler": "Sampling",
    "scheduler": "Sampling",
    "model": "Models",
    "lora": "Models",
    **dict.fromkeys(FILES, "Files"),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One input that can be set, and how to ask for it."""

    node: str
    input: str
    type: str
    label: str
    kind: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[Any, ...] | None = None
    tooltip: str = ""
    preselected: bool = False
    group: str = "Other"
    order: float = 0


def discover(graph: Graph, catalog: Catalog) -> tuple[Candidate, ...]:
    """All inputs that are not linked; those that were marked come first."""
    consumers = _consumers(graph)
    negative = _prompts_behind(graph, "negative")
    found: list[Candidate] = []
    marked: list[Candidate] = []
    for node_id, node in graph.items():
        if not isinstance(node, Mapping):
            continue
        own = mark(node)
        if own is not None:
            marked += _marked(graph, catalog, node_id, own)
            continue
        for candidate in _candidates(graph, catalog, node_id):
            told = _purpose(candidate, graph, consumers)
            if (node_id, candidate.input) in negative:
                told = replace(told, label="Negative prompt")
            found.append(told)
    if marked:
        # Whoever marks some inputs means those and no others.
        found = [replace(one, preselected=False) for one in found]
    return tuple(sorted(marked, key=lambda one: one.order) + _distinct(graph, found))


def _candidates(graph: Graph, catalog: Catalog, node_id: str) -> Iterator[Candidate]:
    node = graph[node_id]
    kind = str(node.get("class_type"))
    inputs = node.get("inputs")
    if not isinstance(inputs, Mapping):
        return
    for name, value in inputs.items():
        spec = catalog.chosen_input(kind, name, inputs)
        suggestion = _kind(kind, spec, value) if spec is not None else ""
        if spec is None or not suggestion or is_link(value):
            continue
        yield Candidate(
            node=node_id,
            input=name,
            type=spec.type,
            label=_words(name),
            kind=suggestion,
            default=value,
            minimum=spec.min,
            maximum=spec.max,
            step=spec.step,
            choices=spec.choices,
            tooltip=spec.tooltip,
            group=GROUPS.get(suggestion, "Other"),
        )


def _kind(node: str, spec: InputSpec, value: object) -> str:
    """What to ask for; empty if it is nothing that a form can ask for."""
    name = spec.name
    if isinstance(value, list | dict) or value is None:
        return ""
    if spec.upload:
        return _file(node, name)
    if spec.type == "COMBO":
        return _choice(name, spec)
    if spec.type == "INT" and (name == "seed" or name.endswith("_seed")):
        return "seed"
    if spec.type in SETTABLE:
        return SETTABLE[spec.type]
    if not isinstance(value, str):
        return ""
    if COLOR.fullmatch(value) and "color" in name:
        return "color"
    return "long_text" if spec.multiline else "text" if spec.type == "STRING" else ""


def _file(node: str, name: str) -> str:
    for kind in ("mask", "video", "audio"):
        if kind in node.lower() or name == kind:
            return kind
    return "image" if name == "image" else "choice"


def _choice(name: str, spec: InputSpec) -> str:
    if name.startswith("lora_name"):
        return "lora"
    if name == "sampler_name":
        return "sampler"
    if name == "scheduler":
        return "scheduler"
    files = [str(one).lower().endswith(MODEL_SUFFIXES) for one in spec.choices or ()]
    return "model" if name in ALL_MODEL_INPUTS or any(files) else "choice"


def _purpose(
    candidate: Candidate, graph: Graph, consumers: Mapping[str, list[str]]
) -> Candidate:
    """Whether people will want to set it, judged by its name and what it feeds."""
    node = graph[candidate.node]
    names, kind = [candidate.input], candidate.kind
    if candidate.input == "value":
        # A node that only holds a value is about whatever it is linked to.
        names = consumers.get(candidate.node, [])
        if kind == "integer" and any(name.endswith("seed") for name in names):
            kind = "seed"
        candidate = replace(candidate, kind=kind, label=title(graph, candidate.node))
    group = candidate.group
    if any(name in PROMPTS for name in names) and kind in ("text", "long_text"):
        group = "Prompt"
    elif any(name in SIZES for name in names) and _is_start(node, candidate):
        group = "Size"
    elif any(name in SAMPLING for name in names) and kind in ("integer", "float"):
        group = "Sampling"
    elif kind in ("text", "long_text"):
        return replace(candidate, group="Other")
    else:
        group = GROUPS.get(kind, "Other")
    return replace(candidate, group=group, preselected=group != "Other")


def _is_start(node: Mapping[str, Any], candidate: Candidate) -> bool:
    """Sizes matter where a picture begins, not in each node that crops one."""
    kind = str(node.get("class_type"))
    return candidate.input == "value" or "Empty" in kind or "Latent" in kind


def _consumers(graph: Graph) -> dict[str, list[str]]:
    """The names of the inputs that each node feeds."""
    found: dict[str, list[str]] = {}
    for node in graph.values():
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
            if is_link(value):
                found.setdefault(value[0], []).append(name)
    return found


def _prompts_behind(graph: Graph, name: str) -> set[tuple[str, str]]:
    """The texts that reach a sampler only as this input."""
    sides: dict[str, set[tuple[str, str]]] = {"positive": set(), "negative": set()}
    for node in graph.values():
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        if not isinstance(inputs, Mapping):
            continue
        for side in sides:
            if is_link(link := inputs.get(side)):
                sides[side] |= _texts(graph, link[0])
    others = sides["negative" if name == "positive" else "positive"]
    return sides[name] - others


def _texts(graph: Graph, node_id: str) -> set[tuple[str, str]]:
    waiting, seen = [node_id], set[str]()
    found: set[tuple[str, str]] = set()
    while waiting:
        current = waiting.pop()
        node = graph.get(current)
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        if current in seen or not isinstance(inputs, Mapping):
            continue
        seen.add(current)
        if "positive" in inputs:
            # A node with both hands each of them on; it is looked at by itself.
            continue
        texts = {name for name in (*PROMPTS, "value") if name in inputs}
        found |= {(current, n) for n in texts if isinstance(inputs[n], str)}
        waiting += [link[0] for link in inputs.values() if is_link(link)]
    return found


def _marked(graph: Graph, catalog: Catalog, node_id: str, own: Mark) -> list[Candidate]:
    found = list(_candidates(graph, catalog, node_id))
    if own.input:
        found = _held(graph, node_id, own)
    named = []
    for one in found:
        label = own.label or one.label
        if len(found) > 1:
            label = f"{label}: {one.label}"
        group = own.group or one.group
        marked = replace(one, label=label, group=group, order=own.order)
        named.append(replace(marked, preselected=True))
    return named


def _held(graph: Graph, node_id: str, own: Mark) -> list[Candidate]:
    """The one input of a node that exists to be a parameter."""
    value = graph[node_id].get("inputs", {}).get(own.input)
    if is_link(value) or isinstance(value, dict | list):
        return []
    return [
        Candidate(
            node=node_id,
            input=own.input,
            type="*",
            label=own.label,
            kind=own.kind,
            default=value,
            minimum=own.minimum,
            maximum=own.maximum,
            tooltip=own.tooltip,
            group=GROUPS.get(own.kind, "Other"),
        )
    ]


def _distinct(graph: Graph, found: list[Candidate]) -> list[Candidate]:
    """Labels that occur more than once say which node they belong to."""
    counts = Counter(one.label for one in found)
    named = [
        replace(one, label=f"{title(graph, one.node)}: {one.label}")
        if counts[one.label] > 1
        else one
        for one in found
    ]
    counts = Counter(one.label for one in named)
    return [
        replace(one, label=f"{one.label} ({one.node})")
        if counts[one.label] > 1
        else one
        for one in named
    ]


def _words(name: str) -> str:
    text = name.rpartition(".")[2].replace("_", " ").strip()
    return text[:1].upper() + text[1:] if text else name

"""Graphs in API format: `{node id: {"class_type", "inputs", "_meta"}}`. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Graph = Mapping[str, Any]

MODEL_INPUTS = ("ckpt_name", "unet_name", "model_name", "gguf_name")
TEXT_INPUTS = ("text", "text_g", "prompt", "clip_l", "t5xxl", "string", "value")


class NoSuchInput(Exception):
    """A value is meant for an input that the graph has not."""


def title(graph: Graph, node_id: str) -> str:
    """What a person calls the node: its title, or its class, or its id."""
    # An expanded node of a subgraph (`12:3`) is known by the node it stands in.
    node = graph.get(node_id) or graph.get(node_id.partition(":")[0])
    if not isinstance(node, Mapping):
        return node_id
    meta = node.get("_meta")
    named = meta.get("title") if isinstance(meta, Mapping) else None
    return str(named or node.get("class_type") or node_id)


def set_inputs(
    graph: Graph, values: Iterable[tuple[str, str, object]]
) -> dict[str, Any]:
    """A copy of the graph with (node, input, value) set.

    Raises NoSuchInput where the node or its input does not exist.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(graph))
    for node_id, name, value in values:
        node = changed.get(node_id)
        if not isinstance(node, dict) or name not in node.get("inputs", {}):
            raise NoSuchInput(f"The workflow has no input {name} at node {node_id}.")
        node["inputs"][name] = value
    return changed


def is_link(value: object) -> bool:
    """Links are [node id, output number]."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


@dataclass(frozen=True, slots=True)
class Described:
    """What a person wants to know of a picture; empty where the graph has none."""

    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    model: str = ""
    loras: tuple[str, ...] = ()
    sampler: str = ""
    scheduler: str = ""
    steps: int | None = None
    cfg: float | None = None


def describe(graph: Graph) -> Described:
    """Prompts, seed and model, found from the sampler backwards along its links."""
    sampler = _sampler(graph)
    if sampler is None:
        return Described()
    inputs = _inputs(graph, sampler)
    seed = _value(graph, inputs.get("seed", inputs.get("noise_seed")))
    model, loras = _models(graph, inputs.get("model"))
    cfg = _value(graph, inputs.get("cfg"))
    steps = _value(graph, inputs.get("steps"))
    return Described(
        prompt=_text_behind(graph, inputs.get("positive")),
        negative_prompt=_text_behind(graph, inputs.get("negative")),
        seed=seed if isinstance(seed, int) else None,
        model=model,
        loras=loras,
        sampler=_string(_value(graph, inputs.get("sampler_name"))),
        scheduler=_string(_value(graph, inputs.get("scheduler"))),
        steps=steps if isinstance(steps, int) else None,
        cfg=float(cfg) if isinstance(cfg, int | float) else None,
    )


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _inputs(graph: Graph, node_id: str) -> Mapping[str, Any]:
    node = graph.get(node_id)
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    return inputs if isinstance(inputs, Mapping) else {}


def _sampler(graph: Graph) -> str | None:
    """The first node with both prompts and a seed, or at least both prompts."""
    with_prompts = [
        node for node in graph if {"positive", "negative"} <= set(_inputs(graph, node))
    ]
    for node in with_prompts:
        if {"seed", "noise_seed"} & set(_inputs(graph, node)):
            return node
    return with_prompts[0] if with_prompts else None


def _value(graph: Graph, value: object) -> object:
    """A widget's value, also through nodes that only hand one value on."""
    for _ in range(len(graph)):
        if not is_link(value):
            return value
        inputs = _inputs(graph, value[0])  # type: ignore[index]
        held = [inputs[name] for name in ("value", "seed", "text") if name in inputs]
        if not held:
            return None
        value = held[0]
    return None


def _upstream(graph: Graph, start: object) -> Iterator[str]:
    """Nodes from a link backwards, nearest first, each once (so cycles end)."""
    waiting = [start[0]] if is_link(start) else []  # type: ignore[index]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop(0)
        if node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [link[0] for link in _inputs(graph, node).values() if is_link(link)]


def _text_behind(graph: Graph, link: object) -> str:
    """The text of the nearest encoder behind a conditioning link."""
    for node in _upstream(graph, link):
        inputs = _inputs(graph, node)
        for name in TEXT_INPUTS:
            text = _value(graph, inputs.get(name))
            if isinstance(text, str) and text:
                return text
        if "clip" in inputs:
            # An encoder with an empty text: do not look on into the model's nodes.
            return ""
    return ""


def _models(graph: Graph, link: object) -> tuple[str, tuple[str, ...]]:
    """(checkpoint, LoRAs) along the model's chain."""
    model, loras = "", []
    for node in _upstream(graph, link):
        inputs = _inputs(graph, node)
        if isinstance(lora := inputs.get("lora_name"), str):
            loras.append(lora)
        for name in MODEL_INPUTS:
            if not model and isinstance(inputs.get(name), str):
                model = inputs[name]
    return model, tuple(loras)

"""Graphs in API format: `{node id: {"class_type", "inputs", "_meta"}}`. Pure."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

Graph = Mapping[str, Any]

MODEL_INPUTS = ("ckpt_name", "unet_name", "model_name", "gguf_name")
# Any input that names a model file, and what such files are called.
ALL_MODEL_INPUTS = frozenset(
    {"ckpt_name", "unet_name", "vae_name", "lora_name", "clip_name", "clip_name1"}
    | {"clip_name2", "clip_name3", "control_net_name", "style_model_name"}
    | {"gligen_name", "upscale_model", "model_name", "hypernetwork_name"}
)
MODEL_SUFFIXES = (
    ".safetensors",
    ".sft",
    ".ckpt",
    ".pt",
    ".pth",
    ".gguf",
    ".bin",
    ".onnx",
)
TEXT_INPUTS = ("text", "text_g", "prompt", "clip_l", "t5xxl", "string", "value")
# What nodes call a value that they only hand on.
HELD_INPUTS = ("value", "seed", "text", "string", "prompt")
# Through so many of them a value is followed; a graph may be hostile, or a circle.
MAX_HANDS = 32
# The links by which custom samplers are put together from several nodes.
PART_LINKS = ("guider", "noise", "sampler", "sigmas")
ZEROED = "ConditioningZeroOut"


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


def is_link(value: object) -> TypeGuard[list[Any]]:
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
    parts = _parts(graph, sampler)
    seed = _value(graph, _first(graph, parts, "seed", "noise_seed"))
    model, loras = _models(graph, _first(graph, parts, "model"))
    cfg = _value(graph, _first(graph, parts, "cfg"))
    steps = _value(graph, _first(graph, parts, "steps"))
    positive = _first(graph, parts, "positive", "conditioning", "cond1")
    return Described(
        prompt=_text_behind(graph, positive),
        negative_prompt=_text_behind(graph, _first(graph, parts, "negative")),
        seed=seed if isinstance(seed, int) else None,
        model=model,
        loras=loras,
        sampler=_string(_value(graph, _first(graph, parts, "sampler_name"))),
        scheduler=_string(_value(graph, _first(graph, parts, "scheduler"))),
        steps=steps if isinstance(steps, int) else None,
        cfg=float(cfg) if isinstance(cfg, int | float) else None,
    )


def needs(graph: Graph, free_text: frozenset[tuple[str, str]] = frozenset()) -> str:
    """A digest of all that decides which servers can run the graph.

    Equal digests can run on the same servers: nodes and named values (models,
    samplers) count, numbers do not, nor the inputs in `free_text`.
    """
    wanted = sorted(
        [str(node.get("class_type")), name, value]
        for node_id, node in graph.items()
        for name, value in [("", ""), *_inputs(graph, node_id).items()]
        if isinstance(value, str) and (node_id, name) not in free_text
    )
    return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()


def models(graph: Graph) -> list[str]:
    """The names of the model files that the graph loads, sorted."""
    return sorted(
        {
            value
            for node_id in graph
            for name, value in _inputs(graph, node_id).items()
            if isinstance(value, str)
            and (name in ALL_MODEL_INPUTS or value.lower().endswith(MODEL_SUFFIXES))
        }
    )


def batch(graph: Graph) -> int:
    """How many pictures a run makes, as far as the graph says."""
    sizes = (_inputs(graph, node).get("batch_size") for node in graph)
    return max([1, *(n for n in sizes if isinstance(n, int) and n > 0)])


def size(graph: Graph) -> int:
    """Work in half octaves: pixels × steps × pictures, twice its logarithm to 2."""
    pixels, steps = 1, 1
    for node in graph:
        inputs = _inputs(graph, node)
        width, height = inputs.get("width"), inputs.get("height")
        if isinstance(width, int) and isinstance(height, int):
            pixels = max(pixels, width * height)
        if isinstance(count := inputs.get("steps"), int):
            steps = max(steps, count)
    return round(2 * math.log2(max(1, pixels * steps * batch(graph))))


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _inputs(graph: Graph, node_id: str) -> Mapping[str, Any]:
    node = graph.get(node_id)
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    return inputs if isinstance(inputs, Mapping) else {}


def _class(graph: Graph, node_id: str) -> object:
    node = graph.get(node_id)
    return node.get("class_type") if isinstance(node, Mapping) else None


def _sampler(graph: Graph) -> str | None:
    """The first sampler of the surest kind; ControlNets have both prompts as well."""
    kinds = ({"positive", "seed"}, {"positive", "noise_seed"}, {"guider"})
    for wanted in (*kinds, {"positive", "model"}, {"positive", "negative"}):
        for node in graph:
            if wanted <= set(_inputs(graph, node)):
                return node
    return None


def _parts(graph: Graph, sampler: str) -> list[str]:
    """The sampler and the nodes that it is put together from, each once."""
    found: dict[str, None] = {}
    waiting = [sampler]
    while waiting:
        node = waiting.pop(0)
        if node not in found:
            found[node] = None
            links = (_inputs(graph, node).get(name) for name in PART_LINKS)
            waiting += [link[0] for link in links if is_link(link)]
    return list(found)


def _first(graph: Graph, nodes: Iterable[str], *names: str) -> object:
    """The first input of one of these names."""
    for node in nodes:
        inputs = _inputs(graph, node)
        for name in names:
            if name in inputs:
                return inputs[name]
    return None


def _value(graph: Graph, value: object) -> object:
    """A widget's value, also through nodes that only hand one value on."""
    for _ in range(MAX_HANDS):
        if not is_link(value):
            return value
        value = _first(graph, [value[0]], *HELD_INPUTS)
    return None


def _text_behind(graph: Graph, link: object) -> str:
    """The text of the nearest encoder behind a conditioning link."""
    waiting = [link] if is_link(link) else []
    seen: set[tuple[str, int]] = set()
    while waiting:
        node, slot = waiting.pop(0)
        if (node, slot) in seen:
            continue
        seen.add((node, slot))
        inputs = _inputs(graph, node)
        for name in TEXT_INPUTS:
            text = _value(graph, inputs.get(name))
            if isinstance(text, str) and text:
                return text
        # An encoder without a text ends the search; zeroed out, a text has no effect.
        if "clip" in inputs or _class(graph, node) == ZEROED:
            return ""
        waiting += _conditionings(inputs, slot)
    return ""


def _conditionings(inputs: Mapping[str, Any], slot: int) -> list[list[Any]]:
    """The links that carry on what a node puts out at `slot`."""
    if {"positive", "negative"} <= set(inputs):
        # Nodes with both (ControlNets, inpainting) put them out in this order.
        names = ["negative" if slot == 1 else "positive"]
    else:
        names = [name for name in inputs if name.startswith("cond")] or list(inputs)
    return [inputs[name] for name in names if is_link(inputs[name])]


def _models(graph: Graph, link: object) -> tuple[str, tuple[str, ...]]:
    """(checkpoint, LoRAs) along the model's chain."""
    loras: list[str] = []
    seen: set[str] = set()
    while is_link(link) and link[0] not in seen:
        seen.add(link[0])
        inputs = _inputs(graph, link[0])
        if isinstance(lora := inputs.get("lora_name"), str):
            loras.append(lora)
        for name in MODEL_INPUTS:
            if isinstance(inputs.get(name), str):
                return inputs[name], tuple(loras)
        links = {name: value for name, value in inputs.items() if is_link(value)}
        names = sorted(links, key=lambda name: not name.startswith("model"))
        link = links[names[0]] if names else None
    return "", tuple(loras)

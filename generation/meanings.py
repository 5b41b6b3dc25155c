"""Which field of a form means what: the prompt, the seed, the width and so on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from generation.comfy.graph import set_inputs
from generation.fields import Kind, Parameter, Target
from generation.metadata import from_graph
from generation.parameters import CHOICE_KINDS

NUMBERS = frozenset(kind for kind in Kind if kind in ("integer", "float", "batch"))
# Parts of a value that are numbers, where a value has several.
NUMBER_PARTS = frozenset({"width", "height", "strength"})
TEXTS = frozenset({Kind.TEXT, Kind.LONG_TEXT})

# What a setting is called, how fields of that meaning are often named, their kinds.
MEANINGS: dict[str, tuple[str, tuple[str, ...], frozenset[Kind]]] = {
    "prompt": ("The prompt", ("prompt", "positive", "positive_prompt", "text"), TEXTS),
    "negative_prompt": (
        "The negative prompt",
        ("negative_prompt", "negative", "without"),
        TEXTS,
    ),
    "model": (
        "The model",
        ("model", "checkpoint", "ckpt_name", "unet_name"),
        frozenset({Kind.MODEL, Kind.CHOICE}),
    ),
    "width": ("Width", ("width",), frozenset({Kind.INTEGER})),
    "height": ("Height", ("height",), frozenset({Kind.INTEGER})),
    "steps": ("Steps", ("steps",), frozenset({Kind.INTEGER})),
    "cfg": ("Guidance", ("cfg", "cfg_scale", "guidance"), NUMBERS),
    "sampler": (
        "The sampler",
        ("sampler", "sampler_name"),
        frozenset({Kind.SAMPLER, Kind.CHOICE}),
    ),
    "scheduler": (
        "The scheduler",
        ("scheduler",),
        frozenset({Kind.SCHEDULER, Kind.CHOICE}),
    ),
    "seed": ("The seed", ("seed", "noise_seed"), frozenset({Kind.SEED})),
    "denoise": ("Denoising", ("denoise", "strength"), frozenset({Kind.FLOAT})),
}
# One field of such a kind can mean nothing else.
ALONE = {
    "seed": Kind.SEED,
    "model": Kind.MODEL,
    "sampler": Kind.SAMPLER,
    "scheduler": Kind.SCHEDULER,
}


class Slot(NamedTuple):
    """A field, or one part of a field whose value has several."""

    parameter: Parameter
    part: str = ""


def part_of(target: Target) -> str:
    """Which part of a value the target takes; empty: the whole of it."""
    return str(getattr(target, "part", ""))


def meanings(
    graph: Mapping[str, Any], parameters: Sequence[Parameter]
) -> dict[str, Slot]:
    """The field of each meaning: by where it goes in the graph, then by its name, then
    as the only one of its kind.
    """
    found = {
        meaning: slot
        for meaning, slot in traced(graph, parameters).items()
        if meaning in MEANINGS
        and (slot.part or slot.parameter.kind in MEANINGS[meaning][2])
    }
    for meaning, (_, usual, kinds) in MEANINGS.items():
        used = {slot.parameter.name for slot in found.values()}
        free = [p for p in parameters if p.kind in kinds and p.name not in used]
        by_name = [p for name in usual for p in free if p.name == name]
        alone = [p for p in free if p.kind == ALONE.get(meaning)]
        if by_name:
            found.setdefault(meaning, Slot(by_name[0]))
        elif len(alone) == 1:
            found.setdefault(meaning, Slot(alone[0]))
    return found


def traced(
    graph: Mapping[str, Any], parameters: Sequence[Parameter]
) -> dict[str, Slot]:
    """Marks every field in the graph and looks where the marks come out: the one
    description of graphs that we have serves for reading and for finding. A LoRA's
    fields are found as `lora 0`, `strength 0` and so on.
    """
    marks: dict[object, Slot] = {}
    marked: list[tuple[str, str, object]] = []
    for parameter in parameters:
        for part in dict.fromkeys(part_of(target) for target in parameter.targets):
            mark = _mark(parameter.kind, part, len(marks))
            if mark is not None:
                marks[mark] = Slot(parameter, part)
                places = (t for t in parameter.targets if part_of(t) == part)
                marked += [(t.node, t.input, mark) for t in places]
    seen = from_graph(set_inputs(graph, marked))
    told: dict[str, object] = {name: getattr(seen, name) for name in MEANINGS}
    for number, lora in enumerate(seen.loras):
        told |= {f"lora {number}": lora.name, f"strength {number}": lora.strength}
    return {name: marks[value] for name, value in told.items() if value in marks}


def _mark(kind: Kind, part: str, number: int) -> object:
    """A value of the right type that no graph has."""
    if part in NUMBER_PARTS or kind in NUMBERS or kind == Kind.SEED:
        return 10**9 + number
    if part or kind in TEXTS or kind in CHOICE_KINDS:
        return f"\ue000{number}"
    return None

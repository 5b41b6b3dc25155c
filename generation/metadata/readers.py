"""Each tool's way of writing settings, read as `Settings`. Nothing here raises."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from generation.comfy.graph import describe
from generation.metadata.samplers import names
from generation.metadata.settings import Lora, Settings
from generation.metadata.texts import COMMENT

MAX_PROMPT, MAX_NAME = 20_000, 300
MAX_NODES = 500
MAX_LORAS = 50
MAX_LINE = 50_000
NEGATIVE = "Negative prompt:"
LORA = re.compile(r"<lora:([^:<>\n]{1,200})(?::([^:<>\n]{0,20}))?(?::[^<>\n]{0,60})?>")
SIZE = re.compile(r"\s*(\d{1,6})\s*[x×]\s*(\d{1,6})\s*")
# A setting of A1111 that starts like this, and what people call it.
EXTRAS = {
    "hires": "Hires fix",
    "adetailer": "ADetailer",
    "controlnet": "ControlNet",
    "refiner": "Refiner",
    "clip skip": "Clip skip",
    "vae": "A VAE of its own",
    "face restoration": "Face restoration",
    "variation seed": "Variation seed",
    "distilled cfg": "Distilled guidance",
    "mask blur": "A painted mask",
}


def from_texts(texts: Mapping[str, str]) -> Settings | None:
    """The first of the tools that the texts speak of; None: nobody's words."""
    graph = _graph(_json(texts.get("prompt", "")))
    for text in (texts.get("parameters", ""), texts.get(COMMENT, "")):
        if found := _swarm(_json(text)) or _a1111(text):
            # Some nodes of ComfyUI write their graph and A1111's words as well.
            return replace(found, graph=graph)
    if graph is not None:
        return from_graph(graph)
    if _json(texts.get("workflow", "")):
        others = ("The workflow, as it is drawn on ComfyUI's page only",)
        return Settings(tool="ComfyUI", others=others)
    return _invoke(_json(texts.get("invokeai_metadata", "")))


# Values ---------------------------------------------------------------------------


def _json(text: str) -> Any:
    """The value, without what no page can show (half of a surrogate pair) and what is
    no number (NaN); None where it is no JSON.
    """
    if text.lstrip()[:1] != "{":
        return None
    try:
        raw = json.loads(text, parse_constant=_nothing, parse_int=_small)
        clean = json.dumps(raw, ensure_ascii=False).encode("utf-8", "replace")
        return json.loads(clean, parse_constant=_nothing)
    except (ValueError, RecursionError):
        return None


def _nothing(_: str) -> None:
    return None


def _small(digits: str) -> int | None:
    """No float and no column holds integers of more digits than these."""
    return int(digits) if len(digits) <= 40 else None


def _text(value: object, limit: int = MAX_PROMPT) -> str:
    if not isinstance(value, str):
        return ""
    plain = value.encode("utf-8", "replace").decode()
    return plain.replace("\r\n", "\n").replace("\x00", "").strip()[:limit]


def _name(value: object) -> str:
    return " ".join(_text(value, MAX_NAME).split())


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _integer(value: object) -> int | None:
    """Also beyond 2**53, as seeds are."""
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,20}\s*", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**64 else None


# ComfyUI, and so ourselves --------------------------------------------------------


def _graph(value: object) -> Mapping[str, Any] | None:
    if not isinstance(value, Mapping) or not 0 < len(value) <= MAX_NODES:
        return None
    well = all(
        isinstance(node, Mapping)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), Mapping)
        for node in value.values()
    )
    return value if well else None


def from_graph(graph: Mapping[str, Any]) -> Settings:
    """What a graph in API format would make."""
    about = describe(graph)
    width, height = _size(graph)
    return Settings(
        tool="ComfyUI",
        prompt=_text(about.prompt),
        negative_prompt=_text(about.negative_prompt),
        seed=_integer(about.seed),
        steps=_integer(about.steps),
        cfg=_float(about.cfg),
        sampler=_name(about.sampler),
        scheduler=_name(about.scheduler),
        width=width,
        height=height,
        model=_name(about.model),
        loras=tuple(
            Lora(_name(name), _strength(graph, name))
            for name in about.loras[:MAX_LORAS]
        ),
        denoise=_denoise(graph),
        graph=graph,
    )


def _size(graph: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Of the empty latent, else of the first node that has both sides."""
    found: tuple[int | None, int | None] = (None, None)
    for node in graph.values():
        inputs = node["inputs"]
        width, height = _integer(inputs.get("width")), _integer(inputs.get("height"))
        if width and height:
            if "latent" in str(node.get("class_type")).lower():
                return width, height
            found = found if found[0] else (width, height)
    return found


def _strength(graph: Mapping[str, Any], name: str) -> float:
    for node in graph.values():
        if node["inputs"].get("lora_name") == name:
            strength = _float(node["inputs"].get("strength_model"))
            return 1.0 if strength is None else strength
    return 1.0


def _denoise(graph: Mapping[str, Any]) -> float | None:
    values = (_float(node["inputs"].get("denoise")) for node in graph.values())
    return next((value for value in values if value is not None), None)


# SwarmUI --------------------------------------------------------------------------


def _swarm(value: object) -> Settings | None:
    raw = value.get("sui_image_params") if isinstance(value, Mapping) else None
    if not isinstance(raw, Mapping):
        return None
    sampler, scheduler = names(_name(raw.get("sampler")), _name(raw.get("scheduler")))
    prompt, tagged = _without_loras(_text(raw.get("prompt")))
    init = raw.get("initimagecreativity")
    extras = (
        ("refiner", "Refiner"),
        ("controlnet", "ControlNet"),
        ("vae", EXTRAS["vae"]),
    )
    return Settings(
        tool="SwarmUI",
        prompt=prompt,
        negative_prompt=_text(raw.get("negativeprompt")),
        seed=_integer(raw.get("seed")),
        steps=_integer(raw.get("steps")),
        cfg=_float(raw.get("cfgscale")),
        sampler=sampler,
        scheduler=scheduler,
        width=_integer(raw.get("width")),
        height=_integer(raw.get("height")),
        model=_name(raw.get("model")),
        loras=(_swarm_loras(raw) or tagged)[:MAX_LORAS],
        denoise=_float(init),
        others=tuple(
            what for start, what in extras if any(k.startswith(start) for k in raw)
        ),
    )


def _swarm_loras(raw: Mapping[str, Any]) -> tuple[Lora, ...]:
    listed, weights = raw.get("loras"), raw.get("loraweights")
    if not isinstance(listed, list):
        return ()
    strengths = weights if isinstance(weights, list) else []
    return tuple(
        _lora(name, strengths[index] if index < len(strengths) else 1)
        for index, name in enumerate(listed[:MAX_LORAS])
        if _name(name)
    )


def _lora(name: object, strength: object) -> Lora:
    number = _float(strength)
    return Lora(_name(name), 1.0 if number is None else number)


# A1111 and Forge ------------------------------------------------------------------


def _a1111(text: str) -> Settings | None:
    """Prompt, "Negative prompt: …", and a last line of "Steps: 20, Sampler: …"."""
    lines = _text(text, MAX_LINE).split("\n")
    starts = [n for n, line in enumerate(lines) if line.startswith("Steps: ")]
    if not starts:
        return None
    told = _told(", ".join(lines[starts[-1] :]))
    before = "\n".join(lines[: starts[-1]])
    positive, _, negative = before.partition(NEGATIVE)
    prompt, loras = _without_loras(_text(positive))
    sampler, scheduler = names(
        _name(told.get("sampler")), _name(told.get("schedule type"))
    )
    size = SIZE.fullmatch(told.get("size", ""))
    return Settings(
        tool="A1111",
        prompt=prompt,
        negative_prompt=_text(negative),
        seed=_integer(told.get("seed")),
        steps=_integer(told.get("steps")),
        cfg=_float(told.get("cfg scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        model=_name(told.get("model")),
        loras=loras,
        denoise=_float(told.get("denoising strength")),
        others=_extras(told),
    )


def _told(line: str) -> dict[str, str]:
    """Names in small letters, and values; a quoted value may have commas in it."""
    found: dict[str, str] = {}
    part, quoted = [], False
    for letter in [*line, ","]:
        quoted ^= letter == '"'
        if letter != "," or quoted:
            part.append(letter)
            continue
        name, colon, value = "".join(part).partition(":")
        part = []
        if colon:
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def _extras(told: Iterable[str]) -> tuple[str, ...]:
    found = {
        what: None
        for name in told
        for start, what in EXTRAS.items()
        if name.startswith(start) and not name.endswith("hash")
    }
    return tuple(found)


def _without_loras(prompt: str) -> tuple[str, tuple[Lora, ...]]:
    """The prompt without its `<lora:name:0.8>` tags, and the LoRAs."""
    tags = LORA.findall(prompt)[:MAX_LORAS]
    loras = tuple(_lora(name, strength or 1) for name, strength in tags)
    return (LORA.sub("", prompt).strip(" ,\n") if tags else prompt), loras


# InvokeAI -------------------------------------------------------------------------


def _invoke(value: object) -> Settings | None:
    if not isinstance(value, Mapping) or not isinstance(
        value.get("positive_prompt"), str
    ):
        return None
    sampler, scheduler = names(_name(value.get("scheduler")))
    listed = value.get("loras")
    return Settings(
        tool="InvokeAI",
        prompt=_text(value["positive_prompt"]),
        negative_prompt=_text(value.get("negative_prompt")),
        seed=_integer(value.get("seed")),
        steps=_integer(value.get("steps")),
        cfg=_float(value.get("cfg_scale")),
        sampler=sampler,
        scheduler=scheduler,
        width=_integer(value.get("width")),
        height=_integer(value.get("height")),
        model=_invoke_model(value.get("model")),
        loras=tuple(
            _lora(_invoke_model(one.get("model") or one.get("lora")), one.get("weight"))
            for one in (listed if isinstance(listed, list) else [])[:MAX_LORAS]
            if isinstance(one, Mapping)
        ),
        denoise=_float(value.get("strength")),
        others=("ControlNet",) if value.get("controlnets") else (),
    )


def _invoke_model(value: object) -> str:
    if not isinstance(value, Mapping):
        return ""
    return _name(value.get("name") or value.get("model_name"))

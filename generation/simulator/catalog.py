"""The node definitions that the simulator answers with: true ones, few of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

DEFINITIONS = Path(__file__).with_name("object_info.json")
DEFAULT_MODELS = ("simulated-sd15.safetensors", "simulated-xl.safetensors")
LORAS = ("simulated-ink.safetensors", "simulated-glow.safetensors")
FOLDERS = [
    "checkpoints",
    "configs",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "latent_upscale_models",
    "custom_nodes",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
    "background_removal",
    "frame_interpolation",
    "geometry_estimation",
    "optical_flow",
    "detection",
]


class NodeCatalog:
    """The definitions, with this server's model and upload names filled in."""

    def __init__(
        self,
        *,
        models: Sequence[str],
        without: Collection[str],
        lists_only: bool,
        uploads: Callable[[], list[str]],
    ) -> None:
        definitions = json.loads(DEFINITIONS.read_text())
        if unknown := set(without) - set(definitions):
            raise ValueError(f"No such nodes to leave out: {sorted(unknown)}")
        self.models = list(models)
        self.uploads = uploads
        self._definitions: dict[str, dict[str, Any]] = {
            name: definition
            for name, definition in definitions.items()
            if name not in without
        }
        self._fill("CheckpointLoaderSimple", "ckpt_name", self.models)
        self._fill("LoraLoader", "lora_name", list(LORAS))
        if lists_only:
            self._use_old_lists()

    def _fill(self, node: str, name: str, choices: list[str]) -> None:
        if node in self._definitions:
            self._definitions[node]["input"]["required"][name][0] = choices

    def _use_old_lists(self) -> None:
        """Turn ``["COMBO", {"options": […]}]`` into the older ``[[…], {}]``."""
        for definition in self._definitions.values():
            for group in ("required", "optional"):
                for spec in definition["input"].get(group, {}).values():
                    if spec[0] == "COMBO":
                        spec[0] = spec[1].pop("options")

    def __contains__(self, name: object) -> bool:
        return name in self._definitions

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return one definition. Raises KeyError for an unknown node."""
        definition = self._definitions[name]
        if name != "LoadImage":
            return definition
        definition = copy.deepcopy(definition)
        definition["input"]["required"]["image"][0] = self.uploads()
        return definition

    def everything(self) -> dict[str, dict[str, Any]]:
        """The answer of ``GET /object_info``."""
        return {name: self[name] for name in self._definitions}

    def folder(self, name: str) -> list[str] | None:
        """Model names of a folder, None when there is no such folder."""
        if name not in FOLDERS:
            return None
        return {"checkpoints": self.models, "loras": list(LORAS)}.get(name, [])


def inputs_of(definition: dict[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield group (required or optional), name and spec of every visible input."""
    for group in ("required", "optional"):
        for name, spec in definition["input"].get(group, {}).items():
            yield group, name, spec


def choices_of(spec: list[Any]) -> list[Any] | None:
    """The values that a combo input allows, in either dialect; else None."""
    if isinstance(spec[0], list):
        return spec[0]
    if spec[0] == "COMBO":
        options: list[Any] = spec[1]["options"]
        return options
    return None

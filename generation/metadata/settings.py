"""What a picture was made with, in no tool's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Lora:
    name: str
    strength: float = 1.0

    def __str__(self) -> str:
        return f"{self.name} ({self.strength:g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Empty or None: the picture does not say. Samplers by ComfyUI's names.

    `graph` is the workflow in API format, if it came along. `others` names, in a
    person's words, what was used besides and has no place here.
    """

    tool: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str = ""
    scheduler: str = ""
    width: int | None = None
    height: int | None = None
    model: str = ""
    loras: tuple[Lora, ...] = ()
    denoise: float | None = None
    graph: Mapping[str, Any] | None = None
    others: tuple[str, ...] = ()

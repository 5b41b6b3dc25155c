"""Answers of the HTTP API as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generation.comfy.errors import BadAnswer, NodeError


@dataclass(frozen=True, slots=True)
class Queue:
    """Prompt ids at the server, in its order."""

    running: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: object) -> Queue:
        """Raises BadAnswer where the answer is no queue."""
        if not isinstance(raw, Mapping):
            raise BadAnswer("The server's queue could not be read.")
        return cls(_ids(raw.get("queue_running")), _ids(raw.get("queue_pending")))

    def __contains__(self, prompt_id: str) -> bool:
        return prompt_id in self.running or prompt_id in self.pending

    def count(self, prompt_id: str) -> int:
        return (*self.running, *self.pending).count(prompt_id)


def _ids(items: object) -> tuple[str, ...]:
    """Items are [number, prompt_id, prompt, extra_data, outputs]."""
    if not isinstance(items, list):
        raise BadAnswer("The server's queue could not be read.")
    return tuple(
        str(item[1]) for item in items if isinstance(item, list) and len(item) > 1
    )


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """How a prompt ended. `messages` are [type, data] pairs as on the socket."""

    prompt_id: str
    status: str  # "success" or "error"
    outputs: Mapping[str, Any]
    messages: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    @classmethod
    def parse(cls, prompt_id: str, raw: object) -> HistoryEntry | None:
        """Of the answer to `/history/{id}`; None while the prompt has not ended."""
        if not isinstance(raw, Mapping):
            raise BadAnswer("The server's history could not be read.")
        entry = raw.get(prompt_id)
        if not isinstance(entry, Mapping):
            return None
        outputs = entry.get("outputs")
        status = entry.get("status")
        # Very old servers write no status: then there are only successes.
        status = status if isinstance(status, Mapping) else {}
        messages = status.get("messages")
        return cls(
            prompt_id=prompt_id,
            status=str(status.get("status_str") or "success"),
            outputs=outputs if isinstance(outputs, Mapping) else {},
            messages=tuple(
                (str(pair[0]), pair[1])
                for pair in (messages if isinstance(messages, list) else [])
                if isinstance(pair, list)
                and len(pair) == 2
                and isinstance(pair[1], Mapping)
            ),
        )


@dataclass(frozen=True, slots=True)
class SystemStats:
    """Memory in bytes."""

    version: str
    device: str
    vram_total: int
    vram_free: int
    ram_total: int
    ram_free: int

    @classmethod
    def parse(cls, raw: object) -> SystemStats:
        if not isinstance(raw, Mapping) or not isinstance(raw.get("system"), Mapping):
            raise BadAnswer("This does not answer like a ComfyUI server.")
        system = raw["system"]
        devices = raw.get("devices")
        first = devices[0] if isinstance(devices, list) and devices else {}
        first = first if isinstance(first, Mapping) else {}
        return cls(
            version=str(system.get("comfyui_version") or "unknown")[:40],
            device=str(first.get("name") or "unknown")[:200],
            vram_total=_bytes(first.get("vram_total")),
            vram_free=_bytes(first.get("vram_free")),
            ram_total=_bytes(system.get("ram_total")),
            ram_free=_bytes(system.get("ram_free")),
        )


def _bytes(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


@dataclass(frozen=True, slots=True)
class Submitted:
    """A taken prompt; some of its outputs may have been refused all the same."""

    prompt_id: str
    number: float
    node_errors: Mapping[str, tuple[NodeError, ...]] = field(default_factory=dict)

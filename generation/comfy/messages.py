"""Frames of `/ws` as values. `parse` never raises: what it cannot read is Unknown."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Status:
    """Length of the server's queue, sent to everybody."""

    queue_remaining: int
    sid: str | None


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    flags: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutionStart:
    prompt_id: str


@dataclass(frozen=True, slots=True)
class ExecutionCached:
    """Nodes whose results are still known, so that they are skipped."""

    prompt_id: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing:
    """A node begins; `node` None is the end of the prompt."""

    prompt_id: str | None
    node: str | None
    display_node: str | None


@dataclass(frozen=True, slots=True)
class NodeProgress:
    node_id: str
    display_node_id: str
    value: float
    max: float
    state: str  # "pending", "running", "finished" or "error"


@dataclass(frozen=True, slots=True)
class ProgressState:
    """All nodes begun so far; newer servers only."""

    prompt_id: str
    nodes: Mapping[str, NodeProgress]


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps of the sampling node; old servers name neither prompt nor node."""

    prompt_id: str | None
    node: str | None
    value: float
    max: float


@dataclass(frozen=True, slots=True)
class Executed:
    """The outputs of an output node, as in the history."""

    prompt_id: str
    node: str
    display_node: str
    output: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutionSuccess:
    prompt_id: str


@dataclass(frozen=True, slots=True)
class ExecutionError:
    prompt_id: str
    node_id: str
    node_type: str
    exception_type: str
    exception_message: str
    traceback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExecutionInterrupted:
    prompt_id: str
    node_id: str
    node_type: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture in the making. Without the feature flag it names no prompt."""

    prompt_id: str | None
    node_id: str | None
    mime_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class NodeText:
    prompt_id: str | None
    node_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame of a kind that we do not know, or that is malformed."""

    type: str
    data: object


Message = (
    Status
    | FeatureFlags
    | ExecutionStart
    | ExecutionCached
    | Executing
    | ProgressState
    | Progress
    | Executed
    | ExecutionSuccess
    | ExecutionError
    | ExecutionInterrupted
    | Preview
    | NodeText
    | Unknown
)


LARGEST = 1 << 53


class _Malformed(Exception):
    pass


def parse(frame: str | bytes) -> Message:
    """The value of one frame, text or binary. Never raises."""
    if isinstance(frame, bytes):
        return _parse_binary(frame)
    try:
        whole = json.loads(frame)
    except (ValueError, RecursionError):
        return Unknown("", frame)
    if not isinstance(whole, dict):
        return Unknown("", whole)
    return parse_event(whole.get("type"), whole.get("data"))


def parse_event(kind: object, data: object) -> Message:
    """The value of a `type` and its `data`; also of the history's messages."""
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None or not isinstance(data, dict):
        return Unknown(str(kind), data)
    try:
        return reader(data)
    except _Malformed:
        return Unknown(str(kind), data)


# Fields ---------------------------------------------------------------------------


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    # Node ids are strings; very old servers sent numbers.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _Malformed(key)
    return value


def _maybe(data: Mapping[str, Any], key: str) -> str | None:
    return None if data.get(key) is None else _text(data, key)


def _loose(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return "" if value is None else str(value)


def _number(data: Mapping[str, Any], key: str) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Malformed(key)
    # Not NaN, not infinite, and never too large to be divided as a float.
    if not abs(value) <= LARGEST:
        raise _Malformed(key)
    return value


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


# Readers, one a type --------------------------------------------------------------


def _status(data: dict[str, Any]) -> Message:
    status = data.get("status")
    info = status.get("exec_info") if isinstance(status, dict) else None
    if not isinstance(info, dict):
        raise _Malformed("status")
    return Status(int(_number(info, "queue_remaining")), _maybe(data, "sid"))


def _cached(data: dict[str, Any]) -> Message:
    nodes = tuple(str(node) for node in _list(data, "nodes"))
    return ExecutionCached(_text(data, "prompt_id"), nodes)


def _executing(data: dict[str, Any]) -> Message:
    node = _maybe(data, "node")
    return Executing(
        _maybe(data, "prompt_id"), node, _maybe(data, "display_node") or node
    )


def _progress_state(data: dict[str, Any]) -> Message:
    raw = data.get("nodes")
    if not isinstance(raw, dict):
        raise _Malformed("nodes")
    nodes = {}
    for node_id, entry in raw.items():
        if not isinstance(entry, dict):
            raise _Malformed("nodes")
        nodes[node_id] = NodeProgress(
            node_id=node_id,
            display_node_id=_maybe(entry, "display_node_id") or node_id,
            value=_number(entry, "value"),
            max=_number(entry, "max"),
            state=_loose(entry, "state"),
        )
    return ProgressState(_text(data, "prompt_id"), nodes)


def _progress(data: dict[str, Any]) -> Message:
    return Progress(
        _maybe(data, "prompt_id"),
        _maybe(data, "node"),
        _number(data, "value"),
        _number(data, "max"),
    )


def _executed(data: dict[str, Any]) -> Message:
    output = data.get("output")
    node = _text(data, "node")
    return Executed(
        _text(data, "prompt_id"),
        node,
        _maybe(data, "display_node") or node,
        output if isinstance(output, dict) else {},
    )


def _error(data: dict[str, Any]) -> Message:
    return ExecutionError(
        prompt_id=_text(data, "prompt_id"),
        node_id=_loose(data, "node_id"),
        node_type=_loose(data, "node_type"),
        exception_type=_loose(data, "exception_type"),
        exception_message=_loose(data, "exception_message"),
        traceback=tuple(str(line) for line in _list(data, "traceback")),
    )


def _interrupted(data: dict[str, Any]) -> Message:
    return ExecutionInterrupted(
        _text(data, "prompt_id"), _loose(data, "node_id"), _loose(data, "node_type")
    )


_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "status": _status,
    "feature_flags": FeatureFlags,
    "execution_start": lambda data: ExecutionStart(_text(data, "prompt_id")),
    "execution_cached": _cached,
    "executing": _executing,
    "progress_state": _progress_state,
    "progress": _progress,
    "executed": _executed,
    "execution_success": lambda data: ExecutionSuccess(_text(data, "prompt_id")),
    "execution_error": _error,
    "execution_interrupted": _interrupted,
}


# Binary frames: PROTOCOL.md, "/ws", fifth point -----------------------------------

_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4
_FORMATS = {1: "image/jpeg", 2: "image/png"}


def _parse_binary(frame: bytes) -> Message:
    if len(frame) < 8:
        return Unknown("binary", frame)
    kind, second = struct.unpack_from(">II", frame)
    rest = frame[8:]
    if kind == _PREVIEW and second in _FORMATS:
        return Preview(None, None, _FORMATS[second], rest)
    if second <= len(rest):
        head, tail = rest[:second], rest[second:]
        if kind == _TEXT:
            return _node_text(head, tail)
        if kind == _PREVIEW_WITH_METADATA:
            return _preview_with_metadata(head, tail, frame)
    return Unknown("binary", frame)


def _node_text(head: bytes, tail: bytes) -> Message:
    node = head.decode("utf-8", "replace")
    return NodeText(None, node, tail.decode("utf-8", "replace"))


def _preview_with_metadata(head: bytes, picture: bytes, frame: bytes) -> Message:
    try:
        metadata = json.loads(head)
        if not isinstance(metadata, dict):
            raise _Malformed("metadata")
        return Preview(
            prompt_id=_maybe(metadata, "prompt_id"),
            node_id=_maybe(metadata, "node_id"),
            mime_type=_maybe(metadata, "image_type") or "image/jpeg",
            data=picture,
        )
    except (ValueError, RecursionError, _Malformed):
        return Unknown("binary", frame)

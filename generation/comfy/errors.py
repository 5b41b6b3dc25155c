"""What can go wrong between us and a ComfyUI server.

ComfyError
├── Unreachable      no answer in time, a broken connection, or a proxy's 502, 503, 504
│   └── NotConnected no connection could be made, so nothing was sent
├── Unauthorized     401 or 403: the credentials are wrong or missing
├── PromptRejected   the server refuses the prompt and says why, node by node
├── FileMissing      404 on /view: the output is gone
├── TooLarge         an output exceeds the limit that we set
└── BadAnswer        an answer that makes no sense: not JSON, wrong shape or status

`str(error)` is a sentence for a person; `retryable` says whether asking again, later,
can help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ComfyError(Exception):
    """Parent of all; never raised itself."""

    retryable = False


class Unreachable(ComfyError):
    retryable = True


class NotConnected(Unreachable):
    pass


class Unauthorized(ComfyError):
    # An administrator may mend the credentials while the prompt runs on.
    retryable = True


class FileMissing(ComfyError):
    pass


class TooLarge(ComfyError):
    pass


class BadAnswer(ComfyError):
    # Mostly a proxy's error page during a restart: it passes.
    retryable = True


@dataclass(frozen=True, slots=True)
class NodeError:
    """One refused value of one node."""

    type: str
    message: str
    details: str
    input_name: str | None
    received_value: object
    class_type: str


class PromptRejected(ComfyError):
    """`node_errors` maps node ids to their errors; it may be empty."""

    def __init__(
        self,
        message: str,
        details: str = "",
        node_errors: Mapping[str, tuple[NodeError, ...]] | None = None,
    ) -> None:
        super().__init__(message)
        self.details = details
        self.node_errors = dict(node_errors or {})


def parse_node_errors(raw: object) -> dict[str, tuple[NodeError, ...]]:
    """`node_errors` of an answer to POST /prompt; whatever is malformed is left out."""
    found: dict[str, tuple[NodeError, ...]] = {}
    if not isinstance(raw, Mapping):
        return found
    for node, entry in raw.items():
        if not isinstance(entry, Mapping):
            continue
        class_type = str(entry.get("class_type", ""))
        errors = entry.get("errors")
        found[str(node)] = tuple(
            _node_error(error, class_type)
            for error in (errors if isinstance(errors, list) else [])
            if isinstance(error, Mapping)
        )
    return found


def _node_error(error: Mapping[str, Any], class_type: str) -> NodeError:
    extra = error.get("extra_info")
    extra = extra if isinstance(extra, Mapping) else {}
    name = extra.get("input_name")
    return NodeError(
        type=str(error.get("type", "")),
        message=str(error.get("message", "")),
        details=str(error.get("details", "")),
        input_name=name if isinstance(name, str) else None,
        received_value=extra.get("received_value"),
        class_type=class_type,
    )


def rejection(answer: object) -> PromptRejected:
    """The error for a 400 answer of POST /prompt."""
    body = answer if isinstance(answer, Mapping) else {}
    error = body.get("error")
    if isinstance(error, Mapping):
        message = str(error.get("message") or "The server refused the prompt")
        details = str(error.get("details") or "")
    else:
        message, details = str(error or "The server refused the prompt"), ""
    return PromptRejected(message, details, parse_node_errors(body.get("node_errors")))

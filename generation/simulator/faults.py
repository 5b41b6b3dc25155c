"""Misbehaviour on demand: what a real ComfyUI, its GPU or its proxy does wrong."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

BadFiles = Literal["truncated", "missing", "wrong", "slow"]


class HttpError(NamedTuple):
    """An HTTP answer that hides the real one.

    ``after``: the request is carried out first, so that only its answer is lost.
    """

    status: int
    times: int = 1
    after: bool = False


@dataclass
class Faults:
    """What goes wrong; assign to it at any time while the simulator runs.

    ``silence``: no frame is sent to anyone. ``hang``: the next node to run does
    not end until it is interrupted, and so on while this is set.
    ``out_of_memory``: that many of the next runs fail. ``http_errors``: path
    (without ``/api``) to ``(status, times)`` or an ``HttpError``.
    """

    silence: bool = False
    hang: bool = False
    out_of_memory: int = 0
    bad_files: BadFiles | None = None
    http_errors: dict[str, HttpError | tuple[int, int]] = field(default_factory=dict)
    on_drop: Callable[[], None] = field(default=lambda: None, repr=False)
    on_half_open: Callable[[], None] = field(default=lambda: None, repr=False)
    on_restart: Callable[[float], Awaitable[None]] | None = field(
        default=None, repr=False
    )

    def drop_sockets(self) -> None:
        """Cut every WebSocket now, without a closing handshake."""
        self.on_drop()

    def half_open(self) -> None:
        """Keep today's WebSockets open, but never send on them again."""
        self.on_half_open()

    async def restart(self, down_for: float = 0.0) -> None:
        """Restart with amnesia; return when the server listens again.

        Queue, history, cache and temporary files are gone, output files stay.
        ``down_for``: seconds during which connections are refused.
        """
        if self.on_restart is not None:
            await self.on_restart(down_for)

    def take_http_error(self, path: str) -> HttpError | None:
        """Use up one error for this path (or for a path below a named one)."""
        path = path.removeprefix("/api")
        for key, value in self.http_errors.items():
            wanted = key.removeprefix("/api")
            if path != wanted and not path.startswith(f"{wanted.rstrip('/')}/"):
                continue
            error = HttpError(*value)
            if error.times <= 1:
                del self.http_errors[key]
            else:
                self.http_errors[key] = error._replace(times=error.times - 1)
            return error
        return None

    def take_out_of_memory(self) -> bool:
        """Say whether this run fails for lack of memory, and count it."""
        if self.out_of_memory <= 0:
            return False
        self.out_of_memory -= 1
        return True

    def apply(self, changes: Mapping[str, Any]) -> None:
        """Set the standing faults named in a JSON object.

        Raises ValueError for an unknown name or value. ``drop_sockets``,
        ``half_open`` and ``restart`` are acts, which the server carries out.
        """
        checked = {name: _checked(name, value) for name, value in changes.items()}
        for name, value in checked.items():
            if name == "drop_sockets" and value:
                self.drop_sockets()
            elif name == "half_open" and value:
                self.half_open()
            elif name in _STANDING:
                setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """The standing faults, in the form that ``apply`` takes."""
        return {
            "silence": self.silence,
            "hang": self.hang,
            "out_of_memory": self.out_of_memory,
            "bad_files": self.bad_files,
            "http_errors": {
                k: list(HttpError(*v)) for k, v in self.http_errors.items()
            },
        }


_STANDING = ("silence", "hang", "out_of_memory", "bad_files", "http_errors")


def _checked(name: str, value: Any) -> Any:
    match name, value:
        case "silence" | "hang" | "drop_sockets" | "half_open", bool():
            return value
        case "out_of_memory", int() if not isinstance(value, bool) and value >= 0:
            return value
        case "restart", int() | float() if value >= 0:
            return value
        case "bad_files", None | str() if value in (None, *get_args(BadFiles)):
            return value
        case "http_errors", dict():
            return {str(path): _http_error(error) for path, error in value.items()}
    raise ValueError(f"Fault {name!r} cannot be {value!r}.")


def _http_error(value: Any) -> HttpError:
    match value:
        case [int() as status] if 400 <= status <= 599:
            return HttpError(status)
        case [int() as status, int() as times] if 400 <= status <= 599:
            return HttpError(status, times)
        case [int() as status, int() as times, bool() as after] if 400 <= status <= 599:
            return HttpError(status, times, after)
    raise ValueError(f"{value!r} is not [status, times, after].")


def parse_fault(text: str) -> dict[str, Any]:
    """Read ``name`` or ``name=value`` (JSON, or a bare word) of the command line."""
    name, _, value = text.partition("=")
    if not value:
        return {name: True}
    try:
        return {name: json.loads(value)}
    except json.JSONDecodeError:
        return {name: value}

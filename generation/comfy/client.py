"""ComfyUI's HTTP API over httpx. Every failure is a ComfyError."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from generation.comfy.answers import HistoryEntry, Queue, Submitted, SystemStats
from generation.comfy.errors import (
    BadAnswer,
    ComfyError,
    FileMissing,
    NotConnected,
    PromptRejected,
    TooLarge,
    Unauthorized,
    Unreachable,
    parse_node_errors,
    rejection,
)
from generation.comfy.run import Output

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# Megabytes, and the server builds them while it may be loading a model.
CATALOG_TIMEOUT = httpx.Timeout(120.0, connect=5.0)
NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class Auth:
    """How to sign in at a server or at the proxy in front of it.

    kind "basic" wants `username` and `password` in `data`, "bearer" a `token`,
    "headers" any headers (Cloudflare Access: CF-Access-Client-Id and -Secret).
    """

    kind: str = "none"
    data: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers(self) -> dict[str, str]:
        """For HTTP and for the socket's handshake alike."""
        if self.kind == "basic":
            pair = f"{self.data.get('username', '')}:{self.data.get('password', '')}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        if self.kind == "bearer":
            return {"Authorization": f"Bearer {self.data.get('token', '')}"}
        if self.kind == "headers":
            return {str(name): str(value) for name, value in self.data.items()}
        return {}


class ComfyClient:
    """One server. `client_id` names the socket that hears of the posted prompts."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth | None = None,
        client_id: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.client_id = client_id
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers=(auth or Auth()).headers(),
            timeout=TIMEOUT,
            transport=transport,
            verify=_trusted(),
            # A GPU server's address is never meant for the environment's proxy.
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    # Questions ----------------------------------------------------------------

    async def system_stats(self) -> SystemStats:
        return SystemStats.parse(await self._get("system_stats"))

    async def features(self) -> dict[str, Any]:
        """Feature flags; empty for servers that know none."""
        response = await self._send("GET", "features")
        return _object(response) if response.status_code == 200 else {}

    async def object_info(self) -> dict[str, Any]:
        """Every node with its inputs: megabytes, so ask seldom and keep it."""
        response = await self._send("GET", "object_info", timeout=CATALOG_TIMEOUT)
        return _object(_good(response))

    async def queue(self) -> Queue:
        return Queue.parse(await self._get("queue"))

    async def history(self, prompt_id: str) -> HistoryEntry | None:
        """How the prompt ended; None while it is unknown, waits or runs."""
        return HistoryEntry.parse(prompt_id, await self._get(f"history/{prompt_id}"))

    async def _get(self, path: str) -> dict[str, Any]:
        return _object(_good(await self._send("GET", path)))

    # Deeds --------------------------------------------------------------------

    async def submit(
        self,
        prompt_id: str,
        graph: Mapping[str, Any],
        *,
        extra_data: Mapping[str, Any] | None = None,
    ) -> Submitted:
        """Post a prompt under an id of ours (a lowercase UUID).

        Raises PromptRejected where the server refuses it, or is too old to take our
        id. After Unreachable or BadAnswer the prompt may run all the same: look it
        up, never post blindly again, since the same id twice runs twice.
        """
        body = {
            "prompt": graph,
            "client_id": self.client_id,
            "prompt_id": prompt_id,
            "extra_data": dict(extra_data or {}),
        }
        response = await self._send("POST", "prompt", json=body)
        if response.status_code == 400:
            raise rejection(_json(response))
        answer = _object(_good(response))
        given = answer.get("prompt_id")
        if not isinstance(given, str):
            raise BadAnswer("The server did not say whether it took the job.")
        if given != prompt_id:
            await self._refuse_foreign_id(given)
        return Submitted(
            prompt_id,
            answer.get("number", 0),
            parse_node_errors(answer.get("node_errors")),
        )

    async def _refuse_foreign_id(self, given: str) -> NoReturn:
        """Servers before mid-2025 ignore our id and run the prompt under their own.

        It could never be found again, and would be posted without end: stop it.
        """
        with suppress(ComfyError):
            await self.cancel(given)
        message = "The server is too old: it must be a ComfyUI of mid-2025 or newer."
        raise PromptRejected(message, f"It took the job under the id {given}.")

    async def remove_one(self, prompt_id: str) -> None:
        """Take one waiting prompt of this id off the queue; one that runs stays."""
        _good(await self._send("POST", "queue", json={"delete": [prompt_id]}))

    async def cancel(self, prompt_id: str) -> bool:
        """Cancel exactly this prompt; True if it was there to be cancelled."""
        response = await self._send("POST", f"api/jobs/{prompt_id}/cancel")
        # Where there is the route, an unknown prompt is a 200 as well.
        if response.status_code in (404, 405):
            return await self._cancel_the_old_way(prompt_id)
        return bool(_object(_good(response)).get("cancelled", True))

    async def _cancel_the_old_way(self, prompt_id: str) -> bool:
        """PROTOCOL.md: old servers interrupt WHATEVER runs, so only while ours does."""
        there = prompt_id in await self.queue()
        await self.remove_one(prompt_id)
        # It may have begun before it could be deleted.
        if prompt_id in (await self.queue()).running:
            _good(await self._send("POST", "interrupt", json={"prompt_id": prompt_id}))
            return True
        return there

    async def upload_image(
        self, name: str, data: bytes, *, subfolder: str = "", overwrite: bool = False
    ) -> str:
        """Store an input picture; returns the name that the server really used."""
        fields = {"type": "input", "subfolder": subfolder}
        if overwrite:
            fields["overwrite"] = "true"
        response = await self._send(
            "POST", "upload/image", data=fields, files={"image": (name, data)}
        )
        if response.status_code == 413:
            raise TooLarge(f"The server does not take files as large as {name}.")
        answer = _object(_good(response))
        if not isinstance(answer.get("name"), str):
            raise BadAnswer("The server did not say where it put the picture.")
        folder = str(answer.get("subfolder") or "")
        return f"{folder}/{answer['name']}" if folder else answer["name"]

    async def input_size(self, name: str) -> int | None:
        """The bytes of an input file that the server has; None where it has none."""
        return await self._size_of({"filename": name, "type": "input"})

    async def output_size(self, output: Output) -> int | None:
        """The bytes of an output; None where the server does not tell."""
        return await self._size_of(_named(output))

    async def _size_of(self, params: Mapping[str, str]) -> int | None:
        # One byte is enough: the header tells how many there are.
        headers = {"Range": "bytes=0-0"}
        try:
            async with self._http.stream(
                "GET", "view", params=params, headers=headers
            ) as response:
                whole = response.headers.get("Content-Length", "")
                part = response.headers.get("Content-Range", "").rpartition("/")[2]
        except httpx.HTTPError as exc:
            raise _unreachable(exc) from exc
        size = {200: whole, 206: part}.get(response.status_code, "")
        return int(size) if size.isdigit() else None

    async def free(self, *, unload_models: bool = True) -> None:
        body = {"unload_models": unload_models, "free_memory": True}
        _good(await self._send("POST", "free", json=body))

    @asynccontextmanager
    async def stream_view(
        self, output: Output, *, max_bytes: int = NO_LIMIT
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """An output's content in chunks. Raises FileMissing, TooLarge or others."""
        params = _named(output)
        try:
            async with self._http.stream("GET", "view", params=params) as response:
                if response.status_code == 404:
                    message = f"{output.filename} is no longer at the server."
                    raise FileMissing(message)
                _good(response)
                yield _limited(response, output.filename, max_bytes)
        except httpx.HTTPError as exc:
            raise _unreachable(exc) from exc

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **options)
        except httpx.HTTPError as exc:
            raise _unreachable(exc) from exc


def _named(output: Output) -> dict[str, str]:
    return {
        "filename": output.filename,
        "subfolder": output.subfolder,
        "type": output.type,
    }


async def _limited(
    response: httpx.Response, name: str, max_bytes: int
) -> AsyncIterator[bytes]:
    """The body's chunks; checked against the length that was promised."""
    size = 0
    async for chunk in response.aiter_bytes(1 << 16):
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"{name} is larger than {max_bytes} bytes.")
        yield chunk
    promised = response.headers.get("Content-Length")
    encoded = response.headers.get("Content-Encoding")
    if promised and promised.isdigit() and not encoded and size != int(promised):
        raise Unreachable(f"{name} arrived incompletely.")


@cache
def _trusted() -> ssl.SSLContext:
    """httpx's own, once: reading the certificates takes 20 ms, each time."""
    return httpx.create_ssl_context(trust_env=False)


def _unreachable(exc: httpx.HTTPError) -> ComfyError:
    """One sentence for each way in which a server can be out of reach."""
    match exc:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return NotConnected("The server did not answer in time.")
        case httpx.ConnectError():
            return NotConnected("The server refuses connections or is not there.")
        case httpx.TimeoutException():
            return Unreachable("The server did not answer in time.")
        case httpx.TransportError():
            return Unreachable("The connection to the server broke off.")
    return BadAnswer(f"The server's answer could not be read ({exc}).")


def _good(response: httpx.Response) -> httpx.Response:
    status = response.status_code
    if status < 300:
        return response
    if status in (401, 403):
        raise Unauthorized("The server refuses our credentials.")
    if status in (302, 303, 307):
        # Cloudflare Access and the like, where a service token is missing or wrong.
        raise Unauthorized("The server sends us to a sign-in page.")
    if status in (502, 503, 504):
        raise Unreachable(f"The proxy in front of the server answers {status}.")
    raise BadAnswer(f"The server answered with status {status}.")


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer("The server's answer is not JSON.") from None


def _object(response: httpx.Response) -> dict[str, Any]:
    answer = _json(response)
    if not isinstance(answer, dict):
        raise BadAnswer("The server's answer has an unexpected shape.")
    return answer

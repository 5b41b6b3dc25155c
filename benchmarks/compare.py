"""The same test cards through Life-OS and by a bare client straight to the server.

The bare client posts all prompts, hears over the socket when each is over, asks for its
history and fetches its picture, and does nothing else: no accounts, no fair order, no
database, no checks, no thumbnails. BENCH_COMFYUI_URL names a real ComfyUI to use;
otherwise it is a simulator that takes no time, so that all of the time is ours.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from benchmarks.load import SIDE, colors, draw, visitors
from benchmarks.measure import Row
from benchmarks.stage import External, each, gpus, people, real_server, stage

ROOT = Path(__file__).resolve().parent.parent
STARTER = ROOT / "generation" / "starters" / "test-card.json"
JOBS = 100


def run(quick: bool) -> Iterator[Row]:
    count = 10 if quick else JOBS
    for where in each(quick):
        url = real_server()
        servers = [External(url)] if url else gpus(1, speed=0)
        with stage(where, servers) as stack:
            asking = visitors(stack, list(people(stack, 1)))
            # Cards of another run may still be in a real server's cache.
            first = time.time_ns() % 0xFF0000
            bare = asyncio.run(alone(servers[0].direct, first, count))
            ours = through(stack, asking, colors(first + count, count))
        yield Row(
            f"{count} test cards against a bare client",
            f"{where}, {'real ComfyUI' if url else 'simulator'}",
            f"{ours:.1f} s against {bare:.1f} s: {ours / bare:.1f} times",
        )


def through(stack: Any, asking: list[Any], chosen: list[str]) -> float:
    return draw(stack, asking, chosen)


def card(color: str) -> dict[str, Any]:
    graph: dict[str, Any] = json.loads(STARTER.read_text())["graph"]
    size = {"width": SIDE, "height": SIDE}
    graph["1"]["inputs"] |= size | {"color": int(color[1:], 16)}
    return graph


async def alone(url: str, first: int, count: int) -> float:
    """Seconds from the first POST until the last picture was fetched."""
    client_id = uuid.uuid4().hex
    address = f"{url.replace('http', 'ws', 1)}/ws?clientId={client_id}"
    graphs = [card(color) for color in colors(first, count)]
    async with (
        httpx.AsyncClient(base_url=url, timeout=30) as http,
        connect(address, compression=None, max_size=None) as socket,
    ):
        begun = time.time()
        for graph in graphs:
            body = {"prompt": graph, "client_id": client_id}
            (await http.post("/prompt", json=body)).raise_for_status()
        left = count
        while left:
            message = (
                json.loads(text) if isinstance(text := await socket.recv(), str) else {}
            )
            data = message.get("data", {})
            if message.get("type") == "executing" and data.get("node") is None:
                await fetch(http, data["prompt_id"])
                left -= 1
        return time.time() - begun


async def fetch(http: httpx.AsyncClient, prompt_id: str) -> None:
    entry = (await http.get(f"/history/{prompt_id}")).json()[prompt_id]
    for output in entry["outputs"].values():
        for image in output["images"]:
            (await http.get("/view", params=image)).raise_for_status()

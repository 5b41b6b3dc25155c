from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import struct
import uuid
from pathlib import Path

import httpx
import pytest
import websockets

from generation.simulator import Simulator

RECORDINGS = Path(__file__).with_name("recordings")
MODEL = "random-sd15.safetensors"


def recording(name):
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def recorded_graph(name):
    """The workflow that was running when the frames were recorded."""
    return copy.deepcopy(recording(name)["queue_after_submit"]["queue_running"][0][2])


def flat(**changes):
    """A graph that needs no model: one flat picture, saved."""
    inputs = {"width": 64, "height": 48, "batch_size": 1, "color": 0x336699, **changes}
    return {
        "1": {"class_type": "EmptyImage", "inputs": inputs},
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "flat"},
        },
    }


class Client:
    """A client with one socket, which keeps the frames that it received."""

    def __init__(self, simulator, http):
        self.simulator = simulator
        self.http = http
        self.id = uuid.uuid4().hex
        self.socket = None

    @contextlib.asynccontextmanager
    async def connected(self, metadata=False):
        url = f"{self.simulator.url.replace('http', 'ws')}/ws?clientId={self.id}"
        async with websockets.connect(url, max_size=None) as socket:
            self.socket = socket
            if metadata:
                flags = {"supports_preview_metadata": True}
                message = {"type": "feature_flags", "data": flags}
                await socket.send(json.dumps(message))
            yield self

    async def post(self, graph, **body):
        body = {"prompt": graph, "client_id": self.id, **body}
        return await self.http.post("/prompt", json=body)

    async def receive(self):
        async with asyncio.timeout(5):
            message = await self.socket.recv()
        if isinstance(message, bytes):
            return {
                "binary": True,
                "event_type": struct.unpack(">I", message[:4])[0],
            } | {"content": message}
        return json.loads(message)

    async def frames_until(self, *kinds):
        """Frames up to the first of these kinds (``executing`` means its null)."""
        frames = []
        while True:
            frames.append(await self.receive())
            kind, data = frames[-1].get("type"), frames[-1].get("data")
            if kind in kinds and (kind != "executing" or data["node"] is None):
                return frames

    async def run(self, graph, **body):
        """Post, wait for the end; return the prompt id and the frames."""
        answer = await self.post(graph, **body)
        assert answer.status_code == 200, answer.text
        frames = await self.frames_until("executing")
        return answer.json()["prompt_id"], frames

    async def history(self, prompt_id):
        """The entry in the history as soon as there is one."""
        async with asyncio.timeout(5):
            while True:
                entries = (await self.http.get(f"/history/{prompt_id}")).json()
                if entries:
                    return entries[prompt_id]


@pytest.fixture
async def simulator():
    async with Simulator(speed=0, models=[MODEL]) as simulator:
        yield simulator


@pytest.fixture
async def http(simulator):
    async with httpx.AsyncClient(base_url=simulator.url) as http:
        yield http


@pytest.fixture
def client(simulator, http):
    return Client(simulator, http)

"""Between Life-OS and a server: notes when the server's frames pass.

ComfyUI stamps none of its progress frames, and sends them to the client that posted
the prompt alone. So they are timed on the wire, without a change to its protocol.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

from tests.stack.gate import Gate

# The first frame that tells of a step. Frames to the server are masked: no match.
STEP = re.compile(rb'"value": (\d+), "max": (\d+), "state": "running"')


class Tap(Gate):
    """`steps`: (step, time) in the order in which they passed."""

    def __init__(self, target: int) -> None:
        self.steps: list[tuple[int, float]] = []
        super().__init__(target)

    async def _pipe(self, reader: Any, writer: Any) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                now = time.time()
                writer.write(data)
                self.steps += [(int(found[1]), now) for found in STEP.finditer(data)]
                await writer.drain()

    def take(self) -> dict[int, float]:
        """When each step first passed, since the last call."""
        steps, self.steps = self.steps, []
        first: dict[int, float] = {}
        for step, at in steps:
            first.setdefault(step, at)
        return first


def tapped(simulator: Any) -> Tap:
    """Put a tap before a simulator that has not started yet."""
    tap = Tap(simulator.port)
    simulator.gate = tap
    simulator.url = f"http://127.0.0.1:{tap.port}"
    return tap

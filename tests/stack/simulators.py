"""GPU servers that do what a test tells them, each behind a gate."""

from __future__ import annotations

import os
import sys

import httpx

from tests.stack.gate import Gate
from tests.stack.process import Process, free_port, until


class Simulator:
    """A process with `manage.py simulator`; Life-OS knows it by its gate's address."""

    def __init__(self, name, *, speed=1.0, options=(), gated=True):
        self.name, self.speed, self.options = name, speed, list(options)
        self.port = free_port()
        self.gate = Gate(self.port) if gated else None
        self.url = f"http://127.0.0.1:{self.gate.port if gated else self.port}"
        self.direct = f"http://127.0.0.1:{self.port}"

    def start(self, folder):
        words = ["--port", self.port, "--speed", self.speed, *self.options]
        words += ["--data", folder / self.name]
        command = [sys.executable, "manage.py", "simulator", *map(str, words)]
        env = {**os.environ, "LIFEOS_DATA": str(folder / f"{self.name}-settings")}
        env.pop("DJANGO_SETTINGS_MODULE", None)
        self.process = Process(self.name, command, env, folder)
        self.process.start()

    def ready(self):
        until(lambda: httpx.get(f"{self.direct}/queue").is_success, self.name)

    def stop(self):
        if self.gate:
            self.gate.close()
        self.process.stop()

    def faults(self, **faults):
        answer = httpx.post(f"{self.direct}/simulator/faults", json=faults)
        assert answer.status_code == 200, answer.text

    def executions(self):
        """Every start of every prompt: {prompt_id: {"count", "runs"}}."""
        # Nothing here is encrypted; a context for it costs more than the answer.
        where = f"{self.direct}/simulator/executions"
        return httpx.get(where, verify=False).json()

    def history(self):
        return httpx.get(f"{self.direct}/history").json()

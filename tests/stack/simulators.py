"""GPU servers that do what a test tells them, each behind a gate."""

from __future__ import annotations

import os
import sys

import httpx

from tests.stack.gate import Gate
from tests.stack.process import HERE, Process, free_port, until


class Simulator:
    """A process with `manage.py simulator`; Life-OS knows it by its gate's address."""

    def __init__(self, name, *, speed=1.0, options=(), gated=True, machine=HERE):
        self.name, self.speed, self.options = name, speed, list(options)
        self.port = free_port()
        self.gate = Gate(self.port) if gated else None
        self.machine = machine
        self.direct = f"http://{machine.address}:{self.port}"
        self.url = f"http://127.0.0.1:{self.gate.port}" if gated else self.direct

    def start(self, folder):
        words = ["--host", self.machine.address, "--port", self.port]
        words += ["--speed", self.speed, "--data", folder / self.name, *self.options]
        command = [sys.executable, "manage.py", "simulator", *map(str, words)]
        env = {**os.environ, "LIFEOS_DATA": str(folder / f"{self.name}-settings")}
        env.pop("DJANGO_SETTINGS_MODULE", None)
        self.process = Process(self.name, command, env, folder, self.machine)
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

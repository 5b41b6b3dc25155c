"""The real processes, started as a deployment starts them, for tests from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"
# How long anything here may take; a slow machine stretches it.
PATIENCE = 60 * float(os.environ.get("TEST_PATIENCE", "1"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what):
    """Ask until it is true; the answer is returned."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if answer := condition():
                return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE:.0f} s: {what}")


class Stack:
    """A simulator and `manage.py serve`, each a process on a port of its own."""

    def __init__(self, data, *, speed=1.0):
        self.data, self.speed = data, speed
        self.port, self.comfy_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.comfy_url = f"http://127.0.0.1:{self.comfy_port}"
        self.processes = {}
        self.api = httpx.Client(base_url=self.url, timeout=30)
        self.env = {
            **os.environ,
            "LIFEOS_DATA": str(data),
            "LIFEOS_ADMIN_PASSWORD": PASSWORD,
            "COMFYUI_URL": self.comfy_url,
            "PORT": str(self.port),
        }
        # pytest-django's are this process's own.
        self.env.pop("DJANGO_SETTINGS_MODULE", None)

    def __enter__(self):
        subprocess.run(self._command("setup"), env=self.env, cwd=ROOT, check=True)
        self.start_simulator()
        self.start()
        return self

    def __exit__(self, *exc):
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        self.api.close()

    def _command(self, *words):
        return [sys.executable, "manage.py", *words]

    def _spawn(self, name, *words):
        log = (Path(self.data) / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            self._command(*words), env=self.env, cwd=ROOT, stdout=log, stderr=log
        )
        log.close()

    def start_simulator(self):
        port, speed = str(self.comfy_port), str(self.speed)
        self._spawn("simulator", "simulator", "--port", port, "--speed", speed)

    def start(self):
        self._spawn("serve", "serve")
        until(lambda: self.api.get("/readyz").status_code == 200, "ready")

    def kill(self, name):
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def log(self, name):
        return (Path(self.data) / f"{name}.log").read_text()

    # As a script would use it -------------------------------------------------

    def sign_in(self):
        answer = self.api.post(
            "/_allauth/app/v1/auth/login",
            json={"username": "admin", "password": PASSWORD},
        )
        token = answer.json()["meta"]["access_token"]
        self.api.headers["Authorization"] = f"Bearer {token}"

    def generate(self, template="text-to-image", count=1, **values):
        if template == "text-to-image":
            values.setdefault("prompt", "a lighthouse at dusk")
        body = {"template": template, "parameters": values, "count": count}
        answer = self.api.post("/api/comfyui/generate", json=body)
        assert answer.status_code == 202, answer.text
        return [job["id"] for job in answer.json()["jobs"]]

    def job(self, job_id):
        return self.api.get(f"/api/comfyui/jobs/{job_id}").json()

    def wait(self, job_id, *states):
        wanted = states or ("done", "failed", "cancelled")

        def reached():
            job = self.job(job_id)
            return job if job["status"] in wanted else None

        return until(reached, f"job {wanted}")

    def executions(self):
        return httpx.get(f"{self.comfy_url}/simulator/executions").json()

    def faults(self, **faults):
        answer = httpx.post(f"{self.comfy_url}/simulator/faults", json=faults)
        assert answer.status_code == 200, answer.text

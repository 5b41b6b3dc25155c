"""A process of ours or of a service, with its log, to be killed and started again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
# How long anything here may take; a slow machine stretches it.
PATIENCE = 120 * float(os.environ.get("TEST_PATIENCE", "1"))


class Missing(Exception):
    """A program that has to be installed is not there; the text says which."""


def free_port():
    """Not one of those that the system gives to whoever connects to anything: between
    this look and its use somebody's connection might have it.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def until(condition, what, *, patience=PATIENCE, every=0.02):
    """Ask until it is true; the answer is returned."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, OSError):
            if answer := condition():
                return answer
        time.sleep(every)
    raise AssertionError(f"not within {patience:.0f} s: {what}")


def listens(port, address="127.0.0.1"):
    with socket.create_connection((address, port), timeout=1):
        return True


class Machine:
    """Where a process runs: here, unless it is one of `tests.stack.machines`."""

    address = "127.0.0.1"
    # The words before a command that let it run there.
    enter: tuple[str, ...] = ()


HERE = Machine()


class Process:
    """Started by `start`, as often as it was killed; its log is one file."""

    def __init__(self, name, command, env, folder, machine=HERE):
        self.name, self.command, self.env = name, [*machine.enter, *command], env
        self.log_file = Path(folder) / f"{name}.log"
        self._popen = None

    @property
    def pid(self):
        return self._popen.pid

    @property
    def alive(self):
        return self._popen is not None and self._popen.poll() is None

    def start(self):
        with self.log_file.open("ab") as log:
            self._popen = subprocess.Popen(
                self.command, env=self.env, cwd=ROOT, stdout=log, stderr=log
            )

    def signal(self, number):
        self._popen.send_signal(number)

    def kill(self):
        """As the kernel does it when memory runs out: nothing can be tidied up."""
        if self.alive:
            self._popen.send_signal(signal.SIGKILL)
        self._popen.wait()

    def stop(self, patience=20):
        """Ask it to end; the exit status is returned, None if it had to be killed."""
        if self._popen is None:
            return None
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(patience)
        self.kill()
        return None

    def log(self):
        return self.log_file.read_text(errors="replace")

"""Both deployments, with two GPU servers, on a small disk of their own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.faults.rounds")

from tests.faults.rounds import Round  # noqa: E402
from tests.stack import Embedded, Missing, ScaledOut, Simulator  # noqa: E402
from tests.stack.visitor import Page  # noqa: E402

DEPLOYMENTS = {"embedded": Embedded, "scaled": ScaledOut}
# Small enough to be filled in a moment.
DISK = "size=256m"
# By the usual measure such a disk is full, and nothing new would be begun on it.
ON_A_SMALL_DISK = {"LIFEOS_DISK_STOP_BYTES": "0", "LIFEOS_DISK_WARN_BYTES": "0"}


def lacking(message):
    """In CI everything must be there; elsewhere a missing part skips."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class SmallDisk:
    """A file system of its own for a data folder, so that it can be filled."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(self.folder)]
        try:
            subprocess.run(mount, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            lacking(f"a small disk cannot be mounted (as root only): {exc}")
        self._ballast = self.folder / "ballast"

    def fill(self):
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def free(self):
        self._ballast.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "-l", str(self.folder)], check=False)


@pytest.fixture(scope="session", params=list(DEPLOYMENTS))
def stack(request, tmp_path_factory):
    """One for all faults: each must leave it as good as new."""
    folder = tmp_path_factory.mktemp(request.param)
    simulators = [Simulator(f"gpu-{n}", speed=4.0) for n in (1, 2)]
    try:
        deployment = DEPLOYMENTS[request.param](
            folder, simulators=simulators, **ON_A_SMALL_DISK
        )
    except Missing as exc:
        lacking(str(exc))
    disk = SmallDisk(deployment.data)
    try:
        with deployment:
            deployment.disk = disk
            yield deployment
    finally:
        disk.unmount()


@pytest.fixture
def scaled(stack):
    if stack.name == "embedded":
        pytest.skip("the embedded set has neither Redis nor PostgreSQL")
    return stack


@pytest.fixture(scope="session")
def _reports():
    """By deployment, the outcomes; written where LIFEOS_FAULT_REPORT says (see `make
    faults`).
    """
    reports = {}
    yield reports
    if folder := os.environ.get("LIFEOS_FAULT_REPORT"):
        for name, rows in reports.items():
            (Path(folder) / f"{name}.json").write_text(json.dumps(rows, indent=1))


@pytest.fixture
def fault(request, stack, _reports):
    """What was there before, a page that watches, and the check of what is after."""
    with Page(stack.visitor) as page:
        begun = Round(stack, page)
        try:
            yield begun
        finally:
            for simulator in stack.simulators:
                simulator.gate.set("open")
                simulator.faults(bad_files=None, http_errors={}, silence=False)
    title = (request.function.__doc__ or "").strip()
    if title and begun.outcome:  # without a sentence it is no fault
        _reports.setdefault(stack.name, []).append(
            {
                "fault": title.splitlines()[0],
                "outcome": begun.outcome,
                "seconds": begun.seconds,
                "at": time.time(),
            }
        )

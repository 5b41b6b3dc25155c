"""Runs the whole suite, the slow parts side by side: `make test`.

`python tests/run.py PART…` runs only those of PARTS.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PYTEST = [str(BIN / "python"), "-m", "pytest", "-q"]
MANAGE = [str(BIN / "python"), "manage.py"]
ON_SERVICES = [str(BIN / "python"), "-m", "tests.with_services", "pytest", "-q"]
OUTSIDE = [f"--ignore=tests/{name}" for name in ("browser", "faults", "deploy")]
ON_ROWS = [
    f"tests/{name}"
    for name in (
        "accounts/test_audit.py",
        "accounts/test_leaving.py",
        "api/test_longpoll.py",
        "api/test_own.py",
        "gallery",
        "generation",
        "storage",
    )
]
# These ask files, parsers and other servers; a database of another kind is nothing to
# them.
WITHOUT_ROWS = [
    f"--ignore=tests/{name}.py"
    for name in (
        "gallery/test_bad_files",
        "gallery/test_broken",
        "gallery/test_delivery",
        "gallery/test_files",
        "gallery/test_media",
        "gallery/test_pressure",
        "gallery/test_search_language",
        "storage/test_homes",
        "storage/test_retrieval",
        "storage/test_uploader",
    )
]
# Whose pictures and inputs are stored and handed out: on an S3 server as in a folder.
# tests/storage asks both homes in any case.
ON_FILES = [
    f"tests/{name}.py"
    for name in (
        "accounts/test_leaving",
        "gallery/test_delivery",
        "gallery/test_downloads",
        "gallery/test_media",
        "gallery/test_serve",
        "gallery/test_tags_and_trash",
        "gallery/test_upload",
        "generation/test_inputs",
        "generation/test_media",
        "generation/test_remake",
    )
]
# The browser's tests of pictures, apart from all others: two parts of one length.
OF_PICTURES = [
    f"tests/browser/test_{name}.py"
    for name in ("gallery", "search", "sharing", "upload", "viewer")
]
APPS = ["accounts", "gallery", "generation", "lifeos"]
# Two parts at once, and one of those that only count beside them, with what time of
# the processor they leave: browsers and faults wait half of the time, and what finds no
# free core takes seconds for a moment's work. Who has no more of the one kind takes of
# the other.
AT_ONCE, BESIDE = 2, 1
PATIENT = ("unit", "unit-on-services", "deploy", "unit-on-s3", "checks")
# Settings as a deployment behind TLS has them, for `check --deploy`.
DEPLOYED = {
    "LIFEOS_HTTPS": "True",
    "ALLOWED_HOSTS": "example.org",
    "LIFEOS_STAFF_2FA": "True",
}

# The longest first, of those at once and of those beside them.
PARTS: dict[str, list[tuple[list[str], dict[str, str]]]] = {
    "faults-scaled": [([*PYTEST, "tests/faults", "-k", "scaled"], {})],
    # `make faults` takes the bucket from the embedded deployment, too.
    "faults-embedded": [
        ([*PYTEST, "tests/faults", "-k", "embedded and not bucket_away"], {})
    ],
    "browser": [
        (
            [*PYTEST, "tests/browser", *(f"--ignore={name}" for name in OF_PICTURES)],
            {},
        )
    ],
    "browser-pictures": [([*PYTEST, *OF_PICTURES], {})],
    "unit": [([*PYTEST, *OUTSIDE, "-p", "no:playwright"], {})],
    "unit-on-services": [
        ([*ON_SERVICES, *ON_ROWS, *WITHOUT_ROWS, "-p", "no:playwright"], {})
    ],
    "deploy": [
        ([*PYTEST, "tests/deploy", "-p", "no:playwright"], {}),
        ([str(BIN / "python"), "docs/build.py"], {}),
    ],
    "unit-on-s3": [
        ([*PYTEST, *ON_FILES, "-p", "no:playwright"], {"TEST_STORAGE": "s3"})
    ],
    "checks": [
        ([str(BIN / "ruff"), "format", "--check", "."], {}),
        ([str(BIN / "ruff"), "check", "."], {}),
        ([str(BIN / "mypy")], {}),
        # B104 takes 0.0.0.0, written for an address that is not known, for a server's.
        # B608: the search's SQL is put together from constants and whole numbers; what
        # people write goes in as values.
        ([str(BIN / "bandit"), "-q", "-ll", "-s", "B104,B608", "-r", *APPS], {}),
        ([str(BIN / "python"), "-m", "tests.audit"], {}),
        ([*MANAGE, "makemigrations", "--check", "--dry-run"], {}),
        ([*MANAGE, "check", "--deploy", "--fail-level", "WARNING"], DEPLOYED),
    ],
}


def run_part(name: str) -> tuple[str, bool, str]:
    """Run one part's commands until one fails; its output is kept together."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="lifeos-test-") as data:
        for command, settings in PARTS[name]:
            if name in PATIENT:
                command = ["nice", "-n", "10", *command]
            status, output, took = run_command(
                command, {"LIFEOS_DATA": data} | settings
            )
            shown = " ".join(command).replace(f"{BIN}/", "")
            lines.append(f"$ {shown}  ({took})")
            lines.append(output)
            if status:
                return name, False, "\n".join(lines)
    return name, True, "\n".join(lines)


def run_command(command: list[str], settings: dict[str, str]) -> tuple[int, str, str]:
    """Its status, what it said, and what it cost."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as said:
        output = said.read()
    # With the processor's time of all its children: what a busy machine does not
    # stretch, and what two parts at once share.
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    busy = used.ru_utime + used.ru_stime
    took = f"{time.monotonic() - begun:.0f} s, {busy:.0f} s of a processor"
    return process.returncode, output, took


class Suite:
    """The parts that wait for their turn, and those that have failed."""

    def __init__(self, names: list[str]) -> None:
        self.first = deque(name for name in names if name not in PATIENT)
        self.patient = deque(name for name in names if name in PATIENT)
        self.failed: list[str] = []
        self._telling = threading.Lock()

    def work(self, *queues: deque[str]) -> None:
        """Run one part after another, each queue to its end."""
        for queue in queues:
            while queue:
                try:
                    name = queue.popleft()
                except IndexError:  # somebody else has just taken the last
                    break
                self._tell(*run_part(name))

    def _tell(self, name: str, passed: bool, output: str) -> None:
        with self._telling:
            sys.stdout.write(f"\n===== {name} =====\n{output}\n")
            sys.stdout.flush()
            if not passed:
                self.failed.append(name)


def main() -> int:
    suite = Suite(sys.argv[1:] or list(PARTS))
    with (
        tempfile.TemporaryDirectory(prefix="lifeos-prepared-") as prepared,
        ThreadPoolExecutor(AT_ONCE + BESIDE) as pool,
    ):
        # What every deployment on SQLite begins with (tests/stack/deployments.py).
        os.environ["TEST_PREPARED"] = f"{prepared}/data"
        # Only processes are killed in tests, never the machine: what was written is
        # with the kernel, and to wait for the disk would show nothing.
        os.environ["TEST_FSYNC"] = "off"
        own = [(suite.first, suite.patient)] * AT_ONCE + [(suite.patient,)] * BESIDE
        running = [pool.submit(suite.work, *queues) for queues in own]
        for worker in running:
            worker.result()
    failed = suite.failed
    result = f"failed: {', '.join(failed)}" if failed else "all parts passed"
    sys.stdout.write(f"\n{result}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

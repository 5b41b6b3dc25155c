"""Writes the table of docs/reliability.md from a run of the faults: `make faults`.

With a folder, from the run whose LIFEOS_FAULT_REPORT it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
DEPLOYMENTS = ("embedded", "scaled out")


def run(folder: Path) -> int:
    """Each deployment alone, so that neither slows the other down."""
    env = {"TEST_OUTAGE": "60", **os.environ, "LIFEOS_FAULT_REPORT": str(folder)}
    for word in ("embedded", "scaled"):
        command = [sys.executable, "-m", "pytest", "-q", "tests/faults", "-k", word]
        if status := subprocess.run(command, env=env, cwd=ROOT, check=False).returncode:
            return status
    return 0


def rows(folder: Path) -> dict[str, dict[str, list[dict[str, object]]]]:
    """By fault, then by deployment; a fault of several kinds has several results."""
    found: dict[str, dict[str, list[dict[str, object]]]] = {}
    for deployment in DEPLOYMENTS:
        for row in json.loads((folder / f"{deployment}.json").read_text()):
            kinds = found.setdefault(str(row["fault"]), {})
            kinds.setdefault(deployment, []).append(row)
    return found


def table(folder: Path) -> str:
    lines = ["| fault | outcome | embedded | scaled out |", "| --- | --- | --- | --- |"]
    for fault, results in rows(folder).items():
        every = [row for found in results.values() for row in found]
        outcomes = dict.fromkeys(str(row["outcome"]) for row in every)
        times = [_seconds(results.get(name)) for name in DEPLOYMENTS]
        lines.append(f"| {fault} | {'; '.join(outcomes)} | {' | '.join(times)} |")
    return "\n".join(lines)


def _seconds(found: list[dict[str, object]] | None) -> str:
    if found is None:
        return "not there"
    times = [float(str(row["seconds"])) for row in found if row["seconds"] is not None]
    return ", ".join(f"{time:.1f} s" for time in times) or "at once"


def write(folder: Path) -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table(folder)}\n{END}{after}")


def main() -> int:
    if sys.argv[1:]:
        write(Path(sys.argv[1]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if status := run(Path(folder)):
            return status
        write(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Figures: percentiles, memory, and the table they are shown in."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `met` is None where no target was set."""

    what: str
    where: str
    figure: str
    target: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        met = {True: "yes", False: "NO", None: ""}[self.met]
        return (self.what, self.where, self.figure, self.target, met)


HEAD = ("what", "where", "figure", "target", "met")


def percentile(values: Iterable[float], part: float) -> float:
    """The smallest value that at least this part of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]


def shown(seconds: float) -> str:
    """Milliseconds, with decimals only where they tell something."""
    ms = seconds * 1000
    digits = 2 if abs(ms) < 1 else 1 if abs(ms) < 10 else 0
    return f"{ms:.{digits}f} ms"


def times(
    what: str,
    where: str,
    seconds: Sequence[float],
    target: float | None = None,
    *,
    worst: bool = False,
) -> Row:
    """p50 and p95 of some durations; the target is for p95, or for the worst."""
    p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
    figure = f"p50 {shown(p50)}, p95 {shown(p95)}"
    if worst:
        figure += f", max {shown(max(seconds))}"
    figure += f" (n={len(seconds)})"
    if target is None:
        return Row(what, where, figure)
    found = max(seconds) if worst else p95
    name = "max" if worst else "p95"
    return Row(what, where, figure, f"{name} < {shown(target)}", found < target)


def memory(pid: int) -> int:
    """Bytes of a process that are in memory now (RSS)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB"


def machine() -> str:
    """As in "2 × Intel Xeon, 24 GB, Python 3.11.7"."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    name = re.sub(r"\s+", " ", model[1]) if model else platform.machine()
    python = platform.python_version()
    return f"{os.cpu_count()} × {name}, {total / 1e9:.0f} GB, Python {python}"


def load() -> str:
    """How busy the machine is with everything, over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def as_text(rows: Sequence[Row]) -> str:
    lines = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def as_markdown(rows: Sequence[Row]) -> str:
    lines = [HEAD, tuple("---" for _ in HEAD), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""A tick of the scheduler with a hundred thousand jobs waiting, of fifty people.

One server has one free place. A tick is `scheduling.claim()`: it looks at the queue and
the servers, decides whose turn it is and takes that job. Apart from it: the look and
the decision alone, and what a page asks for (place and estimate of a job), which has to
look anew at most once a second. The ratio is to a thousand waiting jobs.

The rows are made by `queue_probe`, a process of its own on each database.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, percentile, times
from tests.stack import Missing
from tests.stack.services import Postgres

TARGET = 0.030
SMALL, LARGE = 1_000, 100_000
ROUNDS = 100
WHATS = {
    "claim": "scheduling tick: one job found and taken",
    "plan": "scheduling tick: snapshot and plan alone",
    "look": "place and estimate, looked at anew",
    "page": "place and estimate, within the same second",
}


def run(quick: bool) -> Iterator[Row]:
    rounds, sizes = (10, (50, 200)) if quick else (ROUNDS, (SMALL, LARGE))
    yield from on_database("SQLite", "", rounds, sizes)
    if quick:
        return
    folder = Path(tempfile.mkdtemp(prefix="lifeos-bench-"))
    try:
        postgres: Any = Postgres(folder)
    except Missing as exc:
        sys.stderr.write(f"left out: {exc}\n")
        return
    postgres.start()
    postgres.create()
    try:
        yield from on_database("PostgreSQL", postgres.url, rounds, sizes)
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def on_database(
    name: str, url: str, rounds: int, sizes: tuple[int, int]
) -> Iterator[Row]:
    small, large = probe(url, [rounds, *sizes])
    for key, what in WHATS.items():
        target = TARGET if key == "claim" else None
        row = times(f"{what}, {sizes[1]:,} waiting", name, large[key], target)
        ratio = percentile(large[key], 0.5) / percentile(small[key], 0.5)
        figure = f"{row.figure}, {ratio:.1f} × that of {sizes[0]:,}"
        yield Row(row.what, row.where, figure, row.target, row.met)


def probe(url: str, numbers: list[int]) -> list[dict[str, list[float]]]:
    """Seconds of each round by what was done, for each length of the queue."""
    with tempfile.TemporaryDirectory(prefix="lifeos-bench-") as data:
        env = os.environ | {"LIFEOS_DATA": data, "LOG_LEVEL": "WARNING"}
        env.pop("REDIS_URL", None)
        env.pop("DATABASE_URL", None)
        if url:
            env["DATABASE_URL"] = url
        command = [sys.executable, "-m", "benchmarks.queue_probe", *map(str, numbers)]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
        found: list[dict[str, list[float]]] = json.loads(done.stdout)
    return found

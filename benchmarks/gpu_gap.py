"""How long a GPU with enough to do has nothing to do between two jobs.

Three servers, jobs of about one second, twice as many waiting as are run at once. From
the server's own end of a run to its own start of the next one, for each server.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from benchmarks.measure import Row, times
from benchmarks.stage import each, gpus, stage

TARGET = 0.050
JOBS = 48
PATIENCE = 300


def run(quick: bool) -> Iterator[Row]:
    for where in each(quick):
        with stage(where, gpus(3, speed=1)) as stack:
            idle, busy = measure(stack, 12 if quick else JOBS)
        yield times("GPU idle between two jobs", where, idle, TARGET, worst=True)
        yield Row("part of the time that GPUs run", where, f"{busy:.1%}")


def measure(stack: Any, count: int) -> tuple[list[float], float]:
    """The gaps in seconds, and the part of the time in which the servers ran."""
    jobs: list[str] = []
    while len(jobs) < count:
        # Another seed each, the model loaded before: about 0.2 + 3 × 0.2 + 0.4 s.
        size = {"width": 128, "height": 128}
        jobs += stack.visitor.generate(count=4, steps=3, **size)
    stack.visitor.wait_all(jobs, patience=PATIENCE)
    idle, ran, whole = [], 0.0, 0.0
    for server in stack.simulators:
        every = [r for entry in server.executions().values() for r in entry["runs"]]
        runs = sorted((run["start"], run["end"]) for run in every)
        idle += [start - end for (_, end), (start, _) in pairwise(runs)]
        ran += sum(end - start for start, end in runs)
        whole += runs[-1][1] - runs[0][0]
    return idle, ran / whole

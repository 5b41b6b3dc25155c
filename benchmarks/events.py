"""Server event → browser socket: how late an open page hears of a step.

One job of many steps runs, a step every half second, with previews. From the moment
at which the server's first frame of a step passes on the wire (see `tap`) to the
page's message that shows this step. The bridge writes the first change after a quiet
time at once and then one every 0.2 s (`reporter.PACE`); steps of half a second meet the
quiet, so this is the way of an event itself, not the pace of a fast run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.measure import Row, times
from benchmarks.page import Page
from benchmarks.stage import each, gpus, stage
from benchmarks.tap import Tap, tapped

TARGET = 0.060
STEPS = 60
# The simulator's step takes 0.2 s at speed 1.
SPEED = 0.4


def run(quick: bool) -> Iterator[Row]:
    for where in each(quick):
        simulators = gpus(1, speed=SPEED)
        tap = tapped(simulators[0])
        with stage(where, simulators) as stack:
            late = measure(stack, tap, 6 if quick else STEPS)
        yield times("server event → browser socket", where, late, TARGET)


def measure(stack: Any, tap: Tap, steps: int) -> list[float]:
    """Seconds from the server's frame to the page's message, for each step."""
    came: dict[int, float] = {}
    with Page(stack.url, stack.visitor.cookies()) as page:
        [job] = stack.visitor.generate(steps=steps, width=256, height=256)
        while (seen := page.next()).status not in ("saving", "done", "failed"):
            if seen.job == job and seen.step:
                came.setdefault(seen.step, seen.at)
    passed = tap.take()
    # The last step may be told together with the end.
    return [came[step] - passed[step] for step in sorted(passed) if step in came]

"""Jobs per second through the whole pipeline, with servers that take no time.

Test cards of 64 × 64, one request each, from four people at once: from the first
request until the last picture is checked, stored and in the gallery. Clients, servers
and Life-OS share the machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.load import colors, draw, visitors
from benchmarks.measure import Row
from benchmarks.stage import each, gpus, people, stage

TARGETS = {"scaled out": 25.0}
JOBS = 300
PEOPLE = 4


def run(quick: bool) -> Iterator[Row]:
    count = 20 if quick else JOBS
    for where in each(quick):
        servers = 3 if where == "scaled out" else 1
        with stage(where, gpus(servers, speed=0)) as stack:
            asking = visitors(stack, list(people(stack, PEOPLE)))
            draw(stack, asking, colors(1, PEOPLE))
            rate = count / draw(stack, asking, colors(1000, count))
        target = TARGETS.get(where)
        yield Row(
            "jobs through the whole pipeline",
            where,
            f"{rate:.1f} jobs/s (n={count})",
            f"≥ {target:.0f} jobs/s" if target else "",
            rate >= target if target else None,
        )

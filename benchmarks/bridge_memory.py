"""Memory of a bridge that drives two hundred jobs at once.

Scaled out, with one bridge alone. Two servers that never end what they run take a
hundred prompts each, so all of them stay in flight. RSS before the first job, and
when the servers hold all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx

from benchmarks.load import visitors
from benchmarks.measure import Row, megabytes, memory
from benchmarks.stage import each, gpus, in_django, people, stage
from tests.stack import until

TARGET = 200e6
JOBS = 200
# So long it must stay: leases are renewed and the watchdog asks meanwhile.
WATCHED = 15.0
RAISE = """
from generation.models import Server
print(Server.objects.update(max_in_flight={each}))
"""


def run(quick: bool) -> Iterator[Row]:
    count = 20 if quick else JOBS
    for where in each(quick):
        if where == "embedded" and not quick:
            continue  # it has no bridge of its own to be weighed
        with stage(where, gpus(2, speed=0, options=["--fault", "hang"])) as stack:
            before, after = measure(stack, count)
        yield Row(
            f"memory of a bridge with {count} jobs in flight",
            where,
            f"{megabytes(after)} ({megabytes(before)} with none)",
            f"< {megabytes(TARGET)}",
            after < TARGET,
        )


def measure(stack: Any, count: int) -> tuple[int, int]:
    """Bytes before and after."""
    kept, *others = stack.bridges
    for name in others:
        stack.processes[name].stop()
    in_django(stack, RAISE.format(each=count // 2))
    [visitor] = visitors(stack, list(people(stack, 1)))
    pid = stack.processes[kept].pid
    before = memory(pid)
    for n in range(0, count, 8):
        size = {"width": 64, "height": 64}
        visitor.generate(count=min(8, count - n), **size)

    def held() -> bool:
        queues = [httpx.get(f"{s.direct}/prompt").json() for s in stack.simulators]
        waiting = sum(q["exec_info"]["queue_remaining"] for q in queues)
        return bool(waiting == count)

    until(held, f"{count} jobs in flight", patience=120)
    most, over = 0, time.monotonic() + WATCHED
    while time.monotonic() < over:
        most = max(most, memory(pid))
        time.sleep(0.5)
    return before, most

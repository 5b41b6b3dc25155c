"""Many small jobs at once, and how long they took from the first request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from tests.stack import Visitor, until

SIDE = 64
PATIENCE = 600


def visitors(stack: Any, names: Sequence[str]) -> list[Any]:
    """These people, signed in."""
    found = [Visitor(stack.url, name) for name in names]
    for visitor in found:
        visitor.sign_in()
    return found


def colors(first: int, count: int) -> list[str]:
    """As many different cards: none is served from a server's cache."""
    return [f"#{first + n:06x}" for n in range(count)]


def draw(stack: Any, people: Sequence[Any], chosen: Sequence[str]) -> float:
    """Seconds from the first request until the last of the test cards is stored.

    One request for each job, from all people at once.
    """
    before = sum(stack.executions().values())
    shares = [chosen[n :: len(people)] for n in range(len(people))]
    begun = time.time()

    def ask(visitor: Any, own: Sequence[str]) -> list[str]:
        made = []
        for color in own:
            card = {"width": SIDE, "height": SIDE, "color": color}
            made += visitor.generate("test-card", **card)
        return made

    with ThreadPoolExecutor(len(people)) as pool:
        made = list(pool.map(ask, people, shares))
    _ran(stack, before + len(chosen))
    return max(map(_last, people, made)) - begun


def _ran(stack: Any, wanted: int) -> None:
    """Wait until the servers have run so many; asked seldom, as it costs them time."""

    def ran() -> bool:
        time.sleep(0.3)
        return bool(sum(stack.executions().values()) >= wanted)

    until(ran, f"{wanted} runs", patience=PATIENCE)


def _last(visitor: Any, made: list[str]) -> float:
    """When the last of a person's jobs was done. Raises AssertionError if not all."""

    def ended() -> list[Any] | None:
        jobs = {job["id"]: job for job in visitor.jobs()}
        own = [jobs[job_id] for job_id in made]
        if all(job["status"] in ("done", "failed", "cancelled") for job in own):
            return own
        time.sleep(0.3)
        return None

    own: list[Any] = until(ended, "all stored", patience=PATIENCE)
    assert {job["status"] for job in own} == {"done"}, own
    return max(datetime.fromisoformat(job["finished"]).timestamp() for job in own)

"""One job at a time on an idle system: to the server, and from it to the screen.

A test card of 64 × 64 is asked for over the API while a page is open; the simulator
takes no time. Between two jobs is a random pause, so that no loop's rhythm is met.

- submit → server accepted: from the moment before the request is sent to the server's
  own `create_time` of the prompt (whole milliseconds).
- server finished → picture visible: from the server's own time of `execution_success`
  until the page's message has come that shows the job as done and its picture, asked
  for with the page's session, has been answered in full.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import httpx

from benchmarks.load import SIDE, colors
from benchmarks.measure import Row, times
from benchmarks.page import Page
from benchmarks.stage import each, gpus, stage

ACCEPTED, VISIBLE = 0.080, 0.400
JOBS = 60
# The first requests of a process import what the others find.
WARM_UP = 3


def run(quick: bool) -> Iterator[Row]:
    for where in each(quick):
        with stage(where, gpus(1, speed=0)) as stack:
            accepted, visible = measure(stack, 5 if quick else JOBS)
        yield times("submit → server accepted", where, accepted, ACCEPTED)
        yield times("server finished → picture visible", where, visible, VISIBLE)


def measure(stack: Any, count: int) -> tuple[list[float], list[float]]:
    """Seconds of each job until it is accepted, and from its end to its picture."""
    cookie = stack.visitor.cookies()
    chance = random.Random(1)
    sent, shown = [], []
    with (
        Page(stack.url, cookie) as page,
        httpx.Client(base_url=stack.url, headers={"Cookie": cookie}) as browser,
    ):
        for color in colors(1, WARM_UP + count):
            time.sleep(chance.uniform(0.1, 0.6))
            sent.append(time.time())
            card = {"width": SIDE, "height": SIDE, "color": color}
            [job] = stack.visitor.generate("test-card", **card)
            picture = page.until(job, "done").picture
            browser.get(picture or "").raise_for_status()
            shown.append(time.time())
    [server] = stack.simulators
    entries = sorted(server.history().values(), key=_accepted)
    accepted = [_accepted(e) - at for e, at in zip(entries, sent, strict=True)]
    visible = [at - _finished(e) for e, at in zip(entries, shown, strict=True)]
    return accepted[WARM_UP:], visible[WARM_UP:]


def _accepted(entry: Any) -> float:
    return float(entry["prompt"][3]["create_time"]) / 1000


def _finished(entry: Any) -> float:
    logged = dict(entry["status"]["messages"])
    return float(logged["execution_success"]["timestamp"]) / 1000

"""A thousand open pages: how late they hear of a step, and what they cost in memory.

Twenty people with fifty open pages each; a job of one of them runs, a step every two
seconds. From the server's frame of a step (as in `events`) to the message on each of
this person's fifty sockets; all thousand are connected meanwhile. Memory is that of
the web processes before and after, divided by the sockets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.load import visitors
from benchmarks.measure import Row, megabytes, memory, times
from benchmarks.page import Seen
from benchmarks.stage import each, gpus, people, stage
from benchmarks.tap import Tap, tapped

PEOPLE, PAGES = 20, 50
STEPS = 15
SPEED = 0.1
AT_ONCE = 20


def run(quick: bool) -> Iterator[Row]:
    persons, pages, steps = (2, 5, 4) if quick else (PEOPLE, PAGES, STEPS)
    count = persons * pages
    for where in each(quick):
        simulators = gpus(1, speed=SPEED)
        tap = tapped(simulators[0])
        with stage(where, simulators) as stack:
            late, grown, total = asyncio.run(measure(stack, tap, persons, pages, steps))
        what = f"event → all {pages} pages of a person, {count} open"
        yield times(what, where, late)
        yield Row(
            f"memory of the web processes, {count} open pages",
            where,
            f"{megabytes(total)}, {grown / count / 1000:.0f} kB a page",
        )


async def measure(
    stack: Any, tap: Tap, persons: int, pages: int, steps: int
) -> tuple[list[float], int, int]:
    """Seconds for each page and step; the bytes by which the processes grew; all."""
    cookies = await asyncio.to_thread(people, stack, persons)
    [visitor] = await asyncio.to_thread(visitors, stack, ["person-0"])
    pids = [stack.processes[name].pid for name in stack.webs]
    # A page for each process first: what they import is not a socket's memory.
    async with AsyncExitStack() as open_pages:
        await _open(open_pages, stack.url, [cookies["person-1"]] * AT_ONCE)
        before = sum(map(memory, pids))
        watched = await _open(open_pages, stack.url, [cookies["person-0"]] * pages)
        others = [c for name, c in cookies.items() if name != "person-0"]
        await _open(open_pages, stack.url, (others * pages)[AT_ONCE:])
        after = sum(map(memory, pids))
        seen = [asyncio.create_task(_listen(socket)) for socket in watched]
        options = {"steps": steps, "width": 256, "height": 256}
        await asyncio.to_thread(lambda: visitor.generate(**options))
        came = await asyncio.gather(*seen)
    passed = tap.take()
    late = [
        times[step] - at
        for times in came
        for step, at in passed.items()
        if step in times
    ]
    return late, after - before, after


async def _open(
    stack: AsyncExitStack, url: str, cookies: list[str]
) -> list[ClientConnection]:
    """A socket for each cookie, so many handshakes at a time."""
    address = url.replace("http", "ws", 1) + "/ws/"
    sockets: list[ClientConnection] = []
    for n in range(0, len(cookies), AT_ONCE):
        some = [
            connect(
                address,
                additional_headers={"Cookie": cookie, "Origin": url},
                open_timeout=60,
                ping_interval=None,
            )
            for cookie in cookies[n : n + AT_ONCE]
        ]
        opened = await asyncio.gather(*some)
        for socket in opened:
            stack.push_async_callback(socket.close)
        sockets += opened
    return sockets


async def _listen(socket: ClientConnection) -> dict[int, float]:
    """When each step came to this page, until the job is over."""
    came: dict[int, float] = {}
    try:
        while True:
            seen = Seen.read(await socket.recv(), time.time())
            if seen.step:
                came.setdefault(seen.step, seen.at)
            if seen.status in ("saving", "done", "failed"):
                return came
    except ConnectionClosed:
        return came

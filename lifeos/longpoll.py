"""`GET /api/comfyui/jobs/{id}?wait=30`: answer when the job is over, or after 30 s.

It wraps Django's application instead of being a view: a waiting view would hold a
thread, because several middlewares are synchronous. Here the request is answered as
always; while its job goes on, the answer is put aside, and the request is made again
when the channel layer says that the job changed, or a look at the row each second does.
So who asks is checked anew each time, and waiting costs neither thread nor connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.layers import get_channel_layer

from generation import events
from generation.border import in_thread
from generation.models import Job
from generation.models.job import ACTIVE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Django's stubs and asgiref's types differ in what they call a message.
App = Callable[[Any, Any, Any], Awaitable[None]]

PATH = re.compile(r"/api/comfyui/jobs/([0-9a-fA-F-]{32,36})")
# nginx gives up after 60 seconds, unless it is told otherwise.
LONGEST = 50
# An event may get lost; the row does not.
LOOK = 1.0


def wanted(scope: Scope) -> tuple[str, int] | None:
    """(job id, seconds) of a request that may wait. What is wrong, the view says."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    path = PATH.fullmatch(scope["path"])
    if path is None:
        return None
    given = parse_qs(scope["query_string"].decode("latin-1")).get("wait", [""])[-1]
    if not (given.isascii() and given.isdigit() and len(given) < 4):
        return None
    seconds = int(given)
    try:
        job_id = str(UUID(path[1]))
    except ValueError:
        return None
    return (job_id, seconds) if 0 < seconds <= LONGEST else None


class LongPoll:
    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = wanted(scope)
        if found is None:
            await self.app(scope, receive, send)
            return
        job_id, seconds = found
        answer = await self._ask(scope)
        if _goes_on(answer):
            over = await _wait(job_id, seconds, receive)
            if over is None:
                return  # nobody is there any more
            first = answer
            answer = await self._ask({**scope, "lifeos.again": True})
            _carry_over(first, answer)
        for message in answer:
            await send(message)

    async def _ask(self, scope: Scope) -> list[Message]:
        """Django's whole answer. A GET has no body to pass on."""
        answer: list[Message] = []
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:  # Django listens for a disconnect until it has answered
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def keep(message: Message) -> None:
            answer.append(message)

        await self.app(dict(scope), receive, keep)
        return answer


def _carry_over(first: list[Message], answer: list[Message]) -> None:
    """What is left of the rate: only the first asking was counted, and told it."""
    told = [h for h in first[0]["headers"] if h[0].lower().startswith(b"ratelimit-")]
    answer[0]["headers"] = [*answer[0]["headers"], *told]


def _goes_on(answer: list[Message]) -> bool:
    """Whether it tells of a job of the caller's that is not over."""
    if not answer or answer[0].get("status") != 200:
        return False
    body = b"".join(message.get("body", b"") for message in answer[1:])
    try:
        return json.loads(body).get("status") in ACTIVE
    except (ValueError, AttributeError):
        return False


@in_thread
def _look(job_id: str) -> tuple[int, bool]:
    """(its owner, whether it goes on); a job that is gone is over."""
    row = Job.objects.filter(pk=job_id).values_list("owner_id", "status").first()
    return (row[0], row[1] in ACTIVE) if row else (0, False)


async def _wait(job_id: str, seconds: float, receive: Receive) -> bool | None:
    """True: the job is over. False: the time is. None: the caller has gone."""
    loop = asyncio.get_running_loop()
    events.use_loop(loop)
    until = loop.time() + seconds
    gone = asyncio.ensure_future(_gone(receive))
    try:
        owner, goes_on = await _look(job_id)
        async with _heard(owner, job_id) as event:
            # What changed before we listened is seen now.
            while goes_on:
                owner, goes_on = await _look(job_id)
                left = until - loop.time()
                if not goes_on or left <= 0:
                    break
                next_event = asyncio.ensure_future(event.wait())
                await asyncio.wait(
                    {next_event, gone},
                    timeout=min(LOOK, left),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                next_event.cancel()
                event.clear()
                if gone.done():
                    return None
        return not goes_on
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.asynccontextmanager
async def _heard(owner: int, job_id: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever this person's job changes."""
    happened = asyncio.Event()
    layer = get_channel_layer()
    group = events.user_group(owner)
    channel = await layer.new_channel()

    async def listen() -> None:
        # One task for the whole time: to cancel `receive` is to leave the layer.
        while True:
            if (await layer.receive(channel)).get("job") == job_id:
                happened.set()

    await layer.group_add(group, channel)
    listening = asyncio.ensure_future(listen())
    try:
        yield happened
    finally:
        listening.cancel()
        with contextlib.suppress(Exception):
            await layer.group_discard(group, channel)

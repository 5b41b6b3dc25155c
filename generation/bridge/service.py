"""The bridge's loops: claim, adopt, renew, watch. Any number of bridges may run."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError

from generation import scheduling, tasks
from generation.border import in_thread
from generation.bridge.drive import Drive
from generation.bridge.presence import Presence
from generation.bridge.sockets import Key, Switchboard
from generation.bridge.watch import Watch
from generation.comfy.client import ComfyClient
from generation.models import Job, Server
from generation.wake import GROUP

if TYPE_CHECKING:
    from generation.scheduling import Claim

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
ASK_EVERY = 2.0
# A bridge that was told of a job and came too late lets the others go first by so much
# until it is the first again. Else all ask for each job, and all but one in vain.
AFTER_YOU = 0.03
RENEW_EVERY = scheduling.LEASE.total_seconds() / 3


class Bridge:
    """Drives jobs until cancelled.

    When cancelled it lets go of what it drives without ending it: the next bridge
    adopts the attempts by their prompt_ids, and so it does when this one is killed.
    """

    def __init__(self) -> None:
        self._token = secrets.token_hex(8)
        self._presence = Presence(settings.DATA / "bridges")
        self.name = self._presence.name
        self._wake = asyncio.Event()
        self._told_of_cancel = False
        self._told_of_job = False
        self._comes_late = False
        # While all servers are full, one more job that waits is nothing to look at.
        self._may_find = True
        self._drives: dict[UUID, tuple[Drive, asyncio.Task[None]]] = {}
        self._clients: dict[tuple[int, str], ComfyClient] = {}
        self._switchboard = Switchboard()
        self._watch = Watch(self.name, self._client, self._server_changed)
        self._own_lines: dict[int, Key] = {}

    async def run(self) -> None:
        log.info("bridge %s starts", self.name)
        await asyncio.to_thread(self._presence.announce)
        loops = [
            self._for_ever(self._claim),
            self._for_ever(self._renew),
            self._for_ever(self._watch.run),
            self._for_ever(self._ask_again),
            self._for_ever(self._listen),
        ]
        try:
            await asyncio.gather(*loops)
        finally:
            await self._close()
            log.info("bridge %s has stopped", self.name)

    async def _for_ever(self, loop: Callable[[], Awaitable[None]]) -> None:
        """The last resort: a fault is logged and the loop goes on."""
        while True:
            try:
                await loop()
            except Exception:
                log.exception("a loop of the bridge failed; it goes on")
            await asyncio.sleep(1.0)

    async def _close(self) -> None:
        tasks = [task for _, task in self._drives.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._switchboard.close()
        for client in self._clients.values():
            await client.aclose()
        with suppress(DatabaseError):
            await in_thread(scheduling.let_go)(self.name)
        self._presence.withdraw()

    def _client(self, server: Server) -> ComfyClient:
        """One client per address and credentials: an edited server gets a new one."""
        key = (server.pk, server.way)
        if key not in self._clients:
            self._clients[key] = server.client(self._client_id(server))
        return self._clients[key]

    def _client_id(self, server: Server) -> str:
        """A socket of its own for each way to the server, too."""
        return f"lifeos-{self._token}-{server.pk}-{server.way}"

    def _server_changed(self, server: Server) -> None:
        """It can be reached: listen before anything is posted to it."""
        client_id = self._client_id(server)
        self._switchboard.open(server, client_id)
        self._own_lines[server.pk] = (server.pk, server.url, client_id)
        self._look()

    # Claim and adopt ----------------------------------------------------------

    async def _claim(self) -> None:
        looked = 0.0
        while True:
            self._wake.clear()
            is_time = self._now() - looked > LOOK_EVERY / 2
            # First what somebody waits for: it is what woke us, nearly always.
            if is_time or self._may_find:
                await self._take_jobs()
            if is_time:
                for claim in await self._orphans():
                    log.warning("adopted", extra={"job": str(claim.job.pk)})
                    self._start(claim)
                looked = self._now()
            if is_time or self._told_of_cancel:
                self._told_of_cancel = False
                await self._pass_on_cancellations()
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _take_jobs(self) -> None:
        # Before the look: what changes during it is looked at once more.
        self._may_find = False
        told, self._told_of_job = self._told_of_job, False
        try:
            claims = await self._next()
        except scheduling.Full:
            return
        self._may_find = True
        if claims or told:
            self._comes_late = not claims
        for claim in claims:
            self._start(claim)

    @in_thread
    def _orphans(self) -> list[Claim]:
        driven = list(self._drives)
        found = scheduling.adopt(self.name, self._presence.is_dead, driven)
        self._presence.tidy()
        return found

    @in_thread
    def _next(self) -> list[Claim]:
        reachable = list(self._watch.reachable)
        return list(scheduling.claim(self.name, self._client_id, reachable))

    def _start(self, claim: Claim) -> None:
        client = self._client(claim.server)
        lease_until = self._now() + scheduling.LEASE.total_seconds()
        drive = Drive(claim, client, self._switchboard, lease_until)
        task = asyncio.create_task(drive.run(), name=f"drive {claim.attempt.pk}")
        self._drives[claim.attempt.pk] = (drive, task)
        task.add_done_callback(lambda task: self._ended(claim, task))

    def _ended(self, claim: Claim, task: asyncio.Task[None]) -> None:
        drive, _ = self._drives.pop(claim.attempt.pk)
        if drive.unreachable:
            # Nothing more goes there until a visit finds it again.
            self._watch.lost(claim.server)
        if not task.cancelled() and (error := task.exception()):
            # Its lease runs out and it is adopted, so nothing is lost.
            extra = {"job": str(claim.job.pk)}
            log.error("a drive failed; its lease runs out", exc_info=error, extra=extra)
        self._look()

    def _look(self) -> None:
        """A place may have become free."""
        self._may_find = True
        self._wake.set()

    async def _pass_on_cancellations(self) -> None:
        if not self._drives:
            return
        for attempt_id in await self._cancelled():
            if held := self._drives.get(attempt_id):
                held[0].cancel_requested.set()

    @in_thread
    def _cancelled(self) -> list[UUID]:
        jobs = Job.objects.filter(
            attempts__pk__in=list(self._drives), cancel_requested=True
        )
        return list(jobs.values_list("attempts__pk", flat=True))

    # Leases -------------------------------------------------------------------

    async def _renew(self) -> None:
        while True:
            if self._drives:
                await self._renew_leases(set(self._drives))
            self._switchboard.retire(set(self._own_lines.values()))
            await asyncio.sleep(RENEW_EVERY)

    async def _renew_leases(self, held: set[UUID]) -> None:
        lease_until = self._now() + scheduling.LEASE.total_seconds()
        ours = await in_thread(scheduling.renew)(self.name, held)
        for attempt_id in held:
            drive, task = self._drives.get(attempt_id, (None, None))
            if drive is None or task is None:
                continue
            if attempt_id in ours:
                drive.lease_until = lease_until
            else:
                # Another bridge has it now, or its row has ended.
                task.cancel()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # Tasks --------------------------------------------------------------------

    async def _ask_again(self) -> None:
        """Huey is at most once; the rows say what it owes."""
        while True:
            if asked := await in_thread(tasks.ask_again)():
                log.warning("asked again for the pictures of %s jobs", asked)
            await asyncio.sleep(ASK_EVERY)

    # Wake-ups -----------------------------------------------------------------

    async def _listen(self) -> None:
        layer = get_channel_layer()
        if layer is None:
            return
        channel = await layer.new_channel()
        await layer.group_add(GROUP, channel)
        while True:
            message = await layer.receive(channel)
            why = message.get("why", "changed")
            self._told_of_cancel |= why == "cancelled"
            self._may_find |= why == "changed"
            self._told_of_job |= why == "queued"
            wait = AFTER_YOU if why == "queued" and self._comes_late else 0.0
            asyncio.get_running_loop().call_later(wait, self._wake.set)

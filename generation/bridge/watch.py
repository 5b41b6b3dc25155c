"""Visits each server: is it there, what has it, how busy is it."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.utils import timezone

from generation.border import in_thread
from generation.comfy.errors import ComfyError
from generation.models import Catalog, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from generation.comfy.client import ComfyClient

log = logging.getLogger(__name__)

VISIT_EVERY = 5.0
# /object_info holds up a server's own loop, so it is asked for seldom: at the first
# visit, after every absence, and this often.
CATALOG_EVERY = 300.0


class Watch:
    """Keeps the `Server` rows true; calls `found` for one that can be reached (again,
    or by another way since it was edited).

    `reachable` holds the primary keys of those that this bridge itself can reach, and
    by which way: a row may say that a server is online because another bridge does.
    """

    def __init__(
        self,
        bridge: str,
        client_for: Callable[[Server], ComfyClient],
        found: Callable[[Server], None],
    ) -> None:
        self._bridge = bridge
        self._client_for = client_for
        self._found = found
        self.reachable: dict[int, str] = {}
        self._catalogs: dict[int, tuple[str, float]] = {}

    async def run(self) -> None:
        while True:
            servers = await self._enabled()
            await asyncio.gather(*(self.visit(server) for server in servers))
            enabled = {server.pk for server in servers}
            for gone in self.reachable.keys() - enabled:
                del self.reachable[gone]
            # Servers without an answer yet (both start together) are asked sooner.
            waiting = not servers or enabled - self.reachable.keys()
            await asyncio.sleep(1.0 if waiting else VISIT_EVERY)

    @in_thread
    def _enabled(self) -> list[Server]:
        return list(Server.objects.filter(enabled=True))

    async def visit(self, server: Server) -> None:
        try:
            seen = await self._ask(server)
        except ComfyError as exc:
            if server.pk in self.reachable:
                log.info("lost: %s", exc, extra={"server": server.name})
            self.lost(server)
            await self._write_away(server.pk, str(exc))
            return
        if server.state != Server.State.ONLINE:
            # Whatever it had loaded may be gone.
            seen["loaded_models"] = []
        await self._write(server.pk, seen)
        if self.reachable.get(server.pk) != server.way:
            log.info("found", extra={"server": server.name})
            self.reachable[server.pk] = server.way
            self._found(server)

    def lost(self, server: Server) -> None:
        """Take it for gone until a visit finds it."""
        self.reachable.pop(server.pk, None)
        self._catalogs.pop(server.pk, None)

    async def _ask(self, server: Server) -> dict[str, Any]:
        client = self._client_for(server)
        stats = await client.system_stats()
        queue = await client.queue()
        seen: dict[str, Any] = {
            "state": Server.State.ONLINE,
            "error": "",
            "seen_at": timezone.now(),
            "seen_by": self._bridge,
            "version": stats.version,
            "device": stats.device,
            "vram_total": stats.vram_total,
            "vram_free": stats.vram_free,
            "queue_length": len(queue.running) + len(queue.pending),
        }
        now = asyncio.get_running_loop().time()
        digest, read_at = self._catalogs.get(server.pk, ("", 0.0))
        if not digest or now - read_at > CATALOG_EVERY:
            info = await client.object_info()
            digest = await in_thread(Catalog.keep)(info)
            self._catalogs[server.pk] = (digest, now)
        return seen | {"catalog_id": digest}

    @in_thread
    def _write(self, pk: int, seen: dict[str, Any]) -> None:
        Server.objects.filter(pk=pk).update(**seen)

    @in_thread
    def _write_away(self, pk: int, error: str) -> None:
        """Unless another bridge has just seen it: then only our own way is cut."""
        stale = timezone.now() - timedelta(seconds=2 * VISIT_EVERY)
        unseen = Q(seen_at=None) | Q(seen_at__lt=stale) | Q(seen_by=self._bridge)
        rows = Server.objects.filter(unseen, pk=pk)
        rows.update(state=Server.State.OFFLINE, error=error)

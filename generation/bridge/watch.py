"""Visits each server: is it there, what has it, how busy is it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

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
    """Keeps the `Server` rows true; calls `changed` when one comes or goes."""

    def __init__(
        self,
        client_for: Callable[[Server], ComfyClient],
        changed: Callable[[Server], None],
    ) -> None:
        self._client_for = client_for
        self._changed = changed
        self._catalogs: dict[int, tuple[str, float]] = {}

    async def run(self) -> None:
        while True:
            servers = await self._enabled()
            await asyncio.gather(*(self.visit(server) for server in servers))
            # Servers without an answer yet (both start together) are asked sooner.
            waiting = any(s.state != Server.State.ONLINE for s in servers)
            await asyncio.sleep(1.0 if waiting or not servers else VISIT_EVERY)

    @in_thread
    def _enabled(self) -> list[Server]:
        return list(Server.objects.filter(enabled=True))

    async def visit(self, server: Server) -> None:
        try:
            seen = await self._ask(server)
        except ComfyError as exc:
            self._catalogs.pop(server.pk, None)
            seen = {"state": Server.State.OFFLINE, "error": str(exc)}
        if seen["state"] != server.state:
            log.info("now %s", seen["state"], extra={"server": server.name})
            # Whatever it had loaded may be gone.
            seen["loaded_models"] = []
        was, server.state = server.state, seen["state"]
        await self._write(server.pk, seen)
        if was != server.state:
            self._changed(server)

    async def _ask(self, server: Server) -> dict[str, Any]:
        client = self._client_for(server)
        stats = await client.system_stats()
        queue = await client.queue()
        seen: dict[str, Any] = {
            "state": Server.State.ONLINE,
            "error": "",
            "seen_at": timezone.now(),
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

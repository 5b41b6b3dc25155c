"""Can this installation reach its ComfyUI servers, and what do they lack?"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError

from generation import offers, retrieval
from generation.bootstrap import keep_servers
from generation.comfy.answers import SystemStats
from generation.comfy.catalog import Catalog
from generation.comfy.errors import ComfyError
from generation.comfy.socket import Connected, Disconnected, listen
from generation.models import Server, Version
from lifeos import env

GIB = 1024**3


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", nargs="*", help="instead of the known servers")

    def handle(self, *args: Any, url: list[str], **options: Any) -> None:
        servers = [Server(name=address, url=address.rstrip("/")) for address in url]
        if not servers:
            if named := env.http_urls("COMFYUI_URL"):
                keep_servers(named)
            servers = list(Server.objects.filter(enabled=True))
        if not servers:
            message = "No server is known. Name one: check_comfyui http://host:8188"
            raise CommandError(message)
        good = [self._check(server) for server in servers]
        if not (self._check_storage() and all(good)):
            sys.exit(1)

    def _check(self, server: Server) -> bool:
        self.stdout.write(f"{server.name}  {server.url}")
        try:
            stats, milliseconds, info = asyncio.run(_ask(server))
        except ComfyError as exc:
            self._line(False, "HTTP", str(exc))
            return False
        self._line(True, "HTTP", f"ComfyUI {stats.version}, {milliseconds:.0f} ms")
        memory = f"{stats.vram_free / GIB:.1f} of {stats.vram_total / GIB:.1f} GiB free"
        self._line(True, "GPU", f"{stats.device}, {memory}")
        opened = asyncio.run(_socket(server))
        if isinstance(opened, str):
            self._line(False, "/ws", opened)
        else:
            self._line(True, "/ws", f"first frame after {opened:.0f} ms")
        came = self._check_retrieval(server)
        runs = self._check_templates(Catalog(info))
        return runs and came and not isinstance(opened, str)

    def _check_retrieval(self, server: Server) -> bool:
        why = retrieval.trouble(server)
        self._line(not why, "outputs", why or server.get_retrieval_display())
        return not why

    def _check_templates(self, catalog: Catalog) -> bool:
        """Every template, and whether any of them runs here."""
        runs = []
        for version in Version.objects.of_published():
            lacks = catalog.lacks(offers.with_defaults(version, catalog))
            runs.append(not lacks)
            text = "; ".join(map(str, lacks)) or "runs"
            self.stdout.write(
                f"  {'ok  ' if not lacks else '-   '} {version.workflow.slug}: {text}"
            )
        # A template may be meant for another server; none at all is a fault.
        return any(runs) or not runs

    def _check_storage(self) -> bool:
        name = f"check-{secrets.token_hex(8)}"
        try:
            key = default_storage.save(name, ContentFile(b"check"))
            with default_storage.open(key) as file:
                same = bool(file.read() == b"check")
            default_storage.delete(key)
        except Exception as exc:  # each storage library has its own errors
            self._line(False, "storage", f"{type(exc).__name__}: {exc}")
            return False
        self._line(same, "storage", "written, read and deleted")
        return same

    def _line(self, good: bool, what: str, text: str) -> None:
        style: Callable[[str], str] = self.style.SUCCESS if good else self.style.ERROR
        self.stdout.write(f"  {style('ok  ' if good else 'FAIL')} {what}: {text}")


async def _ask(server: Server) -> tuple[SystemStats, float, dict[str, Any]]:
    async with server.client(_client_id()) as client:
        await client.system_stats()  # the first call pays for the connection
        begun = time.perf_counter()
        stats = await client.system_stats()
        milliseconds = (time.perf_counter() - begun) * 1000
        return stats, milliseconds, await client.object_info()


async def _socket(server: Server) -> float | str:
    """Milliseconds to the first frame, or why there was none."""
    begun = time.perf_counter()
    events = listen(server.url, _client_id(), server.auth)
    try:
        async with asyncio.timeout(10):
            async for event in events:
                if isinstance(event, Disconnected):
                    return event.reason
                if not isinstance(event, Connected):
                    return (time.perf_counter() - begun) * 1000
    except TimeoutError:
        return "no frame within 10 s (does a proxy block WebSockets?)"
    finally:
        await events.aclose()
    return "the socket closed at once"


def _client_id() -> str:
    return f"lifeos-check-{secrets.token_hex(8)}"

"""A bridge alone: claims jobs and drives them. Run as many as you like."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from generation import events
from generation.bootstrap import keep_servers
from generation.border import in_thread
from generation.bridge import Bridge
from lifeos import garbage


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        garbage.spare_what_is_loaded()
        asyncio.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        events.use_loop(loop)
        if settings.COMFYUI_URLS:
            await in_thread(keep_servers)(settings.COMFYUI_URLS)
        bridge = asyncio.create_task(Bridge().run())
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, bridge.cancel)
        await asyncio.wait([bridge])
        if not bridge.cancelled() and (error := bridge.exception()):
            raise error

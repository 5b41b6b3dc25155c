"""Everything in one process: web, bridge and tasks; the simulator if no server."""

from __future__ import annotations

import asyncio
import logging
import os
from argparse import ArgumentParser
from typing import Any

from lifeos.daphnes import twisted_loop  # isort: skip
from django.conf import settings
from django.core.management.base import BaseCommand
from huey.consumer import Consumer
from huey.contrib.djhuey import HUEY
from twisted.internet import reactor

from generation import events
from generation.bootstrap import keep_servers
from generation.border import in_thread
from generation.bridge import Bridge

log = logging.getLogger(__name__)


class QuietConsumer(Consumer):  # type: ignore[misc]
    """Huey's worker threads inside our process: the signals are Twisted's."""

    def _set_signal_handlers(self) -> None:
        pass


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument(
            "--port", type=int, default=int(os.environ.get("PORT", "8000"))
        )

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        from lifeos.asgi import application
        from lifeos.server import DrainingServer, endpoints

        consumer = QuietConsumer(HUEY, **settings.HUEY["consumer"])
        consumer.start()
        background = Background(use_simulator=not settings.COMFYUI_URLS)
        reactor.addSystemEventTrigger("before", "shutdown", background.stop)  # type: ignore[arg-type]
        reactor.addSystemEventTrigger("during", "shutdown", consumer.stop, True)  # type: ignore[arg-type]

        def begin() -> None:
            background.start()
            self.stdout.write(f"Life-OS serves on http://{host}:{port}")

        DrainingServer(
            application,
            endpoints=endpoints(host, port),
            ready_callable=begin,
            server_name="Life-OS",
            verbosity=0,
        ).run()


class Background:
    """What runs on the web server's own loop: the bridge, and perhaps a simulator."""

    def __init__(self, *, use_simulator: bool) -> None:
        self._use_simulator = use_simulator
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        events.use_loop(twisted_loop)
        self._task = twisted_loop.create_task(self._run())

    def stop(self) -> Any:
        """Let go; Twisted waits for the answer before it stops the loop."""
        from twisted.internet.defer import Deferred

        if self._task is None or self._task.done():
            return None
        self._task.cancel()
        return Deferred.fromFuture(asyncio.ensure_future(self._quietly(self._task)))

    async def _quietly(self, task: asyncio.Task[None]) -> None:
        await asyncio.wait([task], timeout=10)

    async def _run(self) -> None:

        if not self._use_simulator:
            await in_thread(keep_servers)(settings.COMFYUI_URLS)
            await Bridge().run()
            return
        # Here: with servers of one's own it would be 9 MB for nothing.
        from generation.simulator import Simulator

        # A port of its own that stays the same, so that the server's row does too.
        port = int(os.environ.get("LIFEOS_SIMULATOR_PORT", "0"))
        data = settings.DATA / "simulator"
        speed = float(os.environ.get("LIFEOS_SIMULATOR_SPEED", "1"))
        async with Simulator(speed=speed, data=data) as simulator:
            url = await simulator.start(port=port)
            log.info("no COMFYUI_URL: the built-in simulator answers at %s", url)
            await in_thread(keep_servers)([url], simulated=True)
            await Bridge().run()

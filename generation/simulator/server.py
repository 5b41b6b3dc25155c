"""The server: starts, stops, restarts, and owns one life's queue and executor."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from generation.simulator.catalog import DEFAULT_MODELS, NodeCatalog
from generation.simulator.executor import Executor, Ledger
from generation.simulator.faults import Faults
from generation.simulator.files import FileStore
from generation.simulator.frames import Frames
from generation.simulator.jobs import JobQueue
from generation.simulator.routes import Api

MAX_UPLOAD = 100 << 20


class Simulator:
    """A ComfyUI look-alike.

    ``speed`` multiplies the pace: at 1 a picture of 20 steps takes about six
    seconds, at 0 no time passes at all (every frame is still sent).
    ``without_nodes`` are left out of the catalogue. ``data`` holds input, output
    and temp; a temporary folder otherwise. ``modern=False`` behaves as a server
    from before /api/jobs, progress_state and execution_success, whose interrupt
    hits whatever runs. ``max_upload`` is in bytes.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        models: Sequence[str] | None = None,
        without_nodes: Collection[str] = (),
        data: Path | None = None,
        modern: bool = True,
        previews: bool = True,
        max_upload: int = MAX_UPLOAD,
    ) -> None:
        if speed < 0:
            raise ValueError("speed cannot be negative")
        self.speed = speed
        self.modern = modern
        self.previews = previews
        self.max_upload = max_upload
        self.faults = Faults(on_restart=self._restart)
        self.ledger = Ledger()
        self.catalog = NodeCatalog(
            models=DEFAULT_MODELS if models is None else models,
            without=without_nodes,
            lists_only=not modern,
            uploads=lambda: self.files.uploads(),
        )
        self._own_data: tempfile.TemporaryDirectory[str] | None = None
        if data is None:
            self._own_data = tempfile.TemporaryDirectory(prefix="simulator-")
            data = Path(self._own_data.name)
        self.files = FileStore(data)
        self.url = ""
        self._host, self._port = "127.0.0.1", 0
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._kept: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._new_life()

    @property
    def executions(self) -> Counter[str]:
        """How often each prompt id was really started, over all restarts."""
        return self.ledger.counts

    def features(self) -> dict[str, Any]:
        """The answer of ``GET /features``."""
        return {
            "supports_preview_metadata": True,
            "max_upload_size": self.max_upload,
            "extension": {"manager": {"supports_v4": True}},
            "node_replacements": True,
            "assets": False,
        }

    def _new_life(self) -> None:
        """Begin without memory of earlier prompts."""
        self.queue = JobQueue()
        queue = self.queue
        self.frames = Frames(
            self.faults,
            modern=self.modern,
            features=self.features(),
            remaining=lambda: queue.remaining,
        )
        self.executor = Executor(
            queue=self.queue,
            frames=self.frames,
            files=self.files,
            faults=self.faults,
            ledger=self.ledger,
            speed=self.speed,
            modern=self.modern,
            previews=self.previews,
        )
        self.faults.on_drop = self.frames.cut_all
        self.faults.on_half_open = self.frames.freeze_all

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen and return the URL; port 0 takes a free one.

        Entering the context listens on a free port already; a call after that
        moves the server to the address given here, where it begins anew.
        """
        if self._runner is not None:
            await self._close()
            self._new_life()
        self._host, self._port = host, port
        self._stopped = False
        await self._listen()
        shown = "127.0.0.1" if host in ("0.0.0.0", "") else host
        self.url = f"http://{shown}:{self._port}"
        return self.url

    async def stop(self) -> None:
        """Stop listening and give up what runs; a temporary folder is deleted."""
        self._stopped = True
        for task in self._kept:
            task.cancel()
        await self._close()
        if self._own_data is not None:
            self._own_data.cleanup()

    async def __aenter__(self) -> Self:
        if self._runner is None:
            await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _listen(self) -> None:
        self.files.forget_temp()
        app = Api(self).application()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._tasks = [
            asyncio.create_task(self.frames.send_forever()),
            asyncio.create_task(self.executor.run_forever()),
        ]

    async def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for site in list(runner.sites):
            await site.stop()
        self.frames.cut_all()
        await runner.cleanup()

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold on to a task that outlives the life in which it was started."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def _restart(self, down_for: float) -> None:
        await self._close()
        self._new_life()
        if down_for:
            await asyncio.sleep(down_for)
        if not self._stopped:
            await self._listen()

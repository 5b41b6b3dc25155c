"""The network between us and a server: a gate that can be cut, and opened again."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from tests.stack.process import free_port


class Gate:
    """Forwards a port to another one. `mode`:

    - "open": every byte passes.
    - "silent": connections stand, and new ones are taken, but no byte passes: a cut
      cable, as seen from either side.
    - "refusing": connections are broken off and new ones refused.
    - "502": a proxy that finds nobody behind it.
    """

    def __init__(self, target):
        self.target, self.port = target, free_port()
        self.mode = "open"
        self._pipes = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait()

    def set(self, mode):
        asyncio.run_coroutine_threadsafe(self._set(mode), self._loop).result()

    def close(self):
        asyncio.run_coroutine_threadsafe(self._set("refusing"), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    async def _listen(self):
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, backlog=512
        )

    async def _set(self, mode):
        was, self.mode = self.mode, mode
        if mode == "refusing":
            self._server.close()
            self._break_off()
        elif was == "refusing":
            await self._listen()
        if mode == "502":
            self._break_off()
        if was == "silent":
            # Packets that were lost on the way are sent again, or the peer gives up.
            self._break_off()

    def _break_off(self):
        for task in list(self._pipes):
            task.cancel()

    async def _accept(self, reader, writer):
        if self.mode == "502":
            with contextlib.suppress(OSError):
                await reader.readuntil(b"\r\n\r\n")
                page = b"<html><h1>502 Bad Gateway</h1>nginx</html>"
                head = f"HTTP/1.1 502 Bad Gateway\r\nContent-Length: {len(page)}\r\n"
                writer.write(head.encode() + b"Connection: close\r\n\r\n" + page)
                await writer.drain()
            writer.close()
            return
        task = asyncio.current_task()
        self._pipes.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._forward(reader, writer)
        finally:
            self._pipes.discard(task)
            writer.transport.abort()

    async def _forward(self, reader, writer):
        await self._open()
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return
        try:
            pipes = [
                asyncio.ensure_future(self._pipe(reader, back)),
                asyncio.ensure_future(self._pipe(there, writer)),
            ]
            try:
                await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pipe in pipes:
                    pipe.cancel()
        finally:
            back.transport.abort()

    async def _open(self):
        while self.mode == "silent":
            await asyncio.sleep(0.02)

    async def _pipe(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._open()
                writer.write(data)
                await writer.drain()

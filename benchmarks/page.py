"""An open page's socket, and when each of its messages came."""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

STATUS = re.compile(r'data-status="(\w+)"')
STEP = re.compile(r"Step (\d+) of")
PICTURE = re.compile(r'<img class="tile-front" src="([^"]+)"')
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A card as it came over the socket."""

    at: float
    job: str
    html: str

    @property
    def status(self) -> str:
        found = STATUS.search(self.html)
        return found[1] if found else ""

    @property
    def step(self) -> int | None:
        found = STEP.search(self.html)
        return int(found[1]) if found else None

    @property
    def picture(self) -> str | None:
        found = PICTURE.search(self.html)
        return found[1] if found else None

    @staticmethod
    def read(text: str | bytes, at: float) -> Seen:
        """A job's message; of the bell's, which are of no job, `job` is empty."""
        message = json.loads(text)
        return Seen(at, message.get("job", ""), message["content"])


class Page:
    """A context in which a thread listens as a browser's page does."""

    def __init__(self, url: str, cookie: str) -> None:
        self._socket = connect(
            url.replace("http", "ws", 1) + "/ws/",
            additional_headers={"Cookie": cookie, "Origin": url},
            open_timeout=30,
        )
        self._seen: queue.Queue[Seen] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._thread.join()

    def _listen(self) -> None:
        while True:
            try:
                text = self._socket.recv()
            except ConnectionClosed:
                return
            self._seen.put(Seen.read(text, time.time()))

    def next(self) -> Seen:
        """The next message. Raises queue.Empty when none comes."""
        return self._seen.get(timeout=PATIENCE)

    def until(self, job: str, status: str) -> Seen:
        """The first message that shows the job in this state."""
        while True:
            seen = self.next()
            if seen.job == job and seen.status == status:
                return seen

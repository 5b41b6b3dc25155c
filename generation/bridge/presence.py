"""Which bridges are surely dead, so that nobody waits for their leases to run out.

A bridge holds a lock on a file of its own in the data folder. The kernel drops it when
the process ends, however it ends, so bridges of the same machine can tell at once;
of other machines the leases tell a little later.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import socket
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)


class Presence:
    """`name` is this bridge's own: machine, process and a random part."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._machine = f"{socket.gethostname()[:60]}-"
        self.name = f"{self._machine}{os.getpid()}-{secrets.token_hex(3)}"
        self._held: IO[bytes] | None = None

    def announce(self) -> None:
        """Take our lock. Without one, our leases alone say that we live."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._held = self._file(self.name).open("wb")
            fcntl.flock(self._held, fcntl.LOCK_EX)
        except OSError as exc:
            log.warning("no lock for this bridge: %s", exc)

    def withdraw(self) -> None:
        if self._held is not None:
            self._file(self.name).unlink(missing_ok=True)
            self._held.close()
            self._held = None

    def is_dead(self, name: str) -> bool:
        """Whether it had a lock here and does not hold it any more.

        False for other machines: a network folder may keep the locks of each apart.
        """
        if name == self.name or not name.startswith(self._machine):
            return False
        try:
            with self._file(name).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False  # it holds the lock, or has another folder
        return True

    def tidy(self) -> None:
        """Remove the files of the dead, once their attempts are adopted."""
        for path in self._folder.glob("*.lock"):
            if self.is_dead(path.stem):
                path.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

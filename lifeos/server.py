"""daphne, but one that ends what it has begun before it goes."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from lifeos.daphnes import Server as Daphne  # isort: skip
from lifeos.daphnes import WebRequest  # isort: skip
from lifeos.daphnes import build_endpoint_description_strings  # isort: skip
from django.conf import settings
from django.core.management import CommandError
from twisted.internet.defer import Deferred

from lifeos import draining

log = logging.getLogger(__name__)

# A proxy may be about to use a connection that it kept open.
GRACE = 0.5


def endpoints(host: str, port: int, *, passed: bool = False) -> list[str]:
    """Where to listen: at an address, or on the socket that systemd passes on."""
    if passed:
        # Twisted itself reads LISTEN_PID and LISTEN_FDS, and takes them away.
        return ["systemd:domain=INET:index=0"]
    return list(build_endpoint_description_strings(host=host, port=port))


class DrainingServer(Daphne):  # type: ignore[misc]
    """On SIGTERM takes nothing new, and gives requests LIFEOS_DRAIN_SECONDS to end.

    Open pages lose their socket last; they connect again to whoever is there then.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ports: list[Any] = []
        self._refused = ""

    def run(self) -> None:
        """Until it is stopped. Raises CommandError when it cannot listen."""
        super().run()
        if self._refused:
            raise CommandError(self._refused)

    def listen_error(self, failure: Any) -> None:
        self._refused = str(failure.getErrorMessage())
        super().listen_error(failure)

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        self._ports.append(port)

    def kill_all_applications(self) -> Any:
        """Called by daphne at the shutdown; Twisted waits for what it returns."""
        draining.begin()
        drained = Deferred.fromFuture(asyncio.ensure_future(self._drain()))
        drained.addErrback(lambda failure: log.error("not drained: %s", failure))
        drained.addCallback(
            lambda _: super(DrainingServer, self).kill_all_applications()
        )
        return drained

    async def _drain(self) -> None:
        for port in self._ports:
            port.stopListening()
        begun = time.monotonic()
        await asyncio.sleep(GRACE)
        while self._in_flight():
            if time.monotonic() - begun > settings.LIFEOS_DRAIN_SECONDS:
                log.warning("%s requests are broken off", self._in_flight())
                return
            await asyncio.sleep(0.1)

    def _in_flight(self) -> int:
        """Requests that have not been answered to their end."""
        return sum(
            isinstance(protocol, WebRequest)
            and "application_instance" in details
            and "disconnected" not in details
            and not details["application_instance"].done()
            for protocol, details in self.connections.items()
        )

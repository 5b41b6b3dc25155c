"""Web alone: pages, API and sockets. Run as many as you like behind a proxy."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from generation import events
from lifeos.daphnes import twisted_loop
from lifeos.server import DrainingServer, endpoints


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument(
            "--port", type=int, default=int(os.environ.get("PORT", "8000"))
        )
        parser.add_argument(
            "--passed-socket",
            action="store_true",
            help="listen on the socket that systemd passes on (lifeos-web.socket)",
        )
        parser.add_argument(
            "--ping-interval", type=int, default=20, help="seconds, for open sockets"
        )

    def handle(
        self,
        *args: Any,
        host: str,
        port: int,
        passed_socket: bool,
        ping_interval: int,
        **options: Any,
    ) -> None:
        from lifeos.asgi import application  # it loads all views

        events.use_loop(twisted_loop)
        where = (
            "the socket that was passed" if passed_socket else f"http://{host}:{port}"
        )
        DrainingServer(
            application,
            endpoints=endpoints(host, port, passed=passed_socket),
            ping_interval=ping_interval,
            ready_callable=lambda: self.stdout.write(f"Life-OS's pages on {where}"),
            server_name="Life-OS",
            verbosity=0,
        ).run()

"""Runs the ComfyUI look-alike until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generation.simulator import Simulator
from generation.simulator.faults import parse_fault


class Command(BaseCommand):
    help = "Run a server that speaks ComfyUI's API and draws simulated pictures."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8188)
        parser.add_argument(
            "--speed", type=float, default=1.0, help="0: no time passes"
        )
        parser.add_argument("--model", action="append", metavar="NAME", dest="models")
        parser.add_argument(
            "--without-node", action="append", metavar="NAME", default=[]
        )
        parser.add_argument("--data", type=Path, help="folder of input and output")
        parser.add_argument("--old", action="store_true", help="speak as in 2024")
        parser.add_argument("--no-previews", action="store_true")
        parser.add_argument(
            "--fault",
            action="append",
            metavar="NAME[=VALUE]",
            default=[],
            help="silence, hang, out_of_memory=1, bad_files=truncated, "
            'http_errors={"/prompt":[502,1]}',
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            simulator = Simulator(
                speed=options["speed"],
                models=options["models"],
                without_nodes=options["without_node"],
                data=options["data"],
                modern=not options["old"],
                previews=not options["no_previews"],
            )
            for fault in options["fault"]:
                simulator.faults.apply(parse_fault(fault))
        except ValueError as error:
            raise CommandError(str(error)) from error
        try:
            asyncio.run(self._serve(simulator, options["host"], options["port"]))
        except OSError as error:
            raise CommandError(f"Cannot listen: {error}") from error

    async def _serve(self, simulator: Simulator, host: str, port: int) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        await simulator.start(host, port)
        async with simulator:
            self.stdout.write(f"Simulated ComfyUI on {simulator.url}")
            self.stdout.flush()
            await stopped.wait()

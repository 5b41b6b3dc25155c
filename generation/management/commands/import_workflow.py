"""Read workflows as people save them, and say what a server would be sent."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from generation.comfy.convert import Definitions, Unconvertible, convert, read
from generation.comfy.convert.reading import MAX_BYTES


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow", nargs="+", type=Path, help="JSON files")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="print each workflow in API format, one line a file, and keep nothing",
        )
        parser.add_argument(
            "--object-info",
            type=Path,
            metavar="FILE",
            help="what a server answered to /object_info",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["dry_run"]:
            message = "Workflows cannot be imported yet: use --dry-run to see them."
            raise CommandError(message)
        if options["object_info"] is None:
            message = "Name the server's node definitions: --object-info FILE"
            raise CommandError(message)
        known = _definitions(options["object_info"])
        results = [self._show(path, known) for path in options["workflow"]]
        if not all(results):
            sys.exit(1)

    def _show(self, path: Path, known: Definitions) -> bool:
        """Print one line; True if the workflow could be converted."""
        line: dict[str, Any] = {"file": path.name}
        try:
            # Text replacements see the time of day, as they do when a page runs it.
            now = timezone.localtime()
            line["workflow"] = convert(read(_contents(path)), known, now=now)
        except Unconvertible as error:
            line["error"] = error.sentence
            line["nodes"] = [
                {"id": node.id, "type": node.type, "reason": node.reason}
                for node in error.nodes
            ]
        self.stdout.write(json.dumps(line))
        return "workflow" in line


def _contents(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One more than is allowed: the reader says what is wrong with it.
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unconvertible(f"The file cannot be read: {error.strerror}.") from error


def _definitions(path: Path) -> Definitions:
    try:
        info = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"{path} is no object_info: {error}") from error
    if not isinstance(info, dict):
        raise CommandError(f"{path} is no object_info: it is not an object.")
    return Definitions(info)

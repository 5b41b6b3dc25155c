"""Make templates of workflows as people save them: JSON, PNG, WebP, MP4.

A template that is not published yet is made of each file; nothing of a file that has
a fault. With --dry-run: say what a server would be sent, and keep nothing.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from generation import importing
from generation.comfy.catalog import Catalog
from generation.comfy.convert import Definitions, Unconvertible, convert, read
from generation.comfy.convert.reading import MAX_BYTES
from generation.models import Server, Workflow


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow", nargs="+", type=Path, help="files")
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
        parser.add_argument(
            "--server", metavar="NAME", help="the server whose nodes are looked up"
        )
        parser.add_argument("--title", help="of the template; of one file only")
        parser.add_argument("--slug", help="of the template; of one file only")
        parser.add_argument(
            "--publish", action="store_true", help="people may use it at once"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            if options["object_info"] is None:
                message = "Name the server's node definitions: --object-info FILE"
                raise CommandError(message)
            known = _definitions(options["object_info"])
            results = [self._show(path, known) for path in options["workflow"]]
        else:
            if len(options["workflow"]) > 1 and (options["slug"] or options["title"]):
                raise CommandError("--title and --slug are for one file.")
            nodes = _knowledge(options["object_info"], options["server"])
            results = [
                self._import(path, nodes, options) for path in options["workflow"]
            ]
        if not all(results):
            sys.exit(1)

    def _import(
        self,
        path: Path,
        nodes: importing.Knowledge | None,
        options: dict[str, Any],
    ) -> bool:
        """Make a template of one file; True if that could be done."""
        try:
            data = _contents(path, importing.MAX_FILE_BYTES)
            found = importing.from_file(
                path.name, data, nodes.definitions if nodes else None
            )
            workflow = importing.create(
                found,
                title=options["title"] or importing.title_of(path.name),
                slug=options["slug"] or "",
                catalog=nodes.catalog if nodes else None,
            )
        except Unconvertible as error:
            self.stderr.write(f"{path.name}: {error.sentence}")
            for node in error.nodes:
                self.stderr.write(f"  node {node.id} ({node.type}): {node.reason}")
            return False
        except ValidationError as error:
            self.stderr.write(f"{path.name}: {' '.join(error.messages)}")
            return False
        self._tell(path, workflow, publish=options["publish"])
        return True

    def _tell(self, path: Path, workflow: Workflow, *, publish: bool) -> None:
        version = workflow.newest()
        assert version is not None
        if publish:
            workflow.publish(version)
        state = "published" if publish else "a draft"
        fields = len(version.fields)
        self.stdout.write(
            f"{path.name}: {workflow.slug}, {len(version.graph)} nodes,"
            f" {fields} fields, {state}"
        )

    def _show(self, path: Path, known: Definitions) -> bool:
        """Print one line; True if the workflow could be converted."""
        line: dict[str, Any] = {"file": path.name}
        try:
            # Text replacements see the time of day, as they do when a page runs it.
            now = timezone.localtime()
            document = read(_contents(path, MAX_BYTES))
            line["workflow"] = convert(document, known, now=now)
        except Unconvertible as error:
            line["error"] = error.sentence
            line["nodes"] = [
                {"id": node.id, "type": node.type, "reason": node.reason}
                for node in error.nodes
            ]
        self.stdout.write(json.dumps(line))
        return "workflow" in line


def _contents(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            # One more than is allowed: the reader says what is wrong with it.
            return file.read(limit + 1)
    except OSError as error:
        raise Unconvertible(f"The file cannot be read: {error.strerror}.") from error


def _knowledge(
    object_info: Path | None, server: str | None
) -> importing.Knowledge | None:
    if object_info is not None:
        info = _object_info(object_info)
        return importing.Knowledge(Catalog(info), Definitions(info))
    if server is None:
        return importing.knowledge()
    row = Server.objects.filter(name=server).first()
    if row is None:
        raise CommandError(f"There is no server called {server}.")
    found = importing.knowledge(row)
    if found is None:
        raise CommandError(f"{server} was never reached: its nodes are not known.")
    return found


def _definitions(path: Path) -> Definitions:
    return Definitions(_object_info(path))


def _object_info(path: Path) -> dict[str, Any]:
    try:
        info = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"{path} is no object_info: {error}") from error
    if not isinstance(info, dict):
        raise CommandError(f"{path} is no object_info: it is not an object.")
    return info

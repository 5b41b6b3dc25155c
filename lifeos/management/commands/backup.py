"""Write the database, every file and the keys into a folder, with checksums."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from lifeos.backup import BackupError, making


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a new folder")
        parser.add_argument(
            "--dated",
            action="store_true",
            help="into a folder named by the time, below this one; files that did not"
            " change are hard links",
        )
        parser.add_argument(
            "--keep", type=int, default=14, help="so many dated ones stay (14)"
        )

    def handle(
        self, *args: Any, folder: Path, dated: bool, keep: int, **options: Any
    ) -> None:
        if keep < 1:
            raise CommandError("--keep must be at least 1.")
        try:
            made = making.make_dated(folder, keep) if dated else making.make(folder)
        except BackupError as exc:
            raise CommandError(str(exc)) from exc
        size = filesizeformat(made.bytes)
        self.stdout.write(f"{made.folder}: {made.files} files, {size}")
        if made.linked:
            self.stdout.write(f"{made.linked} of them as links to the backup before")
        for name in made.missing[:20]:
            self.stderr.write(f"not in the storage: {name}")
        if made.missing:
            self.stderr.write(f"{len(made.missing)} pictures had no file.")

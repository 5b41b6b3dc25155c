"""Make an empty installation what a backup was; or only check the backup."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lifeos.backup import BackupError, restoring


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--check", action="store_true", help="compare the sums, change nothing"
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="overwrite a database and files that are there",
        )

    def handle(
        self, *args: Any, folder: Path, check: bool, replace: bool, **options: Any
    ) -> None:
        try:
            manifest = (
                restoring.check(folder)
                if check
                else restoring.restore(folder, replace=replace)
            )
        except BackupError as exc:
            raise CommandError(str(exc)) from exc
        rows = manifest["rows"]
        done = "is whole" if check else "is restored"
        self.stdout.write(
            f"The backup of {manifest['created']} {done}: {rows['people']} people,"
            f" {rows['jobs']} jobs, {rows['pictures']} pictures,"
            f" {manifest['files']} files."
        )

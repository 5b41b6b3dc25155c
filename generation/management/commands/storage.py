"""Move, verify and tidy up the stored files; see docs/storage.md."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from gallery.keeping import collecting, moving, spool, verifying
from gallery.storage import homes
from gallery.storage_base import StorageAway
from generation.keeping import UsedInputs


class Command(BaseCommand):
    help = "Move, verify and tidy up the stored files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="do", required=True)
        move = parts.add_parser("move", help="all files to one home")
        move.add_argument("--to", choices=["local", "s3"], required=True)
        move.add_argument("--workers", type=int, default=4)
        verify = parts.add_parser("verify", help="find what is missing or damaged")
        verify.add_argument("--deep", action="store_true", help="read every original")
        gc = parts.add_parser("gc", help="remove files that nothing needs")
        gc.add_argument("--dry-run", action="store_true", help="only count them")
        parts.add_parser("drain", help="move what waits in this machine's spool")

    def handle(self, *args: Any, **options: Any) -> None:
        deeds = {
            "move": self._move,
            "verify": self._verify,
            "gc": self._gc,
            "drain": self._drain,
        }
        try:
            deeds[options["do"]](options)
        except StorageAway as exc:
            raise CommandError(str(exc)) from exc

    def _move(self, options: dict[str, Any]) -> None:
        to = options["to"]
        if not 1 <= options["workers"] <= 32:
            raise CommandError("Use 1 to 32 workers.")
        done = moving.move(to, workers=options["workers"], said=self._said)
        for sentence in done.errors:
            self.stderr.write(sentence)
        self.stdout.write(f"{done.pictures} pictures and {done.others} files moved.")
        if homes().primary != to:
            self.stdout.write(f"New files go elsewhere until LIFEOS_STORAGE={to}.")
        if to == "local":
            self.stdout.write("Copies in the bucket go with `storage gc` in a day.")
        if done.errors:
            raise CommandError(f"{len(done.errors)} could not be moved; run it again.")

    def _said(self, done: moving.Moved) -> None:
        self.stdout.write(f"{done.pictures} pictures moved …")
        self.stdout.flush()

    def _verify(self, options: dict[str, Any]) -> None:
        seen: Counter[str] = Counter()
        lost = 0
        for problem in verifying.verify(deep=options["deep"]):
            seen[problem.kind] += 1
            lost += problem.is_loss
            self.stdout.write(f"{problem.kind}: {problem.name}: {problem.sentence}")
        told = ", ".join(f"{n} {kind}" for kind, n in sorted(seen.items()))
        self.stdout.write(told or "Every file is there and of the right size.")
        if lost:
            sys.exit(1)

    def _gc(self, options: dict[str, Any]) -> None:
        really = not options["dry_run"]
        done = collecting.collect(used_inputs=UsedInputs(), really=really)
        verb = "removed" if really else "would be removed"
        size = filesizeformat(done.bytes)
        self.stdout.write(f"{done.files} files ({size}) {verb}.")
        if done.uploads:
            self.stdout.write(f"{done.uploads} unfinished uploads ended.")

    def _drain(self, options: dict[str, Any]) -> None:
        done = spool.drain(seconds=24 * 3600)
        self.stdout.write(f"{done.moved} files moved to the bucket.")
        if done.failed:
            raise CommandError(f"{done.failed} files wait on: {done.error}")

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.models import User
from gallery.models import Facet, SearchEntry, SearchMark
from gallery.search import counting, indexing, schema


class Command(BaseCommand):
    help = "The gallery's search: `rebuild` the index, or show its `status`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["rebuild", "status"])
        parser.add_argument("--user", help="of this person alone")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = self._owner(options["user"])
        if options["action"] == "rebuild":
            schema.install(connection)
            for done in indexing.rebuild(owner):
                if done % 10_000 < indexing.BATCH:
                    self.stdout.write(f"{done:,} pictures")
            counting.recount(owner)
        marks, entries = SearchMark.objects.all(), SearchEntry.objects.all()
        if owner is not None:
            marks, entries = marks.filter(owner=owner), entries.filter(owner=owner)
        self.stdout.write(
            f"{entries.count():,} pictures are indexed, {marks.count():,} changes wait,"
            f" {Facet.objects.count():,} values are counted."
        )

    def _owner(self, name: str | None) -> int | None:
        if name is None:
            return None
        found = User.objects.filter(username=name).first()
        if found is None:
            raise CommandError(f"There is nobody called {name}.")
        return int(found.pk)

"""Every file of every home beside every row, in constant memory.

The lists go into a temporary SQLite file: a million pictures have three million
files, and a set of their names would not fit into a small machine.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from gallery.keeping.copying import folder_of, home_of
from gallery.models import Image
from gallery.storage import homes

SCHEMA = """
CREATE TABLE file (
    home TEXT, name TEXT, folder TEXT, bytes INTEGER, modified REAL,
    PRIMARY KEY (name, home)
) WITHOUT ROWID;
CREATE INDEX folder ON file (folder, home);
"""
BATCH = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as its home lists it."""

    home: str
    name: str
    bytes: int
    modified: datetime


class Inventory:
    """What the homes had when they were listed."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(SCHEMA)

    def take(self) -> None:
        """List all homes that there are. Raises StorageAway."""
        kinds = ["local", "spool", *(["s3"] if homes().s3 is not None else [])]
        for kind in kinds:
            rows = (
                (kind, f.name, folder_of(f.name), f.bytes, f.modified.timestamp())
                for f in home_of(kind).walk()
            )
            self._database.executemany("INSERT INTO file VALUES (?, ?, ?, ?, ?)", rows)

    def sizes(self, name: str) -> dict[str, int]:
        """The file's size in each home that has it."""
        words = "SELECT home, bytes FROM file WHERE name = ?"
        return dict(self._database.execute(words, (name,)))

    def folders(self) -> Iterator[list[tuple[str, str]]]:
        """(folder, home) of all pictures' folders, in batches."""
        words = "SELECT DISTINCT folder, home FROM file WHERE folder > ''"
        yield from self._batches(words)

    def others(self) -> Iterator[list[tuple[str, str]]]:
        """(name, home) of what is not in a picture's folder, in batches."""
        yield from self._batches("SELECT name, home FROM file WHERE folder = ''")

    def _batches(self, words: str) -> Iterator[list[tuple[str, str]]]:
        found = self._database.execute(words)
        while batch := found.fetchmany(BATCH):
            yield batch

    def within(self, folder: str, home: str) -> list[Stored]:
        words = "SELECT * FROM file WHERE folder = ? AND home = ?"
        return [_stored(row) for row in self._database.execute(words, (folder, home))]

    def one(self, name: str, home: str) -> Stored:
        words = "SELECT * FROM file WHERE name = ? AND home = ?"
        return _stored(self._database.execute(words, (name, home)).fetchone())

    def orphans(self, before: datetime) -> Iterator[Stored]:
        """Files of pictures that have no row, and copies that a move left behind.

        Only those that are older than `before`: a file is written before its row.
        """
        for batch in self.folders():
            known = _rows_of(folder for folder, _ in batch)
            for folder, home in batch:
                where = known.get(folder)
                for stored in self.within(folder, home):
                    left = where is None or self._left_behind(stored, where)
                    if left and stored.modified < before:
                        yield stored

    def _left_behind(self, stored: Stored, where: str) -> bool:
        return stored.home != where and where in self.sizes(stored.name)


def _stored(row: Any) -> Stored:
    home, name, _, size, modified = row
    return Stored(home, name, size, datetime.fromtimestamp(modified, UTC))


def _rows_of(folders: Iterable[str]) -> dict[str, str]:
    """The home that each folder's row names; folders without a row are left out."""
    by_id = {pk: folder for folder in folders if (pk := _id(folder))}
    rows = Image.objects.filter(pk__in=list(by_id)).values_list("pk", "home")
    return {by_id[pk]: home for pk, home in rows}


def _id(folder: str) -> UUID | None:
    try:
        return UUID(hex=folder.split("/")[3])
    except ValueError:
        return None


@contextmanager
def inventory() -> Iterator[Inventory]:
    """Taken now. Raises StorageAway when a home can't be listed."""
    with tempfile.TemporaryDirectory(prefix="lifeos-inventory-") as folder:
        database = sqlite3.connect(Path(folder) / "files.sqlite3")
        try:
            found = Inventory(database)
            found.take()
            yield found
        finally:
            database.close()

"""Snapshots of the database: SQLite by its backup API, PostgreSQL by pg_dump."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from django.db import connection

from lifeos.backup import BackupError

NAMES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}


def save(folder: Path) -> Path:
    """Write a consistent snapshot into the folder, whatever goes on meanwhile."""
    target = folder / NAMES[connection.vendor]
    if connection.vendor == "sqlite":
        _copy_sqlite(Path(str(connection.settings_dict["NAME"])), target)
    else:
        words = ["--format=custom", "--no-owner", "--no-privileges"]
        _run("pg_dump", *words, f"--file={target}", "--dbname", _name())
    return target


def load(snapshot: Path, *, replace: bool) -> None:
    """Make this database that snapshot. Raises BackupError unless it is empty."""
    if snapshot.name != NAMES[connection.vendor]:
        kinds = {file: vendor for vendor, file in NAMES.items()}
        message = (
            f"The backup is of {kinds[snapshot.name]}, this is {connection.vendor}."
        )
        raise BackupError(message)
    if not replace and connection.introspection.table_names():
        message = "The database is not empty. Make a new one, or use --replace."
        raise BackupError(message)
    if connection.vendor == "sqlite":
        _load_sqlite(snapshot)
    else:
        _load_postgresql(snapshot)


def _copy_sqlite(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        # One file without a log beside it, so that a plain copy of it is whole.
        new.execute("PRAGMA journal_mode=DELETE")
        (found,) = new.execute("PRAGMA integrity_check").fetchone()
    if found != "ok":
        raise BackupError(f"The copy of the database is damaged: {found}.")


def _load_sqlite(snapshot: Path) -> None:
    path = Path(str(connection.settings_dict["NAME"]))
    connection.close()
    fresh = path.with_name(f".{path.name}.restoring")
    fresh.unlink(missing_ok=True)
    _copy_sqlite(snapshot, fresh)
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
    fresh.replace(path)


def _load_postgresql(snapshot: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    connection.close()
    words = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    # The dump makes the schema too, and would stumble over ours.
    words += ["--schema=public"]
    _run("pg_restore", *words, "--dbname", _name(), str(snapshot))


def _name() -> str:
    return str(connection.settings_dict["NAME"])


def _run(program: str, *words: str) -> None:
    """One of PostgreSQL's programs, at our database; the password by environment."""
    found = shutil.which(program) or next(
        # Debian keeps them off the PATH where only the server is installed.
        map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))[-1:]),
        None,
    )
    if found is None:
        raise BackupError(f"{program} is missing: install postgresql-client.")
    config = connection.settings_dict
    names = {
        "PGHOST": "HOST",
        "PGPORT": "PORT",
        "PGUSER": "USER",
        "PGPASSWORD": "PASSWORD",
    }
    env = {name: str(config[key]) for name, key in names.items() if config.get(key)}
    done = subprocess.run(
        [found, *words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()}")

"""Make a backup, next to the folder's name until it is whole."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from accounts.models import User
from gallery import storage_shared
from gallery.models import Image
from gallery.storage_base import StorageAway
from generation.models import Job
from lifeos.backup import FORMAT, SECRETS, BackupError, databases, files

DATED = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Made:
    folder: Path
    files: int
    bytes: int
    linked: int
    missing: list[str]


def make(folder: Path) -> Made:
    """A backup in a folder that must not exist yet. Raises BackupError."""
    if folder.exists():
        raise BackupError(f"{folder} exists already.")
    return _make(folder, earlier=None)


def make_dated(parent: Path, keep: int) -> Made:
    """A backup in a folder named by the time; the oldest beyond `keep` go.

    Files that have not changed since the last one are hard links to it.
    """
    parent.mkdir(parents=True, exist_ok=True)
    before = dated(parent)
    earlier = None
    if before and (sums := before[-1] / "SHA256SUMS").exists():
        earlier = files.Earlier(before[-1], read_sums(sums))
    made = _make(parent / f"{timezone.now():%Y%m%dT%H%M%SZ}", earlier)
    # Only once the new one is whole.
    for old in [*before, made.folder][:-keep]:
        shutil.rmtree(old)
    return made


def dated(parent: Path) -> list[Path]:
    """The whole backups of this folder, the oldest first."""
    return sorted(path for path in parent.iterdir() if DATED.fullmatch(path.name))


def read_sums(path: Path) -> dict[str, str]:
    """SHA256SUMS as {name: digest}."""
    lines = path.read_text().splitlines()
    return {line[66:]: line[:64] for line in lines if len(line) > 66}


def _make(folder: Path, earlier: files.Earlier | None) -> Made:
    with _aside(folder) as fresh:
        begun = timezone.now()
        sums = {}
        snapshot = databases.save(fresh)
        with snapshot.open("rb") as file:
            sums[snapshot.name] = files.digest_of(file)
        linked = _copy_files(fresh, sums, earlier)
        _copy_secrets(fresh, sums)
        missing = list(_missing(sums, begun))
        manifest = _manifest(begun, missing, sums)
        (fresh / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        with (fresh / "manifest.json").open("rb") as file:
            sums["manifest.json"] = files.digest_of(file)
        lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
        (fresh / "SHA256SUMS").write_text("".join(lines))
        size = sum((fresh / name).stat().st_size for name in sums)
    return Made(folder, len(sums), size, linked, missing)


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A folder that becomes `folder` at the end, or goes again."""
    fresh = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        # Prompts, pictures and keys: for the owner only.
        fresh.mkdir(parents=True, mode=0o700)
        yield fresh
        fresh.rename(folder)
    except StorageAway as exc:
        raise BackupError(str(exc)) from exc
    except OSError as exc:
        raise BackupError(f"The backup could not be written: {exc}.") from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _copy_files(
    fresh: Path, sums: dict[str, str], earlier: files.Earlier | None
) -> int:
    """Every stored file; returns how many of them are links."""
    linked = 0
    for name in files.names(default_storage):
        target = fresh / "files" / name
        try:
            sums[f"files/{name}"] = files.copy(default_storage, name, target, earlier)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            continue  # deleted for ever meanwhile
        linked += target.stat().st_nlink > 1
    return linked


def _copy_secrets(fresh: Path, sums: dict[str, str]) -> None:
    """The keys of the data folder: without them everybody is signed out."""
    for name in SECRETS:
        source = settings.DATA / name
        if source.exists():
            target = fresh / "secrets" / name
            target.parent.mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o600)
            with target.open("rb") as file:
                sums[f"secrets/{name}"] = files.digest_of(file)


def _missing(sums: dict[str, str], begun: datetime) -> Iterator[str]:
    """Originals of rows as old as the snapshot that the storage does not have."""
    rows = Image.objects.filter(created__lte=begun).values_list("file", flat=True)
    for name in rows.iterator(chunk_size=2000):
        # What was left in a shared folder is in that folder's own backup.
        ours = name and not name.startswith(storage_shared.PREFIX)
        if ours and f"files/{name}" not in sums:
            yield name


def _manifest(
    begun: datetime, missing: list[str], sums: dict[str, str]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "created": begun.isoformat(),
        "version": settings.VERSION,
        "database": connection.vendor,
        "rows": {
            "people": User.objects.count(),
            "jobs": Job.objects.count(),
            "pictures": Image.objects.count(),
        },
        "files": len(sums),
        "missing": missing,
    }

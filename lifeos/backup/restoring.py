"""Check a backup, and make an empty place what it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import call_command

from lifeos.backup import FORMAT, SECRETS, BackupError, databases, files
from lifeos.backup.making import read_sums


def check(folder: Path) -> dict[str, Any]:
    """Compare every file with its sum; the manifest. Raises BackupError."""
    try:
        sums = read_sums(folder / "SHA256SUMS")
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError) as exc:
        raise BackupError(f"{folder} is not a whole backup: {exc}.") from exc
    if manifest.get("format") != FORMAT:
        raise BackupError("The backup was made by a newer version of Life-OS.")
    wrong = [name for name, digest in sums.items() if _digest(folder / name) != digest]
    if wrong or not sums:
        some = ", ".join(wrong[:5])
        raise BackupError(f"{len(wrong)} files are damaged or missing: {some}.")
    return manifest


def restore(folder: Path, *, replace: bool = False) -> dict[str, Any]:
    """Database, files and keys. Raises BackupError before anything is changed, if the
    backup is damaged or the place is not empty; `replace` overwrites what is there.
    """
    manifest = check(folder)
    sums = read_sums(folder / "SHA256SUMS")
    if not replace and next(files.names(default_storage), None) is not None:
        message = "The storage is not empty. Name another one, or use --replace."
        raise BackupError(message)
    (snapshot,) = [folder / name for name in databases.NAMES.values() if name in sums]
    databases.load(snapshot, replace=replace)
    for name in sums:
        if name.startswith("files/"):
            _put_back(folder / name, name.removeprefix("files/"), sums[name])
    _put_secrets_back(folder)
    # A backup of an older version becomes one of this.
    call_command("migrate", interactive=False, verbosity=0)
    return manifest


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return files.digest_of(file)
    except OSError:
        return "missing"


def _put_back(source: Path, name: str, digest: str) -> None:
    """Store it and read it again: what counts is what the storage has."""
    try:
        files.put_back(default_storage, name, source)
        with default_storage.open(name, "rb") as file:
            stored = files.digest_of(file)
    except OSError as exc:
        raise BackupError(f"{name} could not be stored: {exc}.") from exc
    if stored != digest:
        raise BackupError(f"{name} came out of the storage differently.")


def _put_secrets_back(folder: Path) -> None:
    for name in SECRETS:
        source = folder / "secrets" / name
        if source.exists():
            fresh = settings.DATA / f".{name}.restoring"
            fresh.touch(mode=0o600)
            fresh.write_bytes(source.read_bytes())
            fresh.replace(settings.DATA / name)

"""Backups: a folder with the database, every stored file, the keys, and their sums.

    manifest.json       when, by which version, of which database, how many of what
    database.sqlite3    or database.dump (pg_dump's own format)
    files/…             the storage, name for name
    secrets/…           the keys that the data folder holds, for the owner only
    SHA256SUMS          of all of these; `sha256sum -c SHA256SUMS` checks it anywhere

The database comes first: a picture's file is written before its row, so every row of
the snapshot has its file. What is deleted for ever meanwhile is in the manifest.
"""

from __future__ import annotations

FORMAT = 1
SECRETS = ("secret_key", "jwt_key.pem")


class BackupError(Exception):
    """Why there is no backup, or why it can't be restored: a sentence."""

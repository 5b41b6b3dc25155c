#!/usr/bin/env python3
"""Uploads what ComfyUI puts out to a bucket, for Life-OS to take it from there.

Runs beside ComfyUI and needs nothing but Python 3.10 and boto3. It looks through the
output folder every second; a file that has kept its size and time for a moment is
whole, and is uploaded with its SHA-256. What was uploaded is written down in an
SQLite file after the bucket has confirmed it: killed at any point, the next start
uploads what is not written down, and nothing twice that is.

Settings are environment variables, see README.md.
"""

from __future__ import annotations

import hashlib
import logging
import mimetypes
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger("comfyui-uploader")
PART = 8 * 1024 * 1024
CHUNK = 1 << 20
LONGEST_WAIT = 60.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS uploaded (
    name TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL
)
"""
Seen = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Settings:
    """Times in seconds."""

    folder: Path
    state: Path
    bucket: str
    prefix: str
    interval: float
    settle: float

    @staticmethod
    def read() -> Settings:
        """From the environment; ends the process with a sentence where it is wrong."""
        missing = [
            name
            for name in ("COMFYUI_OUTPUT", "UPLOAD_BUCKET")
            if not os.environ.get(name)
        ]
        if missing:
            sys.exit(f"Set {' and '.join(missing)}; see README.md.")
        folder = Path(os.environ["COMFYUI_OUTPUT"])
        if not folder.is_dir():
            sys.exit(f"COMFYUI_OUTPUT is no folder: {folder}")
        state = os.environ.get("STATE_DIRECTORY") or "."
        return Settings(
            folder=folder,
            state=Path(state) / "uploaded.sqlite3",
            bucket=os.environ["UPLOAD_BUCKET"],
            prefix=os.environ.get("UPLOAD_PREFIX", "").strip("/"),
            interval=float(os.environ.get("UPLOAD_INTERVAL", "1")),
            settle=float(os.environ.get("UPLOAD_SETTLE", "1")),
        )


class Uploader:
    """`once` looks through the folder; `run` does so until it is told to stop."""

    def __init__(self, settings: Settings, client: Any) -> None:
        self.settings, self._client = settings, client
        settings.state.parent.mkdir(parents=True, exist_ok=True)
        self._state = sqlite3.connect(settings.state)
        # Written down means on the disk, before anything else is done.
        self._state.execute("PRAGMA synchronous=FULL")
        self._state.execute(SCHEMA)
        self._last: Seen = {}

    def close(self) -> None:
        self._state.close()

    def run(self, stop: threading.Event) -> None:
        settle = max(self.settings.settle, self.settings.interval)
        wait = self.settings.interval
        while not stop.wait(wait):
            try:
                self.once()
                wait = settle
            except (BotoCoreError, Boto3Error, ClientError, OSError) as exc:
                # Nothing is lost: it is looked for again, at growing intervals.
                wait = min(LONGEST_WAIT, wait * 2)
                log.warning("again in %.0f s: %s", wait, exc)

    def once(self) -> int:
        """Upload what is whole and not uploaded yet; how many files.

        Whole is what is as it was at the look before.
        """
        now: Seen = dict(self._files())
        done = 0
        for name, about in now.items():
            if self._last.get(name) == about and not self._is_uploaded(name, about):
                done += self._upload(name, about)
        self._last = now
        return done

    def _files(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """(name, (size, time)) of each file; links are left alone."""
        for folder, _, names in os.walk(self.settings.folder):
            for name in names:
                path = Path(folder, name)
                if name.startswith(".") or path.is_symlink():
                    continue
                try:
                    about = path.stat()
                except FileNotFoundError:
                    continue
                # ComfyUI creates a file, then writes it.
                if about.st_size:
                    relative = path.relative_to(self.settings.folder).as_posix()
                    yield relative, (about.st_size, about.st_mtime_ns)

    def _is_uploaded(self, name: str, about: tuple[int, int]) -> bool:
        words = "SELECT 1 FROM uploaded WHERE name=? AND size=? AND mtime_ns=?"
        return self._state.execute(words, (name, *about)).fetchone() is not None

    def _upload(self, name: str, about: tuple[int, int]) -> bool:
        path = self.settings.folder / name
        prefix = self.settings.prefix
        key = f"{prefix}/{name}" if prefix else name
        try:
            file = path.open("rb")
        except (FileNotFoundError, PermissionError) as exc:
            log.warning("%s can't be read: %s", name, exc.strerror)
            return False
        with file:
            sha256 = digest(file)
            if _about(file) != about:
                return False  # it is being written: at the next look
            self._send(file, key, sha256)
        size = self._client.head_object(Bucket=self.settings.bucket, Key=key)
        if size["ContentLength"] != about[0]:
            log.warning("%s arrived with another size; once more", name)
            return False
        with self._state:
            self._state.execute(
                "INSERT OR REPLACE INTO uploaded VALUES (?, ?, ?, ?)",
                (name, *about, sha256),
            )
        log.info("uploaded %s (%s bytes)", name, about[0])
        return True

    def _send(self, file: Any, key: str, sha256: str) -> None:
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        about = {"ContentType": kind, "Metadata": {"sha256": sha256}}
        parts = TransferConfig(
            multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=2
        )
        # boto closes what it is given.
        self._client.upload_fileobj(
            _KeptOpen(file), self.settings.bucket, key, ExtraArgs=about, Config=parts
        )


class _KeptOpen:
    def __init__(self, file: Any) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def close(self) -> None:
        """What boto calls; the file stays open."""


def _about(file: Any) -> tuple[int, int]:
    about = os.fstat(file.fileno())
    return about.st_size, about.st_mtime_ns


def digest(file: Any) -> str:
    """SHA-256 of the whole file, which is at its beginning afterwards."""
    found = hashlib.sha256()
    while chunk := file.read(CHUNK):
        found.update(chunk)
    file.seek(0)
    return found.hexdigest()


def client_from_environment() -> Any:
    """S3 or what speaks its language. R2 refuses boto's own checksums: the payload's
    SHA-256 is signed instead, and the server compares it.
    """
    return boto3.client(
        "s3",
        endpoint_url=os.environ.get("AWS_S3_ENDPOINT_URL") or None,
        region_name=os.environ.get("AWS_S3_REGION_NAME") or "auto",
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path", "payload_signing_enabled": True},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = Settings.read()
    with closing(Uploader(settings, client_from_environment())) as uploader:
        log.info("watching %s", settings.folder)
        uploader.run(stop)


if __name__ == "__main__":
    main()

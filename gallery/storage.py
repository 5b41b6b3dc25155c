"""Where files live: a local folder, or a bucket."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from botocore.config import Config
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from storages.backends.s3 import S3Storage


class LocalStorage(FileSystemStorage):
    """Files in a folder. A name is written whole or not at all, and may be again."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        # Our names are made from ids: the same name is the same file once more.
        return name

    def _save(self, name: str, content: File[Any]) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            with fresh.open("wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        return name


class SharedS3Storage(S3Storage):  # type: ignore[misc]
    """One S3 client for the process.

    The stock class makes one per thread, and Django's ASGI handler runs every request
    on a fresh thread: 130 ms for each page that signs an address.
    """

    def __init__(self, **options: Any) -> None:
        # R2 refuses the checksum trailers that boto3 sends by default.
        options["client_config"] = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        super().__init__(**options)
        self._shared: Any = None
        self._lock = threading.Lock()

    @property
    def connection(self) -> Any:
        with self._lock:
            if self._shared is None:
                self._shared = super().connection
            return self._shared

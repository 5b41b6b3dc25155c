"""Where files live: a local folder, a bucket, or a shared folder; all at once.

The local folder and the bucket are the two homes; LIFEOS_STORAGE says which of them
gets new files. While the bucket is away they wait in the spool, a local folder, and
are moved later (`gallery.keeping.spool`). Reading looks everywhere, so that files
can be moved under a running site.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from gallery import storage_shared
from gallery.storage_base import Listed, StorageAway

if TYPE_CHECKING:
    from gallery.storage_s3 import S3Home

log = logging.getLogger(__name__)
T = TypeVar("T")

LOCAL, S3, SPOOL, SHARED = "local", "s3", "spool", "shared"
# After a failure the bucket is left alone for this long: each picture would wait.
REST = 15.0


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

    def walk(self, prefix: str = "") -> Iterator[Listed]:
        """Every file below the prefix; what is being written is left out."""
        root = Path(self.location)
        for folder, _, files in os.walk(root / prefix):
            for file in files:
                path = Path(folder, file)
                if file.startswith("."):
                    continue
                try:
                    about = path.stat()
                except FileNotFoundError:
                    continue
                modified = datetime.fromtimestamp(about.st_mtime, UTC)
                name = path.relative_to(root).as_posix()
                yield Listed(name, about.st_size, modified)

    def has(self, name: str) -> bool:
        return Path(self.path(name)).is_file()

    def tidy(self, name: str) -> None:
        """Remove the folders that are empty now; the root stays."""
        root = Path(self.location)
        for folder in Path(self.path(name)).parents:
            if folder == root or root not in folder.parents:
                return
            try:
                folder.rmdir()
            except OSError:
                return


def _bucket(options: Mapping[str, Any]) -> S3Home:
    # Here: boto takes 20 MB of memory, and most keep their files in a folder.
    from gallery.storage_s3 import S3Home

    return S3Home(**options)


class Homes(Storage):
    """All places together, as one storage.

    `primary` (local or s3) gets what is saved. `mounts` maps the names of shared
    folders to their paths; a file there is called `shared/<mount>/<path>`.
    """

    def __init__(
        self,
        *,
        primary: str,
        location: str,
        spool: str,
        s3: Mapping[str, Any] | None = None,
        mounts: Mapping[str, str] | None = None,
    ) -> None:
        if primary == S3 and s3 is None:
            raise ValueError("There is no bucket to save in.")
        self.primary = primary
        self.local = LocalStorage(location=location)
        self.spool = LocalStorage(location=spool)
        self.s3 = _bucket(s3) if s3 is not None else None
        self.mounts = dict(mounts or {})
        self._away_until = 0.0

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    # Saving -------------------------------------------------------------------

    def _save(self, name: str, content: File[Any]) -> str:
        place = _in_place(content)
        if place is not None:
            return place.name
        if self.primary == LOCAL or self.s3 is None:
            return self.local.save(name, content)
        if time.monotonic() >= self._away_until:
            try:
                return str(self.s3.save(name, content))
            except StorageAway as exc:
                self._away_until = time.monotonic() + REST
                log.warning("%s Files wait in the spool.", exc)
        content.seek(0)
        return self.spool.save(name, content)

    @property
    def bucket(self) -> S3Home:
        """The bucket, where one must be. Raises StorageAway."""
        if self.s3 is None:
            raise StorageAway("No bucket is set up (AWS_STORAGE_BUCKET_NAME).")
        return self.s3

    # Finding ------------------------------------------------------------------

    def locate(self, name: str) -> str:
        """The home that a file is in, by its name and a look at our own disk alone.

        What is nowhere here is taken to be in the bucket, if there is one.
        """
        if name.startswith(storage_shared.PREFIX):
            return SHARED
        if self.s3 is None:
            return LOCAL
        if self.spool.has(name):
            return SPOOL
        return LOCAL if self.local.has(name) else S3

    def _anywhere(self, name: str, ask: Callable[[Storage], T]) -> T:
        """The first answer of a home that has the file. Raises FileNotFoundError.

        Twice, since it may be moved from a home that comes later to one before it.
        """
        for _ in range(2):
            for home in self._homes():
                try:
                    return ask(home)
                except FileNotFoundError:
                    continue
        raise FileNotFoundError(f"{name} is in no home.")

    def _homes(self) -> list[Any]:
        return [self.local] if self.s3 is None else [self.spool, self.local, self.s3]

    def walk(self, prefix: str = "") -> Iterator[Listed]:
        """Every file of every home; one that is being moved may come twice.

        What lies in shared folders is not ours, and is left out. Raises StorageAway.
        """
        for home in self._homes():
            yield from home.walk(prefix)

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        if name.startswith(storage_shared.PREFIX):
            return File(os.fdopen(self._shared(name), "rb"), name)
        return self._anywhere(name, lambda home: home.open(name, mode))

    def _shared(self, name: str) -> int:
        return storage_shared.open_within(*storage_shared.split(name, self.mounts))

    def size(self, name: str) -> int:
        if name.startswith(storage_shared.PREFIX):
            with self.open(name) as file:
                return os.fstat(file.fileno()).st_size
        return self._anywhere(name, lambda home: home.size(name))

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except (FileNotFoundError, storage_shared.Unsafe):
            return False
        return True

    def get_modified_time(self, name: str) -> datetime:
        return self._anywhere(name, lambda home: home.get_modified_time(name))

    def path(self, name: str) -> str:
        """The file's path on this machine. Raises NotImplementedError elsewhere."""
        where = self.locate(name)
        if where not in (LOCAL, SPOOL):
            raise NotImplementedError("This file is not on this machine.")
        return (self.local if where == LOCAL else self.spool).path(name)

    def url(self, name: str | None) -> str:
        """Files are private: views hand them out, there is no address for all."""
        raise NotImplementedError("A view delivers files, after a look at who asks.")

    # Removing -----------------------------------------------------------------

    def delete(self, name: str) -> None:
        """From every home of ours. A file in a shared folder belongs to its server."""
        if name.startswith(storage_shared.PREFIX):
            return
        for home in (self.spool, self.local):
            home.delete(name)
            home.tidy(name)
        if self.s3 is not None:
            self.s3.delete(name)

    def delete_folder(self, folder: str) -> int:
        """Every file below `folder` (which ends in a slash), in all homes; how many."""
        if not folder.endswith("/") or folder.count("/") < 2 or ".." in folder:
            raise ValueError(f"{folder!r} is no folder of one picture.")
        gone = 0
        for home in (self.spool, self.local):
            found = [listed.name for listed in home.walk(folder)]
            gone += len(found)
            shutil.rmtree(home.path(folder), ignore_errors=True)
            home.tidy(folder)
        if self.s3 is not None:
            for listed in list(self.s3.walk(folder)):
                self.s3.delete(listed.name)
                gone += 1
        return gone


def _in_place(content: object) -> storage_shared.InPlace | None:
    """Where the file lies that is to stay there, of a file however it is wrapped."""
    while content is not None:
        place = getattr(content, "in_place", None)
        if isinstance(place, storage_shared.InPlace):
            return place
        content = getattr(content, "file", None)
    return None


def homes() -> Homes:
    """The storage of all our files."""
    return cast("Homes", storages["default"])


def signed_url(name: str, *, content_type: str = "", disposition: str = "") -> str:
    """An address at the bucket; empty where the file is not there (see S3Home)."""
    here = homes()
    if here.s3 is None or here.locate(name) != S3:
        return ""
    return here.s3.signed_url(name, content_type=content_type, disposition=disposition)

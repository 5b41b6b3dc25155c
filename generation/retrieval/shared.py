"""From the server's output folder, which is mounted here (NFS, a bind mount).

An NFS client keeps what it knows of a folder for some seconds: a file that the server
has written may be absent here, or shorter than it is.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from django.conf import settings

from gallery import storage_shared
from gallery.storage_shared import InPlace, InPlaceFile, Unsafe
from generation.comfy.errors import TooLarge
from generation.comfy.run import Output
from generation.models import Attempt, Server
from generation.retrieval import http
from generation.retrieval.errors import Elsewhere, NotYet

CHUNK = 1 << 18
# When the server can't be asked for the size: after so many tries, with growing
# waits between them, the longest that NFS keeps a file's size (acregmin, 3 s) is over.
SURELY = 4


def in_place(attempt: Attempt, output: Output) -> BinaryIO:
    """The file where it lies: what is stored names it, and copies nothing.

    Raises NotYet, Elsewhere or TooLarge, as does `imported`.
    """
    descriptor, place = _found(attempt, output)
    return InPlaceFile(descriptor, place)


def imported(attempt: Attempt, output: Output) -> BinaryIO:
    """A copy that is ours."""
    descriptor, _ = _found(attempt, output)
    into = http.spooled()
    try:
        with os.fdopen(descriptor, "rb") as file:
            wanted = os.fstat(descriptor).st_size
            while chunk := file.read(CHUNK):
                into.write(chunk)
        if into.tell() != wanted:
            raise NotYet(f"{output.filename} changed while it was read.")
        into.seek(0)
    except OSError as exc:
        into.close()
        raise NotYet(f"The shared folder broke off ({exc.strerror}).") from exc
    except BaseException:
        into.close()
        raise
    return into


def trouble(server: Server) -> str:
    root = settings.LIFEOS_SHARED_FOLDERS.get(server.shared_folder)
    if not root:
        return f"LIFEOS_SHARED_FOLDERS names no {server.shared_folder!r}"
    try:
        with os.scandir(root) as entries:
            next(entries, None)
    except OSError as exc:
        return f"{root} can't be read ({exc.strerror})"
    return ""


def _found(attempt: Attempt, output: Output) -> tuple[int, InPlace]:
    """(descriptor, place) of the whole file."""
    mount = attempt.server.shared_folder
    root = settings.LIFEOS_SHARED_FOLDERS.get(mount)
    if not root:
        raise Elsewhere(f"no shared folder is called {mount!r} here")
    path = "/".join(p for p in (output.subfolder, output.filename) if p)
    try:
        descriptor = storage_shared.open_within(root, path)
    except Unsafe as exc:
        raise Elsewhere(str(exc)) from exc
    except OSError as exc:
        # Not there yet, or the folder's server is away, or the handle is stale.
        why = f"{path} is not in the shared folder ({exc.strerror})."
        raise NotYet(why) from exc
    try:
        _check_size(attempt, output, os.fstat(descriptor).st_size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, InPlace(mount, path)


def _check_size(attempt: Attempt, output: Output, size: int) -> None:
    limit = settings.LIFEOS_MAX_OUTPUT_BYTES
    if size > limit:
        raise TooLarge(f"{output.filename} is larger than {limit} bytes.")
    whole = http.size_of(attempt, output)
    if whole is None:
        if not size or attempt.save_tries < SURELY:
            raise NotYet(f"{output.filename} may be incomplete.")
    elif size != whole:
        raise NotYet(f"{output.filename} has {size} of {whole} bytes here.")

"""/healthz: the process lives. /readyz: it can do its work, or why it cannot."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from gallery.keeping import disks
from gallery.storage import S3, homes
from gallery.storage_s3 import StorageAway
from generation.models import Server


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    reasons = [reason for check in CHECKS if (reason := check())]
    status = 503 if reasons else 200
    told = {"ready": not reasons, "reasons": reasons, "warnings": _warnings()}
    return JsonResponse(told, status=status)


def _database() -> str | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "The database does not answer."
    return None


def _broker() -> str | None:
    # While Redis is away our cache forgets instead of failing.
    cache.set("readyz", 1, 10)
    return None if cache.get("readyz") else "Redis does not answer."


def _storage() -> str | None:
    """The folders on this machine. Without the bucket the pages still work, and what
    is made waits in the spool: a warning, no reason to send people elsewhere.
    """
    here = homes()
    for home in (here.local, here.spool):
        try:
            folder = Path(home.location)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"readyz")
        except OSError as exc:
            return f"A folder for files can't be written ({exc.strerror})."
    return None


def _warnings() -> list[str]:
    """What somebody should look at, though the site works."""
    found = [disk.sentence for disk in disks.low()]
    here = homes()
    if here.primary == S3:
        try:
            here.bucket.exists("readyz")
        except StorageAway as exc:
            found.append(f"{exc} Files wait in the spool.")
    return found


def _servers() -> str | None:
    try:
        online = Server.objects.filter(enabled=True, state=Server.State.ONLINE)
        return None if online.exists() else "No ComfyUI server is online."
    except DatabaseError:
        return None


CHECKS = (_database, _broker, _storage, _servers)

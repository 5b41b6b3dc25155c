"""/healthz: the process lives. /readyz: it can do its work, or why it cannot."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from gallery.keeping import disks
from gallery.storage import S3, homes
from gallery.storage_base import StorageAway
from generation.models import Server
from lifeos import draining, metrics
from lifeos.middleware import Middleware

# A mounted folder whose server is gone answers nothing, for ever.
STORAGE_SECONDS = 5.0
_probes = ThreadPoolExecutor(2, thread_name_prefix="probe")


@require_safe
def healthz(request: HttpRequest) -> HttpResponseBase:
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponseBase:
    reasons = list(not_ready().values())
    status = 503 if reasons else 200
    told = {"ready": not reasons, "reasons": reasons, "warnings": _warnings()}
    return JsonResponse(told, status=status)


def not_ready() -> dict[str, str]:
    """What is wrong: the part (as in CHECKS) and a sentence. Empty: all is well."""
    found = {name: check() for name, check in CHECKS.items()}
    return {name: reason for name, reason in found.items() if reason}


def _process() -> str | None:
    return "The process is shutting down." if draining.begun() else None


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
    try:
        return _probes.submit(_look_at_storage).result(STORAGE_SECONDS)
    except TimeoutError:
        return f"The storage does not answer within {STORAGE_SECONDS:.0f} s."
    except Exception as exc:  # each storage library has its own errors
        return f"The storage does not answer ({type(exc).__name__})."


def _look_at_storage() -> str | None:
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


CHECKS: dict[str, Callable[[], str | None]] = {
    "process": _process,
    "database": _database,
    "broker": _broker,
    "storage": _storage,
    "servers": _servers,
}
VIEWS: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics.view,
}


class ProbeMiddleware(Middleware):
    """Answers machines before anything else is asked for.

    A load balancer and Prometheus name the process by its address, which is in nobody's
    ALLOWED_HOSTS, and come over plain HTTP; a session would only cost.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = VIEWS.get(request.path_info)
        return self.get_response(request) if view is None else view(request)

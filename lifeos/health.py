"""/healthz: the process lives. /readyz: it can do its work, or why it cannot."""

from __future__ import annotations

from django.core.cache import cache
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from generation.models import Server


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    reasons = [reason for check in CHECKS if (reason := check())]
    status = 503 if reasons else 200
    return JsonResponse({"ready": not reasons, "reasons": reasons}, status=status)


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
        default_storage.exists("readyz")
    except Exception as exc:  # each storage library has its own errors
        return f"The storage does not answer ({type(exc).__name__})."
    return None


def _servers() -> str | None:
    try:
        online = Server.objects.filter(enabled=True, state=Server.State.ONLINE)
        return None if online.exists() else "No ComfyUI server is online."
    except DatabaseError:
        return None


CHECKS = (_database, _broker, _storage, _servers)

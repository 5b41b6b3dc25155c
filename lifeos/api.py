"""The API: who may call it, and how its errors look."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja.errors import ValidationError

from accounts.access import READ, NotAllowed, OutOfScope
from accounts.errors import BadValues, Conflict, NotFound
from accounts.notice_api import router as notices
from accounts.paging import BadCursor
from accounts.rates import TooFast
from gallery.api import router as gallery
from gallery.storage_base import StorageAway
from generation.api import remakes
from generation.api import router as generation
from generation.api_own import router as own
from generation.hooks.api import router as webhooks
from generation.submit import Invalid
from generation.usage import TooMany
from lifeos.api_docs import ReferencePage
from lifeos.away import RETRY_AFTER, SENTENCE
from lifeos.openapi import DocumentedApi

api = DocumentedApi(
    title="Life-OS",
    version="1",
    docs=ReferencePage(),
    # What says nothing else; a test asks every operation to say it.
    auth=READ,
    urls_namespace="api",
)
api.add_router("/comfyui", generation)
api.add_router("/comfyui", own)
api.add_router("/gallery", gallery)
api.add_router("/gallery", remakes)
api.add_router("/webhooks", webhooks)
api.add_router("/notices", notices)


def _answer(
    request: HttpRequest, status: int, message: str, **more: Any
) -> HttpResponse:
    return api.create_response(request, {"detail": message, **more}, status=status)


@api.exception_handler(NotFound)
def not_found(request: HttpRequest, exc: NotFound) -> HttpResponse:
    return _answer(request, 404, "Not found")


@api.exception_handler(Conflict)
def conflict(request: HttpRequest, exc: Conflict) -> HttpResponse:
    return _answer(request, 409, str(exc))


@api.exception_handler(TooMany)
def too_many(request: HttpRequest, exc: TooMany) -> HttpResponse:
    response = _answer(request, 429, str(exc))
    response["Retry-After"] = str(exc.retry_after)
    return response


@api.exception_handler(TooFast)
def too_fast(request: HttpRequest, exc: TooFast) -> HttpResponse:
    response = _answer(request, 429, str(exc))
    response["Retry-After"] = str(exc.rate.reset)
    return response


@api.exception_handler(StorageAway)
def away(request: HttpRequest, exc: StorageAway) -> HttpResponse:
    response = _answer(request, 503, SENTENCE)
    response["Retry-After"] = RETRY_AFTER
    return response


@api.exception_handler(NotAllowed)
@api.exception_handler(OutOfScope)
def out_of_scope(request: HttpRequest, exc: Exception) -> HttpResponse:
    return _answer(request, 403, str(exc))


def _fields(request: HttpRequest, errors: list[dict[str, str]]) -> HttpResponse:
    """422 with one entry for each wrong field."""
    return api.create_response(
        request, {"detail": "Some values are wrong.", "errors": errors}, status=422
    )


@api.exception_handler(BadValues)
@api.exception_handler(Invalid)
def invalid(request: HttpRequest, exc: BadValues | Invalid) -> HttpResponse:
    errors = [{"field": name, "message": text} for name, text in exc.errors.items()]
    return _fields(request, errors)


@api.exception_handler(BadCursor)
def bad_cursor(request: HttpRequest, exc: BadCursor) -> HttpResponse:
    return _fields(request, [{"field": "cursor", "message": str(exc)}])


@api.exception_handler(ValidationError)
def validation(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    errors = [
        {
            "field": ".".join(str(part) for part in error.get("loc", ())[1:])
            or str(error.get("loc", ("",))[-1]),
            "message": str(error.get("msg", "")),
        }
        for error in exc.errors
    ]
    return _fields(request, errors)

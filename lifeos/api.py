"""The API: who may call it, and how its errors look."""

from __future__ import annotations

from typing import Any

from allauth.headless.contrib.ninja.security import (
    jwt_token_auth,
    x_session_token_auth,
)
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import ValidationError
from ninja.security import SessionAuth

from accounts.errors import BadValues, Conflict, NotFound
from accounts.paging import BadCursor
from gallery.api import router as gallery
from generation.api import remakes
from generation.api import router as generation
from generation.submit import Invalid
from generation.usage import TooMany


class BrowserSession(SessionAuth):
    """A page's own session, with its CSRF token; never beside a token of a script's:
    one that has run out is a 401, not a missing CSRF token.
    """

    def __call__(self, request: HttpRequest) -> Any:
        if "Authorization" in request.headers or "X-Session-Token" in request.headers:
            return None
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        return super().__call__(request)


api = NinjaAPI(
    title="Life-OS",
    version="1",
    auth=[jwt_token_auth, x_session_token_auth, BrowserSession()],
    urls_namespace="api",
)
api.add_router("/comfyui", generation)
api.add_router("/gallery", gallery)
api.add_router("/gallery", remakes)


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

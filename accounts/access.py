"""Who may call an API operation: `auth=READ`, `GENERATE` or `MANAGE` beside it.

A person's own session or JWT may do all that the person may. A personal key may do
what its scopes name. Everything here is looked up anew for each call, so what is
revoked or deactivated is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.headless.contrib.ninja.security import (
    jwt_token_auth,
    x_session_token_auth,
)
from django.conf import settings
from django.http import HttpRequest
from ninja.security import APIKeyHeader, HttpBearer, SessionAuth

from accounts import rates
from accounts.models import ApiKey, Scope, User, rights_of
from accounts.models.keys import MARK


class OutOfScope(Exception):
    """The key is good, but not for this."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This key lacks the scope “{scope}”.")


class NotAllowed(Exception):
    """The person's groups do not let them use the API."""

    def __init__(self) -> None:
        super().__init__("You may not use the API. Ask who administers this place.")


class _Scoped:
    """What all ways in have in common: the operation's scope, and the rate."""

    # A page's own calls are not what groups may be denied.
    for_scripts = True

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__()

    def admit(self, request: HttpRequest, user: Any, key: ApiKey | None = None) -> Any:
        if not isinstance(user, User) or not user.is_active:
            return None
        if self.for_scripts and not rights_of(user).api:
            raise NotAllowed
        request.user = user
        rates.charge(request, user, key, self.scope)
        return key or user


class BearerToken(_Scoped, HttpBearer):
    """`Authorization: Bearer …` with a personal key or a JWT."""

    def __call__(self, request: HttpRequest) -> Any:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            return None
        return self.authenticate(request, token.strip())

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        if not token.startswith(MARK):
            found = jwt_token_auth(request)
            return self.admit(request, request.user) if found else None
        key = ApiKey.objects.of_token(token)
        if key is None:
            return None
        if not key.allows(self.scope):
            raise OutOfScope(self.scope)
        admitted = self.admit(request, key.owner, key)
        key.note_use()
        return admitted


class SessionToken(_Scoped, APIKeyHeader):
    """The session of allauth's headless API."""

    param_name = "X-Session-Token"

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        user = x_session_token_auth(request)
        return self.admit(request, user) if user else None


class BrowserSession(_Scoped, SessionAuth):
    """A page's own session, with its CSRF token; never beside a token of a script's:
    one that has run out is a 401, not a missing CSRF token.
    """

    for_scripts = False

    def __call__(self, request: HttpRequest) -> Any:
        if "Authorization" in request.headers or "X-Session-Token" in request.headers:
            return None
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        return super().__call__(request)

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return self.admit(request, request.user)


def access(scope: Scope) -> list[Callable[[HttpRequest], Any]]:
    return [BearerToken(scope), SessionToken(scope), BrowserSession(scope)]


READ = access(Scope.READ)
GENERATE = access(Scope.GENERATE)
MANAGE = access(Scope.MANAGE)


def scope_of(callbacks: Any) -> Scope | None:
    """What an operation with these callbacks asks for; None if it says nothing."""
    found = {callback.scope for callback in callbacks if isinstance(callback, _Scoped)}
    return found.pop() if len(found) == 1 else None

"""For each request: who signs in by a proxy, who looks as whom, who was here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts import impersonate, proxies, trusted
from accounts.models import User

GetResponse = Callable[[HttpRequest], HttpResponse]

SEEN_EVERY = timedelta(minutes=5)
HEADERS = {
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(),"
    " usb=(), browsing-topics=(), interest-cohort=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class HeadersMiddleware:
    """Headers that Django's own middleware does not set; a view's own stay."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.user.is_authenticated:
            # Nobody's pages stay in a shared computer's or a proxy's cache.
            response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


class TrustedLoginMiddleware:
    """Sign people in whom Cloudflare Access or Tailscale has let through."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.LIFEOS_TRUSTED_LOGIN == "off":
            return self.get_response(request)
        identity = trusted.identity_of(request)
        opened_by = request.session.get(trusted.SESSION_KEY)
        if opened_by and (identity is None or identity.email != opened_by):
            # Somebody else now, or a stolen cookie on another way in.
            logout(request)
        if identity and not request.user.is_authenticated:
            trusted.sign_in(request, identity)
        return self.get_response(request)


class ImpersonationMiddleware:
    """While an administrator looks as somebody, `request.user` is that person.

    Nothing can be changed meanwhile, and every page and file that is opened is logged.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        current = impersonate.current(request)
        if current is None:
            return self.get_response(request)
        request.administrator = request.user  # type: ignore[attr-defined]
        request.impersonation = current  # type: ignore[attr-defined]
        request.user = current.person
        if request.path == impersonate.end_path():
            return self.get_response(request)
        if request.method not in ("GET", "HEAD") or impersonate.is_private(request):
            return render(request, "people/only_looking.html", status=403)
        response = self.get_response(request)
        impersonate.log_opened(request, response)
        return response


class LastSeenMiddleware:
    """Remember when a person and their session were here, once in a few minutes."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = getattr(request, "administrator", request.user)
        key = request.session.session_key
        seconds = SEEN_EVERY.total_seconds()
        if isinstance(user, User) and key and cache.add(f"seen:{key}", 1, seconds):
            now = timezone.now()
            User.objects.filter(pk=user.pk).update(last_seen=now)
            UserSession.objects.filter(session_key=key).update(
                last_seen_at=now, ip=proxies.client_address(request) or "0.0.0.0"
            )
        return self.get_response(request)
